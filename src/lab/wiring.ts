/**
 * Puts the planned network into the kernel: namespaces, bridges, veth pairs, addresses, routes. Every function looks
 * first and adds what is missing, so that running it again repairs.
 */
import { statSync } from 'node:fs';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { hostPrefix } from '../net/prefix.ts';
import {
  type Link,
  type NewRoute,
  PROTOCOL_STATIC,
  type RouteKernel,
  TABLE_MAIN,
} from '../netlink/kernel.ts';
import { openLinuxKernel } from '../netlink/linux.ts';
import { writeSysctl } from '../sys/sysctl.ts';
import type { InterfacePlan, LabPlan, MachinePlan, PlannedAddress, WorkloadPlan } from './plan.ts';

const BRIDGE = 'bridge';
/** The end of a pod's veth pair on its host (Calico: all hosts and pods alike, so that a pod may move). */
const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** Its link-local address follows from the MAC (RFC 4291 appendix A). */
const HOST_LINK_LOCAL = 'fe80::ecee:eeff:feee:eeee' as Address;
/** The gateway that every pod sees; the host answers for it by proxy ARP. */
const POD_GATEWAY = '169.254.1.1' as Address;
const DEFAULT_ROUTE = { 4: '0.0.0.0/0', 6: '::/0' } as const;

/** The inode of a network namespace, which no two living namespaces share; undefined if the name does not exist. */
export function namespaceInode(name: string): number | undefined {
  return statSync(`/run/netns/${name}`, { throwIfNoEntry: false })?.ino;
}

/**
 * Makes a fresh namespace ready: loopback up, and addresses usable at once, without duplicate detection, which would
 * cost each interface a second or two.
 */
export async function prepareNamespace(name: string): Promise<void> {
  for (const scope of ['all', 'default']) {
    writeSysctl(`net/ipv6/conf/${scope}/accept_dad`, 0, name);
    writeSysctl(`net/ipv6/conf/${scope}/accept_ra`, 0, name);
  }
  await withKernel(name, (kernel) => setUp(kernel, 'lo'));
}

/** The bridge of a segment with its own addresses. */
export async function wireSegment(segment: LabPlan['segments'][number]): Promise<void> {
  await withKernel(segment.namespace, async (kernel) => {
    if ((await kernel.link(BRIDGE)) === undefined) {
      await kernel.createLink({ kind: 'bridge', name: BRIDGE, up: true });
    }
    await setUp(kernel, BRIDGE);
    await ensureAddresses(kernel, BRIDGE, segment.addresses);
  });
}

/** A machine's wires to its segments, its addresses and static routes, and forwarding where the lab turns it on. */
export async function wireMachine(plan: LabPlan, machine: MachinePlan): Promise<void> {
  for (const wire of machine.interfaces) await wireInterface(plan, machine, wire);
  if (machine.forwarding) {
    writeSysctl('net/ipv4/ip_forward', 1, machine.namespace);
    writeSysctl('net/ipv6/conf/all/forwarding', 1, machine.namespace);
  }
  await withKernel(machine.namespace, async (kernel) => {
    const routes: NewRoute[] = [];
    for (const route of machine.routes) {
      const { destination } = route;
      const hop =
        'gateway' in route
          ? { gateway: route.gateway }
          : { interface: (await linkNamed(kernel, route.interface)).index };
      routes.push({ destination, nextHops: [hop], protocol: PROTOCOL_STATIC });
    }
    await ensureRoutes(kernel, routes);
  });
}

async function wireInterface(plan: LabPlan, machine: MachinePlan, wire: InterfacePlan): Promise<void> {
  const segment = plan.segments.find(({ name }) => name === wire.segment)!;
  await withKernel(segment.namespace, async (far) => {
    await withKernel(machine.namespace, async (near) => {
      const port = await far.link(wire.port);
      // Half a pair is left when the other namespace was lost; the kernel takes both ends or none.
      if (port !== undefined && (await near.link(wire.name)) === undefined) await far.deleteLink(port.index);
      if ((await near.link(wire.name)) === undefined) {
        await far.createLink({
          kind: 'veth',
          name: wire.port,
          peer: { name: wire.name, namespace: machine.namespace },
        });
      }
      const bridge = await linkNamed(far, BRIDGE);
      const own = await linkNamed(far, wire.port);
      if (own.master !== bridge.index) await far.changeLink(own.index, { master: bridge.index });
      await setUp(far, wire.port);
      await setUp(near, wire.name);
      await ensureAddresses(near, wire.name, wire.addresses);
    });
  });
}

