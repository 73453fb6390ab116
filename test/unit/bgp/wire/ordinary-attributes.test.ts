import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAttributes } from '../../../../src/bgp/wire/attribute-list.ts';
import { decodeRecord, encodeRecord } from '../../../../src/bgp/wire/attribute-record.ts';
import { encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { nextHopFault } from '../../../../src/bgp/wire/next-hop.ts';
import { readOrdinary } from '../../../../src/bgp/wire/ordinary-attributes.ts';
import { ByteWriter } from '../../../../src/net/bytes.ts';
import {
  UpdateWriter,
  encodeRouteAttributes,
  fits,
  recordFits,
} from '../../../../src/bgp/wire/update-writer.ts';
import { anyUpdate, u8 } from './arbitraries.ts';
import { toHex } from './bytes.ts';
import { mostlyOrdinary } from './ordinary.ts';

const EXTERNAL: WireOptions = { ...BASIC_WIRE, families: [4, 6], fourOctetAs: true, extendedMessages: true };
const SESSIONS: readonly (readonly [string, WireOptions])[] = [
  ['external', EXTERNAL],
  ['internal', { ...EXTERNAL, external: false }],
  ['internal with ADD-PATH', { ...EXTERNAL, external: false, addPathReceive: [4, 6], addPathSend: [4, 6] }],
  ['of IPv4 only', { ...EXTERNAL, families: [4] }],
];

/** The two fields of an UPDATE that matter here. */
function fieldsOf(message: Uint8Array): { start: number; end: number; classic: boolean } {
  const word = (at: number): number => (message[at]! << 8) | message[at + 1]!;
  const lengthAt = 21 + word(19);
  const start = lengthAt + 2;
  const end = start + word(lengthAt);
  return { start, end, classic: end < message.length };
}

describe('the lean reading of attributes', () => {
  it.each(SESSIONS)('agrees with the registry on all that it takes, damaged or not: %s', (_, wire) => {
    let taken = 0;
    let damagedTaken = 0;
    const damage = fc.array(fc.tuple(fc.nat(), u8), { maxLength: 2 });
    const updates = fc
      .tuple(anyUpdate(wire), mostlyOrdinary(wire))
      .map(([update, attributes]) => ({ ...update, attributes, withdrawn: [] }));
    fc.assert(
      fc.property(updates, damage, (update, edits) => {
        for (const announced of update.announced) {
          const message = encodeMessage({ ...update, announced: [announced] }, wire);
          if (message.length !== ((message[16]! << 8) | message[17]!)) continue; // became several
          const { start, end, classic } = fieldsOf(message);
          for (const [at, value] of edits) message[start + (at % (end - start))] = value;
          const ordinary = readOrdinary(message, start, end, wire, classic);
          if (ordinary === undefined) continue;
          taken++;
          if (edits.length > 0) damagedTaken++;
          const { draft, faults } = decodeAttributes(message, start, end, wire);
          expect(faults).toEqual([]);
          const { origin, asPath } = draft.attributes;
          const nextHop = classic ? draft.nextHop : draft.reach?.nextHop;
          expect([origin, asPath, nextHop]).not.toContain(undefined);
          expect(nextHopFault(nextHop!)).toBeUndefined();
          const record = ordinary.bytes.slice(ordinary.start, ordinary.end);
          const values = { attributes: { ...draft.attributes, origin: origin!, asPath: asPath! }, nextHop };
          expect(toHex(record)).toBe(toHex(encodeRecord(values)));
          expect(decodeRecord(record)).toEqual(values);
          expect(ordinary.reach).toEqual(draft.reach?.nlri);
          expect(ordinary.unreach).toEqual(draft.unreach);
        }
      }),
      { numRuns: 1000 },
    );
    expect(taken).toBeGreaterThan(150);
    expect(damagedTaken).toBeGreaterThan(20);
  });
});

describe('a record', () => {
  it.each(SESSIONS)('is sent as its values are: %s', (_, wire) => {
    fc.assert(
      fc.property(anyUpdate(wire), mostlyOrdinary(wire), ({ announced }, attributes) => {
        for (const { family, nextHop } of announced) {
          const record = encodeRecord({ attributes, nextHop });
          const values = decodeRecord(record);
          const encoded = encodeRouteAttributes(values.attributes, family, values.nextHop!, wire);
          for (const extendedMessages of [true, false]) {
            expect(recordFits(record, record.length, family, { extendedMessages })).toBe(
              fits(encoded, family, values.nextHop!, { extendedMessages }),
            );
          }
          const [byRecord, byValues] = [new ByteWriter(), new ByteWriter()];
          const first = new UpdateWriter(byRecord, wire);
          const padded = Uint8Array.of(1, 2, 3, ...record, 4);
          first.beginRecord(family, padded, 3, 3 + record.length);
          const second = new UpdateWriter(byValues, wire);
          second.begin({ kind: 'announce', family, nextHop: values.nextHop!, attributes: encoded });
          for (const updates of [first, second]) {
            updates.prefix(Uint8Array.of(192, 0, 2), 0, 24, 7);
            updates.end();
          }
          expect(toHex(byRecord.copy())).toBe(toHex(byValues.copy()));
        }
      }),
      { numRuns: 150 },
    );
  });
});
