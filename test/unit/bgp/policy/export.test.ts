import { describe, expect, it } from 'vitest';
import { type ExportContext, exportRoute, exportRefusal } from '../../../../src/bgp/policy/export.ts';
import type { Path } from '../../../../src/bgp/rib/route.ts';
import { ExportPolicy } from '../../../../src/bgp/policy/export-policy.ts';
import { localPrefOfMetric } from '../../../../src/bgp/policy/preference.ts';
import { PrefixFilter } from '../../../../src/bgp/policy/prefix-filter.ts';
import {
  LLGR_STALE,
  NO_ADVERTISE,
  NO_EXPORT,
  NO_EXPORT_SUBCONFED,
} from '../../../../src/bgp/policy/well-known.ts';
import { UNCHANGED, prependAs } from '../../../../src/bgp/policy/route-edit.ts';
import { address } from '../../../../src/net/address.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { path, source } from '../rib/make.ts';
import { NO_FACTS } from './make.ts';

const external = source('10.0.0.1');
const otherExternal = source('10.0.0.2');
const interior = source('10.0.0.3', { external: false });
const otherInterior = source('10.0.0.4', { external: false });
const client = source('10.0.0.5', { external: false, reflectorClient: true });
const member = source('10.0.0.7', { external: false, confederation: true });
const otherMember = source('10.0.0.8', { external: false, confederation: true });
const own = path(undefined, { asPath: [], multiExitDisc: 7 });

function towards(peer = external, fields: Partial<ExportContext> = {}): ExportContext {
  return {
    peer,
    localAs: 64512,
    clusterId: undefined,
    nextHopMode: 'auto',
    ownAddresses: { 4: address('10.0.0.9'), 6: address('fd00::9') },
    extendedNextHop: false,
    sharedNetworks: [],
    policy: new ExportPolicy({
      prefixes: new PrefixFilter(NO_FACTS),
      filters: undefined,
      normalMetric: { 4: 1024, 6: 1024 },
    }),
    leaving: false,
    ownLocalPref: { 4: localPrefOfMetric(1024), 6: localPrefOfMetric(2048) },
    ...fields,
  };
}

function exported(
  ...args: [from: Parameters<typeof exportRoute>[0], context: ExportContext, family?: 4 | 6]
) {
  const [from, context, family = 4] = args;
  const route = exportRoute(from, UNCHANGED, family, context);
  return route === undefined ? undefined : { ...route.attributes, nextHop: route.nextHop?.address };
}

describe('within a confederation (RFC 5065)', () => {
  const asPath = [
    { type: 'confederation-sequence', asNumbers: [64513] },
    { type: 'sequence', asNumbers: [174] },
  ] as const;
  const from = path(interior, { asPath, localPref: 7, multiExitDisc: 3, originatorId: address('1.1.1.1') });

  it('a member AS is put in front towards another, and nothing else is lost', () => {
    expect(exported(from, towards(member))).toMatchObject({
      asPath: [
        { type: 'confederation-sequence', asNumbers: [64512, 64513] },
        { type: 'sequence', asNumbers: [174] },
      ],
      localPref: 7,
      multiExitDisc: 3,
      nextHop: from.route.nextHop?.address,
    });
    expect(exported(from, towards(member))).not.toHaveProperty('originatorId');
  });

  it('nothing of it is seen outside', () => {
    expect(exported(from, towards(external, { localAs: 65000 }))?.asPath).toEqual([
      { type: 'sequence', asNumbers: [65000, 174] },
    ]);
  });

  it('a route of another member goes to our AS without reflection', () => {
    const clusterId = address('1.0.0.1');
    expect(exported(path(member), towards(interior, { clusterId }))).not.toHaveProperty('clusterList');
  });
});

