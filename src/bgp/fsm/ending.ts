/** How connections and sessions end, and what comes after: handlers of the state machine's table (step.ts). */
import {
  CEASE_ADMINISTRATIVE_SHUTDOWN,
  CEASE_BFD_DOWN,
  CEASE_MAXIMUM_PREFIXES,
  CEASE_PEER_DECONFIGURED,
  ERROR_CEASE,
  ERROR_HOLD_TIMER_EXPIRED,
  ERROR_OPEN_MESSAGE,
  ERROR_SEND_HOLD_TIMER_EXPIRED,
  OPEN_UNSUPPORTED_PARAMETER,
} from '../wire/iana.ts';
import type { NotificationMessage } from '../wire/message.ts';
import { cease, hardReset, notification, notificationOf } from '../wire/notification.ts';
import type { SessionEvent } from './event.ts';
import type { Row } from './row.ts';
import type { SessionConfig, SessionConnection } from './session.ts';
import type { Turn } from './turn.ts';

/** Closes over an error of ours or the peer's: NOTIFICATION, then Idle for a while. */
export function refuse(
  turn: Turn,
  connection: SessionConnection,
  sent: NotificationMessage,
  words?: string,
): void {
  turn.drop(connection, words === undefined ? { sent } : { sent, words });
  turn.damp();
}

/** Closes a connection on which no OPEN was sent: no NOTIFICATION goes before one (SendNOTIFICATIONwithoutOPEN is off). */
export function abandon(turn: Turn, connection: SessionConnection, words: string): void {
  turn.drop(connection, { words });
  turn.damp();
}

/** Any other message in Connect or Active (events 26 to 28). */
export const outOfTurn = (turn: Turn, _event: SessionEvent, connection: SessionConnection): void =>
  abandon(turn, connection, 'The peer sent something else before its OPEN');

/** Whether our OPEN was sent, so that a NOTIFICATION may follow. */
export function hasOpened({ state }: SessionConnection): boolean {
  return state !== 'Connect' && state !== 'Delayed';
}

export const stop: NonNullable<Row['manual-stop']> = (turn, event) => {
  for (const connection of turn.session.connections) {
    if (!hasOpened(connection) || event.cease === undefined) {
      turn.drop(connection, { words: 'Stopped' });
    } else {
      turn.drop(connection, { sent: farewell(connection, cease(event.cease, event.communication)) });
    }
  }
  turn.stop('connect-retry');
  turn.stop('idle-hold');
  turn.become([], 'Idle');
  turn.session = { ...turn.session, enabled: false, failures: 0 };
};

/** After these neither side is to keep the other's routes (RFC 8538 §3.1, §5; RFC 9384 §3). */
const FOR_GOOD: ReadonlySet<number> = new Set([
  CEASE_MAXIMUM_PREFIXES,
  CEASE_ADMINISTRATIVE_SHUTDOWN,
  CEASE_PEER_DECONFIGURED,
  CEASE_BFD_DOWN,
]);

/** A Cease, as a hard reset where the peer would keep routes otherwise. */
function farewell({ negotiated }: SessionConnection, plain: NotificationMessage): NotificationMessage {
  const keeps = negotiated?.gracefulRestart?.notification === true;
  return keeps && FOR_GOOD.has(plain.subcode) ? hardReset(plain) : plain;
}

export const giveUp: NonNullable<Row['automatic-stop']> = (turn, event) => {
  for (const connection of turn.session.connections) {
    turn.drop(
      connection,
      hasOpened(connection)
        ? { sent: farewell(connection, notification(ERROR_CEASE, event.cease, event.data)) }
        : { words: 'Stopped' },
    );
  }
  if (event.idle === undefined) {
    turn.damp();
  } else if (event.idle === 'until-started') {
    turn.stop('connect-retry');
    turn.session = { ...turn.session, enabled: false };
    turn.become([], 'Idle');
  } else {
    turn.rest(event.idle);
  }
};

export const connectionFailed: NonNullable<Row['tcp-failed']> = (turn, event, connection) => {
  turn.drop(connection, { words: `Connection lost: ${event.reason}` });
  turn.retry();
};

export const holdExpired: NonNullable<Row['hold-timer-expires']> = (turn, _event, connection) =>
  refuse(turn, connection, notification(ERROR_HOLD_TIMER_EXPIRED));

export const sendHoldExpired: NonNullable<Row['send-hold-timer-expires']> = (turn, _event, connection) =>
  refuse(turn, connection, notification(ERROR_SEND_HOLD_TIMER_EXPIRED));

export const malformed: NonNullable<Row['message-malformed']> = (turn, { error }, connection) =>
  refuse(turn, connection, notificationOf(error), error.reason);

/** RFC 5492 §3: whether the peer refuses our OPEN for its capabilities, and is to be tried once more without. */
function mayDoWithoutCapabilities(
  { families }: SessionConfig,
  { state, withoutCapabilities }: SessionConnection,
  { code, subcode }: NotificationMessage,
): boolean {
  return (
    code === ERROR_OPEN_MESSAGE &&
    subcode === OPEN_UNSUPPORTED_PARAMETER &&
    (state === 'OpenSent' || state === 'OpenConfirm') &&
    withoutCapabilities !== true &&
    families.includes(4)
  );
}

export const notified: NonNullable<Row['notification-received']> = (turn, { message }, connection) => {
  turn.drop(connection, { received: message });
  if (message.code === ERROR_CEASE) {
    turn.retry();
  } else if (mayDoWithoutCapabilities(turn.session.config, connection, message)) {
    turn.session = { ...turn.session, refusesCapabilities: true };
    turn.retry();
  } else turn.damp();
};
