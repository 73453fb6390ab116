/**
 * The kernel's links, addresses, routes and neighbours of one network namespace, as the rooms above see them. Two
 * implementations pass one suite of tests: linux.ts (rtnetlink) and memory.ts (for tests without privilege).
 *
 * Interfaces are named by their index, which a rename does not change. Addresses and prefixes are canonical text
 * (src/net); MAC addresses are lower-case hexadecimal pairs with colons.
 *
 * All methods reject with a KernelError; the errno is the kernel's own (EEXIST, ENOENT, ENODEV, ESRCH, EINVAL,
 * ENETUNREACH, …) and `detail` its extended acknowledgement.
 */
import type { KernelError } from '../base/errors.ts';
import type { Address, Family } from '../net/address.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';

/** A network interface (rtnetlink(7), RTM_GETLINK). */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: `veth`, `bridge`, …; absent for hardware and the loopback. */
  readonly kind?: string;
  readonly loopback: boolean;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Up and its carrier present (IFF_LOWER_UP): a veth's peer is up too. */
  readonly carrier: boolean;
  readonly mtu: number;
  readonly mac?: string;
  /** Index of the bridge it is a port of. */
  readonly master?: number;
  /** Index of the lower link or of a veth's peer, in the namespace `linkNamespaceId` if that is given. */
  readonly link?: number;
  readonly linkNamespaceId?: number;
  /** IFLA_IFALIAS, free text of up to 255 bytes. */
  readonly alias?: string;
}

/** What may be given when a link is made. */
export interface LinkSettings {
  readonly name: string;
  readonly mtu?: number;
  readonly mac?: string;
  readonly alias?: string;
  readonly up?: boolean;
}

/** The far end of a new veth pair. */
export interface PeerSettings extends Omit<LinkSettings, 'alias' | 'up'> {
  /** Namespace it is born in, by name or path; the near end's when left out. The kernel leaves it down. */
  readonly namespace?: string;
}

export type NewLink =
  | (LinkSettings & { readonly kind: 'veth'; readonly peer: PeerSettings })
  | (LinkSettings & { readonly kind: 'bridge' });

/** Fields left out stay as they are. */
export interface LinkChange {
  /** Renames. Kernels before 6.2 refuse it while the link is up (EBUSY). */
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  /** 0 takes it out of its bridge. */
  readonly master?: number;
  /** Empty removes it. */
  readonly alias?: string;
  /** Moves it to another namespace, by name or path: addresses and routes are lost, it arrives down. */
  readonly namespace?: string;
}

/** An address of an interface (RTM_GETADDR). */
export interface InterfaceAddress {
  readonly interface: number;
  readonly address: Address;
  /** Of the connected route that comes with it; a host address has 32 or 128. */
  readonly prefixLength: number;
  readonly scope: RouteScope;
  /** IPv6: duplicate detection still running (IFA_F_TENTATIVE), the address is not usable yet. */
  readonly tentative: boolean;
  /** Who made it, as of routes (IFA_PROTO, Linux 5.18); absent if nobody said. */
  readonly protocol?: number;
}

export interface NewInterfaceAddress {
  readonly interface: number;
  readonly address: Address;
  readonly prefixLength: number;
  /** `global` when left out. */
  readonly scope?: RouteScope;
  /** IPv6: usable at once, without duplicate detection (IFA_F_NODAD). */
  readonly noDuplicateDetection?: boolean;
  /** IPv6: no source of what the host sends while there is another (RFC 6724 §5, rule 3). */
  readonly deprecated?: boolean;
  /** An older kernel than 5.18 forgets it. */
  readonly protocol?: number;
}

/** rtm_type (linux/rtnetlink.h). */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

/** rtm_scope: IPv4 only; IPv6 has `global` everywhere. */
export type RouteScope = 'global' | 'site' | 'link' | 'host' | 'nowhere';

/** The table that every namespace looks up (linux/rtnetlink.h `enum rt_class_t`). */
export const TABLE_MAIN = 254;

