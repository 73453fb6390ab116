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
import { type FibRoute, FibRoutes, isWritten } from './fib-routes.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { type Ways, NextHopTracker } from './next-hop-tracker.ts';
import { nextHopText } from './next-hop-text.ts';
import type { KernelStatus } from './status.ts';

/** Changes per batch: a few milliseconds of the kernel's time, so that sessions are served in between. */
const BATCH = 1024;
/** Quiet time before the kernel is read again, and the longest time between two readings, in milliseconds. */
const RESYNC_DELAY = 50;
const RESYNC_INTERVAL = 60_000;
const PROBLEMS_SHOWN = 20;

/** A change of a batch, and what it is about. */
interface Change {
  readonly route: FibRoute;
  readonly change: RouteChange;
}

export interface FibOptions {
  readonly kernel: RouteKernel;
  readonly config: KernelConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Fib {
  private readonly routes = new FibRoutes();
  /** What is being written. */
  private round: readonly FibRoute[] = [];
  private roundPosition = 0;
  /** How next hops are reached; the decision process follows it, too. */
  readonly nextHops = new NextHopTracker();
  /** Hosts with a gateway of their own. */
  private gateways: ReadonlyMap<Address, Address> = new Map();
  /** Routes by next hop, and how each is reached now. */
  private readonly users = new Map<NextHopAddress, { readonly routes: Set<FibRoute>; ways: Ways }>();
  private readonly unresolved = new Set<FibRoute>();
  /** Families whose routes from before the restart are not swept yet. */
  private readonly held = new Set<Family>();
  /** What the kernel refused, and is not tried again before something changes. */
  private readonly refused = new Map<FibRoute, string>();
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
    return this.routes.countInstalled();
  }

  /** By family, the gateways of the routes that the kernel has; undefined for what leads straight out of a link. */
  gatewaysInUse(): Record<Family, Set<Address | undefined>> {
    const gateways = { 4: new Set<Address | undefined>(), 6: new Set<Address | undefined>() };
    for (const { destination, actual = [] } of this.routes.all()) {
      for (const { gateway } of actual) gateways[familyOf(destination)].add(gateway);
    }
    return gateways;
  }

  /** Writes routes with other metrics from now on. Protocol and table are for the life of the object. */
  changeMetrics(metric: KernelConfig['metric']): void {
    this.config = { ...this.config, metric };
    const learned = [...this.routes.all()].filter((route) => route.learned !== undefined);
    for (const before of learned) {
      if (metric[familyOf(before.destination)] !== before.metric) this.move(before);
    }
    this.schedule();
  }

  /** To a record of the metric that is right now. */
  private move(before: FibRoute): void {
    const { learned = [], weights, blackhole } = before;
    const route = this.findOrAdd(before.destination);
    Object.assign(route, { learned, weights, blackhole });
    Object.assign(before, { learned: undefined, weights: undefined, blackhole: false });
    for (const nextHop of learned) {
      const routes = this.users.get(nextHop)?.routes;
      routes?.delete(before);
      routes?.add(route);
    }
    this.derive(before);
    this.derive(route);
  }

  private findOrAdd(prefix: Prefix): FibRoute {
    return this.routes.findOrAdd(prefix, this.config.metric[familyOf(prefix)]);
  }

  private find(prefix: Prefix): FibRoute | undefined {
    return this.routes.find(prefix, this.config.metric[familyOf(prefix)]);
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
    for (const host of before.keys()) if (!gateways.has(host)) this.forget(this.find(hostPrefix(host)));
    for (const host of gateways.keys()) this.learn(this.findOrAdd(hostPrefix(host)), [host]);
    this.nextHops.resolveAgain();
    this.schedule();
  }

  /** Wants a route by all of these next hops that can be reached; `weights` (1 to 256) say how they share traffic. */
  set(prefix: Prefix, nextHops: readonly NextHopAddress[], weights: readonly number[] = []): void {
    if (this.isStatic(prefix)) return;
    const route = this.findOrAdd(prefix);
    route.weights = weights.some((weight) => weight !== 1) ? weights : undefined;
    route.blackhole = false;
    this.learn(route, nextHops);
    this.schedule();
  }

