/**
 * Between the peers: selection, the kernel and what is told to whom, worked off in slices of a few milliseconds so
 * that sockets and timers are served in between (a keepalive never waits for a full table).
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { Advertiser } from './advertiser.ts';
import type { Fib } from './fib.ts';
import type { Selection } from './rib/decision.ts';
import { MapRib } from './rib/map-rib.ts';
import type { Rib } from './rib/rib.ts';
import { RouteTable } from './rib/route.ts';

/** Milliseconds of work before others are served. */
const SLICE = 4;
/** Prefixes per step within a slice. */
const STEP = 256;
/** The kernel takes more, but nobody has more equal uplinks. */
const MULTIPATH_LIMIT = 16;

export interface RoutingOptions {
  readonly fib: Fib;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a learned route to the prefix is for the kernel. */
  readonly programmed: (prefix: Prefix) => boolean;
  /** Nobody has a route to the prefix any more. */
  readonly gone: (prefix: Prefix) => void;
}

export class Routing {
  readonly rib: Rib = new MapRib();
  readonly routes = new RouteTable();
  private readonly advertisers = new Set<Advertiser>();
  /** Advertisers that may have something to send. */
  private readonly busy = new Set<Advertiser>();
  private readonly own = new Set<Prefix>();
  private readonly ownRoute = this.routes.intern({ origin: 'igp', asPath: [] }, undefined);
  /** Families whose selection is deferred (RFC 4724 §4.1), or was until now and is not complete. */
  private readonly held = new Set<Family>();
  private readonly opening = new Set<Family>();
  private scheduled: NodeJS.Immediate | undefined;

  constructor(private readonly options: RoutingOptions) {}

  /** Originates exactly these prefixes. */
  originate(prefixes: Iterable<Prefix>): void {
    const wanted = new Set(prefixes);
    for (const prefix of this.own) {
      if (wanted.has(prefix)) continue;
      this.own.delete(prefix);
      this.rib.withdraw(undefined, prefix);
    }
    for (const prefix of wanted) {
      if (this.own.has(prefix)) continue;
      this.own.add(prefix);
      this.rib.announce(undefined, prefix, this.ownRoute);
    }
    this.schedule();
  }

  /** Asks again of every learned prefix whether it is for the kernel. */
  reprogram(): void {
    for (const family of [4, 6] as const) {
      for (const [prefix, selection] of this.rib.selected(family)) this.program(prefix, selection);
    }
  }

  attach(advertiser: Advertiser): void {
    this.advertisers.add(advertiser);
    this.wake(advertiser);
  }

  detach(advertiser: Advertiser): void {
    this.advertisers.delete(advertiser);
    this.busy.delete(advertiser);
  }

  /** Something was marked, or more may be written. */
  wake(advertiser: Advertiser): void {
    if (!this.advertisers.has(advertiser)) return;
    this.busy.add(advertiser);
    this.schedule();
  }

  /** Defers a family: nothing of it is selected, advertised or swept from the kernel. */
  hold(family: Family): void {
    this.held.add(family);
    this.rib.setHeld(family, true);
    this.options.fib.hold(family);
  }

  /** Ends that. The kernel is swept when the selection is complete. */
  open(family: Family): void {
    this.held.delete(family);
    this.opening.add(family);
    this.rib.setHeld(family, false);
    this.schedule();
  }

  schedule(): void {
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      if (this.work()) this.schedule();
    });
  }

  stop(): void {
    clearImmediate(this.scheduled);
    this.advertisers.clear();
    this.busy.clear();
  }

  /** One slice; returns whether there is more to do now. */
  private work(): boolean {
    const { clock, fib } = this.options;
    const end = clock.now() + SLICE;
    let left: number;
    do left = this.rib.select(STEP, (prefix, selection) => this.changed(prefix, selection));
    while (left > 0 && clock.now() < end);
    if (left === 0) {
      for (const family of this.opening) fib.release(family);
      this.opening.clear();
      for (const advertiser of this.advertisers) if (advertiser.markersDue) this.busy.add(advertiser);
    }
    const settled = (family: Family): boolean => left === 0 && !this.held.has(family);
    for (const advertiser of this.busy) {
      this.busy.delete(advertiser);
      // To the end of the queue, so that no peer waits for another's whole table.
      if (advertiser.flush(STEP, settled)) this.busy.add(advertiser);
      if (clock.now() >= end) break;
    }
    return left > 0 || this.busy.size > 0;
  }

  private program(prefix: Prefix, selection: Selection | undefined): void {
    const { fib, programmed } = this.options;
    // What is ours is routed here by whoever made it ours.
    if (selection === undefined || selection.best.source === undefined || !programmed(prefix)) {
      fib.delete(prefix);
    } else {
      fib.set(prefix, nextHopsOf(selection));
    }
  }

  private changed(prefix: Prefix, selection: Selection | undefined): void {
    if (selection === undefined) this.options.gone(prefix);
    this.program(prefix, selection);
    const family = familyOf(prefix);
    for (const advertiser of this.advertisers) {
      if (advertiser.mark(family, prefix)) this.busy.add(advertiser);
    }
  }
}

function nextHopsOf({ equal }: Selection): Address[] {
  const nextHops = new Set<Address>();
  for (const { route } of equal) if (route.nextHop !== undefined) nextHops.add(route.nextHop.address);
  return [...nextHops].slice(0, MULTIPATH_LIMIT);
}
