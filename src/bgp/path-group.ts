/**
 * What a peer is told that takes several paths to a prefix (ADD-PATH, RFC 7911): all that it may know, or the best so
 * many. A group of one: who told a path decides who is not told it, so no two such peers are told the same. A path goes
 * by its number in the RIB, which it keeps for its life.
 */
import type { Family } from '../net/address.ts';
import { Exporter, type ExporterOptions } from './exporter.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { FamilyRib } from './rib/family-rib.ts';
import type { PathId } from './rib/path-table.ts';
import { PrefixQueue } from './rib/prefix-queue.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { OWN } from './rib/sources.ts';
import { type ExportVerdict, type GroupMember, type TellingGroup, canTell } from './telling-group.ts';
import { UpdateBatch, WITHDRAWN } from './update-batch.ts';

type Paths = ReadonlyMap<PathId, AttributeId>;

const NO_PATHS: Paths = new Map();
/** Where a walk stands that is over. */
const DONE = Infinity;
/** The path identifier of a default route that is told whatever there is: no row of the RIB. */
const DEFAULT_ROUTE: PathId = 0xffff_ffff;

export class PathGroup implements TellingGroup {
  private readonly rib: FamilyRib;
  private readonly exporter: Exporter;
  private readonly batch: UpdateBatch;
  private marked = new PrefixQueue();
  /** What the peer holds. A prefix is held while it is here or marked. */
  private told = new Map<PrefixId, Paths>();
  /** Prefixes to be told even if nothing has changed. */
  private forced = new Set<PrefixId>();
  /** All are to be marked, a piece at a time: from this one on they are not yet. */
  private position = 0;
  /** What the walk comes to is to be told even if nothing has changed. */
  private forcing = false;
  private member: GroupMember | undefined;

  constructor(private readonly options: ExporterOptions) {
    const { rib, family, wire } = options;
    this.rib = rib.families[family];
    this.exporter = new Exporter(options);
    this.batch = new UpdateBatch(family, wire, this.rib.prefixes, rib.attributes);
  }

  get family(): Family {
    return this.options.family;
  }

  get settled(): boolean {
    return this.member === undefined || (this.marked.size === 0 && this.position === DONE);
  }

  get canFlush(): boolean {
    return !this.settled && this.member !== undefined && canTell(this.member);
  }

  get lagging(): readonly GroupMember[] {
    return [];
  }

  mark(prefix: PrefixId): void {
    // What the walk comes to is marked then.
    if (prefix >= this.position) return;
    if (this.marked.add(prefix) && !this.told.has(prefix)) this.rib.prefixes.hold(prefix);
  }

  heldBy(): number {
    return this.told.size;
  }

  toldTo(_member: GroupMember, prefix: PrefixId): AttributeId {
    const paths = this.told.get(prefix) ?? NO_PATHS;
    const best = paths.get(this.rib.best(prefix));
    return best ?? paths.values().next().value ?? WITHDRAWN;
  }

  /** Of the best path that is told, else of the best there is. */
  explain(member: GroupMember, prefix: PrefixId): ExportVerdict {
    if (prefix === this.exporter.defaultRoute?.prefix) return { told: true, rule: 'default-originate' };
    const others = [...this.rib.usablePathsOf(prefix)].filter(
      (path) => this.rib.paths.source(path) !== member.source,
    );
    if (others.length === 0) {
      return { told: false, rule: this.rib.best(prefix) === 0 ? 'nothing-selected' : 'comes-from-this-peer' };
    }
    const verdicts = this.rib.rank(others).map((path) => this.exporter.explain(prefix, path));
    return verdicts.find(({ told }) => told) ?? verdicts[0]!;
  }

  isArriving(): boolean {
    return false;
  }

  isInStep(member: GroupMember): boolean {
    return member === this.member;
  }

  join(member: GroupMember, before?: TellingGroup): void {
    this.member = member;
    if (before instanceof PathGroup) before.handOver(this);
    before?.leave(member);
  }

  leave(member: GroupMember): void {
    if (member === this.member) this.member = undefined;
  }

  refresh(): void {
    this.position = 0;
    this.forcing = true;
  }

