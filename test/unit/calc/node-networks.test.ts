import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { Consumer } from './consumer.ts';
import { type Change, gone, put, thisNode } from './world.ts';

class World {
  readonly consumer = new Consumer();
  private readonly graph = new CalcGraph({ nodeName: thisNode });

  change(...changes: readonly Change[]): void {
    for (const { key, resource } of changes) this.graph.update(key, resource);
    this.consumer.apply(this.graph.flush());
  }

  members(id: string): string[] | undefined {
    const set = this.consumer.sets.get(id);
    return set && [...set.members].toSorted();
  }
}

const pool = put('IPPool', 'plain', { cidr: '10.0.0.0/16' });
const masqueraded = put('IPPool', 'masqueraded', { cidr: '10.1.0.0/16', natOutgoing: true });
const node = put('Node', 'two', { bgp: { ipv4Address: '192.0.2.2/24' } });
const marking = (dscp: unknown): Change =>
  put('WorkloadEndpoint', 'n/w', {
    node: thisNode,
    interfaceName: 'cali0',
    ipNetworks: ['10.0.0.1/32'],
    qosControls: { dscp },
  });

describe('networks that rules outside policy look up', () => {
  it('are there while a pool is masqueraded', () => {
    const world = new World();
    world.change(pool, node);
    expect(world.consumer.networks).toEqual({ outgoing: undefined, pools: undefined, services: undefined });
    world.change(masqueraded);
    expect(world.members('IP pools')).toEqual(['10.0.0.0/16', '10.1.0.0/16']);
    expect(world.members('IP pools with natOutgoing')).toEqual(['10.1.0.0/16']);
    expect(world.members('nodes')).toEqual(['192.0.2.2/32']);
    world.change(gone(masqueraded));
    expect([...world.consumer.sets.keys()]).toEqual([]);
  });

  it('have the pools alone while an endpoint of this node asks for a code point', () => {
    const world = new World();
    world.change(pool, marking('EF'));
    expect([...world.consumer.sets.keys()]).toEqual(['IP pools']);
    expect(world.consumer.networks.pools).toBe('IP pools');
    expect(world.consumer.endpoints.get('n/w')!.qos).toEqual({
      packetRate: {},
      maxConnections: {},
      dscp: 46,
    });
    world.change(marking(0));
    expect(world.consumer.endpoints.get('n/w')!.qos?.dscp).toBe(0);
    world.change(gone(marking(0)));
    expect([...world.consumer.sets.keys()]).toEqual([]);
  });

  it('have the ranges of services of all nodes, not of one', () => {
    const world = new World();
    const all = put('BGPConfiguration', 'default', {
      serviceClusterIPs: [{ cidr: '10.96.0.0/12' }, { cidr: 'fd96::/112' }],
      serviceExternalIPs: [{ cidr: '198.51.100.7/32' }],
      serviceLoadBalancerIPs: [{ cidr: '10.96.0.0/16' }],
    });
    world.change(all);
    expect(world.members('ranges of services')).toEqual(['10.96.0.0/12', '198.51.100.7/32', 'fd96::/112']);
    world.change(put('BGPConfiguration', 'default', {}));
    expect([...world.consumer.sets.keys()]).toEqual([]);
    world.change(all, gone(all));
    expect(world.consumer.networks.services).toBeUndefined();
  });
});

describe('limits of an endpoint', () => {
  it('leave out what is zero, and have a burst of their own by default', () => {
    const world = new World();
    const limited = (qosControls: unknown): Change =>
      put('WorkloadEndpoint', 'n/w', { node: thisNode, interfaceName: 'cali0', qosControls });
    const qos = (): unknown => world.consumer.endpoints.get('n/w')!.qos;
    world.change(limited({ ingressPacketRate: 100, egressPacketRate: 10, egressPacketBurst: 7 }));
    expect(qos()).toEqual({
      packetRate: { ingress: { rate: 100, burst: 5 }, egress: { rate: 10, burst: 7 } },
      maxConnections: {},
    });
    world.change(limited({ egressMaxConnections: 3, ingressMaxConnections: 0, ingressPacketRate: 0 }));
    expect(qos()).toEqual({ packetRate: {}, maxConnections: { egress: 3 } });
    world.change(limited({ ingressBandwidth: 1000 }));
    expect(qos()).toBeUndefined();
  });
});
