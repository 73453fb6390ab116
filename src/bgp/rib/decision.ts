/**
 * The decision process (RFC 4271 §9.1.2, RFC 4456 §9): of the paths whose next hop leads somewhere (§9.1.2.1) each
 * step leaves those that are best in one respect, until one is left. Own routes come before everything learned. The interior cost to the next hop is not compared
 * (step e): no interior protocol tells it. Age is no criterion unless wanted, so that the outcome never depends on
 * history; nor does MED ever make it depend on the order of paths: those of one neighbour AS are compared with one
 * another before they meet the rest.
 */
import type { NextHops } from './next-hops.ts';
import type { PathId, PathTable } from './path-table.ts';
import type { Ranks } from './ranks.ts';
import { OWN, type Sources } from './sources.ts';

export type DecisionStep =
  | 'only'
  | 'next-hop'
  | 'own'
  | 'long-lived-stale'
  | 'local-preference'
  | 'accumulated-metric'
  | 'as-path-length'
  | 'origin'
  | 'multi-exit-disc'
  | 'external'
  | 'older'
  | 'router-id'
  | 'cluster-list-length'
  | 'peer-address';

/** How operators may have it otherwise. Plain data. */
export interface DecisionOptions {
  /** MEDs of different neighbour ASes are compared, too. */
  readonly alwaysCompareMed: boolean;
  /** Of paths from outside that only the tie-break tells apart, the one in use stays (RFC 5004). */
  readonly preferOlder: boolean;
  /** How many paths may share traffic, by where the best comes from. */
  readonly multipath: { readonly external: number; readonly internal: number };
  /** What of AS_PATH paths that share traffic must have in common beyond its length. */
  readonly multipathAsPath: 'length' | 'neighbor';
}

/** RFC 4271 to the letter; paths share traffic as BIRD's and Calico's do. */
export const DEFAULT_DECISION: DecisionOptions = {
  alwaysCompareMed: false,
  preferOlder: false,
  multipath: { external: 16, internal: 16 },
  multipathAsPath: 'length',
};

/** Lower is better. */
type Measure = (path: PathId) => number;

/** Decides over the paths of a table. One object decides for all prefixes; its outcome stands until the next. */
export class Decision {
  /** What is left, in front; what has gone out in the last steps is behind. */
  private readonly candidates: PathId[] = [];
  private left = 0;
  private equal = 0;
  private best: PathId = 0;
  private step: DecisionStep = 'only';
  options = DEFAULT_DECISION;

  constructor(
    private readonly paths: PathTable,
    private readonly ranks: Ranks,
    private readonly sources: Sources,
    private readonly nextHops: NextHops,
  ) {}

  /** The best, and paths as good but for the tie-break that may share its traffic (equal-cost multipath). */
  get equalPaths(): readonly PathId[] {
    const { best, paths, ranks, sources } = this;
    const { multipath, multipathAsPath } = this.options;
    const limit = sources.external(paths.source(best)) ? multipath.external : multipath.internal;
    let others = this.candidates.slice(0, this.equal).filter((path) => path !== best);
    if (multipathAsPath === 'neighbor') {
      const neighbor = ranks.neighborAs(paths.attribute(best));
      others = others.filter((path) => ranks.neighborAs(paths.attribute(path)) === neighbor);
    }
    if (others.length >= limit) {
      // Which ones must not depend on the order in which they came.
      others.sort(
        (a, b) =>
          sources.compareAddresses(paths.source(a), paths.source(b)) ||
          paths.identifier(a) - paths.identifier(b),
      );
    }
    return [best, ...others.slice(0, limit - 1)];
  }

  /** The step that left one, or `only` if there was no other. */
  get decidedBy(): DecisionStep {
    return this.step;
  }

  /** The best of a chain that begins with `first`, 0 if there is none. `inUse`: the first is the best so far. */
  decide(first: PathId, inUse: boolean): PathId {
    const { candidates, paths, nextHops } = this;
    this.step = 'only';
    this.left = 0;
    for (let path = first; path !== 0; path = paths.next(path)) {
      if (nextHops.leads(paths.attribute(path))) candidates[this.left++] = path;
      else this.step = 'next-hop';
    }
    this.best = this.choose(inUse ? first : 0);
    return this.best;
  }

  /** The best of these, which all lead somewhere. */
  decideAmong(paths: readonly PathId[]): PathId {
    this.step = 'only';
    this.left = 0;
    for (const path of paths) this.candidates[this.left++] = path;
    this.best = this.choose(0);
    return this.best;
  }

  /** The best of the candidates; `inUse` is the best so far, if it is among them. */
  private choose(inUse: PathId): PathId {
    const { candidates, paths, sources } = this;
    this.equal = this.left;
    if (this.left <= 1) return this.left === 0 ? 0 : candidates[0]!;
    this.keepLeast(this.ownRank, 'own');
    if (this.someHaveMetric()) this.keepLowestMetric();
    this.keepLeast(this.quality, 'origin');
    if (this.left > 1) this.keepLowestDiscriminators();
    this.keepLeast(this.externality, 'external');
    this.equal = this.left;
    if (this.left === 1) return candidates[0]!;
    // What is left is in the order of the chain, of which the path in use is the first.
    const { preferOlder } = this.options;
    if (preferOlder && inUse !== 0 && candidates[0] === inUse && sources.external(paths.source(inUse))) {
      this.step = 'older';
      return inUse;
    }
    return this.breakTie();
  }

