/**
 * The restarting speaker's patience (RFC 4724 §4.1): after a restart, route selection waits until every peer that can
 * tell us something has sent its end-of-RIB, so that nothing half-known is advertised. A peer that restarts itself waits
 * for us, so selection does not wait for it. The kernel's routes do: where all nodes restart at once, nobody has told
 * anything yet when all begin to. So does the end of what a reflector tells, for its clients sweep by it. All of it is
 * bounded twice, which is what Calico's users miss: a peer that does not come up is given up after `peerWaitTime`,
 * everything after `deferralTime`.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Family } from '../net/address.ts';

/** Where an awaited peer stands, per family. A peer that is no longer awaited is simply absent. */
interface Awaited {
  readonly up: boolean;
  /** It restarts itself: only the kernel's routes wait for it. */
  readonly restarting: boolean;
  /** It does not wait for us either, so what we tell others may wait for it. */
  readonly free: boolean;
}

const EXPECTED: Awaited = { up: false, restarting: false, free: false };

export interface RestartGateOptions {
  readonly clock: Clock;
  /** Seconds. */
  readonly peerWaitTime: number;
  /** Seconds. */
  readonly deferralTime: number;
  /** Called once per family, when selection may begin. */
  readonly opened: (family: Family, reason: GateReason) => void;
  /** Called once per family, then or later: what no peer has told may go from the kernel. */
  readonly told: (family: Family, reason: GateReason) => void;
}

export type GateReason = 'end-of-rib from all peers' | 'peers unreachable' | 'deferral timer';

/** What the gate needs to know of a peer's OPEN, for one session. */
export interface GatePeer {
  /** Families with graceful restart in the peer's OPEN; it will send an end-of-RIB for these. */
  readonly families: readonly Family[];
  /** R bit: it waits for us, so selection must not wait for it. */
  readonly restarting: boolean;
  /** R bit of our own OPEN to it. */
  readonly restartingToo: boolean;
}

const FAMILIES: readonly Family[] = [4, 6];

export class RestartGate {
  private readonly awaited: Record<Family, Map<string, Awaited>> = { 4: new Map(), 6: new Map() };
  private readonly closed = new Set<Family>(FAMILIES);
  private readonly untold = new Set<Family>(FAMILIES);
  private readonly timers: TimerHandle[] = [];
  private pastPeerWait = false;

  /** Starts waiting for the given peers in their families. A family without peers opens at once. */
  constructor(
    private readonly options: RestartGateOptions,
    peers: Iterable<{ readonly name: string; readonly families: readonly Family[] }>,
  ) {
    for (const { name, families } of peers) {
      for (const family of families) this.awaited[family].set(name, EXPECTED);
    }
    const { clock, peerWaitTime, deferralTime } = options;
    this.timers.push(
      clock.after(peerWaitTime * 1000, () => {
        this.pastPeerWait = true;
        for (const family of FAMILIES) {
          for (const [name, { up }] of this.awaited[family]) if (!up) this.awaited[family].delete(name);
          this.check(family, 'peers unreachable');
        }
      }),
      clock.after(deferralTime * 1000, () => {
        for (const family of FAMILIES) {
          this.awaited[family].clear();
          this.check(family, 'deferral timer');
        }
      }),
    );
    for (const family of FAMILIES) this.check(family, 'end-of-rib from all peers');
  }

  /** Whether selection still waits in the family. */
  waiting(family: Family): boolean {
    return this.closed.has(family);
  }

  /** A peer that nobody could await, because it comes by itself. */
  peerCame({ name, families }: { readonly name: string; readonly families: readonly Family[] }): void {
    for (const family of families) {
      if (this.closed.has(family)) this.awaited[family].set(name, EXPECTED);
    }
  }

  /** Names of the peers that are about to tell us something, whatever we tell anyone. */
  *telling(family: Family): Generator<string> {
    for (const [name, { up, free }] of this.awaited[family]) if (up && free) yield name;
  }

  peerUp(name: string, { families, restarting, restartingToo }: GatePeer): void {
    this.change(name, 'end-of-rib from all peers', (family, before) =>
      families.includes(family)
        ? {
            up: true,
            restarting: before.restarting || restarting,
            free: !restarting || restartingToo,
          }
        : undefined,
    );
  }

  peerDown(name: string): void {
    this.change(name, 'peers unreachable', (_, before) =>
      this.pastPeerWait ? undefined : { ...before, up: false },
    );
  }

  /** A peer that is no longer configured. */
  peerRemoved(name: string): void {
    this.change(name, 'end-of-rib from all peers', () => undefined);
  }

  endOfRib(name: string, family: Family): void {
    if (this.awaited[family].delete(name)) this.check(family, 'end-of-rib from all peers');
  }

  /** Forgets the timers; nothing opens any more. */
  stop(): void {
    for (const timer of this.timers) timer.cancel();
    this.closed.clear();
    this.untold.clear();
  }

  /** Where a peer stands now in each family in which it is awaited; undefined to await it no more. */
  private change(
    name: string,
    reason: GateReason,
    next: (family: Family, before: Awaited) => Awaited | undefined,
  ): void {
    for (const family of FAMILIES) {
      const before = this.awaited[family].get(name);
      if (before === undefined) continue;
      const after = next(family, before);
      if (after === undefined) this.awaited[family].delete(name);
      else this.awaited[family].set(name, after);
      this.check(family, reason);
    }
  }

  private check(family: Family, reason: GateReason): void {
    const awaited = [...this.awaited[family].values()];
    if (awaited.every(({ restarting }) => restarting) && this.closed.delete(family)) {
      this.options.opened(family, reason);
    }
    if (awaited.length === 0 && this.untold.delete(family)) this.options.told(family, reason);
    if (this.untold.size === 0) for (const timer of this.timers) timer.cancel();
  }
}