/** Route protocols with a fixed meaning (linux/rtnetlink.h RTPROT_*). Ours are 80 and 81 (design D20). */
export const PROTOCOL_KERNEL = 2;
export const PROTOCOL_STATIC = 4;

/** One way to go: through a gateway, out of an interface, or both. */
export interface NextHop {
  /** May be of the other family: IPv4 by an IPv6 next hop (RTA_VIA, RFC 8950). */
  readonly gateway?: Address;
  readonly interface?: number;
  /** The gateway is on the link even if no connected route says so (RTNH_F_ONLINK); needs `interface`. */
  readonly onlink?: boolean;
  /** Share in a multipath route, 1 to 256; 1 when left out. */
  readonly weight?: number;
}

/** A route as wanted. One without next hops is a blackhole, unreachable, prohibit or throw. */
export interface NewRoute {
  readonly destination: Prefix;
  /** `unicast` when left out. */
  readonly type?: RouteType;
  readonly nextHops?: readonly NextHop[];
  /** RTA_PRIORITY, lower is better; 0 when left out, for which IPv6 takes 1024. */
  readonly metric?: number;
  /** rtm_protocol: who made it. */
  readonly protocol: number;
  /** `TABLE_MAIN` when left out. */
  readonly table?: number;
  /** IPv4: `link` when left out and no next hop has a gateway, else `global`. */
  readonly scope?: RouteScope;
  readonly preferredSource?: Address;
}

/** A route as the kernel has it. */
export interface Route {
  readonly destination: Prefix;
  readonly type: RouteType;
  readonly nextHops: readonly NextHop[];
  readonly metric: number;
  readonly protocol: number;
  readonly table: number;
  readonly scope: RouteScope;
  readonly preferredSource?: Address;
}

/**
 * Names a route for deletion. What is left out matches anything; of those that match, the lowest metric goes. IPv6
 * does not look at the type.
 */
export interface RouteKey {
  readonly destination: Prefix;
  readonly table?: number;
  readonly metric?: number;
  readonly protocol?: number;
  readonly type?: RouteType;
}

/**
 * `add` fails with EEXIST where (destination, table, metric) is taken; `replace` takes over whoever holds that key
 * or adds; `delete` fails with ESRCH where nothing matches.
 */
export type RouteChange =
  | { readonly operation: 'add' | 'replace'; readonly route: NewRoute }
  | { readonly operation: 'delete'; readonly route: RouteKey };

/** All of a route but where it leads to, and what names one for deletion beside that. */
export type RouteMake = Omit<NewRoute, 'destination'>;
export type RouteSelector = Omit<RouteKey, 'destination'>;

/** A change of a {@link RouteBatch} that the kernel refused, by its position there. */
export interface RouteBatchFailure {
  readonly index: number;
  readonly error: KernelError;
}

/**
 * Changes of routes by number, for whoever has a full table of them: each is written as it is put in, and all are handed
 * to the kernel together. Those whose make is the very same object are written fastest. Empty again once it is sent,
 * before which nothing may be put in.
 */
export interface RouteBatch {
  readonly length: number;
  /** Whether it is to be sent before more is put in. */
  readonly isFull: boolean;
  /** {@link RouteChange}. */
  set(operation: 'add' | 'replace', destination: PrefixBits, make: RouteMake): void;
  delete(destination: PrefixBits, selector: RouteSelector): void;
  /** In order; what fails does not stop the rest. */
  send(): Promise<readonly RouteBatchFailure[]>;
  /** Empties it unsent. */
  clear(): void;
}

export interface RouteFilter {
  readonly family?: Family;
  readonly table?: number;
  readonly protocol?: number;
}

/** A neighbour entry with a link-layer address, or a proxy entry without (RTM_GETNEIGH). */
export interface Neighbor {
  readonly interface: number;
  readonly address: Address;
  readonly mac?: string;
  /** Made by an administrator and never aged (NUD_PERMANENT). */
  readonly permanent: boolean;
  /** We answer ARP or neighbour solicitations for it (NTF_PROXY). */
  readonly proxy: boolean;
}

