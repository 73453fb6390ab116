/**
 * What a peer has been sent and what it must yet be told, in one family. A change only marks a prefix: a slow reader
 * keeps a set of marks, not a queue, and is told the newest state of each when it reads again.
 */
import type { Prefix } from '../../net/prefix.ts';
import type { Route } from './route.ts';

/** Updates to send: one announcement per route, withdrawals together. */
export interface PendingUpdates {
  readonly withdrawn: readonly Prefix[];
  readonly announced: ReadonlyMap<Route, readonly Prefix[]>;
}

export class AdjRibOut {
  private readonly sent = new Map<Prefix, Route>();
  private readonly marked = new Set<Prefix>();
  /** To be sent even if nothing changed. */
  private readonly forced = new Set<Prefix>();

  /** Prefixes the peer holds from us. */
  get size(): number {
    return this.sent.size;
  }

  /** Prefixes marked and not yet taken. */
  get pending(): number {
    return this.marked.size;
  }

  mark(prefix: Prefix): void {
    this.marked.add(prefix);
  }

  /** Marks all that was sent, for a policy that changed. */
  markSent(): void {
    for (const prefix of this.sent.keys()) this.marked.add(prefix);
  }

  /** Has all that was sent be sent again (ROUTE-REFRESH, RFC 2918 §4). */
  resend(): void {
    this.markSent();
    for (const prefix of this.sent.keys()) this.forced.add(prefix);
  }

  /**
   * Takes up to `limit` marked prefixes and says what the peer must be told, given what is exported to it now. The
   * caller sends it: from here on the peer counts as told.
   */
  take(limit: number, exported: (prefix: Prefix) => Route | undefined): PendingUpdates {
    const withdrawn: Prefix[] = [];
    const announced = new Map<Route, Prefix[]>();
    let budget = limit;
    for (const prefix of this.marked) {
      if (budget-- <= 0) break;
      this.marked.delete(prefix);
      const before = this.sent.get(prefix);
      const route = exported(prefix);
      const force = this.forced.delete(prefix);
      if (route === before && !(force && route !== undefined)) continue;
      if (route === undefined) {
        this.sent.delete(prefix);
        withdrawn.push(prefix);
      } else {
        this.sent.set(prefix, route);
        const group = announced.get(route);
        if (group === undefined) announced.set(route, [prefix]);
        else group.push(prefix);
      }
    }
    return { withdrawn, announced };
  }
}
