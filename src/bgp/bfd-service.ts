/**
 * BFD as the speaker sees it (RFC 5882): a session with each peer that is to be watched, and what becomes of it. Behind
 * it are the engine itself (bfd-engine.ts) or the thread that runs one (bfd-thread.ts). Plain data, for it crosses
 * between threads.
 */
import type { Address } from '../net/address.ts';
import type { BfdState } from './bfd/packet.ts';
import type { BfdParameters } from './bfd/session.ts';

/** Whom a session is with, and how: one path between two addresses (RFC 5881 §3, RFC 5883 §4). */
export interface BfdTarget {
  readonly remote: Address;
  readonly local: Address;
  /** By routers (RFC 5883), so that the hop limit of what comes says nothing; else on one link (RFC 5881). */
  readonly multihop: boolean;
  /** The interface, where the addresses are link-local. */
  readonly device?: string;
}

/** A session for people. Intervals in milliseconds. */
export interface BfdStatus {
  readonly state: BfdState;
  /** The peer's state as it last said; undefined if it is silent. */
  readonly remoteState?: BfdState;
  /** Why the session last went down, in the words of RFC 5880; empty if it did not. */
  readonly diagnostic: string;
  readonly remoteDiagnostic: string;
  readonly multihop: boolean;
  /** Between our packets, before jitter; undefined: the peer wants none. */
  readonly transmitInterval?: number;
  /** Silence that takes the session down; undefined while the peer is silent. */
  readonly detectionTime?: number;
  /** ISO 8601 of the last change into or out of Up. */
  readonly since: string;
  /** Why no packet can be sent or received, and what to do. */
  readonly problem?: string;
}

/**
 * What follows for the peer's control protocol. `alive`: the peer answers; `lost`: it did and does not any more, or says
 * that it does not hear us; `unwatched`: the session ended, or was never, for no fault of the path (RFC 5882 §3.2).
 */
export type BfdVerdict = 'alive' | 'lost' | 'unwatched';

export interface BfdReport {
  readonly status: BfdStatus;
  /** Left out when only the status is news. */
  readonly verdict?: BfdVerdict;
  /** C bit: the peer's BFD outlives its control plane (RFC 5882 §4.3.1). */
  readonly controlPlaneIndependent: boolean;
}

export interface BfdHandle {
  change(parameters: BfdParameters): void;
  /** Asks for the verdict `alive` at the peer's next packet: that it is there now, not only that it was. */
  confirm(): void;
  /** Ends the session; the peer is told that this is no fault. No report follows. */
  close(): void;
}

export interface BfdService {
  /** Begins a session. Never throws: what stands in its way is in the reports, and is tried again. */
  open(target: BfdTarget, parameters: BfdParameters, report: (report: BfdReport) => void): BfdHandle;
  /** Ends all sessions, telling every peer that this is no fault. */
  stop(): Promise<void>;
}
