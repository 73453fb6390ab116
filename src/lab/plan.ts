/** Everything that a lab consists of: names, addresses and routes. plan-lab.ts decides them. */
import type { Address, Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { RouterSoftware, Topology, TopologyPort } from './topology.ts';

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

/** The name of a network namespace of a lab. */
export function namespaceName(lab: string, member: string): string {
  return `margay-${lab}-${member}`;
}

/** The machine of that name; throws a RangeError if there is none. */
export function machineOf(plan: LabPlan, name: string): MachinePlan {
  const machine = plan.machines.find((candidate) => candidate.name === name);
  if (machine === undefined) throw new RangeError(`no machine ${name}`);
  return machine;
}