describe('an accumulated metric (RFC 7311)', () => {
  const from = path(source('10.0.0.6', { metricCost: 10 }), { aigp: 5n });

  it('stays inside, unless the peer is to have it', () => {
    expect(exported(from, towards(external))).not.toHaveProperty('aigp');
    expect(exported(from, towards(external, { accumulatesMetric: true }))?.aigp).toBe(15n);
    expect(exported(from, towards(interior))?.aigp).toBe(5n);
  });

  it('grows by the way to who told it where we come to be on the way (§3.4.3)', () => {
    expect(exported(from, towards(interior, { nextHopMode: 'self' }))?.aigp).toBe(15n);
    expect(exported(from, towards(interior, { nextHopMode: 'keep' }))?.aigp).toBe(5n);
    const most = path(source('10.0.0.6', { metricCost: 10 }), { aigp: 2n ** 64n - 2n });
    expect(exported(most, towards(interior, { nextHopMode: 'self' }))?.aigp).toBe(2n ** 64n - 1n);
  });
});

it('edits the path towards a peer in another AS before our own AS is put in front', () => {
  const from = path(otherExternal, { asPath: [{ type: 'sequence', asNumbers: [64600, 174, 65009] }] });
  const edit = { localAs: 64512, peerAs: 65009, removePrivateAs: 'all', asOverride: true } as const;
  expect(exported(from, towards(external, { asPathEdit: edit }))?.asPath).toEqual([
    { type: 'sequence', asNumbers: [64512, 174, 64512] },
  ]);
});

describe('who may be told of a path', () => {
  const clusterId = address('1.0.0.1');
  it.each([
    ['own to external', own, towards(external), true],
    ['own to internal', own, towards(interior), true],
    ['external to another external', path(external), towards(otherExternal), true],
    ['external to internal', path(external), towards(interior), true],
    ['internal to external', path(interior), towards(external), true],
    ['internal to internal', path(interior), towards(otherInterior), false],
    ['client to non-client', path(client), towards(interior, { clusterId }), true],
    ['non-client to client', path(interior), towards(client, { clusterId }), true],
    [
      'client to client',
      path(client),
      towards(source('10.0.0.6', { external: false, reflectorClient: true }), { clusterId }),
      true,
    ],
    ['non-client to non-client', path(interior), towards(otherInterior, { clusterId }), false],
    ['internal to internal without a cluster id', path(client), towards(interior), false],
    [
      'Only to Customer to a provider',
      path(interior, { onlyToCustomer: 1 }),
      towards(external, { role: 'customer' }),
      false,
    ],
    [
      'Only to Customer to a customer',
      path(interior, { onlyToCustomer: 1 }),
      towards(external, { role: 'provider' }),
      true,
    ],
    ['member to internal', path(member), towards(interior), true],
    ['internal to member', path(interior), towards(member), true],
    ['member to another member', path(member), towards(otherMember), true],
    ['NO_EXPORT to member', path(external, { communities: [NO_EXPORT] }), towards(member), true],
    [
      'NO_EXPORT_SUBCONFED to member',
      path(external, { communities: [NO_EXPORT_SUBCONFED] }),
      towards(member),
      false,
    ],
    [
      'long-lived stale to who does not know that',
      path(external, { communities: [LLGR_STALE] }),
      towards(interior),
      false,
    ],
    [
      'long-lived stale to who knows that',
      path(external, { communities: [LLGR_STALE] }),
      towards(interior, { knowsLongLived: true }),
      true,
    ],
    ['NO_ADVERTISE to internal', path(external, { communities: [NO_ADVERTISE] }), towards(interior), false],
    ['NO_ADVERTISE to external', path(interior, { communities: [NO_ADVERTISE] }), towards(external), false],
    ['NO_EXPORT to internal', path(external, { communities: [NO_EXPORT] }), towards(interior), true],
    ['NO_EXPORT to external', path(interior, { communities: [NO_EXPORT] }), towards(external), false],
    [
      'NO_EXPORT_SUBCONFED to external',
      path(interior, { communities: [1, NO_EXPORT_SUBCONFED] }),
      towards(external),
      false,
    ],
  ] as const)('%s', (_, from, context, expected) => {
    expect(exportRefusal(from, context) === undefined).toBe(expected);
  });
});

