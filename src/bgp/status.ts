/** What a speaker tells about itself; plain data for the status file, the local socket and tests. */
import type { Address, Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { BfdStatus } from './bfd-service.ts';
import type { PeerType } from './config.ts';
import type { SessionState } from './fsm/session.ts';

export interface PeerStatus {
  readonly name: string;
  readonly type: PeerType;
  /** Of a dynamic peer the BGPPeer that it was made of. */
  readonly template?: string;
  readonly address: Address;
  readonly port: number;
  readonly asNumber: number;
  readonly state: SessionState;
  /** ISO 8601 of the last change into or out of Established. */
  readonly since: string;
  /** Those negotiated while Established, else those configured. */
  readonly families: readonly Family[];
  /** Prefixes held from the peer, stale ones included. */
  readonly received: number;
  readonly stale: number;
  readonly advertised: number;
  /** Last error or NOTIFICATION, sent or received, in words; empty if there was none. */
  readonly info: string;
  /** Present once the peer's path is watched. */
  readonly bfd?: BfdStatus;
}

/** A BGPPeer that dynamic peers are made of. */
export interface DynamicStatus {
  readonly template: string;
  readonly prefixes: readonly Prefix[];
  /** Peers that there may be, and are. */
  readonly limit: number;
  readonly peers: number;
  /** Connections refused for the limit since the speaker started. */
  readonly refused: number;
}

export type DrainState = 'serving' | 'draining' | 'drained';

export interface KernelStatus {
  /** Routes of our protocol in the kernel. */
  readonly installed: number;
  /** Left from before a restart and not yet confirmed. */
  readonly stale: number;
  /** Learned, but the next hop is not reachable. */
  readonly unresolved: number;
  /** Routes that the kernel refused, each with its reason. */
  readonly problems: readonly string[];
}

export interface SpeakerStatus {
  readonly state: 'running' | 'failed';
  /** Why it cannot listen, and what to do. */
  readonly problem?: string;
  readonly asNumber: number;
  readonly routerId: Address;
  /** Route selection still waits for end-of-RIB after a restart (RFC 4724 §4.1). */
  readonly restarting: boolean;
  /** `draining`: peers have been told that our routes are about to go; `drained`: there are no sessions any more. */
  readonly drain: DrainState;
  readonly peers: readonly PeerStatus[];
  /** Where peers may come from that are not configured one by one. */
  readonly dynamic: readonly DynamicStatus[];
  readonly kernel: KernelStatus;
}

/** One path of a prefix, for people. */
export interface RouteStatus {
  readonly prefix: Prefix;
  /** Name of the peer it came from; undefined for an own route. */
  readonly peer: string | undefined;
  readonly nextHop: Address | undefined;
  readonly asPath: string;
  readonly localPreference: number;
  readonly best: boolean;
  readonly stale: boolean;
  readonly family: Family;
}
