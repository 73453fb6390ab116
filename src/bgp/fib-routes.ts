/**
 * What is known of each route that is ours in the kernel, or is to be: one record for each destination and metric, so
 * that a route is looked up once however much is asked of it.
 */
import { randomInt } from 'node:crypto';
import type { Family } from '../net/address.ts';
import { type PrefixBits, formatPrefixBits, prefixBits } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';
import type { NextHop } from '../netlink/kernel.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { nextHopText, nextHopsText } from './next-hop-text.ts';
import { type PrefixId, PrefixTable } from './rib/prefix-table.ts';

export interface FibRoute {
  readonly destination: Prefix;
  readonly family: Family;
  readonly metric: number;
  /** The next hops of whoever wants the route, reached or not; undefined if nobody does. */
  learned: readonly NextHopAddress[] | undefined;
  /** How traffic is shared where it is not shared alike: beside `learned`, in the same order. */
  weights: readonly number[] | undefined;
  /** Wanted to lead nowhere. */
  blackhole: boolean;
  /** What the kernel should have; no next hops lead nowhere. */
  desired: readonly NextHop[] | undefined;
  /** What the kernel has. Set by {@link FibRoutes.setActual} alone. */
  readonly actual: readonly NextHop[] | undefined;
  /** Whether desired and actual may differ, and that is not being written yet. */
  readonly touched: boolean;
}

type Mutable = { -readonly [Key in keyof FibRoute]: FibRoute[Key] };

/** The records of one family and metric, by the number of their destination: text would be costly to look up. */
class Records {
  private readonly prefixes: PrefixTable;
  private readonly rows: (Mutable | undefined)[] = [];

  constructor(
    private readonly family: Family,
    private readonly metric: number,
    seed: number,
  ) {
    this.prefixes = new PrefixTable(family, seed);
  }

  find({ w0, w1, w2, w3, length }: PrefixBits): FibRoute | undefined {
    return this.rows[this.prefixes.find(w0, w1, w2, w3, length)];
  }

  findOrAdd(destination: PrefixBits): FibRoute {
    const { w0, w1, w2, w3, length } = destination;
    const id = this.prefixes.findOrAdd(w0, w1, w2, w3, length);
    return this.rows[id] ?? this.add(id, destination);
  }

  private add(id: PrefixId, destination: PrefixBits): FibRoute {
    const route: Mutable = {
      destination: formatPrefixBits(destination),
      family: this.family,
      metric: this.metric,
      learned: undefined,
      weights: undefined,
      blackhole: false,
      desired: undefined,
      actual: undefined,
      touched: false,
    };
    this.prefixes.hold(id);
    this.rows[id] = route;
    return route;
  }

  delete({ w0, w1, w2, w3, length }: PrefixBits): void {
    const id = this.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return;
    this.rows[id] = undefined;
    this.prefixes.release(id);
  }

  *[Symbol.iterator](): Generator<FibRoute> {
    for (const route of this.rows) if (route !== undefined) yield route;
  }
}

export class FibRoutes {
  private readonly byMetric = new Map<number, Readonly<Record<Family, Records>>>();
  /** Peers choose destinations: where they lie in memory must not be foreseen. */
  private readonly seed = randomInt(2 ** 32);
  private touchedRoutes: FibRoute[] = [];
  private actualCount = 0;
  private readonly refused = new Map<FibRoute, string>();

  /** How many there are in the kernel. */
  get installed(): number {
    return this.actualCount;
  }

  find(destination: PrefixBits, metric: number): FibRoute | undefined {
    return this.byMetric.get(metric)?.[destination.family].find(destination);
  }

  findOrAdd(destination: PrefixBits, metric: number): FibRoute {
    let records = this.byMetric.get(metric);
    if (records === undefined) {
      records = { 4: new Records(4, metric, this.seed), 6: new Records(6, metric, this.seed) };
      this.byMetric.set(metric, records);
    }
    return records[destination.family].findOrAdd(destination);
  }

  *all(): Generator<FibRoute> {
    for (const records of this.byMetric.values()) {
      yield* records[4];
      yield* records[6];
    }
  }

  setActual(route: FibRoute, nextHops: readonly NextHop[] | undefined): void {
    if (route.actual === undefined) this.actualCount++;
    if (nextHops === undefined) this.actualCount--;
    (route as Mutable).actual = nextHops;
  }

  touch(route: FibRoute): void {
    if (route.touched) return;
    (route as Mutable).touched = true;
    this.touchedRoutes.push(route);
  }

  touchDifferences(): void {
    for (const route of this.all()) if (!isWritten(route)) this.touch(route);
  }

  /** The kernel has refused it, and it is not tried again before something changes. */
  refuse(route: FibRoute, reason: string): void {
    this.refused.set(route, reason);
  }

  /** Why the kernel refused a route; undefined if it has not. */
  refusal(route: FibRoute): string | undefined {
    return this.refused.get(route);
  }

  /** Something has changed: it may be tried again. Returns whether it had been refused. */
  allow(route: FibRoute): boolean {
    return this.refused.delete(route);
  }

  allowAll(): void {
    this.refused.clear();
  }

  /** Why the kernel refused what it refused, some of it. */
  refusals(limit: number): string[] {
    return [...this.refused.values()].slice(0, limit);
  }

  /** What was touched: new and changed routes first, so that nothing goes before what takes its place has come. */
  takeTouched(): readonly FibRoute[] {
    const touched = this.touchedRoutes;
    this.touchedRoutes = [];
    const others: FibRoute[] = [];
    let desired = 0;
    for (const route of touched) {
      (route as Mutable).touched = false;
      if (route.desired === undefined) others.push(route);
      else touched[desired++] = route;
    }
    touched.length = desired;
    return others.length === 0 ? touched : [...touched, ...others];
  }

  /** Forgets a route that nobody wants and the kernel does not have. */
  prune(route: FibRoute): void {
    if (route.touched || route.learned !== undefined) return;
    if (route.desired !== undefined || route.actual !== undefined) return;
    this.byMetric.get(route.metric)?.[route.family].delete(prefixBits(route.destination));
  }

  /** Counts by family what is in the kernel. */
  countInstalled(): Record<Family, number> {
    const found = { 4: 0, 6: 0 };
    for (const { family, actual } of this.all()) if (actual !== undefined) found[family]++;
    return found;
  }
}

/** Whether the kernel has what it should. */
export function isWritten({ desired, actual }: FibRoute): boolean {
  if (desired === actual) return true;
  if (desired === undefined || actual === undefined) return false;
  const [one] = desired;
  const [two] = actual;
  if (desired.length === 1 && actual.length === 1) return nextHopText(one!) === nextHopText(two!);
  return nextHopsText(desired) === nextHopsText(actual);
}
