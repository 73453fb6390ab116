/**
 * The routing information base of one family:
 *
 *     peer ──learn──►  paths of a prefix (adj-RIB-in)  ──select──►  the first of them is the best (loc-RIB) ──► changed
 *
 * What is told only marks prefixes; `select` and `sweep` work off what is marked in slices, so that a burst never holds
 * the thread, and a prefix that changes twice is decided once.
 */
import type { Family } from '../../net/address.ts';
import type { PrefixBits } from '../../net/prefix-bits.ts';
import { type NlriBytes, visitNlriBits, wireWord } from '../wire/nlri.ts';
import type { AttributeId, AttributeStore } from './attribute-store.ts';
import { FIRST_ROWS, grown } from './columns.ts';
import { Decision, type DecisionOptions, type DecisionStep } from './decision.ts';
import type { NextHops } from './next-hops.ts';
import { type PathId, PathTable } from './path-table.ts';
import { PrefixQueue } from './prefix-queue.ts';
import type { PrefixId, PrefixTable } from './prefix-table.ts';
import type { Ranks } from './ranks.ts';
import { SourceBooks, type SourceId, type Sources } from './sources.ts';

/** What was decided for a prefix. */
export interface Selection {
  readonly best: PathId;
  /** The best, and those that share its traffic (equal-cost multipath). */
  readonly equal: readonly PathId[];
  /** The step that left one, or `only` if there was no other. */
  readonly decidedBy: DecisionStep;
}

/** Epochs that may begin before what is gone must have been removed: their number has eight bits. */
const EPOCHS_PER_SWEEP = 100;

/** Whether a prefix has a best path; `LEFT`: the one it had is gone. */
const NONE = 0;
const CHOSEN = 1;
const LEFT = 2;
/** It has paths, but none that leads anywhere. */
const UNREACHABLE = 3;

export class FamilyRib {
  readonly family: Family;
  readonly paths = new PathTable();
  readonly books = new SourceBooks();
  private readonly decision: Decision;
  private readonly marked = new PrefixQueue();
  /** By prefix: whether it has a best path, which then is the first, and whether that has been removed since. */
  private selected = new Uint8Array(FIRST_ROWS);
  private unreachablePrefixes = 0;
  /** Next row of the sweep; past the table if there is nothing to sweep. */
  private sweepAt = Infinity;
  private epochsSinceSweep = 0;
  /** Selection is deferred (RFC 4724 §4.1). */
  held = false;

  constructor(
    readonly prefixes: PrefixTable,
    private readonly attributes: AttributeStore,
    ranks: Ranks,
    sources: Sources,
    private readonly nextHops: NextHops,
  ) {
    this.family = prefixes.family;
    this.decision = new Decision(this.paths, ranks, sources, nextHops);
  }

  /** Puts what a source says of these prefixes in place of what it said before. */
  learn(source: SourceId, nlri: NlriBytes, attribute: AttributeId): void {
    const epoch = this.books.epoch(source);
    const { bytes, end, addPath } = nlri;
    const wide = this.family === 6;
    // As visitNlriBits(), without a call for each of a million.
    for (let at = nlri.start; at < end;) {
      let identifier = 0;
      if (addPath) {
        identifier = wireWord(bytes, at, 32, 0);
        at += 4;
      }
      const length = bytes[at++]!;
      const w0 = wireWord(bytes, at, length, 0);
      const w1 = wide ? wireWord(bytes, at, length, 1) : 0;
      const w2 = wide ? wireWord(bytes, at, length, 2) : 0;
      const w3 = wide ? wireWord(bytes, at, length, 3) : 0;
      at += (length + 7) >> 3;
      this.put(source, this.prefixes.findOrAdd(w0, w1, w2, w3, length), identifier, attribute, epoch);
    }
  }

  /** The source no longer has these prefixes. */
  unlearn(source: SourceId, nlri: NlriBytes): void {
    visitNlriBits(nlri, (prefix, identifier) => this.withdraw(source, prefix, identifier));
  }

  /** {@link learn} for one prefix by its numbers. */
  announce(source: SourceId, prefix: PrefixBits, attribute: AttributeId, identifier = 0): void {
    const { w0, w1, w2, w3, length } = prefix;
    const id = this.prefixes.findOrAdd(w0, w1, w2, w3, length);
    this.put(source, id, identifier, attribute, this.books.epoch(source));
  }

