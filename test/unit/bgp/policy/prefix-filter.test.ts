import { describe, expect, it } from 'vitest';
import { PrefixFilter } from '../../../../src/bgp/policy/prefix-filter.ts';
import { UNCHANGED } from '../../../../src/bgp/policy/route-edit.ts';
import { prefixBits } from '../../../../src/net/prefix-bits.ts';
import { prefix } from '../../../../src/net/prefix.ts';

const facts = {
  blocks: [prefix('10.65.1.0/26'), prefix('fd65::1:0/122'), prefix('10.66.3.0/26')],
  pools: [
    { cidr: prefix('10.65.0.0/16'), exported: true },
    { cidr: prefix('10.66.0.0/16'), exported: false },
    { cidr: prefix('10.65.9.0/24'), exported: false },
    { cidr: prefix('fd65::/48'), exported: true },
  ],
  services: [
    { cidr: prefix('10.96.0.0/16'), kind: 'cluster', advertised: true },
    { cidr: prefix('192.0.2.0/24'), kind: 'load-balancer', advertised: true },
    { cidr: prefix('203.0.113.0/28'), kind: 'external', advertised: false },
  ],
  advertisements: [],
  aggregates: [],
  reflector: false,
} as const;

describe('the export chain of Calico', () => {
  const filter = new PrefixFilter(facts);
  it.each([
    ['10.65.1.0/26', true, 'own-block'],
    ['fd65::1:0/122', true, 'own-block'],
    ['10.65.1.7/32', 'elevated', 'inside-own-block'],
    ['10.65.1.32/27', 'elevated', 'inside-own-block'],
    ['fd65::1:5/128', 'elevated', 'inside-own-block'],
    ['10.65.2.7/32', true, 'exported-pool'],
    ['10.65.0.0/16', true, 'exported-pool'],
    ['fd65::2:5/128', true, 'exported-pool'],
    ['10.66.3.0/26', false, 'pool-not-exported'],
    ['10.66.3.7/32', false, 'pool-not-exported'],
    ['10.66.4.1/32', false, 'pool-not-exported'],
    ['10.65.9.64/26', false, 'pool-not-exported'],
    ['10.96.0.0/16', true, 'service-range'],
    ['192.0.2.0/24', true, 'service-range'],
    ['192.0.2.1/32', 'own', 'service-address'],
    ['203.0.113.0/28', 'own', 'service-address'],
    ['10.96.0.1/32', 'own', 'service-address'],
    ['10.64.0.0/15', false, 'not-in-a-pool'],
    ['0.0.0.0/0', false, 'not-in-a-pool'],
    ['::/0', false, 'not-in-a-pool'],
  ] as const)('gives %s accept=%s by rule %s', (text, accept, rule) => {
    expect(filter.verdict(prefixBits(prefix(text)))).toEqual({ accept, rule, edit: UNCHANGED });
  });

  it.each([
    ['10.65.0.0/16', 'own', 'aggregate'],
    ['10.65.1.0/26', true, 'own-block'],
    ['10.66.0.0/16', 'own', 'aggregate'],
    ['10.66.3.0/26', false, 'inside-aggregate'],
    ['10.67.0.0/16', false, 'not-in-a-pool'],
  ] as const)('with aggregates gives %s accept=%s by rule %s', (text, accept, rule) => {
    const aggregates = [
      { prefix: prefix('10.65.0.0/16'), summaryOnly: false },
      { prefix: prefix('10.66.0.0/16'), summaryOnly: true },
    ];
    const summing = new PrefixFilter({ ...facts, aggregates });
    expect(summing.verdict(prefixBits(prefix(text)))).toEqual({ accept, rule, edit: UNCHANGED });
  });

  it.each([
    ['192.0.2.1/32', true, 'inside-service-range'],
    ['203.0.113.0/28', true, 'inside-service-range'],
    ['10.96.0.1/32', 'own', 'service-address'],
    ['10.96.0.0/16', true, 'service-range'],
  ] as const)('on a reflector gives %s accept=%s by rule %s', (text, accept, rule) => {
    const reflector = new PrefixFilter({ ...facts, reflector: true });
    expect(reflector.verdict(prefixBits(prefix(text)))).toMatchObject({ accept, rule });
  });

  it('knows what is in a pool whose routes are not for the kernel', () => {
    const pools = [
      { cidr: prefix('10.1.0.0/16'), exported: true, programmed: false },
      { cidr: prefix('10.2.0.0/16'), exported: true },
    ];
    const some = new PrefixFilter({ ...facts, pools });
    const routes = ['10.1.0.0/26', '10.1.0.0/16', '10.2.0.0/26', '10.0.0.0/8'];
    expect(routes.filter((text) => some.isUnprogrammed(prefixBits(prefix(text))))).toEqual(
      routes.slice(0, 2),
    );
  });

  it('knows what is a service address, advertised here or not', () => {
    const services = ['10.96.0.1/32', '192.0.2.0/24', '203.0.113.3/32', '203.0.113.16/32', '10.0.0.0/8'];
    expect(services.filter((text) => filter.isService(prefixBits(prefix(text))))).toEqual(
      services.slice(0, 3),
    );
  });
});

describe('prefixAdvertisements', () => {
  const large = { global: 64512, local1: 1, local2: 2 };
  const filter = new PrefixFilter({
    ...facts,
    advertisements: [
      { cidr: prefix('10.65.0.0/16'), communities: [1], largeCommunities: [large] },
      { cidr: prefix('10.65.1.0/26'), communities: [2], largeCommunities: [] },
      { cidr: prefix('10.66.0.0/16'), communities: [3], largeCommunities: [] },
      { cidr: prefix('fd65::/48'), communities: [4], largeCommunities: [] },
    ],
  });

  it.each([
    ['10.65.0.0/16', [1], [large]],
    ['10.65.2.7/32', [1], [large]],
    ['10.65.1.0/26', [1, 2], [large]],
    ['10.65.1.7/32', [1, 2], [large]],
    ['fd65::1:0/122', [4], []],
    ['10.66.3.0/26', [], []],
    ['10.96.0.0/16', [], []],
  ])('gives %s the communities %j and %j of all ranges around it', (text, communities, largeCommunities) => {
    expect(filter.verdict(prefixBits(prefix(text))).edit).toEqual({
      communities,
      largeCommunities,
      prepend: [],
    });
  });

  it('makes one edit for all prefixes with the same communities, so that they go in one message', () => {
    const edits = ['10.65.2.7/32', '10.65.2.8/32', '10.65.77.0/26'].map(
      (text) => filter.verdict(prefixBits(prefix(text))).edit,
    );
    expect(new Set(edits).size).toBe(1);
  });
});
