/**
 * The state machine (RFC 4271 §8.2.2) as a table: state and event lead to a handler; `step` is the whole of it. Pure:
 * no clock, no socket; randomness comes in.
 *
 * Where a peer has two connections (§6.8) each has its own row: an event that names a connection is looked up under
 * that connection's state, all others under the session's.
 *
 *     Idle ──start──► Connect ──TCP up──► OpenSent ──OPEN──► OpenConfirm ──KEEPALIVE──► Established
 *      ▲                 │ ▲                 ▲
 *      │            fails│ │retry            │accepted
 *      └──idle hold──    ▼ │                 │
 *         after errors  Active ──────────────┘
 *
 * What differs from the letter of RFC 4271, each for a reason:
 * - A lost TCP connection, or a Cease from the peer, leads to Active and not to Idle: the peer is restarting, and its
 *   next connection must be welcome (RFC 4724). Idle and its hold time are for errors (DampPeerOscillations).
 * - An expired timer that no longer matters, or an event of a connection that is closed, is ignored: it is a race
 *   inside this machine and nothing the peer should be told about.
 * - The KeepaliveTimer is not put off by UPDATEs (§8.2.2 would): a KEEPALIVE too many harms nobody.
 * - A collision is resolved as soon as one OPEN is known, also against a connection in OpenSent: the identifier decides
 *   for both.
 * - While the DelayOpenTimer runs a connection is Delayed: RFC 4271 calls that Connect where we have opened it and Active
 *   where the peer has, and so is the session's state called.
 */
import {
  CEASE_CONNECTION_COLLISION,
  CEASE_CONNECTION_REJECTED,
  ERROR_FINITE_STATE_MACHINE,
  FSM_UNEXPECTED_IN_ESTABLISHED,
  FSM_UNEXPECTED_IN_OPEN_CONFIRM,
  FSM_UNEXPECTED_IN_OPEN_SENT,
  MESSAGE_KEEPALIVE,
  MESSAGE_OPEN,
  MESSAGE_ROUTE_REFRESH,
  MESSAGE_UPDATE,
  OPEN_BAD_PEER_AS,
} from '../wire/iana.ts';
import type { RouteRefreshMessage } from '../wire/message.ts';
import { cease, notification } from '../wire/notification.ts';
import type { SessionAction } from './action.ts';
import { resolveCollision } from './collision.ts';
import {
  abandon,
  connectionFailed,
  giveUp,
  hasOpened,
  holdExpired,
  malformed,
  notified,
  outOfTurn,
  refuse,
  sendHoldExpired,
  stop,
} from './ending.ts';
import type { SessionEvent } from './event.ts';
import { negotiate } from './negotiate.ts';
import type { Row, RowState } from './row.ts';
import { type Session, type SessionConnection, openingConfig } from './session.ts';
import { Turn } from './turn.ts';

export interface Step {
  readonly session: Session;
  readonly actions: readonly SessionAction[];
}

type AnyHandler = (turn: Turn, event: SessionEvent, connection: SessionConnection | undefined) => void;

/** Messages that end a session when they come out of turn (RFC 6608), by their type, which is what the peer is told. */
const MESSAGES: Readonly<Partial<Record<SessionEvent['type'], number>>> = {
  'open-received': MESSAGE_OPEN,
  'update-received': MESSAGE_UPDATE,
  'keepalive-received': MESSAGE_KEEPALIVE,
  'route-refresh-received': MESSAGE_ROUTE_REFRESH,
};

const UNEXPECTED: Readonly<Partial<Record<RowState, number>>> = {
  OpenSent: FSM_UNEXPECTED_IN_OPEN_SENT,
  OpenConfirm: FSM_UNEXPECTED_IN_OPEN_CONFIRM,
  Established: FSM_UNEXPECTED_IN_ESTABLISHED,
};

const start: NonNullable<Row['manual-start']> = (turn) => {
  turn.session = { ...turn.session, enabled: true, refusesCapabilities: false };
  turn.stop('idle-hold');
  if (turn.session.config.passive === 'always') turn.dialUnlessPassive();
  else turn.dial();
};

