import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompiledPeer, CompiledRule, PortRange } from '../../../src/calc/output.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { renderMatches } from '../../../src/nftables/render/rule.ts';
import { calculatedSet } from '../../../src/nftables/render/set-names.ts';
import type { SetValue } from '../../../src/nftables/ruleset.ts';
import { RULE_SHAPES, peer, rule } from './fixtures.ts';
import { type Members, type Packet, matchesHold, ruleMatches } from './packet.ts';

const MEMBERS: Members = {
  web: ['10.0.0.0/25', '10.0.1.1/32', 'fd00::/65'],
  other: ['10.0.0.64/26', 'fd00::1/128'],
  http: ['10.0.0.1,6,80', '10.0.0.1,17,80', 'fd00::1,6,81'],
  dns: ['10.0.1.1,17,53', '10.0.0.1,6,80', 'fd00::1,132,80'],
};
const KINDS = { web: 'addresses', other: 'addresses', http: 'named-port', dns: 'named-port' } as const;

/** The calculated sets as the renderer declares them. */
const CALCULATED: SetValue[] = (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((id) =>
  ([4, 6] as const).map((family) => ({
    ...calculatedSet(KINDS[id] === 'addresses' ? 'networks' : 'ports', id, family, id),
    elements: MEMBERS[id]!.filter((member) => member.includes(':') === (family === 6)).map((key) => ({
      key,
    })),
  })),
);

const maybe = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }) },
  );
const nets = maybe(
  fc
    .constantFrom(
      '0.0.0.0/0',
      '::/0',
      '10.0.0.0/24',
      '10.0.0.0/25',
      '10.0.0.128/25',
      '10.0.1.0/24',
      '10.0.0.1/32',
      'fd00::/16',
      'fd00::1/128',
      '255.255.255.255/32',
    )
    .map(prefix),
);
const PORTS = [0, 1, 53, 80, 81, 1023, 65_535];
const range: fc.Arbitrary<PortRange> = fc
  .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

const arbitraryPeer: fc.Arbitrary<CompiledPeer> = fc.record({
  nets,
  notNets: nets,
  sets: maybe(fc.constantFrom('web', 'other')),
  notSets: maybe(fc.constantFrom('web', 'other')),
  ports: maybe(range),
  namedPortSets: maybe(fc.constantFrom('http', 'dns')),
  notPorts: maybe(range),
  notNamedPortSets: maybe(fc.constantFrom('http', 'dns')),
});

const PROTOCOLS = [1, 6, 17, 47, 58, 132, 136];
const icmp = fc.oneof(
  fc.record({ type: fc.constantFrom(0, 3, 8, 128) }),
  fc.record({ type: fc.constantFrom(0, 3, 8, 128), code: fc.constantFrom(0, 1, 3) }),
);
const rarely = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one });

const arbitraryRule: fc.Arbitrary<CompiledRule> = fc
  .record({
    ipVersion: rarely(fc.constantFrom<(4 | 6)[]>(4, 6)),
    protocol: fc.option(fc.constantFrom(...PROTOCOLS), { freq: 2, nil: undefined }),
    notProtocol: rarely(fc.constantFrom(...PROTOCOLS)),
    icmp: rarely(icmp),
    notIcmp: rarely(icmp),
    source: arbitraryPeer,
    destination: arbitraryPeer,
  })
  .map((fields) =>
    rule(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))),
  );

const ADDRESSES = {
  4: ['10.0.0.1', '10.0.0.70', '10.0.0.200', '10.0.1.1', '192.168.0.1', '255.255.255.255', '0.0.0.0'],
  6: ['fd00::1', 'fd00::2', 'fd00:0:0:0:8000::1', 'fd01::1', '::'],
} as const;

const arbitraryPacket: fc.Arbitrary<Packet> = fc.constantFrom<(4 | 6)[]>(4, 6).chain((family) =>
  fc.record({
    source: fc.constantFrom(...ADDRESSES[family]).map(address),
    destination: fc.constantFrom(...ADDRESSES[family]).map(address),
    protocol: fc.constantFrom(...PROTOCOLS),
    sport: fc.constantFrom(...PORTS),
    dport: fc.constantFrom(...PORTS),
    icmpType: fc.constantFrom(0, 3, 8, 128),
    icmpCode: fc.constantFrom(0, 1, 3),
  }),
);