  /** Wants a route that leads nowhere, so that what no longer one covers goes no further. */
  blackhole(prefix: Prefix): void {
    if (this.isStatic(prefix)) return;
    const route = this.findOrAdd(prefix);
    if (route.blackhole) return;
    route.blackhole = true;
    route.weights = undefined;
    this.learn(route, []);
    this.schedule();
  }

  private isStatic(prefix: Prefix): boolean {
    return this.gateways.size > 0 && isHostPrefix(prefix) && this.gateways.has(prefixAddress(prefix));
  }

  private learn(route: FibRoute, nextHops: readonly NextHopAddress[]): void {
    const before = route.learned;
    if (before !== nextHops) {
      route.learned = nextHops;
      for (const nextHop of nextHops) {
        let use = this.users.get(nextHop);
        if (use === undefined) {
          this.users.set(nextHop, (use = { routes: new Set(), ways: this.nextHops.watch(nextHop) }));
        }
        use.routes.add(route);
      }
      if (before !== undefined) this.forgetUse(route, before, nextHops);
    }
    this.derive(route);
  }

  delete(prefix: Prefix): void {
    if (this.isStatic(prefix)) return;
    this.forget(this.find(prefix));
    this.schedule();
  }

  private forget(route: FibRoute | undefined): void {
    const before = route?.learned;
    if (route === undefined || before === undefined) return;
    route.learned = undefined;
    route.blackhole = false;
    route.weights = undefined;
    this.forgetUse(route, before, []);
    this.derive(route);
  }

  /** Keeps everything of a family that is in the kernel, wanted or not, until it is released. */
  hold(family: Family): void {
    this.held.add(family);
  }

  release(family: Family): void {
    this.held.delete(family);
    this.routes.touchDifferences();
    this.schedule();
  }

  /** Resolves when the kernel has all that it will take. */
  async settled(): Promise<void> {
    while (this.working !== undefined) await this.working;
  }

