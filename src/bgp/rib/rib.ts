/** The routing information base of a speaker: both families, and the attributes and sources that they share. */
import { type Address, type Family, familyOf } from '../../net/address.ts';
import { prefixBits } from '../../net/prefix-bits.ts';
import type { Prefix } from '../../net/prefix.ts';
import { type AttributeId, AttributeStore } from './attribute-store.ts';
import type { DecisionOptions } from './decision.ts';
import { FamilyRib } from './family-rib.ts';
import { EVERYWHERE, NextHops, type Reachability } from './next-hops.ts';
import type { PathId } from './path-table.ts';
import { type PrefixTables, prefixTables } from './prefix-table.ts';
import { Ranks } from './ranks.ts';
import type { Path, Route, Source } from './route.ts';
import { type SourceId, Sources } from './sources.ts';

export const FAMILIES: readonly Family[] = [4, 6];

export interface SourceCount {
  readonly received: number;
  /** Of those, how many are kept from before the peer's restart. */
  readonly stale: number;
}

export class Rib {
  readonly attributes: AttributeStore;
  readonly sources = new Sources();
  readonly families: Readonly<Record<Family, FamilyRib>>;
  /** Sources that are no more, and whose routes are still being removed. */
  private readonly leaving = new Set<SourceId>();
  private readonly nextHops: NextHops;
  private version = 0;

  /** `prefixes` may be shared with others that know prefixes by their numbers. */
  constructor(
    reachability: Reachability = EVERYWHERE,
    prefixes: PrefixTables = prefixTables(Math.floor(Math.random() * 2 ** 32)),
  ) {
    // Any number that peers cannot guess.
    const seed = Math.floor(Math.random() * 2 ** 32);
    this.attributes = new AttributeStore(seed, (id) => {
      ranks.forget(id);
      this.nextHops.forget(id);
    });
    const ranks = new Ranks(this.attributes);
    this.nextHops = new NextHops(this.attributes, reachability);
    const family = (which: Family): FamilyRib =>
      new FamilyRib(prefixes[which], this.attributes, ranks, this.sources, this.nextHops);
    this.families = { 4: family(4), 6: family(6) };
  }

  /** Changes whenever the number of a source comes to mean another. */
  get sourceVersion(): number {
    return this.version;
  }

  /** Decides everything again in another way. */
  setDecision(options: DecisionOptions): void {
    for (const family of FAMILIES) this.families[family].setDecision(options);
  }

  addSource(source: Source): SourceId {
    this.version++;
    return this.sources.add(source);
  }

  /** The source has become another to the decision process: after a restart its OPEN may say otherwise. */
  renewSource(id: SourceId, source: Source): void {
    this.version++;
    this.sources.set(id, source);
    for (const family of FAMILIES) this.families[family].redecide(id);
  }

  /** Forgets a source and all that it has told. */
  removeSource(id: SourceId): void {
    for (const family of FAMILIES) this.families[family].drop(id);
    this.leaving.add(id);
  }

  /** Prefixes that somebody has told, and of which no path leads anywhere. */
  get unreachable(): number {
    return FAMILIES.reduce((sum, family) => sum + this.families[family].unreachable, 0);
  }

  /** These next hops lead somewhere, or do not any more; what that concerns is decided again. */
  changeReachability(changes: ReadonlyMap<string, boolean>): void {
    const concerned = this.nextHops.change(changes);
    if (concerned === undefined) return;
    for (const family of FAMILIES) this.families[family].redecideWith(concerned);
  }

  count(source: SourceId, family: Family): SourceCount {
    return this.families[family].books.count(source);
  }

  /** Puts a route of a source to one prefix in place of the one it told before. */
  announce(source: SourceId, prefix: Prefix, attribute: AttributeId): void {
    this.families[familyOf(prefix)].announce(source, prefixBits(prefix), attribute);
  }

  withdraw(source: SourceId, prefix: Prefix): void {
    this.families[familyOf(prefix)].withdraw(source, prefixBits(prefix));
  }

  /** Looks at so many paths a family for those that are gone. Returns whether there is more to do. */
  sweep(limit: number): boolean {
    let more = false;
    for (const family of FAMILIES) {
      const rib = this.families[family];
      if (rib.sweeping) rib.sweep(limit);
      more ||= rib.sweeping;
    }
    if (!more) {
      for (const source of this.leaving) this.sources.remove(source);
      this.leaving.clear();
    }
    return more;
  }

  /** The next hop of a path, the same text for all that have the same; undefined for our own. */
  nextHop(family: Family, path: PathId): Address | undefined {
    const attribute = this.families[family].paths.attribute(path);
    return this.nextHops.address(attribute) ?? this.attributes.nextHop(attribute)?.address;
  }

  /** A path for policies and people, who look at it at once: its number may come to mean another. */
  path(family: Family, path: PathId): Path {
    return new PathView(this, this.families[family]).at(path);
  }
}

/** Looks at one path after the other; values are made only when somebody asks. */
export class PathView implements Path {
  private path: PathId = 0;

  constructor(
    private readonly rib: Rib,
    private readonly family: FamilyRib,
  ) {}

  at(path: PathId): this {
    this.path = path;
    return this;
  }

  get source(): Source | undefined {
    return this.rib.sources.get(this.family.paths.source(this.path));
  }

  get route(): Route {
    return this.rib.attributes.route(this.family.paths.attribute(this.path));
  }

  get stale(): boolean {
    return this.family.isStale(this.path);
  }
}
