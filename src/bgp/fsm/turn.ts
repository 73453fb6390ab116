/** One step in the making: the session as it will be, and what the rim has to do. Lives only inside `step`. */
import type { NotificationMessage } from '../wire/message.ts';
import { describeNotification } from '../wire/notification.ts';
import type { ConnectionTimer, SessionAction } from './action.ts';
import { localOpen } from './negotiate.ts';
import { retainedFamilies } from './retention.ts';
import { type Session, type SessionConnection, type SessionState, openingConfig } from './session.ts';

/** RFC 4271 §8.2.2: a large value for the hold timer while the peer's OPEN is awaited; four minutes. */
const OPEN_HOLD_TIME = 240_000;
/** RFC 4271 §10: timers are drawn between three quarters and all of their value. */
const JITTER = 0.25;

const RANK: Readonly<Record<SessionConnection['state'], number>> = {
  Connect: 0,
  Delayed: 1,
  OpenSent: 2,
  OpenConfirm: 3,
  Established: 4,
};

export class Turn {
  readonly actions: SessionAction[] = [];

  constructor(
    public session: Session,
    private readonly random: () => number,
  ) {}

  connection(id: string): SessionConnection | undefined {
    return this.session.connections.find((connection) => connection.id === id);
  }

  others(connection: SessionConnection): SessionConnection[] {
    return this.session.connections.filter(({ id }) => id !== connection.id);
  }

  jitter(milliseconds: number): number {
    return Math.round(milliseconds * (1 - JITTER * this.random()));
  }

  /** Opens a connection, unless the peer is to. */
  dialUnlessPassive(): void {
    if (this.session.config.passive) this.become([], 'Active');
    else this.dial();
  }

  /** Opens a connection. */
  dial(): void {
    const opened = this.session.opened + 1;
    const id = `out-${opened}`;
    this.session = { ...this.session, opened };
    this.become([...this.session.connections, { id, outgoing: true, state: 'Connect' }], 'Active');
    this.actions.push({ type: 'connect', connection: id });
    this.startConnectRetry(this.session.config.connectTimeout);
  }

  private startConnectRetry(milliseconds: number): void {
    this.actions.push({
      type: 'start-timer',
      timer: 'connect-retry',
      milliseconds: this.jitter(milliseconds),
    });
  }

  /** What is first done on a connection that is up: our OPEN, at once or after the DelayOpenTime (events 16, 17). */
  greet(connection: SessionConnection): void {
    const { delayOpenTime } = this.session.config;
    if (delayOpenTime === 0) {
      this.open(connection);
      return;
    }
    this.put({ ...connection, state: 'Delayed' });
    this.startTimer(connection, 'delay-open', this.jitter(delayOpenTime));
    this.stopRetryUnlessDialling();
  }

  private stopRetryUnlessDialling(): void {
    if (!this.session.connections.some(({ state }) => state === 'Connect')) this.stop('connect-retry');
  }

  /** Sends our OPEN on a connection that is up and waits for the peer's. */
  open(connection: SessionConnection): void {
    const { config, refusesCapabilities } = this.session;
    const opened: SessionConnection = {
      ...connection,
      state: 'OpenSent',
      ...(refusesCapabilities ? { withoutCapabilities: true } : {}),
    };
    this.actions.push({
      type: 'send',
      connection: connection.id,
      message: localOpen(openingConfig(config, opened)),
    });
    this.put(opened);
    this.startTimer(connection, 'hold', OPEN_HOLD_TIME);
    this.stopRetryUnlessDialling();
  }

  startTimer({ id }: SessionConnection, timer: ConnectionTimer, milliseconds: number): void {
    this.actions.push({ type: 'start-connection-timer', connection: id, timer, milliseconds });
  }

  /** Restarts the hold timer of a connection whose OPENs are exchanged. */
  heard(connection: SessionConnection): void {
    const holdTime = connection.negotiated?.holdTime ?? 0;
    if (holdTime > 0) this.startTimer(connection, 'hold', holdTime * 1000);
  }

  startKeepalive(connection: SessionConnection): void {
    const seconds = connection.negotiated?.keepaliveTime ?? 0;
    if (seconds > 0) this.startTimer(connection, 'keepalive', this.jitter(seconds * 1000));
  }

