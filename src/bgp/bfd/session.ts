/**
 * A BFD session as a value (RFC 5880 §6.8): what is known of both ends, and from that how often to send and how long
 * silence may last. Asynchronous mode, active role. Pure: no clock, no socket; intervals in microseconds.
 *
 *     Down ──(peer Down)──► Init ──(peer Init, Up)──► Up
 *      │ ▲                                           │ ▲
 *      │ └──── silence, or the peer says Down ───────┘ │
 *      └────────────────── peer Init ──────────────────┘
 */
import {
  type BfdState,
  type ControlPacket,
  DIAGNOSTIC_ADMINISTRATIVELY_DOWN,
  DIAGNOSTIC_DETECTION_TIME_EXPIRED,
  DIAGNOSTIC_NEIGHBOR_SIGNALED_DOWN,
  DIAGNOSTIC_NONE,
} from './packet.ts';

/** RFC 5880 §6.8.3: no more often than once a second while the session is not up. */
export const SLOW_INTERVAL = 1_000_000;
/** RFC 5880 §6.8.1: bfd.RemoteMinRxInterval before anything is known of the peer. */
const UNKNOWN_MIN_RX = 1;

export interface BfdIntervals {
  /** The shortest interval that we would like to send at, in microseconds. */
  readonly desiredMinTx: number;
  /** The shortest interval that we can receive at, in microseconds. */
  readonly requiredMinRx: number;
}

export interface BfdParameters extends BfdIntervals {
  /** Packets that may be missing in a row before the peer takes us for gone: 1 to 255. */
  readonly multiplier: number;
}

/** What the last packet of the peer said. */
interface Remote extends BfdParameters {
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly demand: boolean;
  readonly controlPlaneIndependent: boolean;
}

export interface BfdSession {
  readonly parameters: BfdParameters;
  readonly localDiscriminator: number;
  readonly state: BfdState;
  /** Why the session last left Up, or was not let up. */
  readonly diagnostic: number;
  /** Undefined before the first packet, and after a detection time of silence. */
  readonly remote: Remote | undefined;
  /** What our packets say. */
  readonly advertised: BfdIntervals;
  /** What we go by: differs from `advertised` while the peer has yet to confirm a change (RFC 5880 §6.8.3). */
  readonly inForce: BfdIntervals;
  /** A Poll Sequence (RFC 5880 §6.5); `due`: after one packet more without P, so that two can be told apart. */
  readonly poll: 'idle' | 'due' | 'running';
}

/** The session after an event, and whether the peer is to hear of it at once. */
export interface BfdStep {
  readonly session: BfdSession;
  /** `final` answers a Poll; `now` is a packet outside the rhythm because what we say has changed. */
  readonly send: 'final' | 'now' | undefined;
}

export function createBfdSession(localDiscriminator: number, parameters: BfdParameters): BfdSession {
  const slow = slowed(parameters);
  return {
    parameters,
    localDiscriminator,
    state: 'Down',
    diagnostic: DIAGNOSTIC_NONE,
    remote: undefined,
    advertised: slow,
    inForce: slow,
    poll: 'idle',
  };
}

/** RFC 5880 §6.8.6, from where the session of the packet is known. */
export function receivePacket(before: BfdSession, packet: ControlPacket): BfdStep {
  const remote: Remote = {
    discriminator: packet.myDiscriminator,
    state: packet.state,
    diagnostic: packet.diagnostic,
    demand: packet.demand,
    controlPlaneIndependent: packet.controlPlaneIndependent,
    multiplier: packet.multiplier,
    desiredMinTx: packet.desiredMinTx,
    requiredMinRx: packet.requiredMinRx,
  };
  let session: BfdSession = { ...before, remote };
  if (packet.final && session.poll === 'running') session = endPoll(session);
  session = followPeer(session, packet.state);
  if (packet.poll && session.state !== 'AdminDown') return { session, send: 'final' };
  return { session, send: saysTheSame(before, session) ? undefined : 'now' };
}

function followPeer(session: BfdSession, peer: BfdState): BfdSession {
  const { state } = session;
  if (state === 'AdminDown') return session;
  if (peer === 'AdminDown') {
    return state === 'Down' ? session : goDown(session, DIAGNOSTIC_NEIGHBOR_SIGNALED_DOWN);
  }
  if (state === 'Down') {
    if (peer === 'Down') return { ...session, state: 'Init' };
    return peer === 'Init' ? goUp(session) : session;
  }
  if (state === 'Init') return peer === 'Down' ? session : goUp(session);
  return peer === 'Down' ? goDown(session, DIAGNOSTIC_NEIGHBOR_SIGNALED_DOWN) : session;
}

/** A detection time has passed without a packet (RFC 5880 §6.8.4, and §6.8.1 of bfd.RemoteDiscr). */
export function detectionTimeExpired(session: BfdSession): BfdStep {
  if (session.state === 'Init' || session.state === 'Up') {
    const down = goDown(session, DIAGNOSTIC_DETECTION_TIME_EXPIRED);
    // The peer's side may still work, and it learns so that ours does not.
    return { session: { ...down, remote: undefined }, send: 'now' };
  }
  return { session: { ...session, remote: undefined }, send: undefined };
}

