import { describe, expect, it } from 'vitest';
import { machineOf } from '../../../src/lab/plan.ts';
import { planLab } from '../../../src/lab/plan-lab.ts';
import { planWorkload } from '../../../src/lab/plan-workloads.ts';
import { infrastructureResources, workloadResources } from '../../../src/lab/resources.ts';
import { birdConfig, frrBgpConfig, gobgpConfig } from '../../../src/lab/router-config.ts';
import { parseTopology } from '../../../src/lab/topology-file.ts';
import { storedForm } from '../../../src/model/convert/stored-form.ts';
import { validateResource } from '../../../src/model/decode.ts';

const EXAMPLE = `name: example
datastore: etcd
bgp: true
pools: [{ cidr: 10.65.0.0/16 }, { cidr: fd65::/112 }]
segments:
  rack: { subnets: [172.16.0.0/24, "fd16::/64"] }
  office: { subnets: [192.0.2.0/24, "2001:db8:2::/64"] }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] }, n3: { segments: [rack] } }
routers: { tor: { software: bird, asNumber: 64601, segments: [rack, office], gracefulRestart: true } }
clients: { laptop: { segments: [office] } }
namespaces: { shop: {}, bank: {} }
workloads:
  shop/web: { host: n1, ports: [{ name: http, port: 80 }] }
  shop/cart: { host: n2 }
  bank/web: { host: n1, serviceAccount: teller }
`;
const plan = planLab(parseTopology(EXAMPLE));

function addresses(machine: string): string[] {
  return machineOf(plan, machine).interfaces.flatMap((wire) =>
    wire.addresses.map(({ address, prefixLength }) => `${wire.name} ${address}/${prefixLength}`),
  );
}

describe('the plan of a lab', () => {
  it('is the same for the same topology', () => {
    expect(planLab(parseTopology(EXAMPLE))).toEqual(plan);
  });

  it('numbers machines by role, with the same digits in both families', () => {
    expect(addresses('n2')).toEqual(['eth0 172.16.0.12/24', 'eth0 fd16::12/64']);
    expect(addresses('tor')).toEqual([
      'eth0 172.16.0.1/24',
      'eth0 fd16::1/64',
      'eth1 192.0.2.1/24',
      'eth1 2001:db8:2::1/64',
    ]);
    expect(addresses('laptop')).toEqual(['eth0 192.0.2.101/24', 'eth0 2001:db8:2::101/64']);
  });

  it('gives every host a default route in each family, because proxy ARP asks for one', () => {
    for (const host of ['n1', 'n2', 'n3']) {
      expect(machineOf(plan, host).routes).toEqual([
        { destination: '0.0.0.0/0', gateway: '172.16.0.1' },
        { destination: '::/0', gateway: 'fd16::1' },
      ]);
    }
  });

  it('makes the bridge the gateway of a segment without a router', () => {
    const alone = planLab(
      parseTopology(`name: alone
segments: { wire: { subnets: [172.16.0.0/24] } }
hosts: { n1: { segments: [wire], addresses: { wire: [172.16.0.1] } } }
`),
    );
    expect(alone.segments[0]!.addresses).toEqual([{ address: '172.16.0.2', prefixLength: 24 }]);
    expect(machineOf(alone, 'n1').routes).toEqual([{ destination: '0.0.0.0/0', gateway: '172.16.0.2' }]);
  });

  it('gives every host a block of each pool, and workloads the next free address of it', () => {
    expect(machineOf(plan, 'n3').node!.blocks).toEqual(['10.65.0.128/26', 'fd65::80/122']);
    const teller = plan.workloads.find(({ name }) => name === 'bank/web')!;
    expect(teller.addresses).toEqual(['10.65.0.3', 'fd65::3']);
    const next = planWorkload(plan, { namespace: 'shop', pod: 'new', host: 'n1' });
    expect(next.addresses).toEqual(['10.65.0.4', 'fd65::4']);
  });

  it('goes round fixed addresses', () => {
    const fixed = planLab(
      parseTopology(`name: fixed
segments: { wire: { subnets: [172.16.0.0/24] } }
pools: [{ cidr: 10.65.0.0/16 }]
hosts: { n1: { segments: [wire] } }
namespaces: { x: {} }
workloads: { x/a: { host: n1 }, x/b: { host: n1, ips: [10.65.0.2] } }
`),
    );
    expect(fixed.workloads.map(({ addresses: given }) => given)).toEqual([['10.65.0.3'], ['10.65.0.2']]);
  });

  it('says when a block is full', () => {
    const tiny = planLab(
      parseTopology(`name: tiny
segments: { wire: { subnets: [172.16.0.0/24] } }
pools: [{ cidr: 10.65.0.0/16, blockSize: 31 }]
hosts: { n1: { segments: [wire] } }
`),
    );
    expect(() => planWorkload(tiny, { namespace: 'x', pod: 'a', host: 'n1' })).toThrow(/full/);
  });

  it('names the host’s interface of a pod as Calico does', () => {
    // printf %s shop.web | sha1sum
    expect(plan.workloads[0]).toMatchObject({ name: 'shop/web', hostInterface: 'cali551b05c3e54' });
  });

  it('writes routes to the blocks of others where there is no BGP', () => {
    const still = planLab(parseTopology(EXAMPLE.replace('bgp: true', 'bgp: false')));
    expect(machineOf(still, 'n1').routes).toContainEqual({
      destination: '10.65.0.64/26',
      gateway: '172.16.0.12',
    });
    expect(machineOf(still, 'tor').routes).toContainEqual({ destination: 'fd65::/122', gateway: 'fd16::11' });
    expect(infrastructureResources(still).filter(({ kind }) => kind === 'BGPPeer')).toEqual([]);
  });

  it('never carries both families in one session with GoBGP, whose next hops are of the session’s family', () => {
    const topology = EXAMPLE.replace('software: bird', 'software: gobgp').replace(
      'gracefulRestart: true',
      'sessions: one',
    );
    expect(machineOf(planLab(parseTopology(topology)), 'tor').router!.neighbors).toHaveLength(6);
  });

  it('gives a router one session in each family with every host, or one with both', () => {
    const sessions = machineOf(plan, 'tor').router!.neighbors;
    expect(sessions).toHaveLength(6);
    const single = planLab(parseTopology(EXAMPLE.replace('gracefulRestart: true', 'sessions: one')));
    expect(machineOf(single, 'tor').router!.neighbors).toHaveLength(3);
    expect(machineOf(single, 'tor').router!.neighbors[0]!.families).toEqual([4, 6]);
  });
});

