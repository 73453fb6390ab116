import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, type Family, address, addressFromInteger } from '../../../src/net/address.ts';
import { ByteWriter, ShortReadError } from '../../../src/net/bytes.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { type Prefix, parsePrefix, prefix } from '../../../src/net/prefix.ts';
import type { NewRoute, NextHop, RouteMake } from '../../../src/netlink/kernel.ts';
import { readMessages } from '../../../src/netlink/message.ts';
import { decodeAddress, encodeAddress } from '../../../src/netlink/rtnetlink/address.ts';
import { decodeLink, encodeLinkChange, encodeNewLink } from '../../../src/netlink/rtnetlink/link.ts';
import { formatMac, parseMac } from '../../../src/netlink/rtnetlink/mac.ts';
import { decodeNeighbor, encodeNeighbor } from '../../../src/netlink/rtnetlink/neighbor.ts';
import { ROUTE_MESSAGES, RouteMessages } from '../../../src/netlink/rtnetlink/route-messages.ts';
import { decodeRoute, defaultScope } from '../../../src/netlink/rtnetlink/route.ts';

function encoded(body: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  body(writer);
  return writer.bytes();
}

/** What RTM_NEWROUTE says of one route. */
function routePayload({ destination, ...make }: NewRoute): Uint8Array {
  const messages = new RouteMessages();
  messages.set('add', prefixBits(destination), make);
  return readMessages(messages.bytes)[0]!.payload;
}

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

const anyAddress = (family: Family): fc.Arbitrary<Address> =>
  fc
    .bigInt({ min: 0n, max: (1n << (family === 4 ? 32n : 128n)) - 1n })
    .map((value) => addressFromInteger(family, value));
