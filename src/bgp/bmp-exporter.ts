/**
 * Tells a monitoring station what peers tell us (RFC 7854): adj-RIB-in before policy, as it was received, or after it,
 * or both (§5). We keep no routes from before policy, so when a station connects, peers are asked to tell all again
 * (RFC 2918), which goes to it as it comes; of a peer that cannot, it sees changes only.
 */
import { Socket } from 'node:net';
import { hostname, type as systemType } from 'node:os';
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { VERSION } from '../base/version.ts';
import { type Family, familyOf } from '../net/address.ts';
import { closeSocket, tcpSocket } from '../sys/socket.ts';
import type { BmpStation } from './config.ts';
import type { MonitoredSession, SessionEnd, SessionMonitor } from './session-monitor.ts';
import { initiation, peerDown, peerUp, routeMonitoring, statistics, termination } from './wire/bmp.ts';

export interface BmpExporterOptions {
  readonly station: BmpStation;
  /** Network namespace of the socket; the process's own if left out. */
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sessions: () => Iterable<MonitoredSession>;
  /** Has a peer tell all again, if it can. */
  readonly refresh: (name: string) => void;
  readonly counts: (name: string) => readonly { readonly family: Family; readonly count: number }[];
}

/** Milliseconds. */
const STATISTICS_INTERVAL = 60_000;
/** Octets that a station may be behind. Then it is let go, and told all again when it comes back. */
const LARGEST_BACKLOG = 64 << 20;

export class BmpExporter implements SessionMonitor {
  private readonly backoff = new Backoff({ initial: 1000, maximum: 30_000 });
  private socket: Socket | undefined;
  private connected = false;
  private retry: TimerHandle | undefined;
  private timer: TimerHandle | undefined;
  private closed = false;
  private told = false;

  constructor(private readonly options: BmpExporterOptions) {}

  /** Connects, and again whenever the connection is lost. */
  start(): void {
    const { station, namespace, clock } = this.options;
    let descriptor: number | undefined;
    try {
      descriptor = tcpSocket({
        family: familyOf(station.address),
        ...(namespace === undefined ? {} : { namespace }),
      });
      const socket = new Socket({ fd: descriptor });
      descriptor = undefined;
      this.socket = socket;
      socket.once('connect', () => this.begin());
      socket.on('error', (error) => this.lost(describeError(error)));
      socket.on('close', () => this.lost('closed by the station'));
      // A station says nothing (§3.2); what it says is not kept.
      socket.resume();
      socket.connect({ host: station.address, port: station.port });
    } catch (error) {
      if (descriptor !== undefined) closeSocket(descriptor);
      this.retry = clock.after(this.backoff.delay(), () => this.start());
      this.complain(describeError(error));
    }
  }

  /** Ends with a termination message. */
  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.timer?.cancel();
    const { socket } = this;
    this.socket = undefined;
    if (socket === undefined) return;
    if (this.connected) socket.end(termination());
    else socket.destroy();
  }

  up(session: MonitoredSession): void {
    const { localAddress, localPort, remotePort, sentOpen, receivedOpen, since } = session;
    this.send(
      peerUp(session, since, { address: localAddress, port: localPort, remotePort }, sentOpen, receivedOpen),
    );
  }

  down(session: MonitoredSession, end: SessionEnd): void {
    this.send(peerDown(session, this.options.clock.wall(), end));
  }

  received(session: MonitoredSession, update: Uint8Array): void {
    if (this.routes === 'post-policy') return;
    this.send(routeMonitoring(session, this.options.clock.wall(), update, 'pre-policy'));
  }

  get wantsPolicy(): boolean {
    return this.connected && this.routes !== 'pre-policy';
  }

  accepted(session: MonitoredSession, update: Uint8Array): void {
    this.send(routeMonitoring(session, this.options.clock.wall(), update, 'post-policy'));
  }

  private get routes(): NonNullable<BmpStation['routes']> {
    return this.options.station.routes ?? 'pre-policy';
  }

  private begin(): void {
    const { log, station, sessions, refresh } = this.options;
    this.connected = true;
    this.told = false;
    this.backoff.reset();
    log.info({ station: `${station.address} ${station.port}` }, 'bmp station connected');
    this.send(initiation(`Margay ${VERSION} on ${systemType()}`, hostname()));
    for (const session of sessions()) {
      this.up(session);
      refresh(session.name);
    }
    this.report();
  }

  private report(): void {
    const { clock, sessions, counts } = this.options;
    this.timer?.cancel();
    for (const session of sessions()) this.send(statistics(session, clock.wall(), counts(session.name)));
    this.timer = clock.after(STATISTICS_INTERVAL, () => this.report());
  }

  private send(message: Uint8Array): void {
    const { socket } = this;
    if (!this.connected || socket === undefined) return;
    if (socket.writableLength > LARGEST_BACKLOG) {
      this.lost('the station does not read');
      return;
    }
    socket.write(message);
  }

  private lost(reason: string): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.socket = undefined;
    this.connected = false;
    this.timer?.cancel();
    socket.destroy();
    if (this.closed) return;
    this.complain(reason);
    this.retry = this.options.clock.after(this.backoff.delay(), () => this.start());
  }

  private complain(reason: string): void {
    const { log, station } = this.options;
    // The same station that stays away is no news.
    if (!this.told) log.warn({ station: `${station.address} ${station.port}`, reason }, 'bmp station lost');
    this.told = true;
  }
}
