/** What is told of sessions to whoever records them: BMP (bmp-exporter.ts), MRT (mrt-log.ts). */
import type { Address } from '../net/address.ts';

/** A session that is or was up. */
export interface MonitoredSession {
  /** The peer's configured name. */
  readonly name: string;
  readonly address: Address;
  readonly asNumber: number;
  readonly identifier: Address;
  readonly fourOctetAs: boolean;
  readonly localAddress: Address;
  readonly localAs: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** As they were on the wire. */
  readonly sentOpen: Uint8Array;
  readonly receivedOpen: Uint8Array;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How a session ended. */
export interface SessionEnd {
  /** The NOTIFICATION that ended it, as it was on the wire. */
  readonly notification?: { readonly sent: boolean; readonly message: Uint8Array };
  /** Without one: we closed the connection, or timers of ours did. */
  readonly local: boolean;
}

export interface SessionMonitor {
  up(session: MonitoredSession): void;
  down(session: MonitoredSession, end: SessionEnd): void;
  /** An UPDATE, before anything is made of it; the octets are another's and change after the call. */
  received(session: MonitoredSession, update: Uint8Array): void;
  /** Wants to be told also what policy makes of UPDATEs. */
  readonly wantsPolicy: boolean;
  /** An UPDATE put together anew from what policy has made of one. */
  accepted(session: MonitoredSession, update: Uint8Array): void;
}

/** All who record. Costs nothing while there is nobody. */
export class SessionMonitors implements SessionMonitor {
  private readonly monitors = new Set<SessionMonitor>();
  private readonly sessions = new Map<string, MonitoredSession>();

  /** Sessions that are up. */
  get current(): Iterable<MonitoredSession> {
    return this.sessions.values();
  }

  add(monitor: SessionMonitor): void {
    this.monitors.add(monitor);
  }

  remove(monitor: SessionMonitor): void {
    this.monitors.delete(monitor);
  }

  up(session: MonitoredSession): void {
    this.sessions.set(session.name, session);
    for (const monitor of this.monitors) monitor.up(session);
  }

  down(session: MonitoredSession, end: SessionEnd): void {
    this.sessions.delete(session.name);
    for (const monitor of this.monitors) monitor.down(session, end);
  }

  received(session: MonitoredSession, update: Uint8Array): void {
    for (const monitor of this.monitors) monitor.received(session, update);
  }

  get wantsPolicy(): boolean {
    for (const monitor of this.monitors) if (monitor.wantsPolicy) return true;
    return false;
  }

  accepted(session: MonitoredSession, update: Uint8Array): void {
    for (const monitor of this.monitors) if (monitor.wantsPolicy) monitor.accepted(session, update);
  }
}
