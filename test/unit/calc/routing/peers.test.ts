import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../../src/calc/graph.ts';
import type { PeerPlan, RoutingPlan } from '../../../../src/calc/output.ts';
import { type Change, gone, put } from '../world.ts';

function node(name: string, bgp: Record<string, unknown>, labels: Record<string, string> = {}): Change {
  return put('Node', name, { bgp }, labels);
}

function plan(nodeName: string, changes: readonly Change[]): RoutingPlan {
  const graph = new CalcGraph({ nodeName });
  for (const { key, resource } of changes) graph.update(key, resource);
  return graph.flush().routing!;
}

function peersOf(nodeName: string, changes: readonly Change[]): ReadonlyMap<string, PeerPlan> {
  return new Map(plan(nodeName, changes).peers.map((peer) => [peer.name, peer]));
}

const one = node('one', { ipv4Address: '172.16.0.1/24' });
const two = node('two', { ipv4Address: '172.16.0.2/24' });
const three = node('three', { ipv4Address: '172.16.0.3/24' });
const noMesh = put('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false });

describe('the mesh', () => {
  it('peers every node with every other, by default', () => {
    expect([...peersOf('one', [one, two, three]).keys()]).toEqual(['Mesh_172_16_0_2', 'Mesh_172_16_0_3']);
    expect(peersOf('one', [one, two]).get('Mesh_172_16_0_2')).toEqual({
      name: 'Mesh_172_16_0_2',
      type: 'mesh',
      address: '172.16.0.2',
      port: 179,
      asNumber: 64512,
      localAsNumber: 64512,
      sourceAddress: '172.16.0.1',
      families: [4, 6],
      passive: true,
      reflectorClient: false,
      nextHopMode: 'auto',
      restartTime: 120,
      allowedOwnAs: 0,
      filters: [],
    });
  });

  it('lets the node whose address text is less connect, and the other wait', () => {
    const ten = node('ten', { ipv4Address: '172.16.0.10/24' });
    expect(peersOf('two', [two, ten]).get('Mesh_172_16_0_10')!.passive).toBe(false);
    expect(peersOf('ten', [two, ten]).get('Mesh_172_16_0_2')!.passive).toBe(true);
  });

  it('can be switched off', () => {
    expect(peersOf('one', [one, two, noMesh]).size).toBe(0);
  });

  it('takes AS numbers from the node, else from BGPConfiguration, else 64512', () => {
    const configured = put('BGPConfiguration', 'default', { asNumber: 64600, nodeMeshMaxRestartTime: '45s' });
    const own = node('two', { ipv4Address: '172.16.0.2/24', asNumber: 64700 });
    const peer = peersOf('one', [one, own, configured]).get('Mesh_172_16_0_2')!;
    expect(peer).toMatchObject({ asNumber: 64700, localAsNumber: 64600, restartTime: 45 });
    expect(plan('two', [one, own, configured]).node!.asNumber).toBe(64700);
    expect(plan('one', [one]).node!.asNumber).toBe(64512);
  });

  it("connects to the port that the peer's configuration names", () => {
    const common = put('BGPConfiguration', 'default', { listenPort: 1790 });
    const special = put('BGPConfiguration', 'node.two', { listenPort: 1792 });
    const peers = peersOf('one', [one, two, three, common, special]);
    expect(peers.get('Mesh_172_16_0_2')!.port).toBe(1792);
    expect(peers.get('Mesh_172_16_0_3')!.port).toBe(1790);
    expect(plan('two', [two, common, special]).listenPort).toBe(1792);
  });

  it('leaves route reflectors out', () => {
    const reflector = node('two', { ipv4Address: '172.16.0.2/24', routeReflectorClusterID: '1.0.0.1' });
    expect([...peersOf('one', [one, reflector, three]).keys()]).toEqual(['Mesh_172_16_0_3']);
    expect(peersOf('two', [one, reflector, three]).size).toBe(0);
    expect(plan('two', [reflector]).node!.clusterId).toBe('1.0.0.1');
  });

  it('carries both families in one session unless both ends have both, then one each (design D10)', () => {
    const dualOne = node('one', { ipv4Address: '172.16.0.1/24', ipv6Address: 'fd16::1/64' });
    const dualTwo = node('two', { ipv4Address: '172.16.0.2/24', ipv6Address: 'fd16::2/64' });
    const sixOnly = node('three', { ipv6Address: 'fd16::3/64' });
    const peers = peersOf('one', [dualOne, dualTwo, sixOnly]);
    expect([...peers.values()].map(({ name, families }) => [name, families])).toEqual([
      ['Mesh_172_16_0_2', [4]],
      ['Mesh_fd16__2', [6]],
      ['Mesh_fd16__3', [4, 6]],
    ]);
    expect(plan('three', [sixOnly]).node).toEqual({
      name: 'three',
      asNumber: 64512,
      addresses: { 6: 'fd16::3' },
      subnets: ['fd16::/64'],
    });
  });

  it('needs both ends to take part in BGP', () => {
    expect(peersOf('one', [one, put('Node', 'two', {})]).size).toBe(0);
    expect(plan('one', [two]).node).toBeUndefined();
    expect(plan('one', [two]).peers).toEqual([]);
  });
});

describe('a BGPPeer', () => {
  it('without a node is of every node', () => {
    const peer = put('BGPPeer', 'tor', { peerIP: '172.16.0.254', asNumber: 65000 });
    expect(peersOf('one', [one, noMesh, peer]).get('Global_172_16_0_254')).toMatchObject({
      type: 'global',
      address: '172.16.0.254',
      asNumber: 65000,
      families: [4, 6],
      passive: false,
      sourceAddress: '172.16.0.1',
    });
  });

  it('with a node or a nodeSelector is of those nodes', () => {
    const racked = node('one', { ipv4Address: '172.16.0.1/24' }, { rack: 'a' });
    const byName = put('BGPPeer', 'by-name', { node: 'two', peerIP: '10.9.9.1', asNumber: 65000 });
    const bySelector = put('BGPPeer', 'rack', {
      nodeSelector: "rack == 'a'",
      peerIP: '10.9.9.2:1790',
      asNumber: 65000,
    });
    const all = [racked, two, noMesh, byName, bySelector];
    expect([...peersOf('one', all).keys()]).toEqual(['Node_10_9_9_2_port_1790']);
    expect([...peersOf('two', all).keys()]).toEqual(['Node_10_9_9_1']);
  });

  it('gives its fields to the session', () => {
    const peer = put('BGPPeer', 'tor', {
      peerIP: '172.16.0.254',
      asNumber: 65000,
      localASNumber: 65010,
      sourceAddress: 'None',
      nextHopMode: 'Self',
      maxRestartTime: '2m',
      keepaliveTime: '10s',
      ttlSecurity: 2,
      numAllowedLocalASNumbers: 3,
      filters: ['second', 'first'],
      reachableBy: '172.16.0.253',
      password: { secretKeyRef: { name: 'bgp', key: 'tor' } },
    });
    const planned = peersOf('one', [one, noMesh, peer]).get('Global_172_16_0_254')!;
    expect(planned).toMatchObject({
      localAsNumber: 65010,
      nextHopMode: 'self',
      restartTime: 120,
      keepaliveTime: 10,
      ttlSecurity: 2,
      allowedOwnAs: 3,
      filters: ['second', 'first'],
      reachableBy: '172.16.0.253',
      password: { name: 'bgp', key: 'tor', optional: false },
    });
    expect(planned.sourceAddress).toBeUndefined();
  });

  it('keeps the next hop by the deprecated field towards external peers only', () => {
    const spec = { peerIP: '172.16.0.254', keepOriginalNextHop: true };
    const external = put('BGPPeer', 'tor', { ...spec, asNumber: 65000 });
    const internal = put('BGPPeer', 'tor', { ...spec, asNumber: 64512 });
    const mode = (peer: Change) =>
      peersOf('one', [one, noMesh, peer]).get('Global_172_16_0_254')!.nextHopMode;
    expect(mode(external)).toBe('keep');
    expect(mode(internal)).toBe('auto');
  });

  it('beats the mesh to the same address', () => {
    const peer = put('BGPPeer', 'pair', { node: 'one', peerIP: '172.16.0.2', asNumber: 64512 });
    expect([...peersOf('one', [one, two, three, peer]).keys()]).toEqual([
      'Mesh_172_16_0_3',
      'Node_172_16_0_2',
    ]);
    // The other side follows of its own accord, so that the session has two ends.
    expect([...peersOf('two', [one, two, three, peer]).keys()]).toEqual([
      'Mesh_172_16_0_3',
      'Node_172_16_0_1',
    ]);
  });

  it('of every node wins over one of this node to the same address', () => {
    const global = put('BGPPeer', 'z-global', { peerIP: '10.9.9.1', asNumber: 65000 });
    const specific = put('BGPPeer', 'a-node', { node: 'one', peerIP: '10.9.9.1', asNumber: 65001 });
    const peers = peersOf('one', [one, noMesh, global, specific]);
    expect([...peers.values()].map(({ name, asNumber }) => [name, asNumber])).toEqual([
      ['Global_10_9_9_1', 65000],
    ]);
  });

  it('never leads to the node itself', () => {
    const peer = put('BGPPeer', 'all', { peerSelector: 'all()' });
    expect([...peersOf('one', [one, two, noMesh, peer]).keys()]).toEqual(['Global_172_16_0_2']);
  });
});

describe('a BGPPeer with a localWorkloadSelector', () => {
  const peer = put('BGPPeer', 'routers', { asNumber: 65000, localWorkloadSelector: "role == 'router'" });
  const workload = (
    name: string,
    addresses: readonly string[],
    { host = 'one', labels = { role: 'router' }, profiles = [] as string[] } = {},
  ): Change =>
    put(
      'WorkloadEndpoint',
      `shop/${host}-k8s-${name}-eth0`,
      {
        orchestrator: 'k8s',
        node: host,
        pod: name,
        endpoint: 'eth0',
        interfaceName: `cali${name}`,
        ipNetworks: addresses,
        profiles,
      },
      labels,
    );
  const four = workload('four', ['10.65.0.4/32']);

  it('peers with the workloads of its own node by their addresses, and waits for them to connect', () => {
    const elsewhere = workload('elsewhere', ['10.65.0.5/32'], { host: 'two' });
    const other = workload('other', ['10.65.0.6/32'], { labels: { role: 'web' } });
    const all = [one, two, noMesh, peer, four, elsewhere, other];
    expect([...peersOf('one', all).values()]).toEqual([
      {
        name: 'Local_Workload_10_65_0_4',
        type: 'workload',
        address: '10.65.0.4',
        port: 179,
        asNumber: 65000,
        localAsNumber: 64512,
        families: [4, 6],
        passive: true,
        reflectorClient: false,
        nextHopMode: 'auto',
        restartTime: 120,
        allowedOwnAs: 0,
        filters: [],
      },
    ]);
    expect([...peersOf('two', all).keys()]).toEqual(['Local_Workload_10_65_0_5']);
  });

  it('has a session for each family with a workload that has addresses of both', () => {
    const peers = peersOf('one', [one, noMesh, peer, workload('dual', ['10.65.0.7/32', 'fd65::7/128'])]);
    expect([...peers.values()].map(({ name, families }) => [name, families])).toEqual([
      ['Local_Workload_10_65_0_7', [4]],
      ['Local_Workload_fd65__7', [6]],
    ]);
  });

  it('is of the nodes that it names or selects only', () => {
    const selected = put('BGPPeer', 'routers', {
      nodeSelector: "rack == 'a'",
      asNumber: 65000,
      localWorkloadSelector: 'all()',
    });
    const racked = node('one', { ipv4Address: '172.16.0.1/24' }, { rack: 'a' });
    expect(peersOf('one', [one, noMesh, selected, four]).size).toBe(0);
    expect(peersOf('one', [racked, noMesh, selected, four]).size).toBe(1);
  });

  it('yields to a peer that is written by its address', () => {
    const written = put('BGPPeer', 'written', { peerIP: '10.65.0.4', asNumber: 65001 });
    const peers = peersOf('one', [one, noMesh, peer, written, four]);
    expect([...peers.keys()]).toEqual(['Global_10_65_0_4']);
  });

  it('follows workloads, their addresses, and labels that they inherit', () => {
    const graph = new CalcGraph({ nodeName: 'one' });
    const names = (...changes: readonly Change[]): string[] | undefined => {
      for (const { key, resource } of changes) graph.update(key, resource);
      return graph.flush().routing?.peers.map(({ name }) => name);
    };
    const router = (labels: Record<string, string>): Change =>
      put('Profile', 'routers', { labelsToApply: labels });
    const inheriting = (address: string): Change =>
      workload('x', [address], { labels: {} as { role: string }, profiles: ['routers'] });
    expect(names(one, noMesh, peer, inheriting('10.65.0.8/32'))).toEqual([]);
    expect(names(router({ role: 'router' }))).toEqual(['Local_Workload_10_65_0_8']);
    expect(names(inheriting('10.65.0.9/32'))).toEqual(['Local_Workload_10_65_0_9']);
    expect(names(router({}))).toEqual([]);
    expect(names(router({ role: 'router' }))).toEqual(['Local_Workload_10_65_0_9']);
    expect(names(gone(inheriting('10.65.0.9/32')))).toEqual([]);
    expect(names(four)).toEqual(['Local_Workload_10_65_0_4']);
    expect(names(gone(peer))).toEqual([]);
  });
});

describe('a route reflector', () => {
  const reflector = node(
    'two',
    { ipv4Address: '172.16.0.2/24', ipv6Address: 'fd16::2/64', routeReflectorClusterID: '1.0.0.1' },
    { reflector: 'true' },
  );
  const second = node(
    'three',
    { ipv4Address: '172.16.0.3/24', routeReflectorClusterID: '1.0.0.1' },
    { reflector: 'true' },
  );
  const peer = put('BGPPeer', 'to-reflectors', {
    nodeSelector: '!has(reflector)',
    peerSelector: 'has(reflector)',
  });
  const amongThem = put('BGPPeer', 'among-reflectors', {
    nodeSelector: 'has(reflector)',
    peerSelector: 'has(reflector)',
  });
  const all = [one, reflector, second, noMesh, peer, amongThem];

  it('is peered with by selector, by every family that it has', () => {
    const peers = peersOf('one', all);
    expect([...peers.values()].map(({ name, families }) => [name, families])).toEqual([
      ['Node_172_16_0_2', [4]],
      ['Node_172_16_0_3', [4, 6]],
      ['Node_fd16__2', [6]],
    ]);
  });

  it('peers back with its clients, and reflects to them but not to its own cluster (RFC 4456)', () => {
    const peers = peersOf('two', all);
    expect([...peers.values()].map(({ name, reflectorClient }) => [name, reflectorClient])).toEqual([
      ['Node_172_16_0_1', true],
      ['Node_172_16_0_3', false],
    ]);
  });

  it('expects of its clients the AS that they are told to show it, and shows its own (localASNumber)', () => {
    const shown = put('BGPPeer', 'to-reflectors', {
      nodeSelector: '!has(reflector)',
      peerSelector: 'has(reflector)',
      localASNumber: 65099,
    });
    const client = peersOf('one', [one, reflector, noMesh, shown]).get('Node_172_16_0_2');
    expect(client).toMatchObject({ asNumber: 64512, localAsNumber: 65099 });
    const back = peersOf('two', [one, reflector, noMesh, shown]).get('Node_172_16_0_1');
    expect(back).toMatchObject({ asNumber: 65099, localAsNumber: 64512, reflectorClient: false });
  });

  it('does not peer back where reversePeering is Manual', () => {
    const manual = put('BGPPeer', 'to-reflectors', {
      nodeSelector: '!has(reflector)',
      peerSelector: 'has(reflector)',
      reversePeering: 'Manual',
    });
    expect(peersOf('two', [one, reflector, noMesh, manual]).size).toBe(0);
    expect(peersOf('one', [one, reflector, noMesh, manual]).size).toBe(2);
  });
});

describe('the plan', () => {
  it('keeps the very objects of peers that did not change, and is silent when nothing did', () => {
    const graph = new CalcGraph({ nodeName: 'one' });
    for (const { key, resource } of [one, two]) graph.update(key, resource);
    const before = graph.flush().routing!;
    graph.update(three.key, three.resource);
    const after = graph.flush().routing!;
    expect(after.peers[0]).toBe(before.peers[0]);
    const relabelled = node('three', { ipv4Address: '172.16.0.3/24' }, { rack: 'z' });
    graph.update(relabelled.key, relabelled.resource);
    expect(graph.flush().routing).toBeUndefined();
    const leaving = gone(three);
    graph.update(leaving.key, leaving.resource);
    expect(graph.flush().routing!.peers).toEqual(before.peers);
  });

  it('lists pools with whether they are exported, disabled ones too', () => {
    const pools = [
      put('IPPool', 'b', { cidr: '10.1.0.0/16', disableBGPExport: true }),
      put('IPPool', 'a', { cidr: 'fd00::/48', disabled: true }),
    ];
    expect(plan('one', pools).pools).toEqual([
      { cidr: 'fd00::/48', exported: true },
      { cidr: '10.1.0.0/16', exported: false },
    ]);
  });
});

describe('a peer on an interface', () => {
  it('is another on every interface, and is not met from the address of the node', () => {
    const annotated = (name: string, device: string) =>
      put(
        'BGPPeer',
        name,
        { node: 'one', peerIP: 'fe80::1', asNumber: 65_001 },
        {},
        { 'bgp.margay.io/interface': device },
      );
    const { peers } = plan('one', [one, annotated('a', 'eth0'), annotated('b', 'eth1')]);
    expect(peers.map(({ name, interface: device }) => [name, device])).toEqual([
      ['Node_fe80__1_eth0', 'eth0'],
      ['Node_fe80__1_eth1', 'eth1'],
    ]);
    for (const peer of peers) expect(peer).not.toHaveProperty('sourceAddress');
  });

  it('needs no address, which is to be found there', () => {
    const spec = { node: 'one', asNumber: 65_001 };
    const found = put('BGPPeer', 'uplink', spec, {}, { 'bgp.margay.io/interface': 'eth0' });
    expect(plan('one', [one, found]).peers).toMatchObject([
      { name: 'Node_eth0', address: '::', interface: 'eth0' },
    ]);
  });
});

describe('a BGPPeer for those who connect from prefixes', () => {
  const range = { 'bgp.margay.io/dynamic-neighbors': '10.1.0.0/24,fd00:1::/64 limit 50' };

  it('is a template by its own name, with its password, filters and options', () => {
    const spec = {
      asNumber: 65_001,
      filters: ['f'],
      password: { secretKeyRef: { name: 'bgp', key: 'racks' } },
    };
    const racks = put('BGPPeer', 'racks', spec, {}, { ...range, 'bgp.margay.io/hold-time': '9s' });
    const { peers } = plan('one', [one, racks]);
    expect(peers).toMatchObject([
      {
        name: 'racks',
        type: 'dynamic',
        asNumber: 65_001,
        passive: true,
        families: [4, 6],
        filters: ['f'],
        password: { name: 'bgp', key: 'racks' },
        holdTime: 9,
        dynamicNeighbors: { prefixes: ['10.1.0.0/24', 'fd00:1::/64'], limit: 50 },
      },
    ]);
    // Prefixes of both families are met, so neither address of the node is the session's.
    expect(peers[0]).not.toHaveProperty('sourceAddress');
  });

  it('belongs to the nodes that it names, and takes no session from another', () => {
    const racks = put('BGPPeer', 'racks', { node: 'two', asNumber: 65_001 }, {}, range);
    const other = put('BGPPeer', 'more', { node: 'one', asNumber: 65_001 }, {}, range);
    const single = put('BGPPeer', 'tor', { peerIP: '10.1.0.0', asNumber: 65_001 });
    expect(plan('one', [one, racks, other, single]).peers.map(({ name }) => name)).toEqual([
      'Global_10_1_0_0',
      'more',
    ]);
  });
});

describe("Margay's own options", () => {
  const options = (fields: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [`bgp.margay.io/${name}`, value]));
  const peer = (spec: Record<string, unknown>, fields: Record<string, string>): Change =>
    put('BGPPeer', 'peer', spec, {}, options(fields));

  it('of a BGPPeer win over those of the node, which win over those of all nodes', () => {
    const all = put(
      'BGPConfiguration',
      'default',
      {},
      {},
      options({ 'hold-time': '30s', 'connect-retry-time': '7s' }),
    );
    const own = put('BGPConfiguration', 'node.one', {}, {}, options({ 'hold-time': '20s' }));
    const special = peer({ peerIP: '172.16.0.9', asNumber: 65000 }, { 'hold-time': '9s' });
    const peers = peersOf('one', [one, two, all, own, special]);
    expect(peers.get('Mesh_172_16_0_2')).toMatchObject({ holdTime: 20, connectRetryTime: 7 });
    expect(peers.get('Global_172_16_0_9')).toMatchObject({ holdTime: 9, connectRetryTime: 7 });
    expect(peersOf('two', [one, two, all, own]).get('Mesh_172_16_0_1')).toMatchObject({ holdTime: 30 });
  });

  it('are turned round for the node at the other end', () => {
    const spec = { node: 'one', peerSelector: "role == 'reflector'" };
    const reflector = node('two', { ipv4Address: '172.16.0.2/24' }, { role: 'reflector' });
    const changes = [one, reflector, noMesh, peer(spec, { passive: 'true', 'hold-time': '9s' })];
    expect(peersOf('one', changes).get('Node_172_16_0_2')).toMatchObject({ passive: true, holdTime: 9 });
    expect(peersOf('two', changes).get('Node_172_16_0_1')).toMatchObject({ passive: false, holdTime: 9 });
  });

  it('show a confederation to the world and its members to each other', () => {
    const inside = put(
      'BGPConfiguration',
      'default',
      {},
      {},
      options({ confederation: '65000 64512 64513' }),
    );
    const member = node('two', { ipv4Address: '172.16.0.2/24', asNumber: 64513 });
    const upstream = peer({ peerIP: '172.16.0.9', asNumber: 174 }, {});
    const peers = peersOf('one', [one, member, three, inside, upstream]);
    expect([...peers.values()].map(({ name, localAsNumber }) => [name, localAsNumber])).toEqual([
      ['Global_172_16_0_9', 65000],
      ['Mesh_172_16_0_2', 64512],
      ['Mesh_172_16_0_3', 64512],
    ]);
  });

  it('of the speaker come from BGPConfiguration alone', () => {
    const all = put('BGPConfiguration', 'default', {}, {}, options({ 'deferral-time': '30s' }));
    expect(plan('one', [one, all]).options).toEqual({ deferralTime: 30 });
    expect(plan('one', [one]).options).toEqual({});
  });
});
