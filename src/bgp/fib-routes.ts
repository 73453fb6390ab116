/**
 * What is known of each route that is ours in the kernel, or is to be, in columns by the number of its destination: of a
 * full table no route is an object of its own. Routes that are wanted by the same next hops share a {@link FibGroup}.
 */
import type { Family } from '../net/address.ts';
import { type PrefixBits, formatPrefixBits } from '../net/prefix-bits.ts';
import type { NextHop } from '../netlink/kernel.ts';
import type { FibGroup } from './fib-groups.ts';
import { nextHopText, nextHopsText } from './next-hop-text.ts';
import { FIRST_ROWS, grown } from './rib/columns.ts';
import type { PrefixId, PrefixTable, PrefixTables } from './rib/prefix-table.ts';

/** What is true of a route: that there is a record of it; desired and actual may differ; that is being written. */
const KNOWN = 1;
const TOUCHED = 2;
const WRITING = 4;

/** The routes of one family and metric. */
export class FibTable {
  private readonly groups: (FibGroup | undefined)[] = [];
  private readonly actualWays: (readonly NextHop[] | undefined)[] = [];
  private states = new Uint8Array(FIRST_ROWS);
  private touched: PrefixId[] = [];
  private readonly refused = new Map<PrefixId, string>();
  private installedCount = 0;

  constructor(
    readonly family: Family,
    readonly metric: number,
    private readonly prefixes: PrefixTable,
  ) {}

  /** How many there are in the kernel. */
  get installed(): number {
    return this.installedCount;
  }

  /** The number of a destination of which there is a record, or -1. */
  find({ w0, w1, w2, w3, length }: PrefixBits): PrefixId {
    const id = this.prefixes.find(w0, w1, w2, w3, length);
    return id >= 0 && (this.states[id]! & KNOWN) !== 0 ? id : -1;
  }

  findOrAdd({ w0, w1, w2, w3, length }: PrefixBits): PrefixId {
    const id = this.prefixes.findOrAdd(w0, w1, w2, w3, length);
    this.add(id);
    return id;
  }

  /** Makes a record of a destination by its number, unless there is one. */
  add(id: PrefixId): void {
    if (id >= this.states.length) this.states = grown(this.states, id + 1);
    if ((this.states[id]! & KNOWN) !== 0) return;
    while (this.groups.length <= id) {
      this.groups.push(undefined);
      this.actualWays.push(undefined);
    }
    this.states[id] = KNOWN;
    this.prefixes.hold(id);
  }

  /** Whether there is a record of a destination. */
  has(id: PrefixId): boolean {
    return (this.states[id]! & KNOWN) !== 0;
  }

  *[Symbol.iterator](): Generator<PrefixId> {
    for (let id = 0; id < this.groups.length; id++) if ((this.states[id]! & KNOWN) !== 0) yield id;
  }

  /** Where the route leads to; until the next call. */
  destination(id: PrefixId): PrefixBits {
    return this.prefixes.bits(id);
  }

  /** By whom it is wanted; undefined if nobody does. */
  group(id: PrefixId): FibGroup | undefined {
    return this.groups[id];
  }

  setGroup(id: PrefixId, group: FibGroup | undefined): void {
    this.groups[id] = group;
  }

  /** What the kernel should have; no next hops lead nowhere. */
  desired(id: PrefixId): readonly NextHop[] | undefined {
    return this.groups[id]?.ways;
  }

  /** What the kernel has. */
  actual(id: PrefixId): readonly NextHop[] | undefined {
    return this.actualWays[id];
  }

  setActual(id: PrefixId, nextHops: readonly NextHop[] | undefined): void {
    if (this.actualWays[id] === undefined) this.installedCount++;
    if (nextHops === undefined) this.installedCount--;
    this.actualWays[id] = nextHops;
  }

  /** Whether the kernel has what it should. */
  isWritten(id: PrefixId): boolean {
    const desired = this.groups[id]?.ways;
    const actual = this.actualWays[id];
    if (desired === actual) return true;
    if (desired === undefined || actual === undefined) return false;
    const [one] = desired;
    const [two] = actual;
    if (desired.length === 1 && actual.length === 1) return nextHopText(one!) === nextHopText(two!);
    return nextHopsText(desired) === nextHopsText(actual);
  }

