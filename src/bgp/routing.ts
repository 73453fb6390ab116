/**
 * Between the peers: selection, the kernel and what is told to whom, worked off in slices of a few milliseconds so
 * that sockets and timers are served in between (a keepalive never waits for a full table).
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, isLinkLocal } from '../net/address.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';
import { Advertiser, type AdvertiserOptions } from './advertiser.ts';
import type { Fib } from './fib.ts';
import { type NextHopAddress, scopedAddress } from './next-hop-table.ts';
import { type AggregateConfig, Aggregates } from './aggregates.ts';
import type { ExportContext } from './policy/export.ts';
import { bandwidthOf, weightsOf } from './policy/link-bandwidth.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import { PrefixBitmap } from './rib/prefix-bitmap.ts';
import type { PathId } from './rib/path-table.ts';
import type { PrefixId, PrefixTables } from './rib/prefix-table.ts';
import { FAMILIES, Rib } from './rib/rib.ts';
import { OWN } from './rib/sources.ts';
import type { TellingGroup } from './telling-group.ts';
import { UpdateGroups } from './update-groups.ts';

/** Milliseconds of work before others are served. */
const SLICE = 4;
/** Prefixes decided, paths swept, and prefixes told to a group, before the clock is asked. */
const SELECT_STEP = 1024;
const SWEEP_STEP = 16_384;
const TELL_STEP = 8192;

export interface RoutingOptions {
  readonly fib: Fib;
  /** Those of `fib`. */
  readonly prefixes: PrefixTables;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a learned route to the prefix is for the kernel. */
  readonly programmed: (prefix: PrefixBits) => boolean;
}

export class Routing {
  readonly rib: Rib;
  private readonly groups: UpdateGroups;
  private readonly advertisers = new Set<Advertiser>();
  private readonly own = new Set<Prefix>();
  private readonly aggregates: Aggregates;
  /** Held for the life of the object. */
  private readonly ownRoute: AttributeId;
  /** Families whose selection is deferred (RFC 4724 §4.1). */
  private readonly held = new Set<Family>();
  /** Families whose peers have told all they have, until that is selected. */
  private readonly confirming = new Set<Family>();
  /** What the kernel has been given. */
  private readonly inKernel: Readonly<Record<Family, PrefixBitmap>> = {
    4: new PrefixBitmap(),
    6: new PrefixBitmap(),
  };
  private scheduled: NodeJS.Immediate | undefined;

  constructor(private readonly options: RoutingOptions) {
    const { nextHops } = options.fib;
    const reachability = {
      watch: (address: Address) => nextHops.watch(address) !== undefined,
      unwatch: (address: Address) => nextHops.unwatch(address),
    };
    this.rib = new Rib(reachability, options.prefixes);
    nextHops.onChange((changes) => {
      this.rib.changeReachability(
        new Map([...changes].map(([nextHop, ways]) => [nextHop, ways !== undefined])),
      );
      this.schedule();
    });
    this.ownRoute = this.rib.attributes.internRoute({
      attributes: { origin: 'igp', asPath: [] },
      nextHop: undefined,
    });
    this.aggregates = new Aggregates({
      rib: this.rib,
      changed: (prefix, attribute) => this.changeAggregate(prefix, attribute),
    });
    this.groups = new UpdateGroups(this.rib, (prefix) =>
      options.log.warn({ prefix }, 'bgp route not sent: attributes too long'),
    );
  }

  /** Originates exactly these prefixes. */
  originate(prefixes: Iterable<Prefix>): void {
    const wanted = new Set(prefixes);
    for (const prefix of this.own) {
      if (wanted.has(prefix)) continue;
      this.own.delete(prefix);
      this.rib.withdraw(OWN, prefix);
    }
    for (const prefix of wanted) {
      if (this.own.has(prefix)) continue;
      this.own.add(prefix);
      this.rib.announce(OWN, prefix, this.ownRoute);
    }
    this.schedule();
  }

  /** Announces these while there is a route to a part of them, in the name of this AS and node. */
  aggregate(
    wanted: readonly AggregateConfig[],
    aggregator: { readonly asNumber: number; readonly address: Address },
  ): void {
    this.aggregates.configure(
      wanted.filter(({ prefix }) => !this.own.has(prefix)),
      aggregator,
    );
    this.schedule();
  }

  private changeAggregate(prefix: Prefix, attribute: AttributeId): void {
    if (this.own.has(prefix)) return;
    if (attribute === 0) this.rib.withdraw(OWN, prefix);
    else this.rib.announce(OWN, prefix, attribute);
  }

  /** Asks again of every learned prefix whether it is for the kernel. */
  reprogram(): void {
    for (const family of FAMILIES) {
      for (const prefix of this.rib.families[family].known()) this.program(family, prefix);
    }
  }

  /** Begins to tell a peer what its context lets it know. */
  advertise(options: AdvertiserOptions, context: ExportContext): Advertiser {
    const advertiser = new Advertiser(
      options,
      (family, wire, wanted, source) => this.groups.find(family, wire, wanted, source),
      context,
    );
    this.advertisers.add(advertiser);
    this.schedule();
    return advertiser;
  }

  /** The session is over. */
  detach(advertiser: Advertiser): void {
    if (!this.advertisers.delete(advertiser)) return;
    advertiser.close();
    this.keepGroups();
    this.schedule();
  }

