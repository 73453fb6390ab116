import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../../src/calc/graph.ts';
import type { RoutingPlan } from '../../../../src/calc/output.ts';
import { type Change, put } from '../world.ts';

function plan(...changes: readonly Change[]): RoutingPlan {
  const graph = new CalcGraph({ nodeName: 'one' });
  for (const { key, resource } of changes) graph.update(key, resource);
  return graph.flush().routing!;
}

const bgp = { ipv4Address: '172.16.0.1/24', ipv6Address: 'fd16::1/64' };
const one = put('Node', 'one', { bgp });

describe('BGPConfiguration', () => {
  it('without an object has no services, no communities, and listens everywhere on port 179', () => {
    expect(plan(one)).toMatchObject({
      listenPort: 179,
      listenAddresses: [],
      services: [],
      advertisements: [],
      filters: {},
      routePriority: { 4: 1024, 6: 1024 },
    });
  });

  it('gives communities to ranges, by name or value, standard or large', () => {
    const configuration = put('BGPConfiguration', 'default', {
      communities: [
        { name: 'rack', value: '64512:100' },
        { name: 'site', value: '4200000000:1:2' },
      ],
      prefixAdvertisements: [
        { cidr: '10.65.0.0/16', communities: ['rack', 'site', '65535:65281'] },
        { cidr: 'fd65::/64', communities: ['1:2:3'] },
      ],
    });
    expect(plan(one, configuration).advertisements).toEqual([
      {
        cidr: '10.65.0.0/16',
        communities: [64512 * 65536 + 100, 0xffffff01],
        largeCommunities: [{ global: 4_200_000_000, local1: 1, local2: 2 }],
      },
      { cidr: 'fd65::/64', communities: [], largeCommunities: [{ global: 1, local1: 2, local2: 3 }] },
    ]);
  });

  const services = {
    serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd96::/112' }],
    serviceExternalIPs: [{ cidr: '203.0.113.0/28' }],
    serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }],
  };

  it('has this node announce the ranges of services', () => {
    expect(plan(one, put('BGPConfiguration', 'default', services)).services).toEqual([
      { cidr: '10.96.0.0/16', kind: 'cluster', advertised: true },
      { cidr: 'fd96::/112', kind: 'cluster', advertised: true },
      { cidr: '203.0.113.0/28', kind: 'external', advertised: true },
      { cidr: '192.0.2.0/24', kind: 'load-balancer', advertised: true },
    ]);
  });

  it('does not announce them from a node that is labelled so, nor unaggregated load-balancer ranges whole', () => {
    const advertised = (...changes: readonly Change[]) =>
      plan(...changes).services.map((service) => service.advertised);
    const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
    const excluded = put('Node', 'one', { bgp }, { [label]: 'true' });
    expect(advertised(excluded, put('BGPConfiguration', 'default', services))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    const single = { ...services, serviceLoadBalancerAggregation: 'Disabled' };
    expect(advertised(one, put('BGPConfiguration', 'default', single))).toEqual([true, true, true, false]);
  });

  it('does not announce a range of one address for services, which whoever serves it announces', () => {
    const single = {
      serviceClusterIPs: [{ cidr: '10.96.0.1/32' }],
      serviceExternalIPs: [{ cidr: '203.0.113.1/32' }],
      serviceLoadBalancerIPs: [{ cidr: 'fd19::1/128' }],
    };
    const { services } = plan(one, put('BGPConfiguration', 'default', single));
    expect(services.map(({ advertised }) => advertised)).toEqual([true, false, false]);
  });

  it('gives the host addresses for workloads that are peers', () => {
    const both = { localWorkloadPeeringIPV4: '169.254.1.2', localWorkloadPeeringIPV6: 'fe80::1:2' };
    expect(plan(one, put('BGPConfiguration', 'default', both)).workloadPeering).toEqual([
      '169.254.1.2',
      'fe80::1:2',
    ]);
    expect(plan(one).workloadPeering).toEqual([]);
  });

  it('listens with bindMode NodeIP on those that workloads peer with, too', () => {
    const bound = put('BGPConfiguration', 'default', {
      bindMode: 'NodeIP',
      localWorkloadPeeringIPV4: '169.254.1.2',
      localWorkloadPeeringIPV6: 'fe80::1:2',
    });
    const peers = put('BGPPeer', 'routers', { localWorkloadSelector: "app == 'router'", asNumber: 65010 });
    const router = put(
      'WorkloadEndpoint',
      'red/router',
      { orchestrator: 'k8s', node: 'one', pod: 'router', ipNetworks: ['10.65.0.9/32', 'fd65::9/128'] },
      { app: 'router' },
    );
    const node = ['172.16.0.1', 'fd16::1'];
    expect(plan(one, bound, peers).listenAddresses).toEqual(node);
    expect(plan(one, bound, peers, router).listenAddresses).toEqual([...node, '169.254.1.2']);
  });

  it('refers to the password of the mesh, which is of no other session', () => {
    const secretKeyRef = { name: 'bgp', key: 'mesh', optional: true };
    const { peers } = plan(
      one,
      put('Node', 'two', { bgp: { ipv4Address: '172.16.0.2/24' } }),
      put('BGPPeer', 'tor', { peerIP: '10.9.9.1', asNumber: 65000 }),
      put('BGPConfiguration', 'default', { nodeMeshPassword: { secretKeyRef } }),
    );
    expect(peers.map(({ name, password }) => [name, password])).toEqual([
      ['Global_10_9_9_1', undefined],
      ['Mesh_172_16_0_2', secretKeyRef],
    ]);
  });

  it('listens on the addresses of the node only with bindMode NodeIP, which a node may have for itself', () => {
    const all = put('BGPConfiguration', 'default', { bindMode: 'NodeIP', listenPort: 1790 });
    const own = put('BGPConfiguration', 'node.one', { bindMode: 'None', listenPort: 1791 });
    expect(plan(one, all)).toMatchObject({ listenPort: 1790, listenAddresses: ['172.16.0.1', 'fd16::1'] });
    expect(plan(one, all, own)).toMatchObject({ listenPort: 1791, listenAddresses: [] });
  });

  it('leaves out of the kernel the pools that neither it nor FelixConfiguration names, and says so', () => {
    const graph = new CalcGraph({ nodeName: 'one' });
    const problems = new Map<string, string>();
    let pools: RoutingPlan['pools'] = [];
    const follow = (
      kind: 'IPPool' | 'BGPConfiguration' | 'FelixConfiguration',
      name: string,
      spec: object,
    ) => {
      const { key, resource } = put(kind, name, spec as Record<string, unknown>);
      graph.update(key, resource);
      const { routing, problems: all } = graph.flush();
      for (const [key, problem] of all) {
        if (problem === undefined) problems.delete(key);
        else problems.set(key, problem);
      }
      if (routing !== undefined) pools = routing.pools;
    };
    const left = (): string[] =>
      pools.filter(({ programmed }) => programmed === false).map(({ cidr }) => cidr);
    follow('IPPool', 'plain', { cidr: '10.1.0.0/16', ipipMode: 'Never', vxlanMode: 'Never' });
    follow('IPPool', 'ipip', { cidr: '10.2.0.0/16', ipipMode: 'Always', vxlanMode: 'Never' });
    follow('IPPool', 'vxlan', { cidr: '10.3.0.0/16', ipipMode: 'Never', vxlanMode: 'CrossSubnet' });
    expect(left()).toEqual([]);
    follow('BGPConfiguration', 'default', { programClusterRoutes: 'Disabled' });
    expect(left()).toEqual(['10.1.0.0/16']);
    expect(problems.get('IPPool/plain')).toBe(
      'its routes to other nodes are not put into the kernel: programClusterRoutes is EnabledIPIPOnly in ' +
        'FelixConfiguration and Disabled in BGPConfiguration, and neither names pools without encapsulation',
    );
    follow('FelixConfiguration', 'default', { programClusterRoutes: 'Disabled' });
    expect(left()).toEqual(['10.2.0.0/16', '10.1.0.0/16']);
    expect([...problems.keys()]).toEqual(['IPPool/plain', 'IPPool/ipip']);
    // What is said of a pool keeps up although what is done stays the same.
    follow('IPPool', 'plain', { cidr: '10.1.0.0/16', ipipMode: 'Always', vxlanMode: 'Never' });
    expect(problems.get('IPPool/plain')).toMatch(/neither names IP-in-IP pools$/);
    // A node may differ.
    follow('FelixConfiguration', 'node.one', { programClusterRoutes: 'Enabled' });
    expect(left()).toEqual([]);
    expect(problems.size).toBe(0);
  });
});
