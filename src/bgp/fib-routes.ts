/**
 * What is known of each route that is ours in the kernel, or is to be: one record for each destination and metric, so
 * that a route is looked up once however much is asked of it.
 */
import { type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { NextHop } from '../netlink/kernel.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { nextHopText, nextHopsText } from './next-hop-text.ts';

export interface FibRoute {
  readonly destination: Prefix;
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

export class FibRoutes {
  private readonly byMetric = new Map<number, Map<Prefix, Mutable>>();
  private touchedRoutes: FibRoute[] = [];
  private actualCount = 0;
  private readonly refused = new Map<FibRoute, string>();

  /** How many there are in the kernel. */
  get installed(): number {
    return this.actualCount;
  }

  find(destination: Prefix, metric: number): FibRoute | undefined {
    return this.byMetric.get(metric)?.get(destination);
  }

  findOrAdd(destination: Prefix, metric: number): FibRoute {
    let routes = this.byMetric.get(metric);
    if (routes === undefined) this.byMetric.set(metric, (routes = new Map()));
    let route = routes.get(destination);
    if (route === undefined) {
      route = {
        destination,
        metric,
        learned: undefined,
        weights: undefined,
        blackhole: false,
        desired: undefined,
        actual: undefined,
        touched: false,
      };
      routes.set(destination, route);
    }
    return route;
  }

  *all(): Generator<FibRoute> {
    for (const routes of this.byMetric.values()) yield* routes.values();
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
    this.byMetric.get(route.metric)?.delete(route.destination);
  }

  /** Counts by family what is in the kernel. */
  countInstalled(): Record<Family, number> {
    const found = { 4: 0, 6: 0 };
    for (const { destination, actual } of this.all())
      if (actual !== undefined) found[familyOf(destination)]++;
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
