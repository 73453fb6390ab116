/**
 * Learned routes in the kernel, under our protocol number (design D20), and nothing else: routes of others are read to
 * resolve next hops, never changed. What was ours before a restart is read back and stays until it is replaced, or
 * swept when its family is released (RFC 4724 §4.1).
 *
 *     set, delete ──► next hops resolved ──► desired ┐
 *     read-back, kernel events ──────────────► actual ┴► difference ──► batches to the kernel
 */
import { Backoff } from '../base/backoff.ts';
import type { BgpKernelView } from '../base/bgp-view.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { DeltaTracker } from '../base/delta.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { type Prefix, hostPrefix, isHostPrefix, prefixAddress } from '../net/prefix.ts';
import type {
  ChangeFailure,
  KernelEvent,
  Link,
  Monitor,
  NextHop,
  Route,
  RouteChange,
  RouteKernel,
} from '../netlink/kernel.ts';
import type { KernelConfig } from './config.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { type Ways, NextHopTracker } from './next-hop-tracker.ts';
import { nextHopText, nextHopsText } from './next-hop-text.ts';
import type { KernelStatus } from './status.ts';

/** Kernel identity of a route of ours within its table: `METRIC PREFIX`. */
type RouteId = string;

interface OwnRoute {
  readonly destination: Prefix;
  readonly metric: number;
  readonly nextHops: readonly NextHop[];
}

/** Changes per batch: a few milliseconds of the kernel's time, so that sessions are served in between. */
const BATCH = 1024;
/** Quiet time before the kernel is read again, and the longest time between two readings, in milliseconds. */
const RESYNC_DELAY = 50;
const RESYNC_INTERVAL = 60_000;
const PROBLEMS_SHOWN = 20;

