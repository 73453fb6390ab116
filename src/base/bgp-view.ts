/**
 * What the looking glass of a speaker is asked and answers: plain data that crosses from the BGP thread to the agent and
 * on the local socket to margayctl. Every document of margayctl carries {@link BGP_VIEW_SCHEMA}; fields are added, never
 * changed.
 */
import type { Address, Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';

/** Names the form of all answers. */
export const BGP_VIEW_SCHEMA = 'margay-bgp/v1';

export type BgpMessageType = 'open' | 'update' | 'notification' | 'keepalive' | 'route-refresh';
export type BgpMessageCounts = Readonly<Record<BgpMessageType, number>>;

/** One peer: its configuration, its session, its counters. */
export interface BgpNeighborView {
  /** As Calico names it: `Mesh_10_0_0_2`, `Global_…`, `Node_…`; `Dynamic_…` if it came by itself. */
  readonly name: string;
  readonly type: 'mesh' | 'global' | 'node' | 'workload' | 'dynamic';
  /** Of a dynamic peer the BGPPeer that it was made of. */
  readonly template?: string;
  readonly address: Address;
  readonly port: number;
  readonly localAddress?: string;
  readonly asNumber: number;
  readonly localAsNumber: number;
  /** RFC 4271 §8.2.2. */
  readonly state: 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';
  /** ISO 8601 of the last change into or out of Established. */
  readonly since: string;
  /** An operator has taken it down until `bgp up`. */
  readonly heldDown: boolean;
  /** Times that the session came up in the life of this agent. */
  readonly timesEstablished: number;
  /** Last error or NOTIFICATION, sent or received, in words. */
  readonly info: string;
  /** Those negotiated while Established, else those configured. */
  readonly families: readonly Family[];
  readonly reflectorClient: boolean;
  readonly passive: boolean;
  readonly password: boolean;
  readonly ttlSecurity?: number;
  readonly nextHopMode: 'auto' | 'self' | 'keep';
  /** Names of its BGPFilters, in order. */
  readonly filters: readonly string[];
  /** What the two OPENs agreed on, while Established. */
  readonly session?: BgpSessionView;
  /** Prefixes: held from the peer, of these stale, and told to it. */
  readonly received: number;
  readonly stale: number;
  readonly advertised: number;
  readonly messagesReceived: BgpMessageCounts;
  readonly messagesSent: BgpMessageCounts;
}

export interface BgpSessionView {
  /** BGP Identifier of the peer. */
  readonly identifier: Address;
  /** Seconds. */
  readonly holdTime: number;
  readonly keepaliveTime: number;
  /** In words: `route refresh`, `extended messages`, `graceful restart 120 s`, and so on. */
  readonly capabilities: readonly string[];
}

/** One path, with all that it carries. */
export interface BgpRouteView {
  readonly prefix: Prefix;
  readonly family: Family;
  /** Name of the peer it came from; absent for an own route. */
  readonly peer?: string;
  readonly nextHop?: Address;
  readonly linkLocalNextHop?: Address;
  readonly origin: 'igp' | 'egp' | 'incomplete';
  /** AS numbers with blanks between; sets as `{1,2}`, confederations as `(1 2)` and `[1,2]`. */
  readonly asPath: string;
  readonly localPreference: number;
  readonly multiExitDisc?: number;
  readonly communities?: readonly string[];
  readonly largeCommunities?: readonly string[];
  /** Each as 16 hexadecimal digits. */
  readonly extendedCommunities?: readonly string[];
  /** Each as 40 hexadecimal digits. */
  readonly ipv6ExtendedCommunities?: readonly string[];
  readonly originatorId?: Address;
  readonly clusterList?: readonly Address[];
  readonly aigp?: string;
  readonly onlyToCustomer?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: string;
  /** Codes of attributes that we do not know and pass on. */
  readonly unknownAttributes?: readonly number[];
  readonly best: boolean;
  readonly stale: boolean;
}

export interface BgpRouteQuery {
  readonly family?: Family;
  /** Name or address of a peer. */
  readonly peer?: string;
  /** Only this prefix and what lies within it. */
  readonly within?: Prefix;
  /** Only the best path of each. */
  readonly best?: boolean;
  /** From the answer before; absent: from the beginning. */
  readonly cursor?: string;
  /** Most routes in one answer. */
  readonly limit?: number;
}

export interface BgpRoutePage {
  readonly routes: readonly BgpRouteView[];
  /** Absent: there is no more. */
  readonly next?: string;
}

/** What one peer is told of a prefix, and why. */
export interface BgpExportView {
  readonly peer: string;
  readonly told: boolean;
  /** The rule that decided. */
  readonly rule: string;
}

export interface BgpKernelView {
  /**
   * `installed`: as wanted; `pending`: being written; `unresolved`: no next hop can be reached; `refused`: by the
   * kernel; `unwanted`: not for the kernel, because it is our own or a service's.
   */
  readonly state: 'installed' | 'pending' | 'unresolved' | 'refused' | 'unwanted';
  /** `via GATEWAY dev LINK` of each next hop in the kernel. */
  readonly nextHops: readonly string[];
  readonly reason?: string;
}

/** Why an address is reached as it is. */
export interface BgpWhyView {
  readonly address: Address;
  /** The longest prefix with a path that holds the address; absent if there is none. */
  readonly prefix?: Prefix;
  /** All paths, the best first. */
  readonly candidates: readonly BgpRouteView[];
  /** The step of the decision process (RFC 4271 §9.1.2) that left one; `only` if there was no other. */
  readonly decidedBy?: string;
  /** Next hops of the paths that are as good as the best but for the tie-break. */
  readonly multipath: readonly Address[];
  readonly exports: readonly BgpExportView[];
  readonly kernel?: BgpKernelView;
}

/** What IPAM says of an address. */
export interface RouteOwner {
  readonly block?: Prefix;
  /** The node that holds the block. */
  readonly node?: string;
  readonly pool?: { readonly name: string; readonly cidr: Prefix; readonly exported: boolean };
}

/**
 * Why a node announces an address of a service on its own: `local-endpoint`, externalTrafficPolicy Local and one of its
 * ready endpoints is on the node; `ready-endpoint`, the service has one somewhere, and no range speaks for the address.
 * Why it does not: `range-announced` whole; `no-local-endpoint`, `no-endpoint` that is ready; `node-excluded` by label;
 * `outside-ranges` of BGPConfiguration; `not-proxied`, because the service is headless or an ExternalName.
 */
export type ServiceAddressReason =
  | 'local-endpoint'
  | 'ready-endpoint'
  | 'range-announced'
  | 'no-local-endpoint'
  | 'no-endpoint'
  | 'node-excluded'
  | 'outside-ranges'
  | 'not-proxied';

/** An address of a service, as this node announces it. */
export interface ServiceAddressView {
  /** `namespace/name`. */
  readonly service: string;
  readonly kind: 'cluster' | 'external' | 'load-balancer';
  /** This node announces the single address. */
  readonly announced: boolean;
  readonly reason: ServiceAddressReason;
}

/** What the agent adds to {@link BgpWhyView}. */
export interface RouteWhy extends BgpWhyView {
  readonly owner: RouteOwner;
  /** The services that have the address. */
  readonly services: readonly ServiceAddressView[];
}

/** A route that need not exist, for a test of filters. */
export interface BgpFilterQuestion {
  /** Name or address of the peer whose filters are asked. */
  readonly peer: string;
  readonly direction: 'import' | 'export';
  readonly prefix: Prefix;
  readonly asPath?: readonly number[];
  /** `65000:1`, or `65000:1:2` for a large one. */
  readonly communities?: readonly string[];
  /** The route was learned from a peer; own routes are export's alone. */
  readonly learned: boolean;
}

export interface BgpFilterView {
  readonly accept: boolean;
  /** The rule that decided. */
  readonly rule: string;
  /** What is changed in an accepted route, in words. */
  readonly changes: readonly string[];
}

/** A dump that was written. */
export interface MrtDumpView {
  readonly file: string;
  readonly prefixes: number;
  readonly paths: number;
  readonly octets: number;
}

/** Everything that can be asked, by name. */
export interface BgpQuestions {
  readonly neighbors: { readonly params: undefined; readonly result: readonly BgpNeighborView[] };
  readonly routes: { readonly params: BgpRouteQuery; readonly result: BgpRoutePage };
  readonly advertised: {
    readonly params: { readonly peer: string; readonly cursor?: string; readonly limit?: number };
    readonly result: BgpRoutePage;
  };
  readonly why: { readonly params: { readonly address: Address }; readonly result: BgpWhyView };
  readonly filter: { readonly params: BgpFilterQuestion; readonly result: BgpFilterView };
  /** Writes the whole table to an absolute path. */
  readonly mrtDump: { readonly params: { readonly file: string }; readonly result: MrtDumpView };
  /** `hard`: the session ends and begins anew. `in`: the peer tells all again. `out`: we do. */
  readonly clear: {
    readonly params: { readonly peer: string; readonly how: 'hard' | 'in' | 'out' };
    readonly result: BgpNeighborView;
  };
  readonly down: {
    readonly params: { readonly peer: string; readonly communication: string };
    readonly result: BgpNeighborView;
  };
  readonly up: { readonly params: { readonly peer: string }; readonly result: BgpNeighborView };
}
