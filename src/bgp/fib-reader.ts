/**
 * What the kernel has, for the FIB: its routes and links are read whole, then followed by its events, and read again
 * where these do not tell all. Routes of ours go into the FIB's records; those of others, and links, say how next hops
 * are reached.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { prefixBits } from '../net/prefix-bits.ts';
import type { KernelEvent, Link, Monitor, Route, RouteKernel } from '../netlink/kernel.ts';
import type { KernelConfig } from './config.ts';
import type { FibRoutes, FibTable } from './fib-routes.ts';
import type { NextHopTracker } from './next-hop-tracker.ts';
import { PrefixBitmap } from './rib/prefix-bitmap.ts';

/** Quiet time before the kernel is read again, and the longest time between two readings, in milliseconds. */
const READ_DELAY = 50;
const READ_INTERVAL = 60_000;
/** Routes taken over before the sessions are served. */
const SLICE = 1024;

export interface FibReaderOptions {
  readonly kernel: RouteKernel;
  /** What is ours. */
  readonly config: Pick<KernelConfig, 'protocol' | 'table'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly routes: FibRoutes;
  readonly nextHops: NextHopTracker;
  /** Called when there is something to be read, or to be written. */
  readonly changed: () => void;
}

export class FibReader {
  private monitor: Monitor | undefined;
  /** Events that came while the kernel was being read. */
  private replay: KernelEvent[] | undefined;
  private due = false;
  private putOff = false;
  private readTimer: TimerHandle | undefined;
  private intervalTimer: TimerHandle | undefined;
  private resolveSoon: NodeJS.Immediate | undefined;
  private stopped = false;

  constructor(private readonly options: FibReaderOptions) {}

  /** Begins to watch the kernel, and reads it. Rejects with a KernelError. */
  async start(): Promise<void> {
    this.openMonitor();
    await this.read();
    this.armInterval();
  }

  stop(): void {
    this.stopped = true;
    this.monitor?.close();
    clearImmediate(this.resolveSoon);
    for (const timer of [this.readTimer, this.intervalTimer]) timer?.cancel();
  }

  /** Whether the kernel is to be read before more is written to it. */
  get isDue(): boolean {
    return this.due;
  }

  /** Makes it so. */
  makeDue(): void {
    this.due = true;
  }

  /** All that there was is written: makes a reading due that was put off until then. Returns whether there was one. */
  resume(): boolean {
    if (!this.putOff) return false;
    this.due = true;
    return true;
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
        this.requestReading();
      },
    });
  }

  private isOwn(route: Route): boolean {
    const { protocol, table } = this.options.config;
    return route.protocol === protocol && route.table === table;
  }

  private apply(event: KernelEvent): void {
    if (event.type === 'overrun') this.overrun();
    else if (event.type === 'link' || event.type === 'link-deleted') {
      const alive = event.type === 'link' && event.link.up && event.link.carrier;
      if (this.options.nextHops.link(event.link, alive)) this.resolveAgain();
      // The kernel takes IPv4 routes away with their link and does not say so.
      if (!alive) this.requestReading();
    } else if (event.type === 'route' || event.type === 'route-deleted') {
      this.applyRoute(event.route, event.type === 'route');
    }
  }

  private applyRoute(route: Route, present: boolean): void {
    const { config, routes, nextHops, changed } = this.options;
    if (route.table !== config.table) return;
    const destination = prefixBits(route.destination);
    const table = routes.table(destination.family, route.metric);
    if (this.isOwn(route)) {
      const own = table.findOrAdd(destination);
      table.setActual(own, present ? route.nextHops : undefined);
      table.touch(own);
      // Before or after what is being written of it: only a look tells.
      if (table.isWriting(own)) this.requestReading();
      changed();
      return;
    }
    nextHops.route(route, present);
    const own = table.find(destination);
    if (own >= 0 && table.allow(own)) table.touch(own);
    if (nextHops.concerns(route.destination)) {
      this.resolveAgain();
      // One event does not always tell the whole change (IPv6 siblings, IPv4 replacements), so what matters is read.
      this.requestReading();
    } else {
      changed();
    }
  }

  /**
   * Mostly the echo of our own burst: what it hid is read when the burst is written, or the reading would only slow it
   * down and see half of it.
   */
  private overrun(): void {
    this.putOff = true;
    this.options.changed();
  }

  private requestReading(): void {
    if (this.stopped) return;
    this.readTimer ??= this.options.clock.after(READ_DELAY, () => {
      this.readTimer = undefined;
      this.due = true;
      this.options.changed();
    });
  }

  private armInterval(): void {
    this.intervalTimer = this.options.clock.after(READ_INTERVAL, () => {
      this.requestReading();
      this.armInterval();
    });
  }

  /** Reads links and routes. Rejects with a KernelError. */
  async read(): Promise<void> {
    const { kernel, config, routes, nextHops } = this.options;
    this.due = false;
    this.putOff = false;
    this.replay = [];
    try {
      if (this.monitor === undefined) this.openMonitor();
      const links = await kernel.links();
      await this.adopt(await kernel.routes({ table: config.table }), links);
    } finally {
      const events = this.replay;
      this.replay = undefined;
      for (const event of events) this.apply(event);
    }
    routes.allowAll();
    routes.touchDifferences();
    nextHops.resolveAgain();
  }

  /** How next hops are reached may have changed: once for all events that come together. */
  private resolveAgain(): void {
    this.resolveSoon ??= setImmediate(() => {
      this.resolveSoon = undefined;
      this.options.nextHops.resolveAgain();
    });
  }

  /** Takes over what was read, in slices. */
  private async adopt(found: readonly Route[], links: readonly Link[]): Promise<void> {
    const { routes, nextHops } = this.options;
    const seen = new Map<FibTable, PrefixBitmap>();
    for (let start = 0; start < found.length; start += SLICE) {
      for (const route of found.slice(start, start + SLICE)) {
        if (!this.isOwn(route)) continue;
        const destination = prefixBits(route.destination);
        const table = routes.table(destination.family, route.metric);
        const own = table.findOrAdd(destination);
        if (!seen.has(table)) seen.set(table, new PrefixBitmap());
        seen.get(table)!.add(own);
        table.setActual(own, route.nextHops);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const table of routes.tables()) {
      const there = seen.get(table);
      for (const own of table) {
        if (table.actual(own) === undefined || there?.has(own) === true) continue;
        table.setActual(own, undefined);
        table.touch(own);
      }
    }
    nextHops.replaceAll(
      found.filter((route) => !this.isOwn(route)),
      links,
    );
  }
}
