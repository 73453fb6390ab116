import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../../src/calc/graph.ts';
import type { FilterRulePlan } from '../../../../src/calc/routing/filter-plan.ts';
import { type Change, gone, put } from '../world.ts';

const one = put('Node', 'one', { bgp: { ipv4Address: '172.16.0.1/24' } });
const peer = (...filters: string[]): Change =>
  put('BGPPeer', 'tor', { peerIP: '10.9.9.1', asNumber: 65000, filters });

function graphOf(...changes: readonly Change[]): CalcGraph {
  const graph = new CalcGraph({ nodeName: 'one' });
  update(graph, ...changes);
  return graph;
}

function update(graph: CalcGraph, ...changes: readonly Change[]): void {
  for (const { key, resource } of changes) graph.update(key, resource);
}

/** The plan of the one rule of a filter with these fields. */
function planned(list: 'importV4' | 'exportV4' | 'importV6' | 'exportV6', rule: object): FilterRulePlan {
  const filter = put('BGPFilter', 'f', { [list]: [rule] });
  const plan = graphOf(one, peer('f'), filter).flush().routing!.filters['f']!;
  const [first, ...rest] = plan[list.startsWith('import') ? 'import' : 'export'];
  expect(rest).toEqual([]);
  return first!;
}

describe('a BGPFilter', () => {
  it.each([
    ['importV4', { action: 'Accept' }, { action: 'accept', family: 4 }],
    ['exportV6', { action: 'Reject' }, { action: 'reject', family: 6 }],
    [
      'exportV4',
      { action: 'Reject', cidr: '10.0.0.0/8', matchOperator: 'NotIn' },
      { action: 'reject', family: 4, cidr: { prefix: '10.0.0.0/8', operator: 'NotIn' } },
    ],
    [
      'exportV4',
      { action: 'Accept', cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 16 } },
      {
        action: 'accept',
        family: 4,
        cidr: { prefix: '10.0.0.0/8', operator: 'In', lengths: { min: 16, max: 32 } },
      },
    ],
    [
      'importV6',
      { action: 'Accept', cidr: 'fd00::/8', matchOperator: 'In', prefixLength: { max: 64 } },
      {
        action: 'accept',
        family: 6,
        cidr: { prefix: 'fd00::/8', operator: 'In', lengths: { min: 0, max: 64 } },
      },
    ],
    [
      'exportV4',
      { action: 'Accept', source: 'RemotePeers', peerType: 'eBGP', communities: { values: ['65000:100'] } },
      { action: 'accept', family: 4, learned: true, peerType: 'eBGP', community: 65000 * 65536 + 100 },
    ],
    [
      'importV4',
      { action: 'Accept', communities: { values: ['1:2:3'] }, asPathPrefix: [65000, 65001], priority: 512 },
      {
        action: 'accept',
        family: 4,
        community: { global: 1, local1: 2, local2: 3 },
        asPathPrefix: [65000, 65001],
        metric: 512,
      },
    ],
  ] as const)('says in %s %j', (list, rule, plan) => {
    expect(planned(list, rule)).toEqual(plan);
  });

  it('makes one change of all operations, in the order that is written', () => {
    const operations = [
      { addCommunity: { value: '65000:1' } },
      { prependASPath: { prefix: [65001, 65002] } },
      { setPriority: { value: 100 } },
      { addCommunity: { value: '1:2:3' } },
      { prependASPath: { prefix: [65003] } },
      { setPriority: { value: 512 } },
    ];
    expect(planned('exportV4', { action: 'Accept', operations }).edit).toEqual({
      communities: [65000 * 65536 + 1],
      largeCommunities: [{ global: 1, local1: 2, local2: 3 }],
      prepend: [65003, 65001, 65002],
      localPref: 2_147_483_647 - 512,
    });
  });

  it('is planned only if a session of this node names it, and as long as it exists', () => {
    const filter = put('BGPFilter', 'f', { importV4: [{ action: 'Reject' }] });
    const other = put('BGPFilter', 'other', {});
    const graph = graphOf(one, peer('f'), filter, other);
    const filters = () => graph.flush().routing?.filters;
    expect(Object.keys(filters()!)).toEqual(['f']);
    update(graph, other);
    expect(filters()).toBeUndefined();
    update(graph, peer('f', 'other'));
    expect(Object.keys(filters()!)).toEqual(['f', 'other']);
    update(graph, gone(filter));
    expect(Object.keys(filters()!)).toEqual(['other']);
  });

  it('that a peer names and nobody defined is a problem of the peer until it comes', () => {
    const graph = graphOf(one, peer('a', 'b'), put('BGPFilter', 'a', {}));
    expect(graph.flush().problems.get('BGPPeer/tor')).toBe('there is no BGPFilter b: it lets no routes pass');
    update(graph, put('BGPFilter', 'b', {}));
    expect(graph.flush().problems).toEqual(new Map([['BGPPeer/tor', undefined]]));
  });

  it('leaves out rules for an interface, and says which', () => {
    const graph = graphOf(
      one,
      peer('f'),
      put('BGPFilter', 'f', {
        exportV4: [{ action: 'Accept' }, { action: 'Reject', interface: '*.calico' }],
        importV6: [{ action: 'Accept', interface: 'eth0' }],
      }),
    );
    const { routing, problems } = graph.flush();
    expect(routing!.filters['f']).toEqual({ import: [], export: [{ action: 'accept', family: 4 }] });
    expect(problems.get('BGPFilter/f')).toBe(
      'rules without effect, because no route in BGP has an interface: exportV4[1], importV6[0]',
    );
  });
});