  /** {@link unlearn} for one prefix by its numbers. */
  withdraw(source: SourceId, prefix: PrefixBits, identifier = 0): void {
    const id = this.find(prefix);
    if (id >= 0) this.take(source, id, identifier);
  }

  /** The number of a prefix, or -1. */
  find({ w0, w1, w2, w3, length }: PrefixBits): PrefixId {
    return this.prefixes.find(w0, w1, w2, w3, length);
  }

  /** Forgets all that a source has told. */
  drop(source: SourceId): void {
    if (this.books.drop(source) > 0) this.requestSweep();
  }

  /**
   * Keeps what a lost source told as stale (RFC 4724 §4.2). What was stale already is forgotten: it was not confirmed
   * in a whole session.
   */
  markStale(source: SourceId): void {
    if (this.books.turnStale(source) > 0) this.requestSweep();
    this.countEpoch();
  }

  /** Forgets what is still stale; returns how many that were. */
  sweepStale(source: SourceId): number {
    const gone = this.books.dropStale(source);
    if (gone > 0) this.requestSweep();
    return gone;
  }

  /** Has `edit` change the attributes of what is stale of a source: it gives what it holds, or 0 for a route to forget. */
  editStale(source: SourceId, edit: (attribute: AttributeId) => AttributeId): void {
    const { paths, attributes, books } = this;
    for (let path = 1; path < paths.limit; path++) {
      if (paths.isFree(path) || paths.source(path) !== source) continue;
      if (!books.isStale(source, paths.epoch(path))) continue;
      const before = paths.attribute(path);
      const after = edit(before);
      if (after === 0) {
        books.add(source, paths.epoch(path), -1);
        this.remove(path);
        continue;
      }
      paths.replace(path, after, paths.epoch(path));
      attributes.release(before);
      this.marked.add(paths.prefix(path));
    }
  }

  /** Decides all again that the source has a part in: it has become another. */
  redecide(source: SourceId): void {
    for (let path = 1; path < this.paths.limit; path++) {
      if (this.paths.source(path) === source) this.marked.add(this.paths.prefix(path));
    }
  }

  /** Decides everything again in another way. */
  setDecision(options: DecisionOptions): void {
    this.decision.options = options;
    for (const prefix of this.known()) this.marked.add(prefix);
  }

  /** Decides all again that these records have a part in. */
  redecideWith(concerned: (attribute: AttributeId) => boolean): void {
    for (let path = 1; path < this.paths.limit; path++) {
      if (!this.paths.isFree(path) && concerned(this.paths.attribute(path))) {
        this.marked.add(this.paths.prefix(path));
      }
    }
  }

  /** Whether {@link sweep} has work. */
  get sweeping(): boolean {
    return this.sweepAt < this.paths.limit;
  }

  /** Looks at so many paths for those that are gone, and removes them. */
  sweep(limit: number): void {
    const end = Math.min(this.paths.limit, this.sweepAt + limit);
    for (; this.sweepAt < end; this.sweepAt++) {
      const path = this.sweepAt;
      if (this.paths.isFree(path)) continue;
      if (this.books.isGone(this.paths.source(path), this.paths.epoch(path))) this.remove(path);
    }
    if (this.sweeping) return;
    this.sweepAt = Infinity;
    this.epochsSinceSweep = 0;
  }

  /** Prefixes that were decided to have no path that leads anywhere, though they have paths. */
  get unreachable(): number {
    return this.unreachablePrefixes;
  }

  /** Prefixes to be decided, if they may be. */
  get pending(): number {
    return this.held ? 0 : this.marked.size;
  }

  /** Decides for at most `limit` marked prefixes, and tells of each; a prefix without a path is gone after that. */
  select(limit: number, changed: (prefix: PrefixId) => void): void {
    if (this.held) return;
    for (let budget = limit; budget > 0; budget--) {
      const prefix = this.marked.take();
      if (prefix < 0) return;
      this.choose(prefix);
      changed(prefix);
      if (this.paths.first(prefix) === 0) this.prefixes.release(prefix);
    }
  }

  /** The best path of a prefix, or 0 if there is none or none may be chosen yet. */
  best(prefix: PrefixId): PathId {
    // Who asks before it has been decided gets the answer that will be given then.
    if (!this.held && this.marked.has(prefix)) return this.choose(prefix);
    const state = this.selected[prefix];
    return state === CHOSEN || state === LEFT ? this.paths.first(prefix) : 0;
  }