  /** Wants nothing any more, and takes all of ours out of the kernel. */
  async clear(): Promise<void> {
    for (const route of this.routes.all()) this.forget(route);
    this.held.clear();
    this.routes.touchDifferences();
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
      for (const route of this.routes.all()) {
        if (route.actual !== undefined && route.desired === undefined && this.isHeld(route)) stale++;
      }
    }
    return {
      installed: this.routes.installed,
      stale,
      unresolved: this.unresolved.size,
      problems: [...this.refused.values()].slice(0, PROBLEMS_SHOWN),
    };
  }

  /** For people: one prefix that is wanted. Rejects with a KernelError if links cannot be read. */
  async view(prefix: Prefix): Promise<BgpKernelView> {
    const route = this.find(prefix);
    const links = await this.options.kernel.links();
    const nameOf = (index: number): string =>
      links.find((link) => link.index === index)?.name ?? String(index);
    const nextHops = (route?.actual ?? []).map(({ gateway, interface: index, onlink }) =>
      [
        ...(gateway === undefined ? [] : [`via ${gateway}`]),
        ...(index === undefined ? [] : [`dev ${nameOf(index)}`]),
        ...(onlink === true ? ['onlink'] : []),
      ].join(' '),
    );
    const reason = route === undefined ? undefined : this.refused.get(route);
    if (reason !== undefined) return { state: 'refused', nextHops, reason };
    if (route?.desired === undefined) {
      const hops = (route?.learned ?? []).join(', ');
      return { state: 'unresolved', nextHops, reason: `no route leads to the next hop ${hops}` };
    }
    return { state: isWritten(route) ? 'installed' : 'pending', nextHops };
  }

  private forgetUse(
    route: FibRoute,
    before: readonly NextHopAddress[],
    after: readonly NextHopAddress[],
  ): void {
    for (const nextHop of before) {
      if (after.includes(nextHop)) continue;
      const use = this.users.get(nextHop);
      use?.routes.delete(route);
      if (use?.routes.size !== 0) continue;
      this.users.delete(nextHop);
      this.nextHops.unwatch(nextHop);
    }
  }

  /** Works out what the kernel should have. */
  private derive(route: FibRoute): void {
    const nextHops = this.waysTo(route);
    this.refused.delete(route);
    this.routes.touch(route);
    if (nextHops.length === 0 && !route.blackhole) {
      route.desired = undefined;
      if (route.learned === undefined) this.unresolved.delete(route);
      else this.unresolved.add(route);
    } else {
      this.unresolved.delete(route);
      route.desired = nextHops;
    }
  }

  /** Routes by one next hop, which most are, share its ways. */
  private waysTo({ learned = [], weights }: FibRoute): readonly NextHop[] {
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
      const own = this.routes.findOrAdd(route.destination, route.metric);
      this.routes.setActual(own, present ? route.nextHops : undefined);
      this.routes.touch(own);
      this.schedule();
      return;
    }
    this.nextHops.route(route, present);
    const own = this.routes.find(route.destination, route.metric);
    if (own !== undefined && this.refused.delete(own)) this.routes.touch(own);
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
    this.routes.touchDifferences();
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
      for (const route of use.routes) this.derive(route);
    }
    this.schedule();
  }

  /** Takes over what was read, in slices. */
  private async adopt(routes: readonly Route[], links: readonly Link[]): Promise<void> {
    const seen = new Set<FibRoute>();
    for (let start = 0; start < routes.length; start += BATCH) {
      for (const route of routes.slice(start, start + BATCH)) {
        if (!this.isOwn(route)) continue;
        const own = this.routes.findOrAdd(route.destination, route.metric);
        seen.add(own);
        this.routes.setActual(own, route.nextHops);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const own of this.routes.all()) {
      if (own.actual === undefined || seen.has(own)) continue;
      this.routes.setActual(own, undefined);
      this.routes.touch(own);
    }
    this.nextHops.replaceAll(
      routes.filter((route) => !this.isOwn(route)),
      links,
    );
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
        const batch = this.nextBatch();
        if (batch.length === 0) {
          if (!this.resyncAfterRound) return;
          this.resyncNeeded = true;
          continue;
        }
        const { failures } = await this.options.kernel.changeRoutes(batch.map(({ change }) => change));
        this.settle(batch, failures);
      } catch (error) {
        this.options.log.warn({ reason: describeError(error) }, 'bgp routes not written to the kernel');
        this.paused = true;
        this.retryLater();
        return;
      }
    }
  }

  /** The next changes; none when the kernel has all that it will take. */
  private nextBatch(): Change[] {
    const batch = this.takeFromRound();
    if (batch.length > 0) return batch;
    this.round = this.routes.takeTouched();
    this.roundPosition = 0;
    return this.takeFromRound();
  }

  private takeFromRound(): Change[] {
    const batch: Change[] = [];
    while (this.roundPosition < this.round.length && batch.length < BATCH) {
      const route = this.round[this.roundPosition++]!;
      const change = this.changeOf(route);
      if (change === undefined) this.routes.prune(route);
      else batch.push({ route, change });
    }
    return batch;
  }

  /** What to do about a route now; it may have changed since its round began. */
  private changeOf(own: FibRoute): RouteChange | undefined {
    const { destination, metric, desired, actual } = own;
    if (this.refused.has(own)) return undefined;
    const { protocol, table } = this.config;
    if (desired === undefined) {
      if (actual === undefined || this.isHeld(own)) return undefined;
      return { operation: 'delete', route: { destination, metric, protocol, table } };
    }
    if (isWritten(own)) return undefined;
    if (this.nextHops.table.holds(destination, metric)) {
      this.refuse(own, 'a route of another program has the same metric');
      return undefined;
    }
    const type = desired.length === 0 ? 'blackhole' : 'unicast';
    return {
      operation: actual === undefined ? 'add' : 'replace',
      route: { destination, metric, nextHops: desired, type, protocol, table },
    };
  }

  private settle(batch: readonly Change[], failures: readonly ChangeFailure<RouteChange>[]): void {
    const failed = new Map(failures.map(({ change, error }) => [change, error]));
    for (const { route, change } of batch) {
      const error = failed.get(change);
      // ESRCH: it is gone already, with its link perhaps.
      if (change.operation === 'delete' && (error === undefined || error.errno === 'ESRCH')) {
        this.routes.setActual(route, undefined);
        this.routes.prune(route);
      } else if (error !== undefined) {
        this.refuse(route, describeError(error));
      } else if (change.operation !== 'delete') {
        this.routes.setActual(route, change.route.nextHops ?? []);
      }
    }
    if (failures.length === 0) this.backoff.reset();
  }

  private refuse(route: FibRoute, reason: string): void {
    const { destination } = route;
    this.refused.set(route, `${destination}: ${reason}`);
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

  private isHeld(route: FibRoute): boolean {
    return this.held.has(familyOf(route.destination));
  }
}
