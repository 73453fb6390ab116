/**
 * The routing information base as the speaker sees it:
 *
 *     peer ──announce/withdraw──►  adj-RIB-in ──select──►  loc-RIB ──change──►  kernel, adj-RIB-out of each peer
 *
 * Changes to the input only mark prefixes; `select` works the marked ones off in slices, so that a burst never holds
 * the thread, and a prefix that changes twice is decided once.
 */
import type { Family } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { Selection } from './decision.ts';
import type { Path, Route, Source } from './route.ts';

export interface SourceCount {
  readonly received: number;
  /** Of those, how many are kept from before the peer's restart. */
  readonly stale: number;
}

export interface Rib {
  /** Puts a route of a peer, or of ours (`source` undefined), in place of the one it told before. */
  announce(source: Source | undefined, prefix: Prefix, route: Route): void;
  withdraw(source: Source | undefined, prefix: Prefix): void;
  /** Forgets all routes of a peer in a family. */
  drop(source: Source, family: Family): void;
  /**
   * Keeps what a lost peer told as stale (RFC 4724 §4.2). What was stale already is forgotten: it was not confirmed
   * in a whole session.
   */
  markStale(source: Source, family: Family): void;
  /** Forgets what is still stale; returns how many that were. */
  sweepStale(source: Source, family: Family): number;
  /** After a restart the peer is a new source: its OPEN may say otherwise. Moves the stale routes over. */
  renewSource(before: Source, after: Source): void;
  count(source: Source, family: Family): SourceCount;

  /** Defers selection for a family (RFC 4724 §4.1), or ends that. */
  setHeld(family: Family, held: boolean): void;
  /**
   * Decides for at most `limit` marked prefixes and reports those whose selection changed. Returns how many marked
   * prefixes are left that are not held.
   */
  select(limit: number, changed: (prefix: Prefix, selection: Selection | undefined) => void): number;
  selection(prefix: Prefix): Selection | undefined;
  /** Every prefix with a selection. */
  selected(family: Family): Iterable<readonly [Prefix, Selection]>;
  /** Every path of every prefix, for people. */
  paths(family: Family): Iterable<readonly [Prefix, Path, best: boolean]>;
}