/** Other parameters; a session that is up goes over to them by a Poll Sequence. */
export function changeParameters(session: BfdSession, parameters: BfdParameters): BfdStep {
  const next = { ...session, parameters };
  if (session.state !== 'Up') return { session: advertiseSlow(next), send: undefined };
  const changed = advertise(next, parameters);
  return { session: changed, send: changed === next ? undefined : 'now' };
}

/** Takes the session down without the peer taking the path for broken (RFC 5880 §6.8.16). */
export function disable(session: BfdSession): BfdStep {
  return {
    session: advertiseSlow({
      ...session,
      state: 'AdminDown',
      diagnostic: DIAGNOSTIC_ADMINISTRATIVELY_DOWN,
      poll: 'idle',
    }),
    send: 'now',
  };
}

/** The packet to send now, and the session after it. */
export function nextPacket(
  session: BfdSession,
  final: boolean,
): { readonly session: BfdSession; readonly packet: ControlPacket } {
  const { advertised, parameters, poll, remote } = session;
  const packet: ControlPacket = {
    diagnostic: session.diagnostic,
    state: session.state,
    poll: poll === 'running' && !final,
    final,
    // One process has both BFD and the control plane, and they end together.
    controlPlaneIndependent: false,
    demand: false,
    multiplier: parameters.multiplier,
    myDiscriminator: session.localDiscriminator,
    yourDiscriminator: remote?.discriminator ?? 0,
    ...advertised,
    requiredMinEchoRx: 0,
  };
  return { session: poll === 'due' && !final ? { ...session, poll: 'running' } : session, packet };
}

/** Microseconds between packets before jitter; undefined: the peer wants none (RFC 5880 §6.8.7). */
export function transmitInterval({ state, remote, inForce, poll }: BfdSession): number | undefined {
  const minRx = remote?.requiredMinRx ?? UNKNOWN_MIN_RX;
  if (minRx === 0) return undefined;
  if (remote?.demand === true && state === 'Up' && remote.state === 'Up' && poll === 'idle') return undefined;
  return Math.max(inForce.desiredMinTx, minRx);
}

/** Microseconds of silence after which the peer is gone (RFC 5880 §6.8.4); undefined while nothing is known of it. */
export function detectionTime({ remote, inForce }: BfdSession): number | undefined {
  if (remote === undefined) return undefined;
  return remote.multiplier * Math.max(inForce.requiredMinRx, remote.desiredMinTx);
}

/** RFC 5880 §6.8.7: up to a quarter less; with a multiplier of 1 at least a tenth. `random` is in [0, 1). */
export function jittered(interval: number, multiplier: number, random: number): number {
  return multiplier === 1 ? interval * (0.9 - 0.15 * random) : interval * (1 - 0.25 * random);
}

function goUp(session: BfdSession): BfdSession {
  return advertise({ ...session, state: 'Up', diagnostic: DIAGNOSTIC_NONE }, session.parameters);
}

function goDown(session: BfdSession, diagnostic: number): BfdSession {
  return advertiseSlow({ ...session, state: 'Down', diagnostic, poll: 'idle' });
}

function slowed({ desiredMinTx, requiredMinRx }: BfdParameters): BfdIntervals {
  return { desiredMinTx: Math.max(desiredMinTx, SLOW_INTERVAL), requiredMinRx };
}

/** Outside Up, changes are in force at once and need no Poll: the peer reads them in whatever comes. */
function advertiseSlow(session: BfdSession): BfdSession {
  const slow = slowed(session.parameters);
  return { ...session, advertised: slow, inForce: slow };
}

/** In Up, what would make either side wait for packets that are not yet sent as often waits for the peer's Final. */
function advertise(session: BfdSession, { desiredMinTx, requiredMinRx }: BfdIntervals): BfdSession {
  const { advertised, inForce, poll } = session;
  if (desiredMinTx === advertised.desiredMinTx && requiredMinRx === advertised.requiredMinRx) return session;
  return {
    ...session,
    advertised: { desiredMinTx, requiredMinRx },
    inForce: {
      desiredMinTx: Math.min(desiredMinTx, inForce.desiredMinTx),
      requiredMinRx: Math.max(requiredMinRx, inForce.requiredMinRx),
    },
    // The Final that is under way answers what was said before.
    poll: poll === 'running' ? 'due' : 'running',
  };
}

function endPoll(session: BfdSession): BfdSession {
  return { ...session, poll: 'idle', inForce: session.advertised };
}

/** Whether our packets say the same but for P and F (RFC 5880 §6.8.7). */
function saysTheSame(before: BfdSession, after: BfdSession): boolean {
  return (
    before.state === after.state &&
    before.diagnostic === after.diagnostic &&
    before.remote?.discriminator === after.remote?.discriminator &&
    before.advertised.desiredMinTx === after.advertised.desiredMinTx &&
    before.advertised.requiredMinRx === after.advertised.requiredMinRx
  );
}
