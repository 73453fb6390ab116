/** The decision process over values, each step as RFC 4271 §9.1.2 words it: what the RIB's is held against. */
import type { Path } from '../../../../src/bgp/rib/route.ts';
import { addressToInteger } from '../../../../src/net/address.ts';

type Step = (paths: readonly Path[]) => readonly Path[];

const STEPS: readonly Step[] = [
  least((path) => (path.source === undefined ? 0 : 1)),
  least(({ route }) => -route.rank.localPref),
  least(({ route }) => route.rank.asPathLength),
  least(({ route }) => route.rank.origin),
  (paths) =>
    paths.filter(({ route: { rank } }) =>
      paths.every(
        ({ route: { rank: other } }) =>
          other.neighborAs !== rank.neighborAs || other.multiExitDisc >= rank.multiExitDisc,
      ),
    ),
  least((path) => (path.source?.external === true ? 0 : 1)),
  least(
    ({ source, route }) =>
      route.rank.originatorId ?? (source === undefined ? 0 : Number(addressToInteger(source.identifier))),
  ),
  least(({ route }) => route.rank.clusterListLength),
  least(({ source }) => (source === undefined ? 0 : Number(addressToInteger(source.address)))),
];

/** The best of the paths, undefined if there are none. Addresses are of IPv4. */
export function decideNaively(paths: readonly Path[]): Path | undefined {
  return STEPS.reduce((left, keep) => keep(left), paths)[0];
}

function least(measure: (path: Path) => number): Step {
  return (paths) => {
    const lowest = Math.min(...paths.map(measure));
    return paths.filter((path) => measure(path) === lowest);
  };
}
