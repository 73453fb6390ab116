/**
 * One configured peer: gives the session what happens on its sockets and timers, and does what the session wants done
 * (RFC 4271 §8). Up to two connections at a time; which one stays is the session's decision (§6.8).
 */
import { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { closeSocket, setMd5Key, setTimeToLive, tcpSocket } from '../sys/socket.ts';
import type { PeerConfig } from './config.ts';
import { Connection, type ConnectionEvents, descriptorOf } from './connection.ts';
import type { SessionAction, SessionTimer } from './fsm/action.ts';
import type { ConnectionId, SessionEvent } from './fsm/event.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import { messageEvent } from './fsm/message-event.ts';
import {
  type Session,
  type SessionConfig,
  type SessionState,
  createSession,
  reconfigure,
} from './fsm/session.ts';
import { step } from './fsm/step.ts';
import { GTSM_TIME_TO_LIVE, TRAFFIC_CLASS } from './listener.ts';
import { MessageCounts } from './message-counts.ts';
import type { PostPolicyUpdate } from './post-policy.ts';
import type { MonitoredSession, SessionEnd, SessionMonitor } from './session-monitor.ts';
import type { Slice } from './slice.ts';
import type { Message, RouteRefreshMessage, WireOptions } from './wire/message.ts';
import type { ParsedUpdate } from './wire/update.ts';

/** What the speaker does about a session. */
export interface PeerEvents {
  established(peer: Peer, negotiated: Negotiated): void;
  /** Routes of the families in `retain` are kept as stale for `restartTime` seconds (RFC 4724 §4.2). */
  lost(peer: Peer, retain: readonly Family[], restartTime: number): void;
  update(peer: Peer, message: ParsedUpdate): void;
  refresh(peer: Peer, message: RouteRefreshMessage): void;
  /** More may be written. */
  drained(peer: Peer): void;
}

export interface PeerOptions {
  readonly config: PeerConfig;
  readonly session: SessionConfig;
  readonly namespace?: string;
  readonly clock: Clock;
  /** For reading, shared by all peers. */
  readonly slice: Slice;
  /** Names the peer, whose name may change. */
  readonly log: () => Logger;
  readonly events: PeerEvents;
  /** Who records sessions. */
  readonly monitors: SessionMonitor;
}

export class Peer {
  config: PeerConfig;
  private session: Session;
  private readonly connections = new Map<ConnectionId, Connection>();
  /** Sockets that are still connecting. */
  private readonly connecting = new Map<ConnectionId, Socket>();
  private readonly timers = new Map<SessionTimer, TimerHandle>();
  private readonly queue: SessionEvent[] = [];
  private working = false;
  /** While the session is up. */
  private monitored: MonitoredSession | undefined;
  private wire: WireOptions | undefined;
  private stopping = false;
  private accepted = 0;
  private active: Connection | undefined;
  private sinceWall: number;
  /** Of all its connections. */
  readonly counts = { received: new MessageCounts(), sent: new MessageCounts() };

  constructor(private readonly options: PeerOptions) {
    this.config = options.config;
    this.session = createSession(options.session);
    this.sinceWall = options.clock.wall();
  }

  get state(): SessionState {
    return this.session.state;
  }

  /** Last error or NOTIFICATION in words. */
  get info(): string {
    return this.session.info;
  }

  /** Wall-clock milliseconds of the last change into or out of Established. */
  get since(): number {
    return this.sinceWall;
  }

  /** Our address on the session that is up. */
  get localAddress(): Address | undefined {
    return this.active?.localAddress;
  }

  /** Whether there is a connection, in whatever state. */
  get connected(): boolean {
    return this.connections.size > 0;
  }

  get congested(): boolean {
    return this.active?.congested ?? true;
  }

  start(): void {
    this.dispatch({ type: 'manual-start' });
  }

  /** Ends the session: with a Cease, or silently, so that the peer keeps our routes (RFC 4724). */
  stop(cease?: number, communication?: string): void {
    this.stopping = true;
    this.dispatch({ type: 'manual-stop', cease, communication });
    this.stopping = false;
  }

  /**
   * Ends the session with a Cease that carries `data`; it comes back after `idle` milliseconds, or only by
   * {@link start}.
   */
  giveUp(cease: number, data: Uint8Array, idle: number | 'until-started'): void {
    this.dispatch({ type: 'automatic-stop', cease, data, idle });
  }

  /** Whether it was started, and neither stopped nor given up since. */
  get enabled(): boolean {
    return this.session.enabled;
  }

  /** For the next connection; a session that is up stays as it is, but for its key. */
  changeConfig(config: PeerConfig, session: SessionConfig): void {
    const { password } = this.config;
    this.config = config;
    this.session = reconfigure(this.session, session);
    if (config.password !== password) this.changeKey();
  }

  /** TCP sends again what the peer refuses until it has the same key (RFC 2385); the hold timer bounds that. */
  private changeKey(): void {
    for (const { id, descriptor } of this.connections.values()) {
      if (descriptor === undefined) continue;
      try {
        setMd5Key(descriptor, this.config.address, this.config.password);
      } catch (error) {
        this.options.log().warn({ reason: describeError(error) }, 'bgp key not changed, connecting again');
        this.close(id);
        this.dispatch({ type: 'tcp-failed', connection: id, reason: 'the key has changed' });
      }
    }
  }

  /** A connection that the peer has opened. */
  accept(socket: Socket): void {
    const { ttlSecurity, address } = this.config;
    const descriptor = descriptorOf(socket);
    if (ttlSecurity !== undefined && descriptor !== undefined) {
      setTimeToLive(descriptor, familyOf(address), 'minimumTimeToLive', minimumTimeToLive(ttlSecurity));
    }
    const id = `in-${++this.accepted}`;
    this.adopt(id, socket);
    this.dispatch({ type: 'tcp-accepted', connection: id });
  }

  /** Sends a message on the session that is up. */
  send(message: Message): void {
    this.active?.send(message);
  }

  /** Sends encoded messages on the session that is up. */
  write(bytes: Uint8Array): void {
    this.active?.write(bytes);
  }

  /** What policy has made of an UPDATE of the session that is up, for those who record it. */
  recordAccepted(update: PostPolicyUpdate): void {
    const { monitored, wire } = this;
    if (monitored === undefined || wire === undefined) return;
    for (const message of update.encode(wire)) this.options.monitors.accepted(monitored, message);
  }

  private dispatch(event: SessionEvent): void {
    this.queue.push(event);
    // What an action sets off comes after the actions beside it.
    if (this.working) return;
    this.working = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        const before = this.session;
        const { session, actions } = step(before, next, Math.random);
        this.session = session;
        for (const action of actions) this.perform(action);
        if (session.info === before.info || session.info === '') continue;
        // The end of a session has been told with its reason, and a stop is what we were asked for.
        const told = next.type === 'manual-stop' || actions.some(({ type }) => type === 'lost');
        if (!told) this.options.log().warn({ info: session.info }, 'bgp session error');
      }
    } finally {
      this.working = false;
    }
  }

  private perform(action: SessionAction): void {
    switch (action.type) {
      case 'connect':
        this.connect(action.connection);
        break;
      case 'close':
        this.close(action.connection);
        break;
      case 'send':
        this.connections.get(action.connection)?.send(action.message);
        break;
      case 'start-timer':
        this.startTimer(action.timer, action.milliseconds);
        break;
      case 'stop-timer':
        this.stopTimer(action.timer);
        break;
      case 'start-connection-timer':
        this.connections.get(action.connection)?.startTimer(action.timer, action.milliseconds);
        break;
      case 'stop-connection-timer':
        this.connections.get(action.connection)?.stopTimer(action.timer);
        break;
      case 'established':
        this.establish(action.connection, action.negotiated);
        break;
      case 'lost':
        this.sinceWall = this.options.clock.wall();
        this.endMonitored(this.active?.lastNotification);
        this.active = undefined;
        this.options.log().info({ reason: action.reason, retained: action.retain }, 'bgp session down');
        this.options.events.lost(this, action.retain, action.restartTime);
        break;
      case 'deliver-update':
        this.options.events.update(this, action.message);
        break;
      case 'deliver-route-refresh':
        this.options.events.refresh(this, action.message);
        break;
    }
  }

  private connect(id: ConnectionId): void {
    const { address, port, sourceAddress, ttlSecurity, password, interface: device } = this.config;
    const { namespace } = this.options;
    let descriptor: number | undefined;
    try {
      descriptor = tcpSocket({
        family: familyOf(address),
        trafficClass: TRAFFIC_CLASS,
        ...(namespace === undefined ? {} : { namespace }),
        ...(sourceAddress === undefined ? {} : { sourceAddress }),
        ...(device === undefined ? {} : { device }),
        ...(password === undefined ? {} : { md5Keys: [{ peer: address, key: password }] }),
        ...(ttlSecurity === undefined
          ? {}
          : { timeToLive: GTSM_TIME_TO_LIVE, minimumTimeToLive: minimumTimeToLive(ttlSecurity) }),
      });
      const socket = new Socket({ fd: descriptor });
      descriptor = undefined;
      this.connecting.set(id, socket);
      socket.once('connect', () => {
        this.connecting.delete(id);
        this.dispatch({ type: 'tcp-connected', connection: id });
      });
      this.adopt(id, socket);
      socket.connect({ host: address, port });
    } catch (error) {
      if (descriptor !== undefined) closeSocket(descriptor);
      this.dispatch({ type: 'tcp-failed', connection: id, reason: describeError(error) });
    }
  }

  private adopt(id: ConnectionId, socket: Socket): void {
    this.connections.set(
      id,
      new Connection(id, socket, this.options.clock, this.options.slice, this.connectionEvents, this.counts),
    );
  }

  private readonly connectionEvents: ConnectionEvents = {
    raw: (update) => {
      if (this.monitored !== undefined) this.options.monitors.received(this.monitored, update);
    },
    received: (connection, message) => this.dispatch(messageEvent(connection.id, message)),
    failed: (connection, reason) => {
      this.forget(connection.id);
      this.dispatch({ type: 'tcp-failed', connection: connection.id, reason });
    },
    timer: (connection, timer) =>
      this.dispatch({ type: `${timer}-timer-expires`, connection: connection.id }),
    unread: (connection) => this.dispatch({ type: 'send-hold-timer-expires', connection: connection.id }),
    drained: (connection) => {
      if (connection === this.active) this.options.events.drained(this);
    },
  };

  private close(id: ConnectionId): void {
    const connection = this.connections.get(id);
    this.forget(id);
    connection?.close();
  }

  private forget(id: ConnectionId): void {
    this.connecting.delete(id);
    this.connections.delete(id);
  }

  private establish(id: ConnectionId, negotiated: Negotiated): void {
    const connection = this.connections.get(id)!;
    connection.useWire(negotiated.wire, negotiated.holdTime);
    this.wire = negotiated.wire;
    this.active = connection;
    this.sinceWall = this.options.clock.wall();
    this.options
      .log()
      .info({ families: negotiated.families, holdTime: negotiated.holdTime }, 'bgp session up');
    this.monitor(connection, negotiated);
    this.options.events.established(this, negotiated);
  }

  private monitor(connection: Connection, { wire, peerIdentifier, peerAs }: Negotiated): void {
    const { localAddress, ports, opens } = connection;
    this.monitored = {
      name: this.config.name,
      address: this.config.address,
      asNumber: peerAs,
      identifier: peerIdentifier,
      fourOctetAs: wire.fourOctetAs,
      localAddress: localAddress ?? this.config.address,
      localAs: this.config.localAsNumber,
      localPort: ports.local,
      remotePort: ports.remote,
      sentOpen: opens.sent,
      receivedOpen: opens.received,
      since: this.sinceWall,
    };
    this.options.monitors.up(this.monitored);
  }

  private endMonitored(notification: SessionEnd['notification']): void {
    if (this.monitored === undefined) return;
    const end = notification === undefined ? {} : { notification };
    this.options.monitors.down(this.monitored, { ...end, local: this.stopping });
    this.monitored = undefined;
  }

  private startTimer(timer: SessionTimer, milliseconds: number): void {
    this.stopTimer(timer);
    this.timers.set(
      timer,
      this.options.clock.after(milliseconds, () => {
        this.timers.delete(timer);
        this.dispatch({ type: `${timer}-timer-expires` });
      }),
    );
  }

  private stopTimer(timer: SessionTimer): void {
    this.timers.get(timer)?.cancel();
    this.timers.delete(timer);
  }
}

/** RFC 5082 §3: a packet from `hops` routers away has lost that many of 255. */
function minimumTimeToLive(hops: number): number {
  return GTSM_TIME_TO_LIVE + 1 - hops;
}