describe('the resources of a lab', () => {
  const resources = [...infrastructureResources(plan), ...plan.workloads.flatMap(workloadResources)];

  it('are all valid', () => {
    for (const resource of resources) validateResource(storedForm(resource));
  });

  it('make a router that all hosts reach one peer of all nodes in each family', () => {
    const peers = resources.filter(({ kind }) => kind === 'BGPPeer');
    expect(peers.map(({ metadata, spec }) => [metadata.name, spec])).toEqual([
      ['tor-ipv4', { peerIP: '172.16.0.1', asNumber: 64601 }],
      ['tor-ipv6', { peerIP: 'fd16::1', asNumber: 64601 }],
    ]);
  });

  it('hold a confirmed affinity for every block', () => {
    const affinities = resources.filter(({ kind }) => kind === 'BlockAffinity');
    expect(affinities.map(({ metadata }) => metadata.name)).toContain('n2-10-65-0-64-26');
    expect(affinities).toHaveLength(6);
  });

  it('are unique by name', () => {
    const names = infrastructureResources(plan).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the configuration of routers', () => {
  const tor = machineOf(plan, 'tor');

  it('announces the segments behind the router, and only those, of its own', () => {
    expect(birdConfig(tor, tor.router!)).toContain('if net ~ [ 192.0.2.0/24 ] then accept;');
    expect(frrBgpConfig(tor, tor.router!)).toContain('  network 2001:db8:2::/64');
  });

  it('offers graceful restart exactly when asked', () => {
    const without = { ...tor.router!, gracefulRestart: false };
    expect(birdConfig(tor, tor.router!)).toContain('graceful restart on');
    expect(birdConfig(tor, without)).not.toContain('graceful restart on');
    expect(gobgpConfig(tor, tor.router!)).toContain('"graceful-restart"');
    expect(gobgpConfig(tor, without)).not.toContain('"graceful-restart"');
  });
});