const anyPrefix = (family: Family): fc.Arbitrary<Prefix> =>
  fc
    .tuple(anyAddress(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
    .map(([host, length]) => parsePrefix(`${host}/${length}`)!);
const u32 = fc.integer({ min: 1, max: 0xffffffff });
const anyIndex = fc.integer({ min: 1, max: 0x7fffffff });

describe('the route codec', () => {
  it('writes what `ip route add 10.0.0.0/8 via 192.0.2.9 dev 3 proto 80 metric 7` writes', () => {
    const route: NewRoute = {
      destination: prefix('10.0.0.0/8'),
      nextHops: [{ gateway: address('192.0.2.9'), interface: 3 }],
      metric: 7,
      protocol: 80,
    };
    expect(hex(routePayload(route))).toBe(
      '02080000fe500001' + // AF_INET /8, table main, protocol 80, scope universe, unicast
        '00000000' +
        '08000100' +
        '0a000000' + // RTA_DST
        '08000f00' +
        'fe000000' + // RTA_TABLE
        '08000600' +
        '07000000' + // RTA_PRIORITY
        '08000400' +
        '03000000' + // RTA_OIF
        '08000500' +
        'c0000209', // RTA_GATEWAY
    );
  });

  for (const family of [4, 6] as const) {
    it(`reads back every IPv${family} route that it writes`, () => {
      const gateway = family === 4 ? fc.oneof(anyAddress(4), anyAddress(6)) : anyAddress(6);
      const hop = fc.record(
        { gateway, interface: anyIndex, onlink: fc.constant(true as const) },
        {
          requiredKeys: ['interface'],
        },
      );
      const weighted = fc
        .tuple(hop, fc.integer({ min: 2, max: 256 }))
        .map(([one, weight]): NextHop => ({ ...one, weight }));
      const nextHops = fc.oneof(
        hop.map((one): NextHop[] => [one]),
        fc.array(fc.oneof(hop, weighted), { minLength: 2, maxLength: 4 }),
      );
      const route = fc.record(
        {
          destination: anyPrefix(family),
          nextHops,
          metric: u32,
          protocol: fc.integer({ min: 1, max: 255 }),
          table: u32,
          preferredSource: anyAddress(family),
        },
        { requiredKeys: ['destination', 'nextHops', 'protocol'] },
      );
      fc.assert(
        fc.property(route, (wanted) => {
          const read = decodeRoute(routePayload(wanted));
          expect(read).toEqual({
            type: 'unicast',
            metric: 0,
            table: 254,
            scope: defaultScope(family, wanted),
            ...wanted,
          });
        }),
      );
    });
  }

  it('writes routes one after another as it writes each alone', () => {
    const family = fc.constantFrom<Family>(4, 6);
    const hops: readonly (readonly NextHop[])[] = [
      [],
      [{ interface: 3 }],
      [{ gateway: address('fe80::1'), interface: 4, onlink: true }],
      [
        { gateway: address('fe80::1'), interface: 4 },
        { interface: 5, weight: 9 },
      ],
    ];
    const make = fc.record(
      {
        nextHops: fc.constantFrom(...hops),
        type: fc.constantFrom('unicast', 'blackhole'),
        scope: fc.constantFrom('global', 'link'),
        metric: fc.constantFrom(0, 1, 1024),
        protocol: fc.constantFrom(80, 81),
        table: fc.constantFrom(254, 1000),
        preferredSource: fc.constantFrom(address('fd00::1'), address('fd00::2')),
      },
      { requiredKeys: ['protocol'] },
    );
    const operation = fc.constantFrom('add', 'replace', 'delete');
    // Of few makes, as the routes of a table are.
    const table = fc
      .array(make, { minLength: 1, maxLength: 3 })
      .chain((makes) => fc.array(fc.tuple(operation, family.chain(anyPrefix), fc.constantFrom(...makes))));
    const put = (
      messages: RouteMessages,
      [what, destination, one]: readonly [string, Prefix, RouteMake],
    ): void => {
      if (what === 'delete') messages.delete(prefixBits(destination), one);
      else messages.set(what as 'add', prefixBits(destination), one);
    };
    const shared = new RouteMessages();
    fc.assert(
      fc.property(table, (changes) => {
        shared.begin(7);
        for (const change of changes) put(shared, change);
        const alone = changes.map((change, index) => {
          const messages = new RouteMessages();
          messages.begin(7 + index);
          put(messages, change);
          return hex(messages.bytes);
        });
        expect(shared.length).toBe(changes.length);
        expect(hex(shared.bytes)).toBe(alone.join(''));
        expect(changes.map((_, index) => shared.operation(index))).toEqual(
          changes.map(([what, destination]) => `${what} route ${destination}`),
        );
      }),
    );
  });

  it('is full when it has many messages, or much in them', () => {
    const fill = (make: RouteMake): RouteMessages => {
      const messages = new RouteMessages();
      while (!messages.isFull) messages.set('add', prefixBits(prefix('10.0.0.0/8')), make);
      return messages;
    };
    expect(fill({ protocol: 80 }).length).toBe(ROUTE_MESSAGES);
    const nextHops = Array.from({ length: 256 }, (_, index) => ({ interface: index + 1 }));
    const wide = fill({ protocol: 80, nextHops });
    expect(wide.length).toBeLessThan(ROUTE_MESSAGES);
    expect(wide.bytes.length).toBeLessThan(3 << 20);
  });

  it('leaves the loopback out of what leads nowhere, and clones out altogether', () => {
    const blackhole: NewRoute = { destination: prefix('fd00::/8'), type: 'blackhole', protocol: 80 };
    const withLoopback = routePayload({ ...blackhole, nextHops: [{ interface: 1 }] });
    expect(decodeRoute(withLoopback)).toMatchObject({ type: 'blackhole', nextHops: [] });
    withLoopback[9] = 2; // RTM_F_CLONED
    expect(decodeRoute(withLoopback)).toBeUndefined();
  });
});

describe('the address codec', () => {
  it('reads back what it writes', () => {
    const entry = fc.constantFrom<Family>(4, 6).chain((family) =>
      fc.record({
        interface: anyIndex,
        address: anyAddress(family),
        prefixLength: fc.integer({ min: 0, max: family === 4 ? 32 : 128 }),
        scope: fc.constantFrom('global' as const, 'link' as const, 'host' as const),
        protocol: fc.integer({ min: 0, max: 255 }),
      }),
    );
    fc.assert(
      fc.property(entry, (wanted) => {
        const read = decodeAddress(encoded((out) => encodeAddress(out, wanted)));
        expect(read).toEqual({ ...wanted, tentative: false });
      }),
    );
  });

  it('asks for no duplicate detection by IFA_F_NODAD (RFC 4862 §5.4)', () => {
    const entry = {
      interface: 2,
      address: address('fd00::1'),
      prefixLength: 128,
      noDuplicateDetection: true,
    };
    expect(hex(encoded((out) => encodeAddress(out, entry))).endsWith('0800080002000000')).toBe(true);
  });
});

describe('the neighbour codec', () => {
  it('reads back permanent and proxy entries', () => {
    const host = fc.constantFrom<Family>(4, 6).chain(anyAddress);
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(formatMac);
    const key = { interface: anyIndex, address: host };
    const entry = fc.oneof(fc.record({ ...key, mac }), fc.record({ ...key, proxy: fc.constant(true) }));
    fc.assert(
      fc.property(entry, (wanted) => {
        const proxy = 'proxy' in wanted;
        expect(decodeNeighbor(encoded((out) => encodeNeighbor(out, wanted)))).toEqual({
          neighbor: { ...wanted, permanent: !proxy, proxy },
          usable: true,
        });
      }),
    );
  });

  const states: readonly [name: string, state: number, usable: boolean | undefined][] = [
    ['REACHABLE', 0x02, true],
    ['STALE', 0x04, true],
    ['INCOMPLETE', 0x01, false],
    ['FAILED', 0x20, false],
    ['NONE', 0x00, false],
    ['NOARP', 0x40, undefined],
  ];
  it.each(states)('takes state %s (%i) as usable: %s', (_, state, usable) => {
    const payload = encoded((out) =>
      encodeNeighbor(out, { interface: 2, address: address('192.0.2.1'), mac: '02:00:00:00:00:01' }),
    );
    payload[8] = state;
    expect(decodeNeighbor(payload)?.usable).toBe(usable);
  });
});

describe('the link codec', () => {
  it('reads back what a change writes', () => {
    const change = {
      name: 'cali1',
      mtu: 1440,
      mac: '02:00:00:00:00:01',
      alias: 'größe',
      master: 9,
      up: true,
    };
    expect(decodeLink(encoded((out) => encodeLinkChange(out, 5, change)))).toEqual({
      index: 5,
      ...change,
      loopback: false,
      carrier: false,
    });
  });

  it('says the kind of a new link, and nothing of a bridge port message (AF_BRIDGE)', () => {
    const payload = encoded((out) => encodeNewLink(out, { kind: 'veth', name: 'a', peer: { name: 'b' } }, 7));
    expect(decodeLink(payload)).toMatchObject({ name: 'a', kind: 'veth', up: false });
    payload[0] = 7;
    expect(decodeLink(payload)).toBeUndefined();
  });
});

describe('MAC addresses', () => {
  it('are read in either case and written in lower', () => {
    expect(formatMac(parseMac('EE:ee:0A:00:ff:01'))).toBe('ee:ee:0a:00:ff:01');
  });

  it.each([
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:00:00',
    '2:0:0:0:0:0',
    '02-00-00-00-00-00',
    'g2:00:00:00:00:00',
  ])('are not %j', (text) => expect(() => parseMac(text)).toThrow(RangeError));
});

describe('every decoder', () => {
  it.each([
    ['link', decodeLink],
    ['address', decodeAddress],
    ['route', decodeRoute],
    ['neighbour', decodeNeighbor],
  ] as const)('of a %s fails on any bytes only by a short read or a bad length', (_, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (payload) => {
        try {
          decode(payload);
        } catch (error) {
          expect(error instanceof ShortReadError || error instanceof RangeError).toBe(true);
        }
      }),
    );
  });
});
