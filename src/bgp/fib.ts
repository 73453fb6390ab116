/**
 * Learned routes in the kernel, under our protocol number (design D20), and nothing else: routes of others are read to
 * resolve next hops, never changed. What was ours before a restart is read back and stays until it is replaced, or
 * swept when its family is released (RFC 4724 §4.1).
 *
 *     set, delete ──► next hops resolved ──► desired ┐                                         (this file)
 *     read-back, kernel events ──────────────► actual ┴► difference ──► batches to the kernel  (fib-writer.ts)
 *     (fib-reader.ts)
 */
import type { BgpKernelView } from '../base/bgp-view.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, addressBits } from '../net/address.ts';
import { type PrefixBits, formatPrefixBits, prefixBits } from '../net/prefix-bits.ts';
import { type Prefix, hostPrefix, prefixAddress } from '../net/prefix.ts';
import type { NextHop, RouteKernel } from '../netlink/kernel.ts';
import type { KernelConfig } from './config.ts';
import { FibReader } from './fib-reader.ts';
import { type FibRoute, FibRoutes, isWritten } from './fib-routes.ts';
import { FibWriter } from './fib-writer.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { type Ways, NextHopTracker } from './next-hop-tracker.ts';
import { nextHopText } from './next-hop-text.ts';
import type { KernelStatus } from './status.ts';

const PROBLEMS_SHOWN = 20;

export interface FibOptions {
  readonly kernel: RouteKernel;
  readonly config: KernelConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Fib {
  private readonly routes = new FibRoutes();
  /** How next hops are reached; the decision process follows it, too. */
  readonly nextHops = new NextHopTracker();
  /** Hosts with a gateway of their own. */
  private gateways: ReadonlyMap<Address, Address> = new Map();
  /** Routes by next hop, and how each is reached now. */
  private readonly users = new Map<NextHopAddress, { readonly routes: Set<FibRoute>; ways: Ways }>();
  private readonly unresolved = new Set<FibRoute>();
  private readonly reader: FibReader;
  private readonly writer: FibWriter;
  private metric: KernelConfig['metric'];

  constructor(private readonly options: FibOptions) {
    const { routes, nextHops } = this;
    this.metric = options.config.metric;
    this.reader = new FibReader({ ...options, routes, nextHops, changed: () => this.writer.schedule() });
    this.writer = new FibWriter({ ...options, routes, nextHops, reader: this.reader });
    this.nextHops.onChange((changes) => this.reroute(changes));
  }

  /** Watches and reads the kernel. Returns how many routes of ours were there. Throws a KernelError. */
  async start(): Promise<Readonly<Record<Family, number>>> {
    await this.reader.start();
    return this.routes.countInstalled();
  }

  /** By family, the gateways of the routes that the kernel has; undefined for what leads straight out of a link. */
  gatewaysInUse(): Record<Family, Set<Address | undefined>> {
    const gateways = { 4: new Set<Address | undefined>(), 6: new Set<Address | undefined>() };
    for (const { family, actual = [] } of this.routes.all()) {
      for (const { gateway } of actual) gateways[family].add(gateway);
    }
    return gateways;
  }

  /** Writes routes with other metrics from now on. Protocol and table are for the life of the object. */
  changeMetrics(metric: KernelConfig['metric']): void {
    this.metric = metric;
    const learned = [...this.routes.all()].filter((route) => route.learned !== undefined);
    for (const before of learned) {
      if (metric[before.family] !== before.metric) this.move(before);
    }
    this.writer.schedule();
  }

  /** To a record of the metric that is right now. */
  private move(before: FibRoute): void {
    const { learned = [], weights, blackhole } = before;
    const route = this.findOrAdd(prefixBits(before.destination));
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

  private findOrAdd(prefix: PrefixBits): FibRoute {
    return this.routes.findOrAdd(prefix, this.metric[prefix.family]);
  }

  private find(prefix: PrefixBits): FibRoute | undefined {
    return this.routes.find(prefix, this.metric[prefix.family]);
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
    for (const host of before.keys())
      if (!gateways.has(host)) this.forget(this.find(prefixBits(hostPrefix(host))));
    for (const host of gateways.keys()) this.learn(this.findOrAdd(prefixBits(hostPrefix(host))), [host]);
    this.nextHops.resolveAgain();
    this.writer.schedule();
  }

  /** Wants a route by all of these next hops that can be reached; `weights` (1 to 256) say how they share traffic. */
  set(prefix: PrefixBits, nextHops: readonly NextHopAddress[], weights: readonly number[] = []): void {
    if (this.isStatic(prefix)) return;
    const route = this.findOrAdd(prefix);
    route.weights = weights.some((weight) => weight !== 1) ? weights : undefined;
    route.blackhole = false;
    this.learn(route, nextHops);
    this.writer.schedule();
  }

  /** Wants a route that leads nowhere, so that what no longer one covers goes no further. */
  blackhole(prefix: PrefixBits): void {
    if (this.isStatic(prefix)) return;
    const route = this.findOrAdd(prefix);
    if (route.blackhole) return;
    route.blackhole = true;
    route.weights = undefined;
    this.learn(route, []);
    this.writer.schedule();
  }

  private isStatic(prefix: PrefixBits): boolean {
    if (this.gateways.size === 0 || prefix.length < addressBits(prefix.family)) return false;
    return this.gateways.has(prefixAddress(formatPrefixBits(prefix)));
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

  delete(prefix: PrefixBits): void {
    if (this.isStatic(prefix)) return;
    this.forget(this.find(prefix));
    this.writer.schedule();
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
    this.writer.hold(family);
  }

  release(family: Family): void {
    this.writer.release(family);
  }

  /** Resolves when the kernel has all that it will take. */
  settled(): Promise<void> {
    return this.writer.settled();
  }

  /** Wants nothing any more, and takes all of ours out of the kernel. */
  async clear(): Promise<void> {
    for (const route of this.routes.all()) this.forget(route);
    this.writer.release(4, 6);
    await this.settled();
  }

  /** Stops working. The kernel keeps what it has (design D20). */
  async stop(): Promise<void> {
    this.reader.stop();
    await this.writer.stop();
  }

  status(): KernelStatus {
    let stale = 0;
    if (this.writer.isHolding) {
      for (const route of this.routes.all()) {
        if (route.actual !== undefined && route.desired === undefined && this.writer.isHeld(route)) stale++;
      }
    }
    return {
      installed: this.routes.installed,
      stale,
      unresolved: this.unresolved.size,
      problems: this.routes.refusals(PROBLEMS_SHOWN),
    };
  }

  /** For people: one prefix that is wanted. Rejects with a KernelError if links cannot be read. */
  async view(prefix: Prefix): Promise<BgpKernelView> {
    const route = this.find(prefixBits(prefix));
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
    const reason = route === undefined ? undefined : this.routes.refusal(route);
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
    this.routes.allow(route);
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

  private reroute(changes: ReadonlyMap<NextHopAddress, Ways>): void {
    for (const [nextHop, ways] of changes) {
      const use = this.users.get(nextHop);
      if (use === undefined) continue;
      use.ways = ways;
      for (const route of use.routes) this.derive(route);
    }
    this.writer.schedule();
  }
}