describe('a rendered rule', () => {
  it('matches exactly the packets that the policy rule is about', () => {
    let matched = 0;
    fc.assert(
      fc.property(
        arbitraryRule,
        fc.array(arbitraryPacket, { minLength: 20, maxLength: 20 }),
        (one, packets) => {
          const { alternatives, sets } = renderMatches(one, false, [4, 6]);
          for (const packet of packets) {
            const expected = ruleMatches(one, packet, MEMBERS);
            if (expected) matched++;
            const hits = alternatives.filter((matches) =>
              matchesHold(matches, packet, [...sets, ...CALCULATED]),
            );
            expect(hits.length > 0, JSON.stringify({ packet, alternatives })).toBe(expected);
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(500);
  });

  it('leaves out a family that no workload has, and matches the other as before', () => {
    fc.assert(
      fc.property(arbitraryRule, fc.constantFrom<(4 | 6)[]>(4, 6), (one, family) => {
        const all = renderMatches(one, false, [4, 6]).alternatives;
        const some = renderMatches(one, false, [family]).alternatives;
        expect(all).toEqual(expect.arrayContaining([...some]));
        const other: unknown[] = family === 4 ? ['ip6', 'icmpv6', 10] : ['ip', 'icmp', 2];
        const fields = some.flat().flatMap(({ left, right }) => {
          if ('payload' in left) return [left.payload.protocol];
          return 'meta' in left && left.meta.key === 'nfproto' ? [right] : [];
        });
        expect(fields.filter((field) => other.includes(field))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('matches no packet twice when it is to be logged', () => {
    fc.assert(
      fc.property(
        arbitraryRule,
        fc.array(arbitraryPacket, { minLength: 20, maxLength: 20 }),
        (one, packets) => {
          const { alternatives, sets } = renderMatches(one, true, [4, 6]);
          for (const packet of packets) {
            const hits = alternatives.filter((matches) =>
              matchesHold(matches, packet, [...sets, ...CALCULATED]),
            );
            expect(hits.length).toBe(ruleMatches(one, packet, MEMBERS) ? 1 : 0);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['IPv4 nets under IPv6', rule({ ipVersion: 6, source: peer({ nets: [prefix('10.0.0.0/8')] }) })],
    [
      'nets of different families on both sides',
      rule({
        source: peer({ nets: [prefix('10.0.0.0/8')] }),
        destination: peer({ nets: [prefix('fd00::/8')] }),
      }),
    ],
    ['everything but everything', rule({ ipVersion: 4, source: peer({ notNets: [prefix('0.0.0.0/0')] }) })],
    ['a protocol and not that protocol', rule({ protocol: 6, notProtocol: 6 })],
    [
      'ports of a protocol without ports',
      rule({ protocol: 47, source: peer({ ports: [{ first: 1, last: 1 }] }) }),
    ],
    ['no port at all', rule({ protocol: 6, source: peer({ notPorts: [{ first: 0, last: 65_535 }] }) })],
    ['an ICMP type of TCP', rule({ protocol: 6, icmp: { type: 8 } })],
    ['an ICMPv6 type under IPv4', rule({ protocol: 58, ipVersion: 4, icmp: { type: 128 } })],
  ])('is left out when it can match no packet: %s', (_, one) => {
    expect(renderMatches(one, false, [4, 6])).toEqual({ alternatives: [], sets: [] });
  });

  it('stays one rule for both families when it says nothing about addresses', () => {
    for (const shape of ['no match at all', 'tcp', 'a port', 'several ports', 'a port without a protocol']) {
      expect(renderMatches(RULE_SHAPES[shape]!, false, [4, 6]).alternatives.length).toBe(1);
    }
  });

  it('uses equal sets for equal lists, in whatever order they are written', () => {
    const ports = [
      { first: 80, last: 80 },
      { first: 443, last: 443 },
    ];
    const list = (order: readonly PortRange[]): SetValue[] => [
      ...renderMatches(rule({ protocol: 6, destination: peer({ ports: order }) }), false, [4, 6]).sets,
    ];
    expect(list(ports)).toEqual(list(ports.toReversed()));
    expect(list(ports).map(({ elements }) => elements)).toEqual([[{ key: '80' }, { key: '443' }]]);
  });
});
