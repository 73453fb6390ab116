/** The machines of a lab, before they know of each other. */
import { familyOf } from '../net/address.ts';
import { type Prefix, addressAt } from '../net/prefix.ts';
import { type InterfacePlan, type MachinePlan, type PoolPlan, namespaceName } from './plan.ts';
import type { Attached, SegmentAddressing } from './plan-addressing.ts';
import { DATASTORE_MACHINE, type RouterSoftware, type Topology } from './topology.ts';

export function planMachines(
  topology: Topology,
  addressing: SegmentAddressing,
  pools: readonly PoolPlan[],
): MachinePlan[] {
  const base = (name: string, role: MachinePlan['role'], attached: Attached) => ({
    name,
    role,
    namespace: namespaceName(topology.name, name),
    interfaces: attached.segments.map((segment, index): InterfacePlan => ({
      name: `eth${index}`,
      segment,
      port: `${name}.${index}`,
      addresses: addressing.machine(segment, role, attached.addresses[segment]),
    })),
    routes: [],
    forwarding: role === 'router',
    ports: [],
  });
  const routers = Object.entries(topology.routers).map(([name, router]): MachinePlan => {
    const machine = base(name, 'router', router);
    const advertise = router.advertise ?? defaultAdvertisement(topology, router.segments, router.software);
    return {
      ...machine,
      router: {
        software: router.software,
        asNumber: router.asNumber,
        gracefulRestart: router.gracefulRestart,
        advertise,
        neighbors: [],
      },
      ...(router.software !== 'margay'
        ? {}
        : {
            node: {
              labels: {},
              asNumber: router.asNumber,
              addresses: machine.interfaces[0]!.addresses,
              blocks: advertise,
            },
          }),
    };
  });
  const datastore: MachinePlan[] =
    topology.datastore === 'etcd'
      ? [
          base(DATASTORE_MACHINE, 'datastore', {
            segments: Object.values(topology.hosts)[0]?.segments.slice(0, 1) ?? [],
            addresses: {},
          }),
        ]
      : [];
  const hosts = Object.entries(topology.hosts).map(([name, host], index): MachinePlan => {
    const machine = base(name, 'host', host);
    const blocks = pools.map((pool) => blockOf(pool, index));
    return { ...machine, node: { labels: host.labels, addresses: machine.interfaces[0]!.addresses, blocks } };
  });
  const clients = Object.entries(topology.clients).map(([name, client]): MachinePlan => ({
    ...base(name, 'client', client),
    ports: client.ports,
  }));
  return [...routers, ...datastore, ...hosts, ...clients];
}

/** What a router announces of its own: the segments behind it. Our agent announces blocks, which must be named. */
function defaultAdvertisement(
  topology: Topology,
  segments: readonly string[],
  software: RouterSoftware,
): Prefix[] {
  if (software === 'margay') return [];
  const hosted = new Set(Object.values(topology.hosts).flatMap((host) => host.segments));
  return segments
    .filter((segment) => !hosted.has(segment))
    .flatMap((segment) => topology.segments[segment]!.subnets);
}

/** The block of the host at that position. */
function blockOf(pool: PoolPlan, index: number): Prefix {
  const width = BigInt((familyOf(pool.cidr) === 4 ? 32 : 128) - pool.blockSize);
  return `${addressAt(pool.cidr, BigInt(index) << width)!}/${pool.blockSize}` as Prefix;
}
