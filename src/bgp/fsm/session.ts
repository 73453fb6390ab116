/** A session as a value: configuration, state, and up to two connections (RFC 4271 §6.8). Made anew by each step. */
import type { Address, Family } from '../../net/address.ts';
import type { Confederation } from '../wire/confederation.ts';
import type { OpenMessage } from '../wire/message.ts';
import type { Role } from '../wire/role.ts';
import type { ConnectionId } from './event.ts';
import type { Negotiated } from './negotiate.ts';

/** RFC 4271 §8.2.2. */
export type SessionState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** What an operator decides about one peer. */
export interface SessionConfig {
  readonly localAs: number;
  /** Ours, if we are in one (RFC 5065). */
  readonly confederation?: Confederation | undefined;
  /** BGP Identifier, a dotted quad. */
  readonly routerId: Address;
  /** The only AS that is accepted; absent: any. */
  readonly peerAs?: number | undefined;
  /** Families offered. */
  readonly families: readonly Family[];
  /**
   * Wait for the peer to connect, but for one attempt at the start: a peer that was there first and whose own next
   * attempt is seconds away learns at once that we are here. `always`: without that attempt.
   */
  readonly passive: boolean | 'always';
  /** Proposed hold time in seconds: 0 (none) or at least 3. */
  readonly holdTime: number;
  /** Seconds between KEEPALIVEs at most; absent: a third of the hold time agreed. */
  readonly keepaliveTime?: number | undefined;
  /** Milliseconds that an attempt to connect may take, before jitter (the ConnectRetryTimer in Connect). */
  readonly connectTimeout: number;
  /**
   * Milliseconds before the first, second … further attempt to connect, before jitter (the ConnectRetryTimer in
   * Active); the last counts for all that follow. A session that comes up begins anew.
   */
  readonly connectRetryTimes: readonly [number, ...number[]];
  /** Milliseconds that a new connection waits for the peer's OPEN before ours is sent (DelayOpenTime); 0: none. */
  readonly delayOpenTime: number;
  /** Milliseconds in Idle after an error: doubles from the first to the second (DampPeerOscillations). */
  readonly idleHoldTime: { readonly initial: number; readonly maximum: number };
  readonly gracefulRestart?: GracefulRestartConfig | undefined;
  readonly extendedMessages: boolean;
  /** Offer IPv6 next hops for IPv4 prefixes (RFC 8950). */
  readonly extendedNextHop: boolean;
  readonly addPath?: { readonly send: boolean; readonly receive: boolean } | undefined;
  /** Our role (RFC 9234 §4); `strict`: the peer must tell its own. */
  readonly role?: { readonly name: Role; readonly strict: boolean } | undefined;
  /** Seconds stale routes may live on after the restart time (RFC 9494); absent: not offered. */
  readonly longLivedStaleTime?: number | undefined;
  /** Offer nothing at all: the peer refuses an OPEN with capabilities (RFC 5492 §3). */
  readonly withoutCapabilities?: true | undefined;
  /** Told to the peer for its logs. */
  readonly hostname?: string | undefined;
}

/** RFC 4724 §4. */
export interface GracefulRestartConfig {
  /** Seconds, at most 4095. */
  readonly restartTime: number;
  /** We have restarted and have not yet sent end-of-RIB (R bit). */
  readonly restarting: boolean;
  /** Families whose routes stayed in the kernel over our restart (F bit). */
  readonly forwarding: readonly Family[];
}

/** One TCP connection, opened by us (`outgoing`) or by the peer. */
export interface SessionConnection {
  readonly id: ConnectionId;
  readonly outgoing: boolean;
  /** Connect: being opened. Delayed: up, while ours waits for the peer's OPEN (DelayOpenTimer running). */
  readonly state: 'Connect' | 'Delayed' | 'OpenSent' | 'OpenConfirm' | 'Established';
  /** Our OPEN offered none, because the peer had refused them. */
  readonly withoutCapabilities?: true | undefined;
  /** The peer's OPEN, from OpenConfirm on. */
  readonly open?: OpenMessage | undefined;
  readonly negotiated?: Negotiated | undefined;
}

export interface Session {
  readonly config: SessionConfig;
  /** Started by the operator; in Idle it is then only waiting. */
  readonly enabled: boolean;
  /** The most advanced state of a connection (of a Delayed one Connect or Active); without one Idle or Active. */
  readonly state: SessionState;
  /** At most two: one of each direction, or the established one and one more that the peer has opened. */
  readonly connections: readonly SessionConnection[];
  /** Errors since the session was last stable; drives the idle hold time. */
  readonly failures: number;
  /** Attempts to connect that failed since the session was last up; chooses the wait before the next. */
  readonly attempts: number;
  /** The peer has refused an OPEN with capabilities: the next has none (RFC 5492 §3). */
  readonly refusesCapabilities: boolean;
  /** Connections opened so far; names the next. */
  readonly opened: number;
  /** The last NOTIFICATION, sent or received, since the session was last up, in words; empty if none. */
  readonly notified: string;
  /** The last error, after the NOTIFICATION that led to it; empty if none. */
  readonly info: string;
}

/** A session that has not been started. */
export function createSession(config: SessionConfig): Session {
  return {
    config,
    enabled: false,
    state: 'Idle',
    connections: [],
    failures: 0,
    attempts: 0,
    refusesCapabilities: false,
    opened: 0,
    notified: '',
    info: '',
  };
}

/** The same session under a new configuration, which counts from the next OPEN on, but for what no OPEN says. */
export function reconfigure(session: Session, config: SessionConfig): Session {
  const connections = session.connections.map((connection) => {
    const { negotiated } = connection;
    if (negotiated === undefined) return connection;
    const time = keepaliveTime(config, negotiated.holdTime);
    return { ...connection, negotiated: { ...negotiated, keepaliveTime: time } };
  });
  return { ...session, config, connections };
}

/** What a connection is opened by: without capabilities that is IPv4 unicast alone (RFC 5492 §3, RFC 4760 §8). */
export function openingConfig(
  config: SessionConfig,
  { withoutCapabilities }: Pick<SessionConnection, 'withoutCapabilities'>,
): SessionConfig {
  if (withoutCapabilities !== true) return config;
  return {
    ...config,
    families: config.families.filter((family) => family === 4),
    extendedMessages: false,
    extendedNextHop: false,
    gracefulRestart: undefined,
    longLivedStaleTime: undefined,
    addPath: undefined,
    withoutCapabilities: true,
  };
}

/** Seconds: a third of the hold time (RFC 4271 §4.4), or less if configured; never under a second; 0: none. */
export function keepaliveTime(
  { keepaliveTime: configured }: Pick<SessionConfig, 'keepaliveTime'>,
  holdTime: number,
): number {
  if (holdTime === 0) return 0;
  return Math.max(1, Math.min(configured ?? Infinity, Math.floor(holdTime / 3)));
}