/**
 * Attaches a workload to its host as a CNI plugin does: a veth pair, host addresses in the pod, a default route by
 * the link-local gateway. What the host needs beyond the link (routes, sysctls, policy) is the agent's work.
 */
export async function attachWorkload(plan: WorkloadPlan, hostNamespace: string): Promise<void> {
  await withKernel(hostNamespace, async (host) => {
    await withKernel(plan.networkNamespace, async (pod) => {
      const left = await host.link(plan.hostInterface);
      if (left !== undefined && (await pod.link('eth0')) === undefined) await host.deleteLink(left.index);
      if ((await pod.link('eth0')) === undefined) {
        await host.createLink({
          kind: 'veth',
          name: plan.hostInterface,
          mac: HOST_MAC,
          peer: { name: 'eth0', namespace: plan.networkNamespace },
        });
      }
      await setUp(host, plan.hostInterface);
      await setUp(pod, 'eth0');
      const { index } = await linkNamed(pod, 'eth0');
      const planned = plan.addresses.map((address) => ({
        address,
        prefixLength: familyOf(address) === 4 ? 32 : 128,
      }));
      await ensureAddresses(pod, 'eth0', planned);
      const families = new Set(plan.addresses.map((address) => familyOf(address)));
      await ensureRoutes(
        pod,
        [...families].flatMap((family) => podRoutes(family, index)),
      );
    });
  });
}

function podRoutes(family: Family, eth0: number): NewRoute[] {
  const gateway = family === 4 ? POD_GATEWAY : HOST_LINK_LOCAL;
  const toGateway: NewRoute = {
    destination: hostPrefix(POD_GATEWAY),
    nextHops: [{ interface: eth0 }],
    scope: 'link',
    protocol: PROTOCOL_STATIC,
  };
  const toEverywhere: NewRoute = {
    destination: DEFAULT_ROUTE[family] as NewRoute['destination'],
    nextHops: [{ gateway, interface: eth0 }],
    protocol: PROTOCOL_STATIC,
  };
  return family === 4 ? [toGateway, toEverywhere] : [toEverywhere];
}

/** Removes the veth pair of a workload, if it is there. */
export async function detachWorkload(plan: WorkloadPlan, hostNamespace: string): Promise<void> {
  await withKernel(hostNamespace, async (kernel) => {
    const link = await kernel.link(plan.hostInterface);
    if (link !== undefined) await kernel.deleteLink(link.index);
  });
}

async function withKernel<T>(namespace: string, work: (kernel: RouteKernel) => Promise<T>): Promise<T> {
  const kernel = openLinuxKernel({ namespace });
  try {
    return await work(kernel);
  } finally {
    kernel.close();
  }
}

async function linkNamed(kernel: RouteKernel, name: string): Promise<Link> {
  const link = await kernel.link(name);
  if (link === undefined) throw new RangeError(`no link ${name}`);
  return link;
}

async function setUp(kernel: RouteKernel, name: string): Promise<void> {
  const { index, up } = await linkNamed(kernel, name);
  if (!up) await kernel.changeLink(index, { up: true });
}

async function ensureAddresses(
  kernel: RouteKernel,
  link: string,
  planned: readonly PlannedAddress[],
): Promise<void> {
  const { index } = await linkNamed(kernel, link);
  const present = await kernel.addresses({ interface: index });
  for (const { address, prefixLength } of planned) {
    if (present.some((own) => own.address === address && own.prefixLength === prefixLength)) continue;
    await kernel.addAddress({ interface: index, address, prefixLength, noDuplicateDetection: true });
  }
}

/** Adds what is missing and leaves what is there alone, so that a route in use is not touched. */
async function ensureRoutes(kernel: RouteKernel, wanted: readonly NewRoute[]): Promise<void> {
  const present = await kernel.routes({ table: TABLE_MAIN, protocol: PROTOCOL_STATIC });
  const missing = wanted.filter(
    ({ destination, nextHops }) =>
      !present.some(
        (route) => route.destination === destination && route.nextHops[0]?.gateway === nextHops?.[0]?.gateway,
      ),
  );
  const { failures } = await kernel.changeRoutes(missing.map((route) => ({ operation: 'replace', route })));
  if (failures[0] !== undefined) throw failures[0].error;
}
