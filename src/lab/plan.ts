/**
 * From a topology to everything that a lab consists of: names, addresses and routes, all decided beforehand. Pure, so
 * that the same topology always gives the same lab, and a lab that broke can be compared with what it should be.
 */
import { type Address, type Family, addressToInteger, familyOf } from '../net/address.ts';
import {
  type Prefix,
  addressAt,
  hostPrefix,
  prefixContains,
  prefixLength,
  prefixRange,
} from '../net/prefix.ts';
import { defaultBlockSize } from '../model/kinds/ip-pool.ts';
import { podInterfaceName } from '../model/workload-endpoint-name.ts';
import { DATASTORE_MACHINE, type RouterSoftware, type Topology, type TopologyPort } from './topology.ts';

export interface LabPlan {
  readonly name: string;
  readonly datastore: Topology['datastore'];
  readonly bgp: boolean;
  readonly asNumber: number;
  readonly mesh: boolean;
  readonly pools: readonly PoolPlan[];
  readonly segments: readonly SegmentPlan[];
  readonly machines: readonly MachinePlan[];
  readonly namespaces: Topology['namespaces'];
  readonly workloads: readonly WorkloadPlan[];
  readonly resources: Topology['resources'];
}

export interface PoolPlan {
  readonly name: string;
  readonly cidr: Prefix;
  readonly blockSize: number;
  readonly natOutgoing: boolean;
}

/** A wire: a bridge in a network namespace of its own. */
export interface SegmentPlan {
  readonly name: string;
  readonly namespace: string;
  /** The bridge's own addresses: gateways where the segment has no router. */
  readonly addresses: readonly PlannedAddress[];
}

export interface PlannedAddress {
  readonly address: Address;
  readonly prefixLength: number;
}

export interface InterfacePlan {
  readonly name: string;
  readonly segment: string;
  /** The other end, on the segment's bridge. */
  readonly port: string;
  readonly addresses: readonly PlannedAddress[];
}

/** A route by a gateway, or to something that is on the link itself. */
export type StaticRoute = { readonly destination: Prefix } & (
  | { readonly gateway: Address }
  | { readonly interface: string }
);

export interface MachinePlan {
  readonly name: string;
  readonly role: 'host' | 'router' | 'client' | 'datastore';
  readonly namespace: string;
  readonly interfaces: readonly InterfacePlan[];
  readonly routes: readonly StaticRoute[];
  /** Whether the lab makes it forward; a host's agent does that itself. */
  readonly forwarding: boolean;
  /** Present where an agent runs. */
  readonly node?: NodePlan;
  /** Present on routers. */
  readonly router?: RouterPlan;
  /** What listens on a client. */
  readonly ports: readonly TopologyPort[];
}

export interface NodePlan {
  readonly labels: Readonly<Record<string, string>>;
  /** Differs from the lab's on a router that runs our agent. */
  readonly asNumber?: number;
  /** The addresses it is known by: those of its first interface. */
  readonly addresses: readonly PlannedAddress[];
  readonly blocks: readonly Prefix[];
}

export interface RouterPlan {
  readonly software: RouterSoftware;
  readonly asNumber: number;
  readonly gracefulRestart: boolean;
  readonly advertise: readonly Prefix[];
  readonly neighbors: readonly RouterNeighbor[];
}

/** One BGP session of a router, seen from the router. */
export interface RouterNeighbor {
  /** The machine at the other end. */
  readonly machine: string;
  readonly asNumber: number;
  readonly localAddress: Address;
  readonly address: Address;
  readonly families: readonly Family[];
}

export interface WorkloadPlan {
  /** `NAMESPACE/POD`. */
  readonly name: string;
  readonly namespace: string;
  readonly pod: string;
  readonly host: string;
  readonly networkNamespace: string;
  /** The end of its veth pair on the host. */
  readonly hostInterface: string;
  readonly addresses: readonly Address[];
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly ports: readonly TopologyPort[];
}

