/** Single addresses of services, from the resource to the table of a router outside (BIRD): who announces them, and when. */
import { afterEach, expect, it } from 'vitest';
import type { RouteWhy } from '../../src/base/bgp-view.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { useLabs } from '../kernel/lab-fixture.ts';
import { Bird } from './fixture-bird.ts';
import { apply, eventually, margayctl } from './fixture-lab.ts';

const TOPOLOGY = `name: NAME
pools: [{ cidr: 10.65.0.0/16 }, { cidr: "fd65::/112" }]
segments: { rack: { subnets: [172.16.0.0/24, "fd16::/64"] } }
hosts: { n1: { segments: [rack] }, n2: { segments: [rack] } }
clients: { c: { segments: [rack] } }
`;

const OUTSIDE = 65_020;
const V4_RANGE = '203.0.113.0/28';
const V6_RANGE = 'fd19::/112';
const SINGLES = ['203.0.113.1/32', 'fd19::1/128'] as const;

type Node = 'n1' | 'n2';
const nodes: readonly Node[] = ['n1', 'n2'];

function birdConfig(lab: Lab): string {
  const session = (node: Node): string => `
protocol bgp ${node} {
  local ${lab.address('c', 4)} as ${OUTSIDE};
  neighbor ${lab.address(node, 4)} as 64512;
  multihop;
  connect delay time 1;
  connect retry time 1;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}`;
  return `
log stderr all;
router id 192.0.2.20;
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
${nodes.map(session).join('\n')}
`;
}

const configuration = (lab: Lab, aggregation: 'Enabled' | 'Disabled'): string => `
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: { name: default }
spec:
  serviceLoadBalancerIPs: [{ cidr: ${V4_RANGE} }, { cidr: "${V6_RANGE}" }]
  serviceLoadBalancerAggregation: ${aggregation}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: outside }
spec: { peerIP: ${lab.address('c', 4)}, asNumber: ${OUTSIDE} }
`;

const service = (policy: 'Local' | 'Cluster'): string => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: LoadBalancer
  externalTrafficPolicy: ${policy}
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd96::1"]
status: { loadBalancer: { ingress: [{ ip: 203.0.113.1 }, { ip: "fd19::1" }] } }
`;

/** A slice of each family, with an endpoint on each of these nodes; `true`: it is ready. */
const slices = (endpoints: Readonly<Partial<Record<Node, boolean>>>): string =>
  ([4, 6] as const)
    .map(
      (family) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-${family}, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv${family}
endpoints: [${Object.entries(endpoints)
        .map(([node, ready], index) => {
          const address = family === 4 ? `10.65.0.${index + 9}` : `"fd65::${index + 9}"`;
          return `{ addresses: [${address}], nodeName: ${node}, conditions: { ready: ${ready} } }`;
        })
        .join(', ')}]
`,
    )
    .join('---');

describeKernel('single addresses of services', () => {
  const bench = useLabs();
  let bird: Bird | undefined;
  afterEach(async () => {
    await bird?.stop();
    bird = undefined;
  });

  it('come and go with ready endpoints on the node, and are of all nodes where no range speaks for them', async () => {
    const lab = await bench.up(TOPOLOGY);
    try {
      const { namespace } = lab.endpoint('c');
      const router = (bird = await Bird.start({ namespace, config: birdConfig(lab) }));
      /** Waits until the router has these prefixes from these nodes alone. */
      const heard = async (prefixes: readonly string[], from: readonly Node[]): Promise<void> => {
        let seen: unknown;
        await eventually(
          async () => {
            const found = await Promise.all(
              prefixes.map(async (prefix) => {
                const text = await router.ask('show', 'route', prefix);
                return [...text.matchAll(/\[(n\d) /g)].map(([, node]) => node!).toSorted();
              }),
            );
            seen = found;
            return found.every((one) => one.join() === from.join());
          },
          () => `${prefixes.join()} from ${from.join()}: ${JSON.stringify(seen)}\n${router.log}`,
          30_000,
        );
      };
      const why = async (host: Node, address: string): Promise<RouteWhy> =>
        JSON.parse((await margayctl(lab, host, 'route', 'why', address, '-o', 'json')).stdout) as RouteWhy;

      await apply(lab, `${configuration(lab, 'Enabled')}---${service('Local')}---${slices({ n1: true })}`);
      await heard([V4_RANGE, V6_RANGE], nodes);
      await heard(SINGLES, ['n1']);

      // Who announces it says so, and who does not says why.
      expect(await why('n1', '203.0.113.1')).toMatchObject({
        prefix: '203.0.113.1/32',
        services: [{ service: 'shop/web', kind: 'load-balancer', announced: true, reason: 'local-endpoint' }],
      });
      const told = (await why('n1', 'fd19::1')).exports.find(({ peer }) => peer.startsWith('Global_'));
      expect(told).toMatchObject({ told: true, rule: 'service-address' });
      expect((await why('n2', 'fd19::1')).services).toEqual([
        { service: 'shop/web', kind: 'load-balancer', announced: false, reason: 'no-local-endpoint' },
      ]);
      const { stdout } = await margayctl(lab, 'n2', 'route', 'why', '203.0.113.1');
      expect(stdout).toContain(
        'The load balancer address of service shop/web is not announced by this node on its own: ' +
          'externalTrafficPolicy is Local, and no ready endpoint of it is on this node.',
      );

      await apply(lab, slices({ n1: true, n2: true }));
      await heard(SINGLES, nodes);
      await apply(lab, slices({ n1: false, n2: true }));
      await heard(SINGLES, ['n2']);
      await apply(lab, slices({ n1: false, n2: false }));
      await heard(SINGLES, []);
      await apply(lab, slices({ n2: true }));
      await heard(SINGLES, ['n2']);
      await apply(lab, slices({ n1: true }));
      await heard(SINGLES, ['n1']);

      // With Cluster the range is enough, until ranges are not announced.
      await apply(lab, service('Cluster'));
      await heard(SINGLES, []);
      await apply(lab, configuration(lab, 'Disabled'));
      await heard(SINGLES, nodes);
      await heard([V4_RANGE, V6_RANGE], []);

      const label = 'node.kubernetes.io/exclude-from-external-load-balancers';
      expect((await margayctl(lab, 'n1', 'label', 'nodes', 'n1', `${label}=true`)).status).toBe(0);
      await heard(SINGLES, ['n2']);
      expect((await why('n1', '203.0.113.1')).services[0]).toMatchObject({ reason: 'node-excluded' });
      expect((await margayctl(lab, 'n1', 'label', 'nodes', 'n1', label, '--remove')).status).toBe(0);
      await heard(SINGLES, nodes);

      const removed = await margayctl(lab, 'n1', 'delete', 'service', 'web', '-n', 'shop');
      expect(removed).toMatchObject({ status: 0 });
      await heard(SINGLES, []);
    } finally {
      await lab.down();
    }
  });
});