/**
 * `replace` makes or overwrites a permanent entry (`mac`) or a proxy entry (`proxy`); `delete` fails with ENOENT
 * where there is none.
 */
export type NeighborChange =
  | {
      readonly operation: 'replace';
      readonly neighbor: { readonly interface: number; readonly address: Address } & (
        | { readonly mac: string; readonly proxy?: false }
        | { readonly proxy: true }
      );
    }
  | {
      readonly operation: 'delete';
      readonly neighbor: {
        readonly interface: number;
        readonly address: Address;
        readonly proxy?: boolean;
      };
    };

/** One change that the kernel refused. */
export interface ChangeFailure<Change> {
  readonly change: Change;
  readonly error: KernelError;
}

/** Outcome of a batch: each change stands or falls alone. */
export interface ChangeResult<Change> {
  readonly applied: number;
  readonly failures: readonly ChangeFailure<Change>[];
}

/**
 * A change seen by a monitor, whoever made it. `overrun`: events were lost, read everything again. IPv4 routes that
 * go because their link goes down or away make no event of their own: take the link's event for it.
 */
export type KernelEvent =
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'link-deleted'; readonly link: Link }
  | { readonly type: 'address'; readonly address: InterfaceAddress }
  | { readonly type: 'address-deleted'; readonly address: InterfaceAddress }
  | { readonly type: 'route'; readonly route: Route }
  | { readonly type: 'route-deleted'; readonly route: Route }
  | { readonly type: 'neighbor'; readonly neighbor: Neighbor }
  | { readonly type: 'neighbor-deleted'; readonly neighbor: Neighbor }
  | { readonly type: 'overrun' };

export type MonitorTopic = 'links' | 'addresses' | 'routes' | 'neighbors';

export interface MonitorOptions {
  /** All four when left out. */
  readonly topics?: readonly MonitorTopic[];
  /** Leaves out what was changed by this very object, where it can tell. */
  readonly foreignOnly?: boolean;
  /** Called from the event loop, in the kernel's order. */
  readonly event: (event: KernelEvent) => void;
  /** Called once if the monitor dies of anything but an overrun. */
  readonly closed?: (reason: KernelError) => void;
  /** Bytes of the receive queue; 32 MiB when left out. */
  readonly receiveBuffer?: number;
}

export interface Monitor {
  close(): void;
}

/** See the head of this file. */
export interface RouteKernel {
  links(): Promise<Link[]>;
  /** By name or index; undefined if there is none. */
  link(nameOrIndex: string | number): Promise<Link | undefined>;
  createLink(link: NewLink): Promise<void>;
  changeLink(index: number, change: LinkChange): Promise<void>;
  deleteLink(index: number): Promise<void>;

  addresses(filter?: { readonly interface?: number; readonly family?: Family }): Promise<InterfaceAddress[]>;
  addAddress(address: NewInterfaceAddress): Promise<void>;
  deleteAddress(address: {
    readonly interface: number;
    readonly address: Address;
    readonly prefixLength: number;
  }): Promise<void>;

  /** All tables when the filter has none. Clones (cached exceptions) are left out. */
  routes(filter?: RouteFilter): Promise<Route[]>;
  /** In order, many to a system call; what fails does not stop the rest. */
  changeRoutes(changes: readonly RouteChange[]): Promise<ChangeResult<RouteChange>>;
  /** The same by number. */
  routeBatch(): RouteBatch;

  /** Permanent, learned and proxy entries; not those without a usable state. */
  neighbors(filter?: { readonly interface?: number; readonly family?: Family }): Promise<Neighbor[]>;
  changeNeighbors(changes: readonly NeighborChange[]): Promise<ChangeResult<NeighborChange>>;

  /** Starts telling of changes. Read the state after this returned, so that nothing falls between. */
  monitor(options: MonitorOptions): Monitor;

  close(): void;
}