/** RFC 4271 §8.2.2, events 16 and 17 in Connect and Active. */
const accept: NonNullable<Row['tcp-accepted']> = (turn, event) => {
  // A peer that opens a second connection has given up the first, unless that is established: then its OPEN decides.
  const older = turn.session.connections.find(({ outgoing, state }) => !outgoing && state !== 'Established');
  if (older !== undefined) turn.drop(older, { words: 'The peer opened another connection' });
  turn.greet({ id: event.connection, outgoing: false, state: 'Delayed' });
};

/** Event 17 in Idle: no connection is taken; the peer is told so (RFC 4486 §4). */
const reject: NonNullable<Row['tcp-accepted']> = (turn, { connection }) => {
  turn.actions.push({ type: 'send', connection, message: cease(CEASE_CONNECTION_REJECTED) });
  turn.actions.push({ type: 'close', connection });
};

const sendKeepalive: NonNullable<Row['keepalive-timer-expires']> = (turn, _event, connection) => {
  turn.actions.push({ type: 'send', connection: connection.id, message: { type: 'keepalive' } });
  turn.startKeepalive(connection);
};

const retryConnect: NonNullable<Row['connect-retry-timer-expires']> = (turn) => {
  const dialling = turn.session.connections.find(({ state }) => state === 'Connect');
  if (dialling !== undefined) turn.drop(dialling, { words: 'Connection timed out' });
  if (turn.session.connections.length === 0) turn.dialUnlessPassive();
};

/** Event 19 in OpenSent. */
const openReceived: NonNullable<Row['open-received']> = (turn, { message: open }, connection) => {
  const { config } = turn.session;
  const negotiated = negotiate(openingConfig(config, connection), open);
  if ('type' in negotiated) {
    const words = `the peer says AS ${open.asNumber}, configured is AS ${config.peerAs}`;
    refuse(turn, connection, negotiated, negotiated.subcode === OPEN_BAD_PEER_AS ? words : undefined);
    return;
  }
  const collision = cease(CEASE_CONNECTION_COLLISION);
  for (const other of turn.others(connection)) {
    if (!hasOpened(other)) continue;
    if (other.state === 'Established') {
      // RFC 4724 §5: a peer that restarts may do so before we notice; otherwise the established one stays (§6.8).
      if (other.negotiated?.gracefulRestart === undefined) {
        turn.drop(connection, { sent: collision });
        return;
      }
      turn.drop(other, { words: 'The peer has restarted' });
      continue;
    }
    // A passive session's own attempt that nobody has answered yet must not cost the peer's connection.
    const unanswered = config.passive && other.outgoing && other.state === 'OpenSent';
    const keep = unanswered
      ? 'incoming'
      : resolveCollision(
          { asNumber: config.localAs, identifier: config.routerId },
          { asNumber: open.asNumber, identifier: open.identifier },
        );
    if (connection.outgoing !== (keep === 'outgoing')) {
      turn.drop(connection, { sent: collision });
      return;
    }
    turn.drop(other, { sent: collision });
  }
  const confirmed: SessionConnection = { ...connection, state: 'OpenConfirm', open, negotiated };
  turn.put(confirmed);
  turn.actions.push({ type: 'send', connection: connection.id, message: { type: 'keepalive' } });
  if (negotiated.holdTime === 0) {
    turn.actions.push({ type: 'stop-connection-timer', connection: connection.id, timer: 'hold' });
  }
  turn.heard(confirmed);
  turn.startKeepalive(confirmed);
};

/** Event 26 in OpenConfirm. */
const establish: NonNullable<Row['keepalive-received']> = (turn, _event, connection) => {
  for (const other of turn.others(connection)) {
    turn.drop(other, hasOpened(other) ? { sent: cease(CEASE_CONNECTION_COLLISION) } : { words: '' });
  }
  turn.stop('connect-retry');
  turn.put({ ...connection, state: 'Established' });
  turn.session = { ...turn.session, attempts: 0, notified: '', info: '' };
  turn.heard(connection);
  const { negotiated } = connection;
  if (negotiated !== undefined) {
    turn.actions.push({ type: 'established', connection: connection.id, negotiated });
  }
};