describe('attributes towards another AS', () => {
  it('gives own routes our AS, our next hop and their MED, and no LOCAL_PREF (§5.1.5)', () => {
    expect(exported(own, towards(external))).toEqual({
      origin: 'igp',
      asPath: [{ type: 'sequence', asNumbers: [64512] }],
      multiExitDisc: 7,
      nextHop: '10.0.0.9',
    });
  });

  it('keeps inside what is only for inside, and passes unknown attributes on', () => {
    const from = path(interior, {
      localPref: 300,
      multiExitDisc: 4,
      originatorId: address('1.1.1.1'),
      clusterList: [address('2.2.2.2')],
      aigp: 5n,
      communities: [65_536],
      extendedCommunities: [0x0002_fde8_0000_0001n, 0x4004_fde8_0000_0002n],
      ipv6ExtendedCommunities: [new Uint8Array(20), new Uint8Array(20).fill(0x40)],
      unknown: [{ code: 99, value: Uint8Array.of(1) }],
    });
    expect(exported(from, towards(external))).toEqual({
      origin: 'igp',
      asPath: [{ type: 'sequence', asNumbers: [64512, 65001] }],
      communities: [65_536],
      extendedCommunities: [0x0002_fde8_0000_0001n],
      ipv6ExtendedCommunities: [new Uint8Array(20)],
      unknown: [{ code: 99, value: Uint8Array.of(1) }],
      nextHop: '10.0.0.9',
    });
  });

  it('keeps the next hop only if told to', () => {
    const from = path(interior);
    expect(exported(from, towards(external))!.nextHop).toBe('10.0.0.9');
    expect(exported(from, towards(external, { nextHopMode: 'self' }))!.nextHop).toBe('10.0.0.9');
    expect(exported(from, towards(external, { nextHopMode: 'keep' }))!.nextHop).toBe('10.0.0.3');
  });

  it('never tells the address of an own workload as next hop, unless told to', () => {
    const from = path(source('10.0.0.3', { external: true, workload: true }));
    expect(exported(from, towards(interior))!.nextHop).toBe('10.0.0.9');
    expect(exported(from, towards(interior, { nextHopMode: 'keep' }))!.nextHop).toBe('10.0.0.3');
    const sharedNetworks = [prefix('10.0.0.0/24')];
    expect(exported(from, towards(external, { sharedNetworks }))!.nextHop).toBe('10.0.0.9');
  });

  it('keeps the next hop of a third party on the network shared with the peer (§5.1.3)', () => {
    const sharedNetworks = [prefix('10.1.0.0/24'), prefix('10.0.0.0/29')];
    const nextHop = (from: Path, fields: Partial<ExportContext> = {}) =>
      exported(from, towards(external, { sharedNetworks, ...fields }))!.nextHop;
    expect(nextHop(path(interior))).toBe('10.0.0.3');
    expect(nextHop(path(otherExternal))).toBe('10.0.0.2');
    expect(nextHop(path(source('10.0.0.8', { external: false })))).toBe('10.0.0.9');
    expect(nextHop(own)).toBe('10.0.0.9');
    expect(nextHop(path(interior), { nextHopMode: 'self' })).toBe('10.0.0.9');
    expect(
      exported(path(interior), towards(otherInterior, { clusterId: address('1.1.1.1'), sharedNetworks: [] }))!
        .nextHop,
    ).toBe('10.0.0.3');
  });

  it('never passes a link-local next hop on, for it leads there from here only (RFC 2545 §3)', () => {
    const from = path(interior, {}, address('fe80::3'));
    for (const to of [
      towards(external, { nextHopMode: 'keep' }),
      towards(otherInterior, { clusterId: address('1.1.1.1') }),
    ]) {
      expect(exported(from, { ...to, extendedNextHop: true })!.nextHop).toBe('10.0.0.9');
    }
  });

  it('gives IPv4 prefixes an IPv6 next hop only where the peer understands it and there is no other (RFC 8950)', () => {
    const only6 = { ownAddresses: { 6: address('fd00::9') } };
    const extended = { ...only6, extendedNextHop: true };
    const from = path(interior, {}, address('fd00::3'));
    const shared = { sharedNetworks: [prefix('fd00::/64')] };
    const nextHop = (of: Path, fields: Partial<ExportContext>) =>
      exported(of, towards(external, fields))?.nextHop;
    expect(nextHop(own, only6)).toBeUndefined();
    expect(nextHop(own, extended)).toBe('fd00::9');
    expect(nextHop(own, { extendedNextHop: true })).toBe('10.0.0.9');
    expect(nextHop(from, { ...extended, ...shared })).toBe('fd00::3');
    expect(nextHop(from, shared)).toBe('10.0.0.9');
    expect(nextHop(from, { ...only6, ...shared })).toBeUndefined();
  });

  it('marks what is about to go, and makes it the last resort inside our AS (RFC 8326 §4)', () => {
    const leaving = { leaving: true };
    expect(exported(own, towards(external, leaving))!.communities).toEqual([0xffff0000]);
    expect(exported(own, towards(external, leaving))!.localPref).toBeUndefined();
    const from = path(external, { communities: [5], localPref: 300 });
    expect(exported(from, towards(interior, leaving))).toMatchObject({
      communities: [5, 0xffff0000],
      localPref: 0,
    });
    expect(exported(own, towards(interior, leaving))!.localPref).toBe(0);
  });

  it('starts a new segment when the first is full or a set (§5.1.2)', () => {
    const full = Array.from({ length: 255 }, (_, index) => index + 1);
    expect(prependAs([{ type: 'sequence', asNumbers: full }], 9)).toEqual([
      { type: 'sequence', asNumbers: [9] },
      { type: 'sequence', asNumbers: full },
    ]);
    expect(prependAs([{ type: 'set', asNumbers: [1, 2] }], 9)).toEqual([
      { type: 'sequence', asNumbers: [9] },
      { type: 'set', asNumbers: [1, 2] },
    ]);
    expect(
      prependAs(
        [
          { type: 'confederation-sequence', asNumbers: [1] },
          { type: 'sequence', asNumbers: [2] },
        ],
        9,
      ),
    ).toEqual([{ type: 'sequence', asNumbers: [9, 2] }]);
  });
});