export interface FibOptions {
  readonly kernel: RouteKernel;
  readonly config: KernelConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Fib {
  private readonly tracker = new DeltaTracker<RouteId, OwnRoute>(sameNextHops);
  /** What may differ between desired and actual and is not being written yet. */
  private readonly touched = new Set<RouteId>();
  /** What is being written. */
  private round: readonly RouteId[] = [];
  private roundPosition = 0;
  /** How next hops are reached; the decision process follows it, too. */
  readonly nextHops = new NextHopTracker();
  private readonly learned = new Map<Prefix, readonly NextHopAddress[]>();
  /** Prefixes that lead nowhere. */
  private readonly blackholes = new Set<Prefix>();
  /** How traffic is shared where it is not shared alike: beside `learned`, in the same order. */
  private readonly weights = new Map<Prefix, readonly number[]>();
  /** Hosts with a gateway of their own. */
  private gateways: ReadonlyMap<Address, Address> = new Map();
  /** Prefixes by next hop, and how each is reached now. */
  private readonly users = new Map<NextHopAddress, { readonly prefixes: Set<Prefix>; ways: Ways }>();
  private readonly unresolved = new Set<Prefix>();
  /** Families whose routes from before the restart are not swept yet. */
  private readonly held = new Set<Family>();
  /** What the kernel refused, and is not tried again before something changes. */
  private readonly refused = new Map<RouteId, string>();
  private readonly backoff = new Backoff({ initial: 1000, maximum: 30_000 });
  private retryTimer: TimerHandle | undefined;
  private resyncTimer: TimerHandle | undefined;
  private intervalTimer: TimerHandle | undefined;
  private monitor: Monitor | undefined;
  /** Events that came while the kernel was being read. */
  private replay: KernelEvent[] | undefined;
  private resyncNeeded = false;
  private resyncAfterRound = false;
  private working: Promise<void> | undefined;
  /** Something was asked for while working. */
  private again = false;
  /** A whole batch failed: nothing is tried before the retry timer. */
  private paused = false;
  private stopped = false;
  private resolveSoon: NodeJS.Immediate | undefined;

  private config: KernelConfig;

  constructor(private readonly options: FibOptions) {
    this.config = options.config;
    this.nextHops.onChange((changes) => this.reroute(changes));
  }

  /** Watches and reads the kernel. Returns how many routes of ours were there. Throws a KernelError. */
  async start(): Promise<Readonly<Record<Family, number>>> {
    this.openMonitor();
    await this.readKernel();
    this.armInterval();
    const found = { 4: 0, 6: 0 };
    for (const { destination } of this.tracker.actual.values()) found[familyOf(destination)]++;
    return found;
  }

  /** Writes routes with other metrics from now on. Protocol and table are for the life of the object. */
  changeMetrics(metric: KernelConfig['metric']): void {
    const before = this.config.metric;
    this.config = { ...this.config, metric };
    for (const prefix of this.learned.keys()) {
      const id = routeId(prefix, before[familyOf(prefix)]);
      this.tracker.deleteDesired(id);
      this.touched.add(id);
      this.derive(prefix);
    }
    this.schedule();
  }

  /** The networks of the link that a host is on; none if it is not on a link of ours. */
  networksOf(host: Address): readonly Prefix[] {
    return this.nextHops.table.networksOf(host);
  }

  /**
   * Reaches these hosts by these gateways, and no others: a host route for each, which also decides how next hops that
   * are these hosts are reached. It comes before what is learned for the same host.
   */
  reachBy(gateways: ReadonlyMap<Address, Address>): void {
    const before = this.gateways;
    this.gateways = gateways;
    this.nextHops.table.setGateways(gateways);
    for (const host of before.keys()) if (!gateways.has(host)) this.forget(hostPrefix(host));
    for (const host of gateways.keys()) this.learn(hostPrefix(host), [host]);
    this.nextHops.resolveAgain();
    this.schedule();
  }

  /** Wants a route by all of these next hops that can be reached; `weights` (1 to 256) say how they share traffic. */
  set(prefix: Prefix, nextHops: readonly NextHopAddress[], weights: readonly number[] = []): void {
    if (this.isStatic(prefix)) return;
    if (weights.some((weight) => weight !== 1)) this.weights.set(prefix, weights);
    else this.weights.delete(prefix);
    this.blackholes.delete(prefix);
    this.learn(prefix, nextHops);
    this.schedule();
  }

  /** Wants a route that leads nowhere, so that what no longer one covers goes no further. */
  blackhole(prefix: Prefix): void {
    if (this.isStatic(prefix) || this.blackholes.has(prefix)) return;
    this.blackholes.add(prefix);
    this.weights.delete(prefix);
    this.learn(prefix, []);
    this.schedule();
  }

  private isStatic(prefix: Prefix): boolean {
    return this.gateways.size > 0 && isHostPrefix(prefix) && this.gateways.has(prefixAddress(prefix));
  }

  private learn(prefix: Prefix, nextHops: readonly NextHopAddress[]): void {
    const before = this.learned.get(prefix);
    if (before === nextHops) {
      this.derive(prefix);
      return;
    }
    this.learned.set(prefix, nextHops);
    for (const nextHop of nextHops) {
      let use = this.users.get(nextHop);
      if (use === undefined) {
        this.users.set(nextHop, (use = { prefixes: new Set(), ways: this.nextHops.watch(nextHop) }));
      }
      use.prefixes.add(prefix);
    }
    if (before !== undefined) this.forgetUse(prefix, before, nextHops);
    this.derive(prefix);
  }

  delete(prefix: Prefix): void {
    if (this.isStatic(prefix)) return;
    this.forget(prefix);
    this.schedule();
  }

  private forget(prefix: Prefix): void {
    const before = this.learned.get(prefix);
    if (before === undefined) return;
    this.learned.delete(prefix);
    this.blackholes.delete(prefix);
    this.weights.delete(prefix);
    this.forgetUse(prefix, before, []);
    this.derive(prefix);
  }

  /** Keeps everything of a family that is in the kernel, wanted or not, until it is released. */
  hold(family: Family): void {
    this.held.add(family);
  }

  release(family: Family): void {
    this.held.delete(family);
    this.touchDifferences();
    this.schedule();
  }

  /** Resolves when the kernel has all that it will take. */
  async settled(): Promise<void> {
    while (this.working !== undefined) await this.working;
  }

  /** Wants nothing any more, and takes all of ours out of the kernel. */
  async clear(): Promise<void> {
    for (const prefix of this.learned.keys()) this.forget(prefix);
    this.held.clear();
    this.touchDifferences();
    this.schedule();
    await this.settled();
  }

  /** Stops working. The kernel keeps what it has (design D20). */
  async stop(): Promise<void> {
    this.stopped = true;
    this.monitor?.close();
    clearImmediate(this.resolveSoon);
    for (const timer of [this.retryTimer, this.resyncTimer, this.intervalTimer]) timer?.cancel();
    await this.settled();
  }

  status(): KernelStatus {
    let stale = 0;
    if (this.held.size > 0) {
      for (const { key } of this.tracker.deletions()) if (this.isHeld(key)) stale++;
    }
    return {
      installed: this.tracker.actual.size,
      stale,
      unresolved: this.unresolved.size,
      problems: [...this.refused.values()].slice(0, PROBLEMS_SHOWN),
    };
  }

  /** For people: one prefix that is wanted. Rejects with a KernelError if links cannot be read. */
  async view(prefix: Prefix): Promise<BgpKernelView> {
    const id = routeId(prefix, this.config.metric[familyOf(prefix)]);
    const actual = this.tracker.actual.get(id);
    const desired = this.tracker.desired.get(id);
    const links = await this.options.kernel.links();
    const nameOf = (index: number): string =>
      links.find((link) => link.index === index)?.name ?? String(index);
    const nextHops = (actual?.nextHops ?? []).map(({ gateway, interface: index, onlink }) =>
      [
        ...(gateway === undefined ? [] : [`via ${gateway}`]),
        ...(index === undefined ? [] : [`dev ${nameOf(index)}`]),
        ...(onlink === true ? ['onlink'] : []),
      ].join(' '),
    );
    const reason = this.refused.get(id);
    if (reason !== undefined) return { state: 'refused', nextHops, reason };
    if (desired === undefined) {
      const hops = (this.learned.get(prefix) ?? []).join(', ');
      return { state: 'unresolved', nextHops, reason: `no route leads to the next hop ${hops}` };
    }
    const written = actual !== undefined && sameNextHops(desired, actual);
    return { state: written ? 'installed' : 'pending', nextHops };
  }

  private forgetUse(
    prefix: Prefix,
    before: readonly NextHopAddress[],
    after: readonly NextHopAddress[],
  ): void {
    for (const nextHop of before) {
      if (after.includes(nextHop)) continue;
      const use = this.users.get(nextHop);
      use?.prefixes.delete(prefix);
      if (use?.prefixes.size !== 0) continue;
      this.users.delete(nextHop);
      this.nextHops.unwatch(nextHop);
    }
  }

  /** Works out what the kernel should have for a prefix. */
  private derive(prefix: Prefix): void {
    const metric = this.config.metric[familyOf(prefix)];
    const id = routeId(prefix, metric);
    const nextHops = this.waysTo(prefix);
    this.refused.delete(id);
    this.touched.add(id);
    if (nextHops.length === 0 && !this.blackholes.has(prefix)) {
      this.tracker.deleteDesired(id);
      if (this.learned.has(prefix)) this.unresolved.add(prefix);
      else this.unresolved.delete(prefix);
    } else {
      this.unresolved.delete(prefix);
      this.tracker.setDesired(id, { destination: prefix, metric, nextHops });
    }
  }

  /** Routes by one next hop, which most are, share its ways. */
  private waysTo(prefix: Prefix): readonly NextHop[] {
    const learned = this.learned.get(prefix) ?? [];
    const weights = this.weights.get(prefix);
    if (learned.length === 1 && weights === undefined) return this.users.get(learned[0]!)?.ways ?? [];
    const nextHops = new Map<string, NextHop>();
    for (const [index, nextHop] of learned.entries()) {
      for (const way of this.users.get(nextHop)?.ways ?? []) {
        const weight = weights?.[index] ?? 1;
        nextHops.set(nextHopText(way), weight === 1 ? way : { ...way, weight });
      }
    }
    return [...nextHops.values()];
  }

  private openMonitor(): void {
    this.monitor = this.options.kernel.monitor({
      topics: ['links', 'routes'],
      // What we have changed ourselves we know.
      foreignOnly: true,
      event: (event) => {
        if (this.replay === undefined) this.apply(event);
        else this.replay.push(event);
      },
      closed: (reason) => {
        this.options.log.warn({ reason: describeError(reason) }, 'bgp kernel monitor closed');
        this.monitor = undefined;
        this.requestResync();
      },
    });
  }

  private isOwn(route: Route): boolean {
    const { protocol, table } = this.config;
    return route.protocol === protocol && route.table === table;
  }

  private apply(event: KernelEvent): void {
    if (event.type === 'overrun') this.overrun();
    else if (event.type === 'link' || event.type === 'link-deleted') {
      const alive = event.type === 'link' && event.link.up && event.link.carrier;
      if (this.nextHops.link(event.link, alive)) this.resolveAgain();
      // The kernel takes IPv4 routes away with their link and does not say so.
      if (!alive) this.requestResync();
    } else if (event.type === 'route' || event.type === 'route-deleted') {
      this.applyRoute(event.route, event.type === 'route');
    }
  }

  private applyRoute(route: Route, present: boolean): void {
    if (route.table !== this.config.table) return;
    if (this.isOwn(route)) {
      const id = routeId(route.destination, route.metric);
      if (present) this.tracker.setActual(id, route);
      else this.tracker.deleteActual(id);
      this.touched.add(id);
      this.schedule();
      return;
    }
    this.nextHops.route(route, present);
    const id = routeId(route.destination, route.metric);
    if (this.refused.delete(id)) this.touched.add(id);
    if (this.nextHops.concerns(route.destination)) {
      this.resolveAgain();
      // One event does not always tell the whole change (IPv6 siblings, IPv4 replacements), so what matters is read.
      this.requestResync();
    } else {
      this.schedule();
    }
  }

  /**
   * Mostly the echo of our own burst: what it hid is read when the burst is written, or the reading would only slow it
   * down and see half of it.
   */
  private overrun(): void {
    this.resyncAfterRound = true;
    this.schedule();
  }

  private requestResync(): void {
    if (this.stopped) return;
    this.resyncTimer ??= this.options.clock.after(RESYNC_DELAY, () => {
      this.resyncTimer = undefined;
      this.resyncNeeded = true;
      this.schedule();
    });
  }

  private armInterval(): void {
    this.intervalTimer = this.options.clock.after(RESYNC_INTERVAL, () => {
      this.requestResync();
      this.armInterval();
    });
  }

  private async readKernel(): Promise<void> {
    this.resyncNeeded = false;
    this.resyncAfterRound = false;
    this.replay = [];
    try {
      if (this.monitor === undefined) this.openMonitor();
      const { kernel } = this.options;
      const links = await kernel.links();
      await this.adopt(await kernel.routes({ table: this.config.table }), links);
    } finally {
      const events = this.replay;
      this.replay = undefined;
      for (const event of events) this.apply(event);
    }
    this.refused.clear();
    this.touchDifferences();
    this.nextHops.resolveAgain();
  }

  /** How next hops are reached may have changed: once for all events that come together. */
  private resolveAgain(): void {
    this.resolveSoon ??= setImmediate(() => {
      this.resolveSoon = undefined;
      this.nextHops.resolveAgain();
    });
  }

  private reroute(changes: ReadonlyMap<NextHopAddress, Ways>): void {
    for (const [nextHop, ways] of changes) {
      const use = this.users.get(nextHop);
      if (use === undefined) continue;
      use.ways = ways;
      for (const prefix of use.prefixes) this.derive(prefix);
    }
    this.schedule();
  }

  /** Takes over what was read, in slices. */
  private async adopt(routes: readonly Route[], links: readonly Link[]): Promise<void> {
    const seen = new Set<RouteId>();
    for (let start = 0; start < routes.length; start += BATCH) {
      for (const route of routes.slice(start, start + BATCH)) {
        if (!this.isOwn(route)) continue;
        const id = routeId(route.destination, route.metric);
        seen.add(id);
        this.tracker.setActual(id, route);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const id of this.tracker.actual.keys()) if (!seen.has(id)) this.tracker.deleteActual(id);
    this.nextHops.replaceAll(
      routes.filter((route) => !this.isOwn(route)),
      links,
    );
  }

  private touchDifferences(): void {
    for (const { key } of this.tracker.updates()) this.touched.add(key);
    for (const { key } of this.tracker.deletions()) this.touched.add(key);
  }

  private schedule(): void {
    if (this.stopped || this.paused) return;
    if (this.working !== undefined) {
      this.again = true;
      return;
    }
    this.again = false;
    this.working = this.work().finally(() => {
      this.working = undefined;
      if (this.again) this.schedule();
    });
  }

  private async work(): Promise<void> {
    for (;;) {
      // Lets a burst gather, and the sockets of the sessions be served.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.stopped) return;
      try {
        if (this.resyncNeeded) await this.readKernel();
        const changes = this.nextChanges();
        if (changes.length === 0) {
          if (!this.resyncAfterRound) return;
          this.resyncNeeded = true;
          continue;
        }
        const { failures } = await this.options.kernel.changeRoutes(changes);
        this.settle(changes, failures);
      } catch (error) {
        this.options.log.warn({ reason: describeError(error) }, 'bgp routes not written to the kernel');
        this.paused = true;
        this.retryLater();
        return;
      }
    }
  }

  /** The next batch; empty when the kernel has all that it will take. */
  private nextChanges(): RouteChange[] {
    const changes = this.takeFromRound();
    if (changes.length > 0) return changes;
    // New and changed routes first, so that nothing goes before what takes its place has come.
    const desired = [...this.touched].filter((id) => this.tracker.desired.has(id));
    const others = [...this.touched].filter((id) => !this.tracker.desired.has(id));
    this.touched.clear();
    this.round = [...desired, ...others];
    this.roundPosition = 0;
    return this.takeFromRound();
  }

  private takeFromRound(): RouteChange[] {
    const changes: RouteChange[] = [];
    while (this.roundPosition < this.round.length && changes.length < BATCH) {
      const change = this.changeOf(this.round[this.roundPosition++]!);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  /** What to do about a route now; it may have changed since its round began. */
  private changeOf(id: RouteId): RouteChange | undefined {
    const desired = this.tracker.desired.get(id);
    const actual = this.tracker.actual.get(id);
    if (this.refused.has(id)) return undefined;
    const { protocol, table } = this.config;
    if (desired === undefined) {
      if (actual === undefined || this.isHeld(id)) return undefined;
      const { destination, metric } = actual;
      return { operation: 'delete', route: { destination, metric, protocol, table } };
    }
    if (actual !== undefined && sameNextHops(desired, actual)) return undefined;
    if (this.nextHops.table.holds(desired.destination, desired.metric)) {
      this.refuse(id, desired.destination, 'a route of another program has the same metric');
      return undefined;
    }
    const type = desired.nextHops.length === 0 ? { type: 'blackhole' as const } : {};
    return {
      operation: actual === undefined ? 'add' : 'replace',
      route: { ...desired, ...type, protocol, table },
    };
  }

  private settle(changes: readonly RouteChange[], failures: readonly ChangeFailure<RouteChange>[]): void {
    const failed = new Map(failures.map(({ change, error }) => [change, error]));
    for (const change of changes) {
      const { destination, metric = 0 } = change.route;
      const id = routeId(destination, metric);
      const error = failed.get(change);
      // ESRCH: it is gone already, with its link perhaps.
      if (change.operation === 'delete' && (error === undefined || error.errno === 'ESRCH')) {
        this.tracker.deleteActual(id);
      } else if (error !== undefined) {
        this.refuse(id, destination, describeError(error));
      } else if (change.operation !== 'delete') {
        const { nextHops = [] } = change.route;
        this.tracker.setActual(id, { destination, metric, nextHops });
      }
    }
    if (failures.length === 0) this.backoff.reset();
  }

  private refuse(id: RouteId, destination: Prefix, reason: string): void {
    this.refused.set(id, `${destination}: ${reason}`);
    this.options.log.debug({ destination, reason }, 'bgp route refused by the kernel');
    this.retryLater();
  }

  /** The kernel is read again first: what we believed of it may be why it refused. */
  private retryLater(): void {
    if (this.stopped) return;
    this.retryTimer ??= this.options.clock.after(this.backoff.delay(), () => {
      this.retryTimer = undefined;
      this.paused = false;
      this.resyncNeeded = true;
      this.schedule();
    });
  }

  private isHeld(id: RouteId): boolean {
    return this.held.has(familyOf(id));
  }
}

function sameNextHops(a: OwnRoute, b: OwnRoute): boolean {
  if (a.nextHops === b.nextHops) return true;
  const [one] = a.nextHops;
  const [two] = b.nextHops;
  if (a.nextHops.length === 1 && b.nextHops.length === 1) return nextHopText(one!) === nextHopText(two!);
  return nextHopsText(a.nextHops) === nextHopsText(b.nextHops);
}

function routeId(destination: Prefix, metric: number): RouteId {
  return `${metric} ${destination}`;
}