/** Where addresses of a segment begin, by role; IPv6 takes the same digits, so 11 is ::11. */
const FIRST_ORDINAL = { router: 1, datastore: 5, host: 11, client: 101 } as const;
/** The first two addresses of a block are left to whoever wants them to be special. */
const FIRST_WORKLOAD = 2n;

/** The name of a network namespace of a lab. */
export function namespaceName(lab: string, member: string): string {
  return `margay-${lab}-${member}`;
}

/** Plans a whole lab. The topology has been checked (topology-checks.ts). */
export function planLab(topology: Topology): LabPlan {
  const pools = topology.pools.map((pool, index): PoolPlan => ({
    name: `pool-${familyOf(pool.cidr) === 4 ? 'ipv4' : 'ipv6'}-${index}`,
    cidr: pool.cidr,
    blockSize: pool.blockSize ?? defaultBlockSize[familyOf(pool.cidr)],
    natOutgoing: pool.natOutgoing,
  }));
  const addressing = new SegmentAddressing(topology);
  const machines = withRoutes(topology, planMachines(topology, addressing, pools), addressing);
  const plan: LabPlan = {
    name: topology.name,
    datastore: topology.datastore,
    bgp: topology.bgp,
    asNumber: topology.asNumber,
    mesh: topology.mesh,
    pools,
    segments: Object.keys(topology.segments).map((name) => ({
      name,
      namespace: namespaceName(topology.name, name),
      addresses: addressing.bridge(name),
    })),
    machines: withSessions(topology, machines),
    namespaces: topology.namespaces,
    workloads: [],
    resources: topology.resources,
  };
  const workloads = planWorkloads(topology, plan);
  return { ...plan, workloads, machines: withStrayRoutes(topology, plan.machines, workloads) };
}

/** Without BGP nobody announces an address that lies outside the blocks of its workload's host. */
function withStrayRoutes(
  topology: Topology,
  machines: readonly MachinePlan[],
  workloads: readonly WorkloadPlan[],
): MachinePlan[] {
  if (topology.bgp) return [...machines];
  return machines.map((machine) => {
    const routes = workloads.flatMap(({ host, addresses }) => {
      const home = machines.find(({ name }) => name === host);
      if (home === undefined || home === machine || machine.role === 'client') return [];
      return addresses.flatMap((address): StaticRoute[] => {
        const gateway = neighborAddress(machine, home, familyOf(address));
        const announced = home.node?.blocks.some((block) => prefixContains(block, address)) === true;
        return announced || gateway === undefined ? [] : [{ destination: hostPrefix(address), gateway }];
      });
    });
    return { ...machine, routes: [...machine.routes, ...routes] };
  });
}

/** The machine of that name; throws a RangeError if there is none. */
export function machineOf(plan: LabPlan, name: string): MachinePlan {
  const machine = plan.machines.find((candidate) => candidate.name === name);
  if (machine === undefined) throw new RangeError(`no machine ${name}`);
  return machine;
}

/** What a new workload is described by; a {@link WorkloadPlan} follows from it. */
export interface WorkloadRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly host: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly ports?: readonly TopologyPort[];
  /** The next free address of each block of the host when left out. */
  readonly addresses?: readonly Address[];
}

/** Plans one more workload beside those of the plan. Throws a RangeError when a block of its host is full. */
export function planWorkload(plan: LabPlan, request: WorkloadRequest): WorkloadPlan {
  const { namespace, pod, host } = request;
  const taken = new Set(plan.workloads.flatMap((workload) => workload.addresses));
  return {
    name: `${namespace}/${pod}`,
    namespace,
    pod,
    host,
    networkNamespace: namespaceName(plan.name, `${namespace}-${pod}`),
    hostInterface: podInterfaceName(namespace, pod),
    addresses:
      request.addresses ??
      (machineOf(plan, host).node?.blocks ?? []).map((block) => freeAddress(block, taken)),
    labels: request.labels ?? {},
    serviceAccount: request.serviceAccount ?? 'default',
    ports: request.ports ?? [],
  };
}

function freeAddress(block: Prefix, taken: ReadonlySet<Address>): Address {
  for (let ordinal = FIRST_WORKLOAD; ; ordinal++) {
    const candidate = addressAt(block, ordinal);
    if (candidate === undefined) throw new RangeError(`block ${block} is full`);
    if (!taken.has(candidate)) return candidate;
  }
}