  /** Goes through up to `limit` prefixes of the table, and marks those that there is something to tell of. */
  private walk(limit: number): void {
    if (this.position === DONE) return;
    const end = Math.min(this.position + limit, this.rib.prefixes.limit);
    const { told, rib, forcing } = this;
    const defaultRoute = this.exporter.defaultRoute?.prefix;
    while (this.position < end) {
      const prefix = this.position++;
      const isTold = told.has(prefix);
      if (isTold && forcing) this.forced.add(prefix);
      if (isTold || prefix === defaultRoute || rib.paths.first(prefix) !== 0) this.mark(prefix);
    }
    if (end < rib.prefixes.limit) return;
    this.position = DONE;
    this.forcing = false;
  }

  flush(limit: number): void {
    const { member, batch, told } = this;
    if (member === undefined) return;
    this.walk(limit);
    const gone: PrefixId[] = [];
    for (let budget = limit; budget > 0; budget--) {
      const prefix = this.marked.take();
      if (prefix < 0) break;
      const before = told.get(prefix) ?? NO_PATHS;
      const wanted = this.wanted(prefix, member);
      const again = this.forced.delete(prefix);
      for (const path of before.keys()) if (!wanted.has(path)) batch.add(prefix, WITHDRAWN, OWN, path);
      for (const [path, attribute] of wanted) {
        if (again || before.get(path) !== attribute) batch.add(prefix, attribute, OWN, path);
      }
      this.release(before);
      if (wanted.size > 0) {
        told.set(prefix, wanted);
      } else {
        told.delete(prefix);
        gone.push(prefix);
      }
    }
    if (!batch.isEmpty) member.write(batch.encode().bytesFor(member.source));
    for (const prefix of gone) this.rib.prefixes.release(prefix);
  }

  /** Nobody ever lags. */
  catchUp(): void {}

  dissolve(limit: number): boolean {
    this.member = undefined;
    const { told, marked } = this;
    for (let budget = limit; budget > 0 && marked.size > 0; budget--) {
      const prefix = marked.take();
      if (!told.has(prefix)) this.rib.prefixes.release(prefix);
    }
    let budget = limit;
    for (const [prefix, paths] of told) {
      if (budget-- === 0) break;
      this.release(paths);
      told.delete(prefix);
      // What is still marked is held for that.
      if (!marked.has(prefix)) this.rib.prefixes.release(prefix);
    }
    if (marked.size + told.size > 0) return true;
    this.exporter.clear();
    return false;
  }

  /** The peer goes on in another group, with what it holds; that group has marked nothing yet. */
  private handOver(next: PathGroup): void {
    next.told = this.told;
    next.marked = this.marked;
    next.forced = this.forced;
    next.forcing = this.forcing;
    this.told = new Map();
    this.marked = new PrefixQueue();
    this.forced = new Set();
    // As new: it may be taken up again, and then takes over in turn.
    this.position = 0;
    this.forcing = false;
  }

  /** The paths that the peer may know, with their attributes, which are held. */
  private wanted(prefix: PrefixId, member: GroupMember): Paths {
    const { rib } = this;
    const { defaultRoute } = this.exporter;
    if (prefix === defaultRoute?.prefix) {
      this.options.rib.attributes.hold(defaultRoute.attribute);
      return new Map([[DEFAULT_ROUTE, defaultRoute.attribute]]);
    }
    if (rib.best(prefix) === 0) return NO_PATHS;
    const { pathLimit = Infinity } = this.options.context;
    const wanted = new Map<PathId, AttributeId>();
    for (const path of rib.usablePathsOf(prefix)) {
      if (rib.paths.source(path) === member.source) continue;
      const attribute = this.exporter.export(prefix, path);
      if (attribute === WITHDRAWN) continue;
      this.options.rib.attributes.hold(attribute);
      wanted.set(path, attribute);
    }
    if (wanted.size <= pathLimit) return wanted;
    const best = rib.rank([...wanted.keys()]).slice(0, pathLimit);
    const kept = new Map(best.map((path) => [path, wanted.get(path)!]));
    for (const path of kept.keys()) wanted.delete(path);
    this.release(wanted);
    return kept;
  }

  private release(paths: Paths): void {
    for (const attribute of paths.values()) this.options.rib.attributes.release(attribute);
  }
}
