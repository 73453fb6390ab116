/** The RIB for people: every path of every prefix. */
import type { Family } from '../net/address.ts';
import type { Rib } from './rib/rib.ts';
import type { RouteStatus } from './status.ts';

/** The paths of a family, those of a prefix beside one another. */
export function routeStatus(rib: Rib, family: Family): RouteStatus[] {
  const table = rib.families[family];
  const routes: RouteStatus[] = [];
  for (const prefix of table.known()) {
    const best = table.best(prefix);
    for (const path of table.pathsOf(prefix)) {
      const { source, route, stale } = rib.path(family, path);
      routes.push({
        prefix: table.prefixes.text(prefix),
        family,
        peer: source?.name,
        nextHop: route.nextHop?.address,
        asPath: route.attributes.asPath.flatMap(({ asNumbers }) => asNumbers).join(' '),
        localPreference: route.rank.localPref,
        best: path === best,
        stale,
      });
    }
  }
  return routes;
}
