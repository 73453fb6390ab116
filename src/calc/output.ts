/**
 * What the calculation gives to the dataplane and to BGP: desired state of this node as small deltas. These are the
 * objects that are rendered to nftables and, later, walked by `explain`: one evaluator (design D12).
 */
import type { SessionOptions, SpeakerOptions } from '../model/bgp-options.ts';
import type { Address, Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { FelixParameters } from './felix-config.ts';
import type { CommunitySet, FilterPlan } from './routing/filter-plan.ts';

export type Direction = 'ingress' | 'egress';
export type RuleAction = 'allow' | 'deny' | 'pass' | 'log';

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Identity of a set by its meaning; equal meaning gives equal id, a new meaning a new id (design D6). */
export type SetId = string;

/**
 * `addresses`: members are disjoint canonical prefixes of both families (covered prefixes are left out, with
 * reference counts). `named-port`: members are `ADDRESS,PROTOCOL-NUMBER,PORT`.
 */
export type SetKind = 'addresses' | 'named-port';

/** One side of a rule. All fields are ANDed; an empty list constrains nothing. */
export interface CompiledPeer {
  /** In any of these. */
  readonly nets: readonly Prefix[];
  /** In none of these. */
  readonly notNets: readonly Prefix[];
  /** In each of these sets. */
  readonly sets: readonly SetId[];
  /** In none of these sets. */
  readonly notSets: readonly SetId[];
  /** Port in any of `ports`, or (address, protocol, port) in any of `namedPortSets`, if either is non-empty. */
  readonly ports: readonly PortRange[];
  readonly namedPortSets: readonly SetId[];
  readonly notPorts: readonly PortRange[];
  readonly notNamedPortSets: readonly SetId[];
}

/** `type` alone, or `type` and `code`. */
export interface IcmpMatch {
  readonly type: number;
  readonly code?: number;
}

export interface CompiledRule {
  /** `tier/kind/namespace/name/direction/index`; empty namespace for global kinds; `profile` as a profile's tier. */
  readonly id: string;
  readonly action: RuleAction;
  readonly ipVersion?: Family;
  /** IANA protocol number. */
  readonly protocol?: number;
  readonly notProtocol?: number;
  readonly icmp?: IcmpMatch;
  readonly notIcmp?: IcmpMatch;
  readonly source: CompiledPeer;
  readonly destination: CompiledPeer;
}

export interface ActivePolicy {
  /** `tier/kind/namespace/name`, or `profile/Profile//name`. */
  readonly id: string;
  readonly tier: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly ingress: readonly CompiledRule[];
  readonly egress: readonly CompiledRule[];
  /** Whether a change of it cuts connections that policy then denies; undefined: as FelixConfiguration says. */
  readonly flushOnChange?: boolean;
  /** Counted where it would stand, never enforced. */
  readonly staged?: true;
  /** Of host endpoints only: before destinations are translated, or before connections are tracked. */
  readonly stage?: 'preDNAT' | 'untracked';
  /** A profile that an endpoint names but nobody defined, or a policy that could not be compiled: drop, fail closed. */
  readonly failClosed?: string;
}

/** The policies of one tier that apply to an endpoint, in order. A direction without policies skips the tier. */
export interface EndpointTier {
  readonly name: string;
  readonly defaultAction: 'deny' | 'pass';
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  /** Absent without staged policies. A tier may have no others; then its default action does not apply. */
  readonly staged?: Readonly<Record<Direction, readonly StagedPlace[]>>;
}

/** Where a staged policy would stand. */
export interface StagedPlace {
  readonly policy: string;
  /** How many of the direction's policies come before it. */
  readonly position: number;
}

/** A workload on this node. */
export interface LocalEndpoint {
  /** `namespace/name` of its WorkloadEndpoint. */
  readonly key: string;
  /** For people: `namespace/pod` or `namespace/workload`. */
  readonly workload: string;
  readonly interfaceName: string;
  readonly mac: string | undefined;
  readonly addresses: readonly Address[];
  /** Further sources that it may send from, if FelixConfiguration's workloadSourceSpoofing lets it; absent for none. */
  readonly allowSpoofedSourcePrefixes?: readonly Prefix[];
  /** Limits, where there are any. */
  readonly qos?: EndpointQos;
  readonly tiers: readonly EndpointTier[];
  /** Profile ids in listed order. */
  readonly profiles: readonly string[];
}

/** What a workload may send and get, whatever policy says. */
export interface EndpointQos {
  readonly packetRate: Readonly<Partial<Record<Direction, PacketRate>>>;
  /** Open TCP connections that others began (ingress) or that it began (egress). */
  readonly maxConnections: Readonly<Partial<Record<Direction, number>>>;
  /** Code point of packets that leave the pools (RFC 2474), 0 to 63. */
  readonly dscp?: number;
}

/** Packets per second, and how many may come at once beyond that. */
export interface PacketRate {
  readonly rate: number;
  readonly burst: number;
}

/** Where policy of a host endpoint meets packets. `forward`: packets that neither begin nor end at the host. */
export type HostStage = 'normal' | 'forward' | 'preDNAT' | 'untracked';

/** A HostEndpoint of this node. Which interfaces it stands for depends on the addresses that they have. */
export interface LocalHostEndpoint {
  readonly key: string;
  /** `*` for all, those of workloads for `forward` and `preDNAT` only; undefined: those that have one of `expectedAddresses`. */
  readonly interfaceName: string | undefined;
  readonly expectedAddresses: readonly Address[];
  /**
   * By stage. In `preDNAT` and `untracked` what no rule decides goes on, so their default action is `pass`. A stage
   * and direction without policies does not police.
   */
  readonly tiers: Readonly<Record<HostStage, readonly EndpointTier[]>>;
  /** Profile ids in listed order; for `normal` only. */
  readonly profiles: readonly string[];
}

export interface SetDelta {
  readonly kind: SetKind;
  /** The canonical selector or named port, for comments. */
  readonly description: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Sets that NAT outgoing looks up. */
export interface NatOutgoingSets {
  /** Pools with natOutgoing: whose sources are translated. */
  readonly masqueraded: SetId;
  /** All pools, and all nodes: destinations that may be left alone. */
  readonly pools: SetId;
  readonly nodes: SetId;
}

/** Sets that rules outside policy look up. Undefined where nothing does: then the set does not exist. */
export interface NetworkPlan {
  /** While a pool asks for NAT outgoing. */
  readonly outgoing: NatOutgoingSets | undefined;
  /** All pools: packets to elsewhere get the code point that their endpoint asks for. */
  readonly pools: SetId | undefined;
  /** Addresses of services: packets to them that no service translated go in circles. */
  readonly services: SetId | undefined;
}

/** Everything that changed since the last flush. `undefined` as a value means gone. */
export interface CalcDelta {
  readonly sets: ReadonlyMap<SetId, SetDelta | undefined>;
  readonly policies: ReadonlyMap<string, ActivePolicy | undefined>;
  readonly profiles: ReadonlyMap<string, ActivePolicy | undefined>;
  readonly endpoints: ReadonlyMap<string, LocalEndpoint | undefined>;
  readonly hostEndpoints: ReadonlyMap<string, LocalHostEndpoint | undefined>;
  /** Present when anything in it changed. */
  readonly routing?: RoutingPlan;
  /** Present when anything in it changed. */
  readonly felix?: FelixParameters;
  /** Present when anything in it changed; before the first nothing is looked up. */
  readonly networks?: NetworkPlan;
  /** Problems of single resources by `keyText`; `undefined` when mended. */
  readonly problems: ReadonlyMap<string, string | undefined>;
}

/** Where a service has an address from: clusterIPs, externalIPs, or what a load balancer gave it. */
export type ServiceAddressKind = 'cluster' | 'external' | 'load-balancer';

/** A range of service addresses (BGPConfiguration serviceClusterIPs, serviceExternalIPs, serviceLoadBalancerIPs). */
export interface ServiceRange {
  readonly cidr: Prefix;
  readonly kind: ServiceAddressKind;
  /** This node announces the whole range. */
  readonly advertised: boolean;
}

/** What BGP and the route manager need to know. */
export interface RoutingPlan {
  /** Absent until this node's Node resource exists. */
  readonly node?: {
    readonly name: string;
    readonly asNumber: number;
    readonly addresses: Readonly<Partial<Record<Family, Address>>>;
    /** Subnets the node addresses lie in, from their CIDR in Node.spec.bgp. */
    readonly subnets: readonly Prefix[];
    readonly clusterId?: Address;
  };
  readonly listenPort: number;
  /** Where to listen; every address if empty (BGPConfiguration.bindMode). */
  readonly listenAddresses: readonly Address[];
  readonly peers: readonly PeerPlan[];
  /** Addresses of this host for workloads that are peers (BGPConfiguration.localWorkloadPeeringIPV4/6). */
  readonly workloadPeering: readonly Address[];
  /** This node's confirmed blocks (BlockAffinity), advertised whole and blackholed. */
  readonly blocks: readonly Prefix[];
  /** Host prefixes of local workloads that lie outside the own blocks: advertised one by one. */
  readonly outsideWorkloads: readonly Prefix[];
  readonly pools: readonly {
    readonly cidr: Prefix;
    readonly exported: boolean;
    /** False: learned routes within it stay out of the kernel (programClusterRoutes). */
    readonly programmed?: boolean;
  }[];
  /** Ranges of service addresses. */
  readonly services: readonly ServiceRange[];
  /** Host prefixes within them that this node announces, sorted. */
  readonly serviceAddresses: readonly Prefix[];
  /** Communities for what is advertised within a range (BGPConfiguration.prefixAdvertisements). */
  readonly advertisements: readonly ({ readonly cidr: Prefix } & CommunitySet)[];
  /** BGPFilters by name, those that a peer names. One that is named and not here lets no route pass, either way. */
  readonly filters: Readonly<Record<string, FilterPlan>>;
  /** Route metric of learned routes. */
  readonly routePriority: Readonly<Record<Family, number>>;
  /** What BGPConfiguration sets of the speaker's own options. */
  readonly options: SpeakerOptions;
}

/** A key of a secret; if it is `optional` and not there, there is no password. */
export interface SecretReference {
  readonly name: string;
  readonly key: string;
  readonly optional: boolean;
}

/** One BGP session to keep, as Calico derives it from Node and BGPPeer resources. */
export interface PeerPlan extends SessionOptions {
  /**
   * `Mesh_10_0_0_2`, `Global_10_0_0_9`, `Node_10_0_0_9_port_1790`, `Local_Workload_10_65_0_7`, of a template the
   * BGPPeer's: unique per node.
   */
  readonly name: string;
  /** `workload`: one of this node's own; `dynamic`: a template of peers, with `dynamicNeighbors`. */
  readonly type: 'mesh' | 'global' | 'node' | 'workload' | 'dynamic';
  /** Of a template the start of its first prefix. */
  readonly address: Address;
  readonly port: number;
  readonly asNumber: number;
  readonly localAsNumber: number;
  readonly sourceAddress?: Address;
  /** The gateway that the peer is reached by: a static host route. */
  readonly reachableBy?: Address;
  /** The key of a secret that holds the TCP MD5 password (RFC 2385). */
  readonly password?: SecretReference;
  /** Address families carried (design D10). */
  readonly families: readonly Family[];
  /** Wait for the peer to connect. */
  readonly passive: boolean;
  /** Whether we reflect to this peer as a client (RFC 4456). */
  readonly reflectorClient: boolean;
  readonly nextHopMode: 'auto' | 'self' | 'keep';
  /** Seconds. */
  readonly restartTime: number;
  readonly keepaliveTime?: number;
  readonly ttlSecurity?: number;
  /** AS_PATH may hold our own AS this many times. */
  readonly allowedOwnAs: number;
  /** Names of BGPFilters, in order. */
  readonly filters: readonly string[];
}