/** Workloads with fixed addresses first, so that the others go round them. */
function planWorkloads(topology: Topology, base: LabPlan): WorkloadPlan[] {
  const planned = new Map<string, WorkloadPlan>();
  const entries = Object.entries(topology.workloads);
  const fixedFirst = entries.toSorted(
    ([, a], [, b]) => Number(b.ips !== undefined) - Number(a.ips !== undefined),
  );
  for (const [name, { ips, ...workload }] of fixedFirst) {
    const [namespace, pod] = name.split('/') as [string, string];
    const request = { ...workload, namespace, pod, ...(ips === undefined ? {} : { addresses: ips }) };
    planned.set(name, planWorkload({ ...base, workloads: [...planned.values()] }, request));
  }
  return entries.map(([name]) => planned.get(name)!);
}

type Attached = {
  readonly segments: readonly string[];
  readonly addresses: Readonly<Record<string, readonly Address[]>>;
};

/** Hands out the addresses of segments: fixed ones first, then in the order of the topology. */
class SegmentAddressing {
  private readonly taken = new Set<Address>();
  private readonly bridges = new Map<string, PlannedAddress[]>();

  constructor(private readonly topology: Topology) {
    const machines: Attached[] = [topology.hosts, topology.routers, topology.clients].flatMap((room) =>
      Object.values(room),
    );
    for (const { addresses } of machines) {
      for (const address of Object.values(addresses).flat()) this.taken.add(address);
    }
    const routed = new Set(Object.values(topology.routers).flatMap((router) => router.segments));
    for (const segment of Object.keys(topology.segments)) {
      if (!routed.has(segment)) this.bridges.set(segment, this.machine(segment, 'router'));
    }
  }

  /** The addresses of a machine on one of its segments. */
  machine(segment: string, role: MachinePlan['role'], fixed: readonly Address[] = []): PlannedAddress[] {
    return this.subnets(segment).map((subnet) => ({
      address: fixed.find((address) => prefixContains(subnet, address)) ?? this.next(subnet, role),
      prefixLength: prefixLength(subnet),
    }));
  }

  /** The bridge is a gateway only where no router is, because a host needs a default route (proxy ARP asks for it). */
  bridge(segment: string): readonly PlannedAddress[] {
    return this.bridges.get(segment) ?? [];
  }

  private subnets(segment: string): readonly Prefix[] {
    return this.topology.segments[segment]!.subnets;
  }

  private next(subnet: Prefix, role: MachinePlan['role']): Address {
    const { last } = prefixRange(subnet);
    const start = FIRST_ORDINAL[role];
    // From the role's own start, and in a subnet too small for that from the beginning.
    for (let step = 0; step < 2000; step++) {
      const ordinal = step < 1000 ? start + step : step - 999;
      const value = familyOf(subnet) === 4 ? BigInt(ordinal) : BigInt(`0x${ordinal}`);
      const candidate = addressAt(subnet, value);
      if (candidate === undefined || this.taken.has(candidate)) continue;
      // The last address of an IPv4 subnet is its broadcast address.
      if (addressToInteger(candidate) === last && familyOf(subnet) === 4) continue;
      this.taken.add(candidate);
      return candidate;
    }
    throw new RangeError(`no free address in ${subnet}`);
  }
}

