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
import { formatPrefixBits, prefixBits } from '../net/prefix-bits.ts';
import { type Prefix, hostPrefix, prefixAddress } from '../net/prefix.ts';
import type { RouteKernel } from '../netlink/kernel.ts';
import type { KernelConfig } from './config.ts';
import { FibReader } from './fib-reader.ts';
import { BLACKHOLE, type FibGroup, FibGroups } from './fib-groups.ts';
import { FibRoutes, type FibTable } from './fib-routes.ts';
import { FibWriter } from './fib-writer.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { type Ways, NextHopTracker } from './next-hop-tracker.ts';
import type { PrefixId, PrefixTables } from './rib/prefix-table.ts';
import type { KernelStatus } from './status.ts';

const PROBLEMS_SHOWN = 20;
const ALIKE: readonly number[] = [];

export interface FibOptions {
  readonly kernel: RouteKernel;
  readonly config: KernelConfig;
  /** Those of the RIB: a destination has one number here and there. */
  readonly prefixes: PrefixTables;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Fib {
  private readonly routes: FibRoutes;
  /** How next hops are reached; the decision process follows it, too. */
  readonly nextHops = new NextHopTracker();
  /** Hosts with a gateway of their own. */
  private gateways: ReadonlyMap<Address, Address> = new Map();
  private readonly groups = new FibGroups(this.nextHops);
  private readonly reader: FibReader;
  private readonly writer: FibWriter;
  private metric: KernelConfig['metric'];

  constructor(private readonly options: FibOptions) {
    const routes = (this.routes = new FibRoutes(options.prefixes));
    const { nextHops } = this;
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
    for (const table of this.routes.tables()) {
      for (const id of table) {
        for (const { gateway } of table.actual(id) ?? []) gateways[table.family].add(gateway);
      }
    }
    return gateways;
  }

  /** Writes routes with other metrics from now on. Protocol and table are for the life of the object. */
  changeMetrics(metric: KernelConfig['metric']): void {
    this.metric = metric;
    for (const before of this.routes.tables()) {
      const table = this.table(before.family);
      if (table === before) continue;
      for (const id of before) {
        const group = before.group(id);
        if (group === undefined) continue;
        table.add(id);
        table.setGroup(id, group);
        before.setGroup(id, undefined);
        this.derive(before, id);
        this.derive(table, id);
      }
    }
    this.writer.schedule();
  }

  private table(family: Family): FibTable {
    return this.routes.table(family, this.metric[family]);
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
    for (const host of before.keys()) {
      if (gateways.has(host)) continue;
      const { table, id } = this.hostRoute(host);
      this.unlearn(table, id);
    }
    for (const host of gateways.keys()) {
      const { table, id } = this.hostRoute(host);
      this.learn(table, id, this.groups.acquire([host], ALIKE));
    }
    this.nextHops.resolveAgain();
    this.writer.schedule();
  }

  private hostRoute(host: Address): { readonly table: FibTable; readonly id: PrefixId } {
    const bits = prefixBits(hostPrefix(host));
    const table = this.table(bits.family);
    return { table, id: table.findOrAdd(bits) };
  }

  /** Wants a route by all of these next hops that can be reached; `weights` (1 to 256) say how they share traffic. */
  set(
    family: Family,
    prefix: PrefixId,
    nextHops: readonly NextHopAddress[],
    weights: readonly number[] = ALIKE,
  ): void {
    if (this.isStatic(family, prefix)) return;
    this.learn(this.table(family), prefix, this.groups.acquire(nextHops, weights));
    this.writer.schedule();
  }

  /** Wants a route that leads nowhere, so that what no longer one covers goes no further. */
  blackhole(family: Family, prefix: PrefixId): void {
    if (this.isStatic(family, prefix)) return;
    this.learn(this.table(family), prefix, BLACKHOLE);
    this.writer.schedule();
  }

  delete(family: Family, prefix: PrefixId): void {
    if (this.isStatic(family, prefix)) return;
    const table = this.table(family);
    if (table.has(prefix)) this.unlearn(table, prefix);
    this.writer.schedule();
  }

  private isStatic(family: Family, prefix: PrefixId): boolean {
    if (this.gateways.size === 0) return false;
    const bits = this.options.prefixes[family].bits(prefix);
    return bits.length === addressBits(family) && this.gateways.has(prefixAddress(formatPrefixBits(bits)));
  }

  /** Takes over the use of the group. */
  private learn(table: FibTable, id: PrefixId, group: FibGroup): void {
    table.add(id);
    const before = table.group(id);
    table.setGroup(id, group);
    if (before !== undefined) this.groups.release(before);
    this.derive(table, id);
  }

  private unlearn(table: FibTable, id: PrefixId): void {
    const before = table.group(id);
    if (before === undefined) return;
    table.setGroup(id, undefined);
    this.groups.release(before);
    this.derive(table, id);
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
    for (const table of this.routes.tables()) for (const id of table) this.unlearn(table, id);
    this.writer.release(4, 6);
    await this.settled();
  }

  /** Stops working. The kernel keeps what it has (design D20). */
  async stop(): Promise<void> {
    this.reader.stop();
    await this.writer.stop();
  }

  status(): KernelStatus {
    let installed = 0;
    let stale = 0;
    const problems: string[] = [];
    for (const table of this.routes.tables()) {
      installed += table.installed;
      for (const problem of table.refusals()) {
        if (problems.length >= PROBLEMS_SHOWN) break;
        problems.push(problem);
      }
      if (!this.writer.isHeld(table.family)) continue;
      for (const id of table) if (table.actual(id) !== undefined && table.desired(id) === undefined) stale++;
    }
    return { installed, stale, unresolved: this.groups.unresolved, problems };
  }

  /** For people: one prefix that is wanted. Rejects with a KernelError if links cannot be read. */
  async view(prefix: Prefix): Promise<BgpKernelView> {
    const bits = prefixBits(prefix);
    const table = this.table(bits.family);
    const links = await this.options.kernel.links();
    const nameOf = (index: number): string =>
      links.find((link) => link.index === index)?.name ?? String(index);
    const id = table.find(bits);
    const nextHops = (id < 0 ? [] : (table.actual(id) ?? [])).map(({ gateway, interface: index, onlink }) =>
      [
        ...(gateway === undefined ? [] : [`via ${gateway}`]),
        ...(index === undefined ? [] : [`dev ${nameOf(index)}`]),
        ...(onlink === true ? ['onlink'] : []),
      ].join(' '),
    );
    const reason = id < 0 ? undefined : table.refusal(id);
    if (reason !== undefined) return { state: 'refused', nextHops, reason: `${prefix}: ${reason}` };
    const group = id < 0 ? undefined : table.group(id);
    if (group?.ways === undefined) {
      const hops = (group?.nextHops ?? []).join(', ');
      return { state: 'unresolved', nextHops, reason: `no route leads to the next hop ${hops}` };
    }
    return { state: table.isWritten(id) ? 'installed' : 'pending', nextHops };
  }

  /** What the kernel should have may be something else now. */
  private derive(table: FibTable, id: PrefixId): void {
    table.allow(id);
    table.touch(id);
  }

  private reroute(changes: ReadonlyMap<NextHopAddress, Ways>): void {
    const changed = this.groups.resolveAgain(changes);
    if (changed.size > 0) for (const table of this.routes.tables()) table.touchGroups(changed);
    this.writer.schedule();
  }
}
