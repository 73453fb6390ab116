import { execFileSync } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { Wakeup } from '../../src/base/wakeup.ts';
import { silentLogger } from '../../src/base/log.ts';
import { CalcGraph } from '../../src/calc/graph.ts';
import { Dataplane } from '../../src/dataplane/dataplane.ts';
import { keyOf } from '../../src/model/resource.ts';
import { resourcesOf } from '../resources-of.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { PROTOCOL_KERNEL, PROTOCOL_STATIC, TABLE_MAIN } from '../../src/netlink/kernel.ts';
import type { Route, RouteKernel } from '../../src/netlink/kernel.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { readSysctl } from '../../src/sys/sysctl.ts';
import { describeKernel, withNamespaces } from './fixture-namespace.ts';

const WORLD = `
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: open}
spec:
  ingress: [{action: Allow}]
  egress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  name: node--a-k8s-web-eth0
  namespace: shop
  labels: {app: web}
spec:
  orchestrator: k8s
  node: node-a
  pod: web
  endpoint: eth0
  ipNetworks: [10.65.0.2/32, "fd65::2/128"]
  profiles: [open]
  interfaceName: cali1
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == "web"
  types: [Ingress]
  ingress:
    - action: Allow
      protocol: TCP
      destination: {ports: [80, 443]}
---
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: node-a-10-65-0-0-26}
spec: {state: confirmed, node: node-a, cidr: 10.65.0.0/26, type: host, deleted: false}
`;

/** The workload of the world above is a BGP peer, and the host has addresses for it. */
const PEERING = `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node-a}
spec: {bgp: {ipv4Address: 192.0.2.1/24, ipv6Address: "2001:db8::1/64"}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: routers}
spec: {localWorkloadSelector: app == 'web', asNumber: 65010}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {localWorkloadPeeringIPV4: 169.254.1.2, localWorkloadPeeringIPV6: "fe80::1:2"}
`;

/** A calculation of the world above for node-a. */
function graphOf(text: string): CalcGraph {
  const graph = new CalcGraph({ nodeName: 'node-a' });
  for (const resource of resourcesOf(text)) graph.update(keyOf(resource), resource);
  return graph;
}

function nft(namespace: string, ...args: string[]): string {
  return inNamespace(namespace, () => execFileSync('nft', args, { encoding: 'utf8' }));
}

async function ownRoutes(kernel: RouteKernel): Promise<Route[]> {
  const routes = await kernel.routes({ protocol: 80 });
  return routes.toSorted((a, b) => (a.destination < b.destination ? -1 : 1));
}

async function withDataplane(
  namespace: string,
  tableOwnership: boolean,
  body: (dataplane: Dataplane) => Promise<void>,
): Promise<void> {
  const dataplane = await Dataplane.open({ namespace, tableOwnership, log: silentLogger() });
  try {
    await body(dataplane);
  } finally {
    dataplane.close();
  }
}

/** Runs `body` while every disturbance is followed by an apply, one at a time, as in an agent. */
async function whileRepairing(dataplane: Dataplane, body: () => Promise<void>): Promise<void> {
  const wakeup = new Wakeup();
  let stopped = false;
  dataplane.onDisturbance = () => wakeup.raise();
  const loop = (async () => {
    while (!stopped) {
      await wakeup.wait();
      await dataplane.apply();
    }
  })();
  try {
    await body();
  } finally {
    stopped = true;
    wakeup.raise();
    await loop;
  }
}

async function makeInterface(kernel: RouteKernel, peerNamespace: string): Promise<number> {
  await kernel.createLink({
    kind: 'veth',
    name: 'cali1',
    mac: 'ee:ee:ee:ee:ee:ee',
    up: true,
    peer: { name: 'eth0', namespace: peerNamespace },
  });
  return (await kernel.link('cali1'))!.index;
}