  /** Desired and actual may differ. */
  touch(id: PrefixId): void {
    if ((this.states[id]! & TOUCHED) !== 0) return;
    this.states[id]! |= TOUCHED;
    this.touched.push(id);
  }

  touchDifferences(): void {
    for (const id of this) if (!this.isWritten(id)) this.touch(id);
  }

  /** What these groups want is no longer what it was. */
  touchGroups(changed: ReadonlySet<FibGroup>): void {
    for (let id = 0; id < this.groups.length; id++) {
      const group = this.groups[id];
      if (group === undefined || !changed.has(group)) continue;
      this.allow(id);
      this.touch(id);
    }
  }

  takeTouched(): readonly PrefixId[] {
    const { touched, states } = this;
    this.touched = [];
    for (const id of touched) states[id]! &= ~TOUCHED;
    return touched;
  }

  /** Whether it is on its way to the kernel: what the kernel has is not known until it is there. */
  isWriting(id: PrefixId): boolean {
    return (this.states[id]! & WRITING) !== 0;
  }

  setWriting(id: PrefixId, writing: boolean): void {
    if (writing) this.states[id]! |= WRITING;
    else this.states[id]! &= ~WRITING;
  }

  /** The kernel has refused it, and it is not tried again before something changes. */
  refuse(id: PrefixId, reason: string): void {
    this.refused.set(id, reason);
  }

  /** Why the kernel refused a route; undefined if it has not. */
  refusal(id: PrefixId): string | undefined {
    return this.refused.size === 0 ? undefined : this.refused.get(id);
  }

  /** Something has changed: it may be tried again. Returns whether it had been refused. */
  allow(id: PrefixId): boolean {
    return this.refused.size > 0 && this.refused.delete(id);
  }

  allowAll(): void {
    this.refused.clear();
  }

  /** Why the kernel refused what it refused. */
  *refusals(): Generator<string> {
    for (const [id, reason] of this.refused) yield `${formatPrefixBits(this.destination(id))}: ${reason}`;
  }

  /** Forgets a route that nobody wants and the kernel does not have. */
  prune(id: PrefixId): void {
    if (this.states[id] !== KNOWN || this.groups[id] !== undefined || this.actualWays[id] !== undefined)
      return;
    this.states[id] = 0;
    this.refused.delete(id);
    this.prefixes.release(id);
  }
}

/** Routes of one table. */
export interface FibRound {
  readonly table: FibTable;
  readonly ids: readonly PrefixId[];
}

export class FibRoutes {
  private readonly byMetric = new Map<number, Readonly<Record<Family, FibTable>>>();

  /** The prefixes that the RIB knows, too: the number of a destination is the same there. */
  constructor(private readonly prefixes: PrefixTables) {}

  table(family: Family, metric: number): FibTable {
    let tables = this.byMetric.get(metric);
    if (tables === undefined) {
      tables = {
        4: new FibTable(4, metric, this.prefixes[4]),
        6: new FibTable(6, metric, this.prefixes[6]),
      };
      this.byMetric.set(metric, tables);
    }
    return tables[family];
  }

  *tables(): Generator<FibTable> {
    for (const tables of this.byMetric.values()) yield* [tables[4], tables[6]];
  }

  /** Counts by family what is in the kernel. */
  countInstalled(): Record<Family, number> {
    const found = { 4: 0, 6: 0 };
    for (const { family, installed } of this.tables()) found[family] += installed;
    return found;
  }

  allowAll(): void {
    for (const table of this.tables()) table.allowAll();
  }

  touchDifferences(): void {
    for (const table of this.tables()) table.touchDifferences();
  }

  /** What was touched: new and changed routes first, so that nothing goes before what takes its place has come. */
  takeTouched(): readonly FibRound[] {
    const wanted: FibRound[] = [];
    const others: FibRound[] = [];
    for (const table of this.tables()) {
      const ids = table.takeTouched();
      if (ids.length === 0) continue;
      const unwanted = ids.filter((id) => table.desired(id) === undefined);
      if (unwanted.length > 0) others.push({ table, ids: unwanted });
      if (unwanted.length === 0) wanted.push({ table, ids });
      else if (unwanted.length < ids.length) {
        wanted.push({ table, ids: ids.filter((id) => table.desired(id) !== undefined) });
      }
    }
    return [...wanted, ...others];
  }
}
