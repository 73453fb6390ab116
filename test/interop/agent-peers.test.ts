/** BGPPeers that name no address, from the resource to the route in the kernel: own workloads, peers from a prefix. */
import { afterEach, expect, it } from 'vitest';
import type { Lab } from '../../src/lab/lab.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { Bird } from './fixture-bird.ts';
import { apply, eventually, margayctl, ownRoutes } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16, blockSize: 26 }, { cidr: "fd65::/112", blockSize: 122 }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
clients: { c: { segments: [rack] } }
namespaces: { x: {} }
workloads: { x/r: { host: n1, labels: { role: router } }, x/w: { host: n2, labels: { role: router } } }
`;

interface Router {
  readonly namespace: string;
  readonly local: string;
  readonly neighbor: string;
  readonly asNumber: number;
  readonly routes: readonly string[];
}

/** A BIRD of one session over either family, that originates routes of both. */
function birdConfig({ local, neighbor, asNumber, routes }: Router): string {
  const of = (six: boolean): string =>
    routes
      .filter((route) => route.includes(':') === six)
      .map((route) => `route ${route} blackhole;`)
      .join(' ');
  return `
log stderr all;
router id 192.0.2.${asNumber % 200};
protocol device { scan time 1; }
protocol static { ipv4; ${of(false)} }
protocol static { ipv6; ${of(true)} }
protocol bgp margay {
  local ${local} as ${asNumber};
  neighbor ${neighbor} as 64512;
  multihop;
  connect delay time 1;
  connect retry time 1;
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export where source = RTS_STATIC; };
}
`;
}

/** Workloads that are routers peer with their host, which lets them. */
const WORKLOADS_PEER = `apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: { name: default }
spec: { defaultEndpointToHostAction: Accept }
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: routers }
spec: { localWorkloadSelector: role == 'router', asNumber: 65010 }
`;

describeKernel('peers that are found', () => {
  const bench = useLabs();
  const birds: Bird[] = [];
  afterEach(async () => {
    for (const bird of birds.splice(0)) await bird.stop();
  });

  async function startRouter(router: Router): Promise<Bird> {
    const bird = await Bird.start({ namespace: router.namespace, config: birdConfig(router) });
    birds.push(bird);
    return bird;
  }

  /** Waits for a learned route on a host, and gives the gateway of it. */
  async function learned(
    lab: Lab,
    host: string,
    destination: string,
    bird: Bird,
  ): Promise<string | undefined> {
    let seen: Awaited<ReturnType<typeof ownRoutes>> = [];
    const find = () => seen.find((route) => route.destination === destination && route.protocol === 81);
    await eventually(
      async () => {
        seen = await ownRoutes(lab.endpoint(host).namespace);
        return find() !== undefined;
      },
      () => `${destination} on ${host}: ${JSON.stringify(seen)}\n${bird.log}`,
      30_000,
    );
    return find()?.nextHops[0]?.gateway;
  }

  it('are workloads of the node, whose routes all nodes learn, and are forgotten with their selector', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      await apply(lab, WORKLOADS_PEER);
      const local = lab.address('x/r', 4);
      const bird = await startRouter({
        namespace: lab.endpoint('x/r').namespace,
        local,
        neighbor: lab.address('n1', 4),
        asNumber: 65010,
        routes: ['10.65.200.0/24'],
      });
      expect(await learned(lab, 'n1', '10.65.200.0/24', bird)).toBe(local);
      expect(await learned(lab, 'n2', '10.65.200.0/24', bird)).toBe(lab.address('n1', 4));
      const { bgp } = await lab.agentStatus('n1');
      expect(bgp.peers.filter(({ type }) => type === 'local workload')).toEqual([
        expect.objectContaining({ address: local, state: 'Established', asNumber: 65010, received: 1 }),
        expect.objectContaining({ address: lab.address('x/r', 6), state: 'Active' }),
      ]);
      expect((await margayctl(lab, 'n1', 'delete', 'bgppeer', 'routers')).status).toBe(0);
      let left: string[] = [];
      await eventually(
        async () => {
          left = (await ownRoutes(lab.endpoint('n2').namespace)).map(({ destination }) => destination);
          return !left.includes('10.65.200.0/24');
        },
        () => `the route stays: ${left.join()}`,
        30_000,
      );
    } finally {
      await lab.down();
    }
  });

  it('are workloads that all peer with one address of their host, whichever host that is', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      await apply(
        lab,
        `${WORKLOADS_PEER}---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: { name: default }
spec: { localWorkloadPeeringIPV4: 169.254.1.2 }
`,
      );
      for (const [workload, host, route] of [
        ['x/r', 'n1', '10.65.210.0/24'],
        ['x/w', 'n2', '10.65.211.0/24'],
      ] as const) {
        const bird = await startRouter({
          namespace: lab.endpoint(workload).namespace,
          local: lab.address(workload, 4),
          neighbor: '169.254.1.2',
          asNumber: 65010,
          routes: [route],
        });
        expect(await learned(lab, host, route, bird)).toBe(lab.address(workload, 4));
      }
    } finally {
      await lab.down();
    }
  });

  it('connect from a prefix, and their routes are in the kernel', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      await apply(
        lab,
        `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: rack
  annotations: { bgp.margay.io/dynamic-neighbors: "172.16.0.0/24,fd16::/64 limit 4" }
spec: { node: n1, asNumber: 65020 }
`,
      );
      const { namespace } = lab.endpoint('c');
      const [four, six] = [lab.address('c', 4), lab.address('c', 6)];
      const bird = await startRouter({
        namespace,
        local: six,
        neighbor: lab.address('n1', 6),
        asNumber: 65020,
        routes: ['fd65::ff00/122'],
      });
      expect(await learned(lab, 'n1', 'fd65::ff00/122', bird)).toBe(six);
      await startRouter({
        namespace,
        local: four,
        neighbor: lab.address('n1', 4),
        asNumber: 65020,
        routes: ['10.65.201.0/24'],
      });
      expect(await learned(lab, 'n1', '10.65.201.0/24', bird)).toBe(four);
      const { bgp } = await lab.agentStatus('n1');
      expect(bgp.dynamic).toEqual([
        { template: 'rack', prefixes: ['172.16.0.0/24', 'fd16::/64'], limit: 4, peers: 2, refused: 0 },
      ]);
      const dynamic = bgp.peers.filter(({ type }) => type === 'dynamic');
      expect(new Map(dynamic.map(({ address, state }) => [address, state]))).toEqual(
        new Map([
          [four, 'Established'],
          [six, 'Established'],
        ]),
      );
    } finally {
      await lab.down();
    }
  });

  it('are nodes that a selector brings in, though one shows another AS than its own', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      await apply(
        lab,
        `apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: { name: default }
spec: { nodeToNodeMeshEnabled: false }
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: shown }
spec: { node: n1, peerSelector: all(), localASNumber: 65099 }
`,
      );
      let seen: unknown;
      await eventually(
        async () => {
          const { bgp } = await lab.agentStatus('n2');
          seen = bgp.peers;
          return (
            bgp.peers.length === 2 &&
            bgp.peers.every(({ state, asNumber }) => state === 'Established' && asNumber === 65099)
          );
        },
        () => JSON.stringify(seen),
        30_000,
      );
    } finally {
      await lab.down();
    }
  });
});
