import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import { ByteWriter } from '../../../../src/net/bytes.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { decodeMessage, encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../../../src/bgp/wire/framer.ts';
import {
  BASIC_WIRE,
  type PathAttributes,
  type ReceivedUpdate,
  type WireOptions,
} from '../../../../src/bgp/wire/message.ts';
import { UpdateWriter, encodeRouteAttributes, fits } from '../../../../src/bgp/wire/update-writer.ts';

const WIRE: WireOptions = { ...BASIC_WIRE, families: [4, 6], fourOctetAs: true };
const ATTRIBUTES: PathAttributes = { origin: 'igp', asPath: [{ type: 'sequence', asNumbers: [64512] }] };
const NEXT_HOP = { 4: { address: address('10.0.0.1') }, 6: { address: address('2001:db8::1') } } as const;

const hosts = {
  4: (count: number) =>
    Array.from({ length: count }, (_, n) => prefix(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`)),
  6: (count: number) => Array.from({ length: count }, (_, n) => prefix(`2001:db8::${n.toString(16)}/128`)),
} as const;

function split(bytes: Uint8Array, wire: WireOptions): { length: number; update: ReceivedUpdate }[] {
  const framer = new MessageFramer();
  framer.extendedMessages = wire.extendedMessages;
  framer.push(bytes);
  const found: { length: number; update: ReceivedUpdate }[] = [];
  for (let message = framer.next(); message !== undefined; message = framer.next()) {
    if (!(message instanceof Uint8Array)) throw new Error(message.reason);
    const update = decodeMessage(message, wire);
    if (update.type !== 'update') throw new Error(update.type);
    found.push({ length: message.length, update });
  }
  return found;
}

describe('UPDATE packing', () => {
  for (const family of [4, 6] as const) {
    for (const extendedMessages of [false, true]) {
      const wire = { ...WIRE, extendedMessages };
      const maximum = extendedMessages ? 65_535 : 4096;
      const size = family === 4 ? 5 : 17;

      it(`fills IPv${family} announcements of up to ${maximum} octets (RFC 4271 §4, RFC 8654)`, () => {
        const prefixes = hosts[family](10_000);
        const announced = [{ family, prefixes, nextHop: NEXT_HOP[family] }];
        const bytes = encodeMessage(
          { type: 'update', withdrawn: [], announced, attributes: ATTRIBUTES },
          wire,
        );
        const messages = split(bytes, wire);
        expect(messages.flatMap(({ update }) => update.announced.flatMap((entry) => entry.prefixes))).toEqual(
          prefixes,
        );
        for (const { length } of messages) expect(length).toBeLessThanOrEqual(maximum);
        for (const { length } of messages.slice(0, -1)) expect(length).toBeGreaterThan(maximum - size);
      });

      it(`fills IPv${family} withdrawals of up to ${maximum} octets`, () => {
        const prefixes = hosts[family](10_000);
        const messages = split(
          encodeMessage({ type: 'update', withdrawn: [{ family, prefixes }], announced: [] }, wire),
          wire,
        );
        expect(messages.flatMap(({ update }) => update.withdrawn.flatMap((entry) => entry.prefixes))).toEqual(
          prefixes,
        );
        for (const { length } of messages.slice(0, -1)) expect(length).toBeGreaterThan(maximum - size);
      });
    }
  }

  it('writes an UPDATE of exactly 4,096 octets', () => {
    const run = { kind: 'withdraw', family: 4 } as const;
    const writer = new ByteWriter();
    const updates = new UpdateWriter(writer, WIRE);
    updates.begin(run);
    // 4,096 − 23 = 4,073 octets: 814 hosts of five and one prefix of three.
    for (let n = 0; n < 814; n++) updates.prefix(Uint8Array.of(10, 0, n >> 8, n & 255), 0, 32, 0);
    updates.prefix(Uint8Array.of(10, 1), 0, 16, 0);
    updates.end();
    expect(split(writer.copy(), WIRE).map(({ length }) => length)).toEqual([4096]);
  });

  it('writes nothing for a run without prefixes', () => {
    expect(
      encodeMessage({ type: 'update', withdrawn: [{ family: 4, prefixes: [] }], announced: [] }, WIRE),
    ).toEqual(new Uint8Array(0));
  });

  it('says beforehand whether attributes leave room for a prefix', () => {
    const communities = (count: number): PathAttributes => ({
      ...ATTRIBUTES,
      communities: Array.from({ length: count }, (_, n) => n),
    });
    for (const family of [4, 6] as const) {
      const ok = (count: number, extendedMessages: boolean): boolean => {
        const wire = { ...WIRE, extendedMessages };
        return fits(
          encodeRouteAttributes(communities(count), family, NEXT_HOP[family], wire),
          family,
          NEXT_HOP[family],
          wire,
        );
      };
      const most = Array.from({ length: 1100 }, (_, n) => n).findLast((count) => ok(count, false))!;
      expect(most).toBeGreaterThan(980);
      expect(ok(most + 10, true)).toBe(true);
      const announced = [{ family, prefixes: hosts[family](3), nextHop: NEXT_HOP[family] }];
      const write = (count: number): Uint8Array =>
        encodeMessage({ type: 'update', withdrawn: [], announced, attributes: communities(count) }, WIRE);
      expect(split(write(most), WIRE).length).toBeGreaterThanOrEqual(1);
      expect(() => write(most + 10)).toThrow('no room');
    }
  });

  it('keeps the partial bit and sets it on attributes it does not know (RFC 4271 §5)', () => {
    const attributes: PathAttributes = {
      ...ATTRIBUTES,
      communities: [1],
      partial: [8],
      unknown: [{ code: 200, value: Uint8Array.of(1) }],
    };
    const bytes = encodeRouteAttributes(attributes, 4, NEXT_HOP[4], WIRE);
    expect([...bytes.subarray(-11)]).toEqual([0xe0, 8, 4, 0, 0, 0, 1, 0xe0, 200, 1, 1]);
  });

  it('gives an IPv6 prefix with an IPv4 next hop the mapped address (RFC 4291 §2.5.5.2)', () => {
    const announced = [{ family: 6 as const, prefixes: [prefix('::/0')], nextHop: NEXT_HOP[4] }];
    const bytes = encodeMessage({ type: 'update', withdrawn: [], announced, attributes: ATTRIBUTES }, WIRE);
    expect(split(bytes, WIRE)[0]!.update.announced[0]!.nextHop).toEqual({ address: '::ffff:10.0.0.1' });
  });
});