describe('attributes inside our AS', () => {
  it('gives own routes LOCAL_PREF 2147483647 - metric by family and an empty AS_PATH', () => {
    expect(exported(own, towards(interior))).toEqual({
      origin: 'igp',
      asPath: [],
      multiExitDisc: 7,
      localPref: 2_147_482_623,
      nextHop: '10.0.0.9',
    });
    expect(exported(own, towards(interior), 6)).toMatchObject({
      localPref: 2_147_481_599,
      nextHop: 'fd00::9',
    });
  });

  it('passes external routes on with their next hop, unless next hop self is asked for', () => {
    const from = path(external, { multiExitDisc: 4 });
    expect(exported(from, towards(interior))).toEqual({
      origin: 'igp',
      asPath: [{ type: 'sequence', asNumbers: [65001] }],
      multiExitDisc: 4,
      localPref: 100,
      nextHop: '10.0.0.1',
    });
    expect(exported(from, towards(interior, { nextHopMode: 'self' }))!.nextHop).toBe('10.0.0.9');
  });

  it('reflects with ORIGINATOR_ID and CLUSTER_LIST (RFC 4456 §8)', () => {
    const clusterId = address('1.0.0.1');
    expect(exported(path(client, { localPref: 5 }), towards(interior, { clusterId }))).toMatchObject({
      localPref: 5,
      originatorId: '10.0.0.5',
      clusterList: ['1.0.0.1'],
      nextHop: '10.0.0.5',
    });
    const passed = path(client, { originatorId: address('7.7.7.7'), clusterList: [address('2.0.0.2')] });
    expect(exported(passed, towards(interior, { clusterId }))).toMatchObject({
      originatorId: '7.7.7.7',
      clusterList: ['1.0.0.1', '2.0.0.2'],
    });
  });

  it('adds no reflector attributes to what came from outside (RFC 4456 §8)', () => {
    const route = exported(path(external), towards(interior, { clusterId: address('1.0.0.1') }));
    expect(route).not.toHaveProperty('originatorId');
    expect(route).not.toHaveProperty('clusterList');
  });
});

describe('a family without an address of ours', () => {
  it('is not advertised where our own next hop is needed', () => {
    const context = towards(external, { ownAddresses: { 4: address('10.0.0.9') } });
    expect(exported(own, context, 6)).toBeUndefined();
    expect(exported(own, context, 4)).toBeDefined();
  });
});
