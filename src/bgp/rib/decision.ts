/**
 * The decision process (RFC 4271 §9.1.2, RFC 4456 §9): each step leaves those paths that are best in one respect,
 * until one is left. Own routes come before everything learned. The interior cost to the next hop is not compared
 * (step e): no interior protocol tells it. Age is no criterion, so that the outcome never depends on history.
 */
import { addressToInteger } from '../../net/address.ts';
import type { Path, RouteRank } from './route.ts';

/** What was decided for a prefix. */
export interface Selection {
  readonly best: Path;
  /** Paths as good as the best but for the tie-break, the best among them: for equal-cost multipath. */
  readonly equal: readonly Path[];
  /** The step that left one, or `only` if there was no other. */
  readonly decidedBy: DecisionStep;
}

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

interface Step {
  readonly name: DecisionStep;
  readonly keep: (paths: readonly Path[]) => readonly Path[];
}

const QUALITY_STEPS: readonly Step[] = [
  { name: 'own', keep: least((path) => (path.source === undefined ? 0 : 1)) },
  { name: 'local-preference', keep: least(ranked((rank) => -rank.localPref)) },
  { name: 'as-path-length', keep: least(ranked((rank) => rank.asPathLength)) },
  { name: 'origin', keep: least(ranked((rank) => rank.origin)) },
  { name: 'multi-exit-disc', keep: lowestMultiExitDiscPerNeighbor },
  { name: 'external', keep: least((path) => (path.source?.external === true ? 0 : 1)) },
];

const TIE_BREAKS: readonly Step[] = [
  { name: 'router-id', keep: least((path) => path.route.rank.originatorId ?? identifierOf(path)) },
  { name: 'cluster-list-length', keep: least(ranked((rank) => rank.clusterListLength)) },
  { name: 'peer-address', keep: least(addressOf) },
];

/** Chooses among the paths of one prefix; undefined if there are none. */
export function decide(paths: readonly Path[]): Selection | undefined {
  const [first] = paths;
  if (first === undefined) return undefined;
  if (paths.length === 1) return { best: first, equal: paths, decidedBy: 'only' };
  let left = paths;
  let decidedBy: DecisionStep | undefined;
  const run = (steps: readonly Step[]): void => {
    for (const { name, keep } of steps) {
      if (left.length === 1) return;
      left = keep(left);
      if (left.length === 1) decidedBy ??= name;
    }
  };
  run(QUALITY_STEPS);
  const equal = left;
  run(TIE_BREAKS);
  return { best: left[0]!, equal, decidedBy: decidedBy ?? 'peer-address' };
}

function ranked(measure: (rank: RouteRank) => number): (path: Path) => number {
  return (path) => measure(path.route.rank);
}

function least(measure: (path: Path) => number | bigint): Step['keep'] {
  return (paths) => {
    let lowest: number | bigint | undefined;
    let left: Path[] = [];
    for (const path of paths) {
      const value = measure(path);
      if (lowest === undefined || value < lowest) {
        lowest = value;
        left = [path];
      } else if (value === lowest) {
        left.push(path);
      }
    }
    return left;
  };
}

/** MEDs of different neighbours say nothing of one another (RFC 4271 §9.1.2.2 c). */
function lowestMultiExitDiscPerNeighbor(paths: readonly Path[]): readonly Path[] {
  const lowest = new Map<number, number>();
  for (const { route } of paths) {
    const { neighborAs, multiExitDisc } = route.rank;
    lowest.set(neighborAs, Math.min(multiExitDisc, lowest.get(neighborAs) ?? Infinity));
  }
  return paths.filter(({ route }) => route.rank.multiExitDisc === lowest.get(route.rank.neighborAs));
}

function identifierOf(path: Path): bigint {
  return path.source === undefined ? 0n : addressToInteger(path.source.identifier);
}

/** An IPv4 address is lower than any IPv6 address (they are 32-bit numbers, but `::1` is one, too). */
function addressOf(path: Path): bigint {
  if (path.source === undefined) return -1n;
  const value = addressToInteger(path.source.address);
  return path.source.address.includes(':') ? value + (1n << 32n) : value;
}