/** What every state with a transport connection has in common. */
const CONNECTED = {
  'manual-stop': stop,
  'automatic-stop': giveUp,
  'connect-retry-timer-expires': retryConnect,
  'hold-timer-expires': holdExpired,
  'send-hold-timer-expires': sendHoldExpired,
  'tcp-accepted': accept,
  'tcp-failed': connectionFailed,
  'message-malformed': malformed,
  'notification-received': notified,
} satisfies Row;

const TABLE: Readonly<Record<RowState, Row>> = {
  Idle: {
    'manual-start': start,
    'manual-stop': stop,
    'idle-hold-timer-expires': (turn) => {
      if (turn.session.enabled) turn.dialUnlessPassive();
    },
    'tcp-accepted': reject,
  },
  Connect: {
    'manual-stop': stop,
    'automatic-stop': giveUp,
    'connect-retry-timer-expires': retryConnect,
    'tcp-connected': (turn, _event, connection) => turn.greet(connection),
    'tcp-accepted': accept,
    'tcp-failed': connectionFailed,
  },
  Active: {
    'manual-stop': stop,
    'automatic-stop': giveUp,
    'connect-retry-timer-expires': retryConnect,
    'tcp-accepted': accept,
  },
  Delayed: {
    'tcp-failed': connectionFailed,
    'delay-open-timer-expires': (turn, _event, connection) => turn.open(connection),
    // Event 20: the OPEN is answered by ours, and what it says decides as in OpenSent.
    'open-received': (turn, event, connection) => {
      turn.actions.push({ type: 'stop-connection-timer', connection: connection.id, timer: 'delay-open' });
      turn.open(connection);
      openReceived(turn, event, turn.connection(connection.id)!);
    },
    'notification-received': notified,
    'message-malformed': (turn, { error }, connection) => abandon(turn, connection, error.reason),
    'update-received': outOfTurn,
    'keepalive-received': outOfTurn,
    'route-refresh-received': outOfTurn,
  },
  OpenSent: { ...CONNECTED, 'open-received': openReceived },
  OpenConfirm: { ...CONNECTED, 'keepalive-timer-expires': sendKeepalive, 'keepalive-received': establish },
  Established: {
    ...CONNECTED,
    'keepalive-timer-expires': sendKeepalive,
    'keepalive-received': (turn, _event, connection) => {
      turn.heard(connection);
      // A session that lives from one KEEPALIVE to the next is stable again.
      if (turn.session.failures > 0) turn.session = { ...turn.session, failures: 0 };
    },
    'update-received': (turn, { message }, connection) => {
      turn.heard(connection);
      turn.actions.push({ type: 'deliver-update', connection: connection.id, message });
    },
    'route-refresh-received': (turn, { message }, connection) => {
      // RFC 2918 §3: what has become the subtype says nothing from a peer that does not know it (RFC 7313 §3.2).
      const knowsSubtypes = connection.negotiated?.enhancedRouteRefresh === true;
      const understood: RouteRefreshMessage = knowsSubtypes ? message : { ...message, subtype: 'request' };
      turn.actions.push({ type: 'deliver-route-refresh', connection: connection.id, message: understood });
    },
  },
};

/** The session after the event, and what is to be done. Never throws; `random` yields numbers in [0, 1). */
export function step(session: Session, event: SessionEvent, random: () => number): Step {
  const turn = new Turn(session, random);
  const connection = 'connection' in event ? turn.connection(event.connection) : undefined;
  if ('connection' in event && (event.type === 'tcp-accepted') !== (connection === undefined)) {
    return { session, actions: [] };
  }
  const state = connection?.state ?? session.state;
  const handler = TABLE[state][event.type] as AnyHandler | undefined;
  if (handler !== undefined) {
    handler(turn, event, connection);
    return { session: turn.session, actions: turn.actions };
  }
  const messageType = MESSAGES[event.type];
  const subcode = UNEXPECTED[state];
  if (connection !== undefined && messageType !== undefined && subcode !== undefined) {
    refuse(turn, connection, notification(ERROR_FINITE_STATE_MACHINE, subcode, Uint8Array.of(messageType)));
  }
  return { session: turn.session, actions: turn.actions };
}