  /** Defers a family: nothing of it is selected, advertised or swept from the kernel. */
  hold(family: Family): void {
    this.held.add(family);
    this.rib.families[family].held = true;
    this.options.fib.hold(family);
  }

  /** Ends that, but for what is in the kernel. */
  open(family: Family): void {
    this.held.delete(family);
    this.rib.families[family].held = false;
    this.schedule();
  }

  /** Ends it for the kernel, too, which is swept when the selection is complete. */
  confirm(family: Family): void {
    this.confirming.add(family);
    this.schedule();
  }

  /** Something has changed, or more may be written. */
  schedule(): void {
    this.scheduled ??= setImmediate(() => {
      this.scheduled = undefined;
      if (this.work()) this.schedule();
    });
  }

  stop(): void {
    clearImmediate(this.scheduled);
    for (const advertiser of this.advertisers) advertiser.close();
    this.advertisers.clear();
  }

  /** One slice; returns whether there is more to do now. */
  private work(): boolean {
    const { clock } = this.options;
    const end = clock.now() + SLICE;
    const late = (): boolean => clock.now() >= end;
    const sweeping = this.rib.sweep(SWEEP_STEP);
    const dissolving = this.groups.dissolve(SWEEP_STEP);
    const selecting = this.select(late);
    if (!selecting && !sweeping) this.complete();
    const telling = this.tell(late);
    const settled = (family: Family): boolean => !selecting && !sweeping && !this.held.has(family);
    let moved = false;
    for (const advertiser of this.advertisers) moved = advertiser.advance(settled) || moved;
    if (moved) this.keepGroups();
    return sweeping || dissolving || selecting || telling || this.canTell();
  }

  private select(late: () => boolean): boolean {
    do {
      for (const family of FAMILIES) {
        this.rib.families[family].select(SELECT_STEP, (prefix) => this.changed(family, prefix));
      }
    } while (this.selecting && !late());
    return this.selecting;
  }

  private get selecting(): boolean {
    return FAMILIES.some((family) => this.rib.families[family].pending > 0);
  }

  /** Everything that may be selected is. */
  private complete(): void {
    for (const family of this.confirming) this.options.fib.release(family);
    this.confirming.clear();
  }

  /** Each group and each straggler in turn, so that no peer waits for another's whole table. */
  private tell(late: () => boolean): boolean {
    for (const group of this.groups.round()) {
      if (group.canFlush) group.flush(TELL_STEP);
      for (const member of group.lagging) {
        group.catchUp(member, TELL_STEP);
        if (late()) return true;
      }
      if (late()) return true;
    }
    return false;
  }

  private canTell(): boolean {
    for (const group of this.groups) {
      if (group.canFlush || group.lagging.length > 0) return true;
    }
    return false;
  }

  private keepGroups(): void {
    const used = new Set<TellingGroup>();
    for (const advertiser of this.advertisers) for (const group of advertiser.inUse()) used.add(group);
    this.groups.keep(used);
  }

  private changed(family: Family, prefix: PrefixId): void {
    this.aggregates.follow(family, prefix);
    this.program(family, prefix);
    this.groups.mark(family, prefix);
  }

  private program(family: Family, prefix: PrefixId): void {
    const { fib, programmed } = this.options;
    const rib = this.rib.families[family];
    const best = rib.best(prefix);
    const isOwn = best !== 0 && rib.paths.source(best) === OWN;
    // An aggregate is a promise for its parts alone: what has no part here must not go round in circles.
    if (isOwn && this.aggregates.isActive(rib.prefixes.text(prefix))) {
      this.inKernel[family].add(prefix);
      fib.blackhole(family, prefix);
      return;
    }
    // What else is ours is routed here by whoever made it ours.
    if (best !== 0 && !isOwn && programmed(rib.prefixes.bits(prefix))) {
      this.inKernel[family].add(prefix);
      this.programPaths(family, prefix);
    } else if (this.inKernel[family].delete(prefix)) {
      fib.delete(family, prefix);
    }
  }

  /** Next hops that several paths have in common carry the traffic of all of them. */
  private programPaths(family: Family, prefix: PrefixId): void {
    const { fib } = this.options;
    const rib = this.rib.families[family];
    const only = rib.paths.first(prefix);
    if (rib.paths.next(only) === 0) {
      const nextHop = this.nextHopOf(family, only);
      if (nextHop !== undefined) fib.set(family, prefix, [nextHop]);
      return;
    }
    const { equal = [] } = rib.selection(prefix) ?? {};
    const paths = equal.map((path) => this.rib.path(family, path));
    const shares = weightsOf(paths.map(({ route }) => bandwidthOf(route.attributes)));
    const weights = new Map<NextHopAddress, number>();
    for (const [index, path] of equal.entries()) {
      const nextHop = this.nextHopOf(family, path);
      if (nextHop === undefined) continue;
      weights.set(nextHop, Math.max(shares[index]!, weights.get(nextHop) ?? 0));
    }
    fib.set(family, prefix, [...weights.keys()], [...weights.values()]);
  }

  private nextHopOf(family: Family, path: PathId): NextHopAddress | undefined {
    const { paths } = this.rib.families[family];
    const nextHop = this.rib.nextHop(family, path);
    const link = this.rib.sources.get(paths.source(path))?.link;
    if (nextHop === undefined || link === undefined || !isLinkLocal(nextHop)) return nextHop;
    return scopedAddress(nextHop, link);
  }
}