  stop(timer: 'connect-retry' | 'idle-hold'): void {
    this.actions.push({ type: 'stop-timer', timer });
  }

  /** Adds or replaces a connection. */
  put(connection: SessionConnection): void {
    this.become([...this.others(connection), connection], 'Active');
  }

  /** Sends the NOTIFICATION, if any, and closes one connection; the session goes on with the others or waits. */
  drop(
    connection: SessionConnection,
    cause: {
      readonly sent?: NotificationMessage;
      readonly received?: NotificationMessage;
      readonly words?: string;
    },
  ): void {
    const { sent, received } = cause;
    const reason = describe(cause);
    if (sent !== undefined) this.actions.push({ type: 'send', connection: connection.id, message: sent });
    this.actions.push({ type: 'close', connection: connection.id });
    const { negotiated } = connection;
    // Once is enough: it may have learnt better meanwhile.
    if (connection.withoutCapabilities === true)
      this.session = { ...this.session, refusesCapabilities: false };
    if (connection.state === 'Established' && negotiated !== undefined) {
      this.actions.push({
        type: 'lost',
        connection: connection.id,
        reason,
        retain: retainedFamilies(negotiated, sent ?? received),
        restartTime: negotiated.gracefulRestart?.restartTime ?? 0,
      });
    }
    this.become(this.others(connection), 'Active');
    // An extra connection that goes says nothing about a session that is up.
    if (this.session.state === 'Established') return;
    if (sent !== undefined || received !== undefined) {
      this.session = { ...this.session, notified: reason, info: reason };
    } else {
      // That nobody answers now must not hide what the peer said when it left.
      const { notified } = this.session;
      this.session = { ...this.session, info: notified === '' ? reason : `${notified}; then: ${reason}` };
    }
  }

  /** After a drop: opens another connection after the connect retry time, or awaits the peer's. */
  retry(): void {
    if (this.session.connections.length > 0) return;
    this.become([], 'Active');
    const { passive, connectRetryTimes } = this.session.config;
    if (passive) return;
    const { attempts } = this.session;
    this.session = { ...this.session, attempts: attempts + 1 };
    this.startConnectRetry(connectRetryTimes[Math.min(attempts, connectRetryTimes.length - 1)]!);
  }

  /** After a drop for an error: Idle for a time that doubles with every error (DampPeerOscillations, RFC 4271 §8.1.1). */
  damp(): void {
    if (this.session.connections.length > 0) return;
    const { config } = this.session;
    const failures = this.session.failures + 1;
    const { initial, maximum } = config.idleHoldTime;
    this.session = { ...this.session, failures, refusesCapabilities: false };
    this.rest(Math.min(maximum, initial * 2 ** Math.min(failures - 1, 30)));
  }

  /** Idle for a time. */
  rest(milliseconds: number): void {
    this.become([], 'Idle');
    this.stop('connect-retry');
    this.actions.push({ type: 'start-timer', timer: 'idle-hold', milliseconds: this.jitter(milliseconds) });
  }

  /** Sets the connections; without any, the session is in `empty`. */
  become(connections: readonly SessionConnection[], empty: 'Idle' | 'Active'): void {
    let state: SessionState = empty;
    let best = -1;
    for (const connection of connections) {
      if (RANK[connection.state] > best) {
        best = RANK[connection.state];
        state = connection.state === 'Delayed' ? delayedState(connection) : connection.state;
      }
    }
    this.session = { ...this.session, connections, state };
  }
}

/** What RFC 4271 §8.2.2 calls the state of a connection whose DelayOpenTimer runs. */
function delayedState({ outgoing }: SessionConnection): SessionState {
  return outgoing ? 'Connect' : 'Active';
}

function describe(cause: Parameters<Turn['drop']>[1]): string {
  const { sent, received, words } = cause;
  if (received !== undefined) return `Received: ${describeNotification(received)}`;
  if (sent === undefined) return words ?? '';
  const name = `Sent: ${describeNotification(sent)}`;
  return words === undefined ? name : `${name} (${words})`;
}