  /** The best path and what goes with it; undefined if there is none. */
  selection(prefix: PrefixId): Selection | undefined {
    if (this.best(prefix) === 0) return undefined;
    const best = this.decision.decide(this.paths.first(prefix), true);
    return { best, equal: this.decision.equalPaths, decidedBy: this.decision.decidedBy };
  }

  /** The paths in order of preference, the best first. */
  rank(paths: readonly PathId[]): PathId[] {
    const left = new Set(paths);
    const ranked: PathId[] = [];
    while (left.size > 0) {
      const best = this.decision.decideAmong([...left]);
      left.delete(best);
      ranked.push(best);
    }
    return ranked;
  }

  /** Whether the path is kept from before its source's restart (RFC 4724 §4.2). */
  isStale(path: PathId): boolean {
    return this.books.isStale(this.paths.source(path), this.paths.epoch(path));
  }

  /** The paths of a prefix, without those that are about to be removed. */
  *pathsOf(prefix: PrefixId): Generator<PathId> {
    for (let path = this.paths.first(prefix); path !== 0; path = this.paths.next(path)) {
      if (!this.books.isGone(this.paths.source(path), this.paths.epoch(path))) yield path;
    }
  }

  /** Of these, the ones that may be chosen: their next hops lead somewhere. */
  *usablePathsOf(prefix: PrefixId): Generator<PathId> {
    for (const path of this.pathsOf(prefix)) if (this.nextHops.leads(this.paths.attribute(path))) yield path;
  }

  /** Every prefix with a path. */
  *known(): Generator<PrefixId> {
    for (let prefix = 0; prefix < this.prefixes.limit; prefix++) {
      if (this.paths.first(prefix) !== 0) yield prefix;
    }
  }

  private choose(prefix: PrefixId): PathId {
    const first = this.paths.first(prefix);
    if (prefix >= this.selected.length) this.selected = grown(this.selected, prefix + 1);
    const before = this.selected[prefix];
    const best = this.decision.decide(first, before === CHOSEN);
    const after = best !== 0 ? CHOSEN : first === 0 ? NONE : UNREACHABLE;
    this.selected[prefix] = after;
    this.unreachablePrefixes += Number(after === UNREACHABLE) - Number(before === UNREACHABLE);
    if (best !== 0) this.paths.lead(best);
    return best;
  }

  private put(
    source: SourceId,
    prefix: PrefixId,
    identifier: number,
    attribute: AttributeId,
    epoch: number,
  ): void {
    const { paths, attributes, books, marked } = this;
    const path = paths.find(prefix, source, identifier);
    if (path === 0) {
      // A prefix is held from its first path until it is decided that it has none.
      if (paths.first(prefix) === 0 && !marked.has(prefix)) this.prefixes.hold(prefix);
      paths.add(prefix, source, identifier, attribute, epoch);
      attributes.hold(attribute);
      books.add(source, epoch, 1);
      marked.add(prefix);
      return;
    }
    books.add(source, paths.epoch(path), -1);
    books.add(source, epoch, 1);
    const before = paths.attribute(path);
    paths.replace(path, attribute, epoch);
    // A stale route that is told again unchanged: nobody else need know.
    if (before === attribute) return;
    attributes.hold(attribute);
    attributes.release(before);
    marked.add(prefix);
  }

  private take(source: SourceId, prefix: PrefixId, identifier: number): void {
    const path = this.paths.find(prefix, source, identifier);
    if (path === 0) return;
    this.books.add(source, this.paths.epoch(path), -1);
    this.remove(path);
  }

  private remove(path: PathId): void {
    const prefix = this.paths.prefix(path);
    if (this.selected[prefix] === CHOSEN && this.paths.first(prefix) === path) this.selected[prefix] = LEFT;
    this.marked.add(prefix);
    this.attributes.release(this.paths.attribute(path));
    this.paths.remove(path);
  }

  private requestSweep(): void {
    this.sweepAt = 1;
    this.countEpoch();
  }

  private countEpoch(): void {
    if (this.sweepAt !== Infinity && ++this.epochsSinceSweep >= EPOCHS_PER_SWEEP) this.sweep(Infinity);
  }
}