function planMachines(
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

/** Adds default routes, and without BGP the routes to every host's blocks. */
function withRoutes(
  topology: Topology,
  machines: readonly MachinePlan[],
  addressing: SegmentAddressing,
): MachinePlan[] {
  const everywhere: Readonly<Record<Family, Prefix>> = { 4: '0.0.0.0/0' as Prefix, 6: '::/0' as Prefix };
  const gateways = (machine: MachinePlan): Address[] => {
    if (machine.role === 'router') return [];
    const wanted = topology.hosts[machine.name]?.gateway ?? topology.clients[machine.name]?.gateway;
    const router = machines.find(
      ({ name, role, interfaces }) =>
        role === 'router' &&
        (wanted === undefined ? interfaces.some(({ segment }) => shares(machine, segment)) : name === wanted),
    );
    const wire = router?.interfaces.find(({ segment }) => shares(machine, segment));
    const first = machine.interfaces[0];
    if (wire !== undefined) return wire.addresses.map(({ address }) => address);
    return first === undefined ? [] : addressing.bridge(first.segment).map(({ address }) => address);
  };
  return machines.map((machine) => {
    const routes: StaticRoute[] = gateways(machine).map((gateway) => ({
      destination: everywhere[familyOf(gateway)],
      gateway,
    }));
    if (machine.router !== undefined && machine.node !== undefined) {
      routes.push(...clientRoutes(machine, machines));
    }
    if (!topology.bgp && machine.role !== 'client') {
      for (const other of machines) {
        if (other === machine) continue;
        for (const block of other.node?.blocks ?? []) {
          const gateway = neighborAddress(machine, other, familyOf(block));
          if (gateway !== undefined) routes.push({ destination: block, gateway });
        }
      }
    }
    return { ...machine, routes };
  });
}

/**
 * Our agent answers for a block with a blackhole, so what is in use of a block that it announces for a segment needs
 * routes of its own, as its workloads have.
 */
function clientRoutes({ interfaces, node }: MachinePlan, machines: readonly MachinePlan[]): StaticRoute[] {
  const blocks = node?.blocks ?? [];
  return machines
    .filter(({ role }) => role === 'client')
    .flatMap((client) => client.interfaces)
    .flatMap(({ segment, addresses }) => {
      const own = interfaces.find((wire) => wire.segment === segment);
      const announced = addresses.filter(({ address }) =>
        blocks.some((block) => prefixContains(block, address)),
      );
      return own === undefined
        ? []
        : announced.map(({ address }) => ({ destination: hostPrefix(address), interface: own.name }));
    });
}

function shares(machine: MachinePlan, segment: string): boolean {
  return machine.interfaces.some((own) => own.segment === segment);
}

/** The address of `other` on a segment that both share. */
function neighborAddress(machine: MachinePlan, other: MachinePlan, family: Family): Address | undefined {
  const wire = other.interfaces.find(({ segment }) => shares(machine, segment));
  return wire?.addresses.find(({ address }) => familyOf(address) === family)?.address;
}

/** Adds the BGP sessions of routers: with every host and every other router that shares a segment. */
function withSessions(topology: Topology, machines: readonly MachinePlan[]): MachinePlan[] {
  if (!topology.bgp) return [...machines];
  return machines.map((machine) => {
    if (machine.router === undefined) return machine;
    const neighbors = machines
      .filter((other) => other !== machine && (other.node !== undefined || other.router !== undefined))
      .flatMap((other) => sessions(topology, machine, other));
    return { ...machine, router: { ...machine.router, neighbors } };
  });
}

function sessions(topology: Topology, machine: MachinePlan, other: MachinePlan): RouterNeighbor[] {
  const wire = other.interfaces.find(({ segment }) => shares(machine, segment));
  const own = machine.interfaces.find(({ segment }) => segment === wire?.segment);
  if (wire === undefined || own === undefined) return [];
  const pairs = own.addresses.flatMap(({ address: localAddress }) => {
    const address = wire.addresses.find((far) => familyOf(far.address) === familyOf(localAddress))?.address;
    return address === undefined ? [] : [{ localAddress, address }];
  });
  const families = pairs.map(({ address }) => familyOf(address));
  const routers = [topology.routers[machine.name], topology.routers[other.name]];
  // GoBGP gives every route a next hop of the session's own family.
  const able = routers.every((router) => router?.software !== 'gobgp');
  const one = able && routers.some((router) => router?.sessions === 'one');
  const asNumber = other.router?.asNumber ?? topology.asNumber;
  return pairs.slice(0, one ? 1 : pairs.length).map((pair) => ({
    ...pair,
    machine: other.name,
    asNumber,
    families: one ? families : [familyOf(pair.address)],
  }));
}