describeKernel('the dataplane', () => {
  it('routes workloads, blackholes blocks, writes settings and policy, and adopts all of it after a restart', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        const index = await makeInterface(kernel, pod!);
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          expect(dataplane.status().problems).toEqual([]);
        });
        const routes = await ownRoutes(kernel);
        expect(
          routes.map(({ destination, type, nextHops }) => [destination, type, nextHops[0]?.interface]),
        ).toEqual([
          ['10.65.0.0/26', 'blackhole', undefined],
          ['10.65.0.2/32', 'unicast', index],
          ['fd65::2/128', 'unicast', index],
        ]);
        expect(readSysctl('net/ipv4/conf/cali1/proxy_arp', host)).toBe('1');
        expect(readSysctl('net/ipv4/ip_forward', host)).toBe('1');
        const before = nft(host!, '-a', 'list', 'table', 'inet', 'margay');
        expect(before).toContain('default/NetworkPolicy/shop/web/ingress/0');

        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
        });
        expect(nft(host!, '-a', 'list', 'table', 'inet', 'margay')).toBe(before);
        expect(await ownRoutes(kernel)).toEqual(routes);
      } finally {
        kernel.close();
      }
    });
  });

  it('sweeps what an earlier agent left and nobody wants', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        await makeInterface(kernel, pod!);
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
        });
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(new CalcGraph({ nodeName: 'node-a' }).flush());
          await dataplane.apply();
        });
        expect(await ownRoutes(kernel)).toEqual([]);
        expect(nft(host!, 'list', 'table', 'inet', 'margay')).not.toContain('cali1');
      } finally {
        kernel.close();
      }
    });
  });

  it('routes a workload whose interface comes after its endpoint, goes, and comes again', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          await whileRepairing(dataplane, async () => {
            for (let round = 0; round < 2; round++) {
              const index = await makeInterface(kernel, pod!);
              await vi.waitFor(async () => {
                const destinations = (await ownRoutes(kernel)).map((route) => route.destination);
                expect(destinations).toContain('10.65.0.2/32');
                expect(destinations).toContain('fd65::2/128');
              });
              expect(readSysctl('net/ipv4/conf/cali1/proxy_arp', host)).toBe('1');
              await kernel.deleteLink(index);
            }
          });
        });
      } finally {
        kernel.close();
      }
    });
  });

  it('keeps the route of an interface that one endpoint takes over from another', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        await makeInterface(kernel, pod!);
        await withDataplane(host!, true, async (dataplane) => {
          const graph = graphOf(WORLD);
          dataplane.update(graph.flush());
          await dataplane.apply();
          const before = await ownRoutes(kernel);
          const [old] = resourcesOf(WORLD).filter(({ kind }) => kind === 'WorkloadEndpoint');
          const successor = { ...old!, metadata: { ...old!.metadata, namespace: 'stock' } };
          graph.update(keyOf(successor), successor);
          graph.update(keyOf(old!), undefined);
          dataplane.update(graph.flush());
          await dataplane.apply();
          expect(await ownRoutes(kernel)).toEqual(before);
        });
      } finally {
        kernel.close();
      }
    });
  });

  it('puts a route back that someone deletes', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        await makeInterface(kernel, pod!);
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          const before = await ownRoutes(kernel);
          await whileRepairing(dataplane, async () => {
            for (const { destination } of before) {
              await kernel.changeRoutes([{ operation: 'delete', route: { destination, protocol: 80 } }]);
            }
            await vi.waitFor(async () => expect(await ownRoutes(kernel)).toEqual(before));
          });
        });
      } finally {
        kernel.close();
      }
    });
  });

  it('takes over the route that a CNI plugin left for a workload', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        const index = await makeInterface(kernel, pod!);
        const destination = prefix('10.65.0.2/32');
        await kernel.changeRoutes([
          {
            operation: 'add',
            route: { destination, protocol: PROTOCOL_STATIC, nextHops: [{ interface: index }] },
          },
        ]);
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          expect(dataplane.status().problems).toEqual([]);
        });
        const routes = (await kernel.routes()).filter((route) => route.destination === destination);
        expect(routes.map(({ protocol }) => protocol)).toEqual([80]);
      } finally {
        kernel.close();
      }
    });
  });

  it('has addresses of the host for a workload that is a BGP peer, as long as it is one', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      const held = async (): Promise<string[]> => {
        const names = new Map((await kernel.links()).map(({ index, name }) => [index, name]));
        return (await kernel.addresses())
          .filter(({ protocol }) => protocol === 80)
          .map((one) => `${names.get(one.interface)} ${one.address}/${one.prefixLength} ${one.scope}`)
          .toSorted();
      };
      const ipv4 = 'lo 169.254.1.2/32 host';
      const both = ['cali1 fe80::1:2/128 link', ipv4];
      const peering = `${WORLD}---${PEERING}`;
      try {
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(peering).flush());
          await dataplane.apply();
          await whileRepairing(dataplane, async () => {
            await kernel.changeLink(1, { up: true });
            const index = await makeInterface(kernel, pod!);
            await vi.waitFor(async () => expect(await held()).toEqual(both));
            await kernel.deleteAddress({ interface: 1, address: address('169.254.1.2'), prefixLength: 32 });
            await kernel.deleteAddress({
              interface: index,
              address: address('fe80::1:2'),
              prefixLength: 128,
            });
            await vi.waitFor(async () => expect(await held()).toEqual(both));
            await kernel.changeLink(index, { up: false });
            await vi.waitFor(async () => expect(await held()).toEqual([ipv4]));
            await kernel.changeLink(index, { up: true });
            await vi.waitFor(async () => expect(await held()).toEqual(both));
            await kernel.deleteLink(index);
            await vi.waitFor(async () => expect(await held()).toEqual([ipv4]));
            await makeInterface(kernel, pod!);
            await vi.waitFor(async () => expect(await held()).toEqual(both));
          });
          expect(dataplane.status().problems).toEqual([]);
        });
        // A restarted agent knows them again: it keeps them, and takes away what is no longer wanted.
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(peering).flush());
          await dataplane.apply();
          expect(dataplane.status().problems).toEqual([]);
          expect(await held()).toEqual(both);
        });
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(peering.replace("app == 'web'", "app == 'router'")).flush());
          await dataplane.apply();
          expect(await held()).toEqual([]);
        });
      } finally {
        kernel.close();
      }
    });
  });

  it('does not take an address for workloads that are peers as source of what the host sends to them', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      const source = (destination: string): string | undefined =>
        inNamespace(host!, () =>
          execFileSync('ip', ['route', 'get', destination], { encoding: 'utf8' }),
        ).match(/ src (\S+)/)?.[1];
      try {
        await kernel.changeLink(1, { up: true });
        await makeInterface(kernel, pod!);
        const own = { interface: 1, scope: 'global' } as const;
        await kernel.addAddress({ ...own, address: address('192.0.2.1'), prefixLength: 32 });
        await kernel.addAddress({ ...own, address: address('2001:db8::1'), prefixLength: 128 });
        await withDataplane(host!, true, async (dataplane) => {
          // Closer to the workload's address than that of the node.
          const near = PEERING.replace('fe80::1:2', 'fd65::1:2');
          dataplane.update(graphOf(`${WORLD}---${near}`).flush());
          await dataplane.apply();
          expect(dataplane.hasAddress(address('192.0.2.1'))).toBe(true);
          const held = (await kernel.addresses()).filter(({ protocol }) => protocol === 80);
          expect(held.map((one) => one.address).toSorted()).toEqual(['169.254.1.2', 'fd65::1:2']);
          expect([source('10.65.0.2'), source('fd65::2')]).toEqual(['192.0.2.1', '2001:db8::1']);
        });
      } finally {
        kernel.close();
      }
    });
  });

  it('leaves a connected route alone that is equal to a block, and says so', async () => {
    await withNamespaces(2, async ([host, pod]) => {
      const kernel = openLinuxKernel({ namespace: host! });
      try {
        const index = await makeInterface(kernel, pod!);
        await kernel.changeLink(index, { name: 'wire' });
        await kernel.addAddress({ interface: index, address: address('10.65.0.1'), prefixLength: 26 });
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          expect(dataplane.status().problems).toEqual([
            'route 10.65.0.0/26: an address of this host has it already',
          ]);
        });
        const routes = (await kernel.routes({ table: TABLE_MAIN })).filter(
          (route) => route.destination === '10.65.0.0/26',
        );
        expect(routes.map(({ type, protocol }) => [type, protocol])).toEqual([['unicast', PROTOCOL_KERNEL]]);
      } finally {
        kernel.close();
      }
    });
  });

  describe('against strangers', () => {
    it('stays untouched by a flush of the whole ruleset where the kernel protects the table', async () => {
      await withNamespaces(1, async ([host]) => {
        await withDataplane(host!, true, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          expect(dataplane.status().ownsTable).toBe(true);
          const before = nft(host!, '-a', 'list', 'table', 'inet', 'margay');
          nft(host!, 'flush', 'ruleset');
          expect(nft(host!, '-a', 'list', 'table', 'inet', 'margay')).toBe(before);
        });
      });
    });

    it('repairs the table after a flush where it is shared, and counts the repair', async () => {
      await withNamespaces(1, async ([host]) => {
        await withDataplane(host!, false, async (dataplane) => {
          dataplane.update(graphOf(WORLD).flush());
          await dataplane.apply();
          expect(dataplane.status().ownsTable).toBe(false);
          const before = nft(host!, 'list', 'table', 'inet', 'margay');
          await whileRepairing(dataplane, async () => {
            nft(host!, 'flush', 'ruleset');
            await vi.waitFor(() => expect(dataplane.status().repairs).toBe(1));
          });
          expect(nft(host!, 'list', 'table', 'inet', 'margay')).toBe(before);
        });
      });
    });
  });
});
