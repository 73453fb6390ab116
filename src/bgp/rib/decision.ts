/**
 * The decision process (RFC 4271 §9.1.2, RFC 4456 §9): each step leaves those paths that are best in one respect,
 * until one is left. Own routes come before everything learned. The interior cost to the next hop is not compared
 * (step e): no interior protocol tells it. Age is no criterion, so that the outcome never depends on history.
 */
import type { PathId, PathTable } from './path-table.ts';
import type { Ranks } from './ranks.ts';
import { OWN, type Sources } from './sources.ts';

export type DecisionStep =
  | 'only'
  | 'own'
  | 'local-preference'
  | 'as-path-length'
  | 'origin'
  | 'multi-exit-disc'
  | 'external'
  | 'router-id'
  | 'cluster-list-length'
  | 'peer-address';

/** Lower is better. */
type Measure = (path: PathId) => number;

/** Decides over the paths of a table. One object decides for all prefixes; its outcome stands until the next. */
export class Decision {
  /** What is left, in front; what has gone out in the last steps is behind. */
  private readonly candidates: PathId[] = [];
  private left = 0;
  private equal = 0;
  private step: DecisionStep = 'only';

  constructor(
    private readonly paths: PathTable,
    private readonly ranks: Ranks,
    private readonly sources: Sources,
  ) {}

  /** Paths as good as the best but for the tie-break, the best among them: for equal-cost multipath. */
  get equalPaths(): readonly PathId[] {
    return this.candidates.slice(0, this.equal);
  }

  /** The step that left one, or `only` if there was no other. */
  get decidedBy(): DecisionStep {
    return this.step;
  }

  /** The best of a chain that begins with `first`, 0 for an empty one. */
  decide(first: PathId): PathId {
    const { candidates, paths } = this;
    this.step = 'only';
    this.left = 0;
    for (let path = first; path !== 0; path = paths.next(path)) candidates[this.left++] = path;
    this.equal = this.left;
    if (this.left <= 1) return first;
    this.keepLeast(this.ownRank, 'own');
    this.keepLeast(this.quality, 'origin');
    if (this.left > 1) this.keepLowestDiscriminators();
    this.keepLeast(this.externality, 'external');
    this.equal = this.left;
    if (this.left === 1) return candidates[0]!;
    return this.breakTie();
  }

  private readonly ownRank: Measure = (path) => (this.paths.source(path) === OWN ? 0 : 1);
  private readonly quality: Measure = (path) => this.ranks.qualityOf(this.paths.attribute(path));
  private readonly externality: Measure = (path) => (this.sources.external(this.paths.source(path)) ? 0 : 1);

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
    if (kept === 1) this.step = step === 'origin' ? qualityStep(lowest, second) : step;
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
  if (Math.floor(a / 2 ** 18) !== Math.floor(b / 2 ** 18)) return 'local-preference';
  return Math.floor(a / 4) === Math.floor(b / 4) ? 'origin' : 'as-path-length';
}
