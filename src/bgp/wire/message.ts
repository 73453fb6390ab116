/**
 * BGP messages as values. What the bytes mean stands here; how they are read and written stands in the codec files
 * beside this one. Everything is plain data: it compares, logs and crosses a worker boundary as it is.
 */
import type { Address, Family } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';

/** OPEN (RFC 4271 §4.2). */
export interface OpenMessage {
  readonly type: 'open';
  readonly version: number;
  /** The AS number, all 32 bits: taken from the four-octet capability if there is one (RFC 6793 §4.1). */
  readonly asNumber: number;
  /** Proposed hold time in seconds. */
  readonly holdTime: number;
  /** BGP Identifier, written as a dotted quad whatever the family of the session (RFC 6286). */
  readonly identifier: Address;
  readonly capabilities: readonly Capability[];
}

/** An address family as the wire numbers it (RFC 4760 §3); the speaker itself carries unicast of both. */
export interface AfiSafi {
  readonly afi: number;
  readonly safi: number;
}

/** Capabilities (RFC 5492). One that we do not know is kept as bytes. */
export type Capability =
  | ({ readonly type: 'multiprotocol' } & AfiSafi)
  | { readonly type: 'route-refresh' }
  | { readonly type: 'enhanced-route-refresh' }
  | { readonly type: 'extended-message' }
  | { readonly type: 'four-octet-as'; readonly asNumber: number }
  | GracefulRestartCapability
  | {
      /** RFC 9494 §3.1; stale time in seconds. */
      readonly type: 'long-lived-graceful-restart';
      readonly families: readonly (AfiSafi & { readonly forwarding: boolean; readonly staleTime: number })[];
    }
  | { readonly type: 'add-path'; readonly families: readonly (AfiSafi & { readonly mode: AddPathMode })[] }
  | {
      readonly type: 'extended-next-hop';
      readonly families: readonly (AfiSafi & { readonly nextHopAfi: number })[];
    }
  | { readonly type: 'role'; readonly role: number }
  | { readonly type: 'fqdn'; readonly hostname: string; readonly domain: string }
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array };

/** What the sender of an ADD-PATH capability can do (RFC 7911 §4). */
export type AddPathMode = 'receive' | 'send' | 'both';

/** RFC 4724 §3, with the N bit of RFC 8538 §2. */
export interface GracefulRestartCapability {
  readonly type: 'graceful-restart';
  /** R: the sender has restarted. */
  readonly restarting: boolean;
  /** N: the sender keeps routes over NOTIFICATIONs too (RFC 8538). */
  readonly notification: boolean;
  /** Seconds, at most 4095. */
  readonly restartTime: number;
  /** F (`forwarding`): forwarding state of the family was preserved over the restart. */
  readonly families: readonly (AfiSafi & { readonly forwarding: boolean })[];
}

/** Prefixes of one family, with their path identifiers if ADD-PATH is on (RFC 7911 §3): same order, same length. */
export interface NlriList {
  readonly family: Family;
  readonly prefixes: readonly Prefix[];
  readonly pathIds?: readonly number[] | undefined;
}

/** Where a prefix is reached: NEXT_HOP, or the next hop of MP_REACH_NLRI (RFC 2545 §3, RFC 8950 §3). */
export interface NextHop {
  readonly address: Address;
  /** The link-local address that goes with a global IPv6 one. */
  readonly linkLocal?: Address | undefined;
}

/** Prefixes announced with one next hop. */
export interface Announcement extends NlriList {
  readonly nextHop: NextHop;
}

/** UPDATE (RFC 4271 §4.3, RFC 4760 §3–4). What MP_REACH_NLRI and MP_UNREACH_NLRI carry is in the lists. */
export interface UpdateMessage {
  readonly type: 'update';
  readonly withdrawn: readonly NlriList[];
  readonly announced: readonly Announcement[];
  /** Absent if nothing is announced. */
  readonly attributes?: PathAttributes | undefined;
  /** The message is the end-of-RIB marker of this family (RFC 4724 §2) and holds nothing else. */
  readonly endOfRib?: Family | undefined;
}

/** An UPDATE as decoded: with what was wrong in it and did not end the session (RFC 7606). */
export interface ReceivedUpdate extends UpdateMessage {
  /** Announced, but to be handled as if withdrawn, because of `faults`. They are not in `announced`. */
  readonly treatAsWithdraw: readonly NlriList[];
  readonly faults: readonly AttributeFault[];
}

/** One malformed attribute that cost the route or the attribute, not the session. */
export interface AttributeFault {
  /** Attribute type code; 0 if the fault lies in the attribute list itself. */
  readonly code: number;
  /** The attribute's name, e.g. `AS_PATH`. */
  readonly attribute: string;
  /** RFC 7606 §2. */
  readonly action: 'withdraw' | 'discard';
  /** What is wrong, in words, with the clause that says so. */
  readonly reason: string;
}

