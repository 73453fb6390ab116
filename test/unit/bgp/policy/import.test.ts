import { describe, expect, it } from 'vitest';
import { type ImportContext, importRefusal, importedAttributes } from '../../../../src/bgp/policy/import.ts';
import { address } from '../../../../src/net/address.ts';
import { attributes } from '../rib/make.ts';

const context: ImportContext = {
  external: true,
  localAs: 64512,
  peerAs: 65001,
  routerId: address('10.0.0.9'),
  clusterId: address('1.0.0.1'),
  allowedOwnAs: 0,
  ownAddresses: [address('10.0.0.9'), address('fd00::9')],
  filters: undefined,
};
const internal = { ...context, external: false };
const nextHop = { address: address('10.0.0.1') };
const looped = attributes({ asPath: [{ type: 'sequence', asNumbers: [65001, 64512, 3, 64512] }] });

describe('usability of received routes', () => {
  it.each([
    ['an ordinary route', attributes(), context, undefined],
    ['our own AS in the path (RFC 4271 §9.1.2)', looped, context, 'own AS in AS_PATH'],
    [
      'our own AS in a set',
      attributes({ asPath: [{ type: 'set', asNumbers: [64512] }] }),
      context,
      'own AS in AS_PATH',
    ],
    ['our own AS once too often', looped, { ...context, allowedOwnAs: 1 }, 'own AS in AS_PATH'],
    ['our own AS as often as allowed', looped, { ...context, allowedOwnAs: 2 }, undefined],
    [
      'our own identifier as originator (RFC 4456 §8)',
      attributes({ originatorId: address('10.0.0.9') }),
      internal,
      'own identifier in ORIGINATOR_ID',
    ],
    [
      'our own cluster (RFC 4456 §8)',
      attributes({ clusterList: [address('5.5.5.5'), address('1.0.0.1')] }),
      internal,
      'own cluster in CLUSTER_LIST',
    ],
    [
      'another cluster',
      attributes({ clusterList: [address('5.5.5.5')], originatorId: address('10.0.0.8') }),
      internal,
      undefined,
    ],
  ] as const)('%s', (_, received, where, expected) => {
    expect(importRefusal(received, nextHop, where)).toBe(expected);
  });

  it('refuses what a customer leaks, and marks what a provider tells (RFC 9234 §5)', () => {
    const marked = attributes({ onlyToCustomer: 65009 });
    expect(importRefusal(marked, nextHop, { ...context, role: 'provider' })).toBe('route leak');
    expect(importedAttributes(attributes(), { ...context, role: 'customer' }).onlyToCustomer).toBe(65001);
  });

  it('refuses sets of AS numbers, if that is wanted (RFC 9774 §3)', () => {
    for (const type of ['set', 'confederation-set'] as const) {
      const path = attributes({
        asPath: [
          { type: 'sequence', asNumbers: [65001] },
          { type, asNumbers: [7, 8] },
        ],
      });
      expect(importRefusal(path, nextHop, { ...context, rejectsAsSets: true })).toBe('AS_SET in AS_PATH');
      expect(importRefusal(path, nextHop, context)).toBeUndefined();
    }
    expect(importRefusal(attributes(), nextHop, { ...context, rejectsAsSets: true })).toBeUndefined();
  });

  it('looks for a member AS within the confederation and for its identifier outside (RFC 5065 §4)', () => {
    const inside = { ...internal, confederationId: 65000 };
    const judged = (type: 'sequence' | 'confederation-sequence', asNumber: number) =>
      importRefusal(attributes({ asPath: [{ type, asNumbers: [asNumber] }] }), nextHop, inside);
    expect(judged('confederation-sequence', 64512)).toBe('own AS in AS_PATH');
    expect(judged('sequence', 65000)).toBe('own AS in AS_PATH');
    expect(judged('sequence', 64512)).toBeUndefined();
    expect(judged('confederation-sequence', 65000)).toBeUndefined();
  });

  it('keeps the preference that another member of the confederation has set, and not its reflectors', () => {
    const member = { ...internal, fromMember: true, confederationId: 65000 };
    const received = attributes({ localPref: 7, originatorId: address('1.1.1.1'), clusterList: [] });
    expect(importedAttributes(received, member)).toEqual(attributes({ localPref: 7 }));
  });

  it('takes an accumulated metric from inside, and from outside only where wanted (RFC 7311 §3.3)', () => {
    const received = attributes({ aigp: 7n });
    expect(importedAttributes(received, internal).aigp).toBe(7n);
    expect(importedAttributes(received, context)).not.toHaveProperty('aigp');
    expect(importedAttributes(received, { ...context, accumulatesMetric: true }).aigp).toBe(7n);
  });

  it('marks routes with the bandwidth of the link to the peer', () => {
    const marked = importedAttributes(attributes(), { ...context, linkBandwidth: 1 });
    expect(marked.extendedCommunities).toEqual([0x4004_fde9_3f80_0000n]);
  });

  it('refuses a next hop that is ourselves, of either family (RFC 4271 §5.1.3)', () => {
    for (const own of context.ownAddresses) {
      expect(importRefusal(attributes(), { address: own }, context)).toBe('next hop is this node');
    }
  });

  it("takes no preference and no reflector attributes from another AS's peer", () => {
    const received = attributes({
      localPref: 1,
      originatorId: address('1.1.1.1'),
      clusterList: [],
      multiExitDisc: 3,
    });
    expect(importedAttributes(received, context)).toEqual(attributes({ multiExitDisc: 3 }));
    expect(importedAttributes(received, internal)).toBe(received);
  });

  it('are the last resort when the peer is about to withdraw them (RFC 8326 §4.2)', () => {
    const leaving = attributes({ communities: [1, 0xffff0000] });
    expect(importedAttributes(leaving, context).localPref).toBe(0);
    expect(importedAttributes(leaving, internal)).toBe(leaving);
    expect(importedAttributes(attributes(), { ...context, leaving: true }).localPref).toBe(0);
  });
});
