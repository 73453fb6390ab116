/**
 * The restarting speaker's patience (RFC 4724 §4.1): after a restart, route selection waits until every peer that can
 * tell us something has sent its end-of-RIB, so that no route that still forwards is swept too early, and nothing
 * half-known is advertised. Bounded twice, which is what Calico's users miss: a peer that does not come up is given
 * up after `peerWaitTime`, everything after `deferralTime`.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Family } from '../net/address.ts';

/** Where an awaited peer stands, per family. A peer that is no longer awaited is simply absent. */
type Awaited = 'connection' | 'end-of-rib';

export interface RestartGateOptions {
  readonly clock: Clock;
  /** Seconds. */
  readonly peerWaitTime: number;
  /** Seconds. */
  readonly deferralTime: number;
  /** Called once per family, when selection may begin. */
  readonly opened: (family: Family, reason: GateReason) => void;
}

export type GateReason = 'end-of-rib from all peers' | 'peers unreachable' | 'deferral timer';

/** What the gate needs to know of a peer's OPEN, for one session. */
export interface GatePeer {
  /** Families with graceful restart in the peer's OPEN; it will send an end-of-RIB for these. */
  readonly families: readonly Family[];
  /** R bit: it waits for us, so we must not wait for it. */
  readonly restarting: boolean;
}

const FAMILIES: readonly Family[] = [4, 6];

export class RestartGate {
  private readonly awaited: Record<Family, Map<string, Awaited>> = { 4: new Map(), 6: new Map() };
  private readonly closed = new Set<Family>(FAMILIES);
  private readonly timers: TimerHandle[] = [];
  private pastPeerWait = false;

  /** Starts waiting for the given peers in their families. A family without peers opens at once. */
  constructor(
    private readonly options: RestartGateOptions,
    peers: Iterable<{ readonly name: string; readonly families: readonly Family[] }>,
  ) {
    for (const { name, families } of peers) {
      for (const family of families) this.awaited[family].set(name, 'connection');
    }
    const { clock, peerWaitTime, deferralTime } = options;
    this.timers.push(
      clock.after(peerWaitTime * 1000, () => {
        this.pastPeerWait = true;
        for (const family of FAMILIES) {
          for (const [name, state] of this.awaited[family]) {
            if (state === 'connection') this.awaited[family].delete(name);
          }
          this.check(family, 'peers unreachable');
        }
      }),
      clock.after(deferralTime * 1000, () => {
        for (const family of FAMILIES) this.open(family, 'deferral timer');
      }),
    );
    for (const family of FAMILIES) this.check(family, 'end-of-rib from all peers');
  }

  /** Whether the family is still closed. */
  waiting(family: Family): boolean {
    return this.closed.has(family);
  }

  /** A peer that nobody could await, because it comes by itself. */
  peerCame({ name, families }: { readonly name: string; readonly families: readonly Family[] }): void {
    for (const family of families) {
      if (this.closed.has(family)) this.awaited[family].set(name, 'connection');
    }
  }

  peerUp(name: string, peer: GatePeer): void {
    for (const family of FAMILIES) {
      if (!this.awaited[family].has(name)) continue;
      if (peer.restarting || !peer.families.includes(family)) this.awaited[family].delete(name);
      else this.awaited[family].set(name, 'end-of-rib');
      this.check(family, 'end-of-rib from all peers');
    }
  }

  peerDown(name: string): void {
    for (const family of FAMILIES) {
      if (!this.awaited[family].has(name)) continue;
      if (this.pastPeerWait) this.awaited[family].delete(name);
      else this.awaited[family].set(name, 'connection');
      this.check(family, 'peers unreachable');
    }
  }

  /** A peer that is no longer configured. */
  peerRemoved(name: string): void {
    for (const family of FAMILIES) {
      if (this.awaited[family].delete(name)) this.check(family, 'end-of-rib from all peers');
    }
  }

  endOfRib(name: string, family: Family): void {
    if (this.awaited[family].delete(name)) this.check(family, 'end-of-rib from all peers');
  }

  /** Forgets the timers; nothing opens any more. */
  stop(): void {
    for (const timer of this.timers) timer.cancel();
    this.closed.clear();
  }

  private check(family: Family, reason: GateReason): void {
    if (this.awaited[family].size === 0) this.open(family, reason);
  }

  private open(family: Family, reason: GateReason): void {
    if (!this.closed.delete(family)) return;
    if (this.closed.size === 0) for (const timer of this.timers) timer.cancel();
    this.options.opened(family, reason);
  }
}