export type Origin = 'igp' | 'egp' | 'incomplete';

/** The path attributes of a route, but for the next hop, which belongs to the {@link Announcement}. */
export interface PathAttributes {
  readonly origin: Origin;
  /** With 32-bit AS numbers always; AS4_PATH is merged in and never seen (RFC 6793 §4.2.3). */
  readonly asPath: readonly AsPathSegment[];
  readonly multiExitDisc?: number | undefined;
  readonly localPref?: number | undefined;
  readonly atomicAggregate?: boolean | undefined;
  readonly aggregator?: Aggregator | undefined;
  /** RFC 1997: each 32 bits, `asn << 16 | value`. */
  readonly communities?: readonly number[] | undefined;
  /** RFC 4360: each 64 bits. */
  readonly extendedCommunities?: readonly bigint[] | undefined;
  /** RFC 5701: each 20 octets. */
  readonly ipv6ExtendedCommunities?: readonly Uint8Array[] | undefined;
  /** RFC 8092. */
  readonly largeCommunities?: readonly LargeCommunity[] | undefined;
  /** RFC 4456 §8. */
  readonly originatorId?: Address | undefined;
  /** RFC 4456 §8, nearest reflector first. */
  readonly clusterList?: readonly Address[] | undefined;
  /** Accumulated IGP metric (RFC 7311). */
  readonly aigp?: bigint | undefined;
  /** Only to Customer: the AS that set it (RFC 9234 §5). */
  readonly onlyToCustomer?: number | undefined;
  /** Codes of the attributes above that came with the partial bit, which then must stay set (RFC 4271 §5). */
  readonly partial?: readonly number[] | undefined;
  /** Attributes we do not know, optional and transitive: passed on with the partial bit (RFC 4271 §5). */
  readonly unknown?: readonly UnknownAttribute[] | undefined;
}

/** RFC 4271 §4.3 b, RFC 5065 §3. */
export interface AsPathSegment {
  readonly type: 'sequence' | 'set' | 'confederation-sequence' | 'confederation-set';
  readonly asNumbers: readonly number[];
}

/** AGGREGATOR (RFC 4271 §5.1.7). */
export interface Aggregator {
  readonly asNumber: number;
  readonly address: Address;
}

/** RFC 8092 §3: `global:local1:local2`, 32 bits each. */
export interface LargeCommunity {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}

export interface UnknownAttribute {
  readonly code: number;
  readonly value: Uint8Array;
}

/** NOTIFICATION (RFC 4271 §4.5). Names of the numbers are in iana.ts, words in notification.ts. */
export interface NotificationMessage {
  readonly type: 'notification';
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** KEEPALIVE (RFC 4271 §4.4). */
export interface KeepaliveMessage {
  readonly type: 'keepalive';
}

/** ROUTE-REFRESH (RFC 2918 §3) and its beginning and end markers (RFC 7313 §3.2). */
export interface RouteRefreshMessage extends AfiSafi {
  readonly type: 'route-refresh';
  readonly subtype: 'request' | 'begin' | 'end' | 'unknown';
}

/** What can be sent. */
export type Message =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | KeepaliveMessage
  | RouteRefreshMessage;

/** What can be received. */
export type ReceivedMessage = Exclude<Message, UpdateMessage> | ReceivedUpdate;

/** Why bytes could not be read as a message; ends the session with this NOTIFICATION (RFC 4271 §6). */
export interface DecodeError {
  readonly type: 'error';
  readonly code: number;
  readonly subcode: number;
  /** The data field of the NOTIFICATION. */
  readonly data: Uint8Array;
  /** For people. */
  readonly reason: string;
}

/** What a session has agreed on that changes the bytes of its messages. Before OPEN: {@link BASIC_WIRE}. */
export interface WireOptions {
  /** AS numbers take four octets (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** Messages but OPEN and KEEPALIVE may be 65,535 octets (RFC 8654). */
  readonly extendedMessages: boolean;
  /** The peer is in another AS: LOCAL_PREF and the reflector's attributes mean nothing (RFC 7606 §7). */
  readonly external: boolean;
  /** The peer is in another member AS of our confederation (RFC 5065). */
  readonly confederation?: boolean;
  /** Families carried. Others are ignored on receipt. */
  readonly families: readonly Family[];
  /** Families whose NLRI have path identifiers, by direction (RFC 7911). */
  readonly addPathReceive: readonly Family[];
  readonly addPathSend: readonly Family[];
  /** IPv4 prefixes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean;
}

/** What holds before OPENs are exchanged. */
export const BASIC_WIRE: WireOptions = {
  fourOctetAs: false,
  extendedMessages: false,
  external: true,
  families: [4],
  addPathReceive: [],
  addPathSend: [],
  extendedNextHop: false,
};