  private readonly ownRank: Measure = (path) => (this.paths.source(path) === OWN ? 0 : 1);
  private readonly quality: Measure = (path) => this.ranks.qualityOf(this.paths.attribute(path));
  private readonly externality: Measure = (path) => (this.sources.external(this.paths.source(path)) ? 0 : 1);

  private someHaveMetric(): boolean {
    for (let index = 0; index < this.left; index++) {
      const attribute = this.paths.attribute(this.candidates[index]!);
      this.ranks.qualityOf(attribute);
      if (this.ranks.accumulatedMetric(attribute) !== undefined) return true;
    }
    return false;
  }

  /**
   * RFC 7311 §4.1: of the preferred paths those with an accumulated metric come before the others, then the lowest
   * counts, together with the way to who told it.
   */
  private keepLowestMetric(): void {
    const { ranks, paths, sources } = this;
    this.keepLeast((path) => ranks.preferenceOf(paths.attribute(path)), 'local-preference');
    this.keepLeast((path) => {
      const metric = ranks.accumulatedMetric(paths.attribute(path));
      return metric === undefined ? Infinity : metric + sources.metricCost(paths.source(path));
    }, 'accumulated-metric');
  }

  /** Moves the paths of the lowest measure to the front and leaves only them. */
  private keepLeast(measure: Measure, step: DecisionStep): void {
    if (this.left === 1) return;
    const { candidates } = this;
    let lowest = Infinity;
    let second = Infinity;
    let kept = 0;
    for (let index = 0; index < this.left; index++) {
      const path = candidates[index]!;
      const value = measure(path);
      if (value > lowest) {
        second = Math.min(second, value);
        continue;
      }
      if (value < lowest) {
        second = lowest;
        lowest = value;
        kept = 0;
      }
      candidates[index] = candidates[kept]!;
      candidates[kept++] = path;
    }
    this.left = kept;
    if (kept > 1) return;
    if (step === 'origin') this.step = qualityStep(lowest, second);
    else if (step === 'local-preference') this.step = preferenceStep(lowest, second);
    else this.step = step;
  }

  /** MEDs of different neighbours say nothing of one another (RFC 4271 §9.1.2.2 c). */
  private keepLowestDiscriminators(): void {
    const { ranks, paths } = this;
    const all = this.candidates;
    const discriminator = ranks.multiExitDisc(paths.attribute(all[0]!));
    let differ = false;
    for (let index = 1; index < this.left && !differ; index++) {
      differ = ranks.multiExitDisc(paths.attribute(all[index]!)) !== discriminator;
    }
    if (!differ) return;
    if (this.options.alwaysCompareMed) {
      this.keepLeast((path) => ranks.multiExitDisc(paths.attribute(path)), 'multi-exit-disc');
      return;
    }
    const lowest = new Map<number, number>();
    for (let index = 0; index < this.left; index++) {
      const attribute = paths.attribute(all[index]!);
      const neighbor = ranks.neighborAs(attribute);
      lowest.set(neighbor, Math.min(ranks.multiExitDisc(attribute), lowest.get(neighbor) ?? Infinity));
    }
    this.keepLeast((path) => {
      const attribute = paths.attribute(path);
      return ranks.multiExitDisc(attribute) === lowest.get(ranks.neighborAs(attribute)) ? 0 : 1;
    }, 'multi-exit-disc');
  }

  /** Leaves the equal ones where they are. */
  private breakTie(): PathId {
    const { candidates, paths, ranks, sources } = this;
    let best = candidates[0]!;
    let step: DecisionStep = 'router-id';
    for (let index = 1; index < this.left; index++) {
      const path = candidates[index]!;
      const one = paths.source(best);
      const two = paths.source(path);
      const mine = paths.attribute(best);
      const other = paths.attribute(path);
      let order =
        ranks.routerId(mine, sources.identifier(one)) - ranks.routerId(other, sources.identifier(two));
      let by: DecisionStep = 'router-id';
      if (order === 0) {
        order = ranks.clusterListLength(mine) - ranks.clusterListLength(other);
        by = 'cluster-list-length';
      }
      if (order === 0) {
        order =
          one === two ? paths.identifier(best) - paths.identifier(path) : sources.compareAddresses(one, two);
        by = 'peer-address';
      }
      if (TIE_BREAKS.indexOf(by) > TIE_BREAKS.indexOf(step)) step = by;
      if (order > 0) best = path;
    }
    this.step = step;
    return best;
  }
}

const TIE_BREAKS: readonly DecisionStep[] = ['router-id', 'cluster-list-length', 'peer-address'];

/** Which part of {@link Ranks.qualityOf} the best one differs in from the second. */
function qualityStep(lowest: number, second: number): DecisionStep {
  const [a, b] = [lowest - 1, second - 1];
  const [one, two] = [Math.floor(a / 2 ** 18), Math.floor(b / 2 ** 18)];
  if (one !== two) return preferenceStep(one, two);
  return Math.floor(a / 4) === Math.floor(b / 4) ? 'origin' : 'as-path-length';
}

/** The same for {@link Ranks.preferenceOf}. */
function preferenceStep(one: number, two: number): DecisionStep {
  return Math.floor(one / 2 ** 32) === Math.floor(two / 2 ** 32) ? 'local-preference' : 'long-lived-stale';
}
