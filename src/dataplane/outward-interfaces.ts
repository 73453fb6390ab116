/** Which interfaces packets to an address leave by, out of a list of routes: longest prefix, then lowest metric. Pure. */
import { type Address, type Family, familyOf } from '../net/address.ts';
import { prefixLength, prefixesHolding } from '../net/prefix.ts';
import type { Route } from '../netlink/kernel.ts';

/** Several where a route has several next hops; none where there is no route, or one that leads nowhere. */
export function outwardInterfaces(routes: readonly Route[]): (address: Address) => readonly number[] {
  const byPrefix = new Map<string, Route>();
  const lengths: Record<Family, Set<number>> = { 4: new Set(), 6: new Set() };
  for (const route of routes) {
    const { destination, metric } = route;
    lengths[familyOf(destination)].add(prefixLength(destination));
    const known = byPrefix.get(destination);
    if (known === undefined || metric < known.metric) byPrefix.set(destination, route);
  }
  const ordered = {
    4: [...lengths[4]].toSorted((a, b) => b - a),
    6: [...lengths[6]].toSorted((a, b) => b - a),
  };
  return (address) => {
    for (const prefix of prefixesHolding(address, ordered[familyOf(address)])) {
      const route = byPrefix.get(prefix);
      if (route !== undefined) return route.nextHops.flatMap((hop) => hop.interface ?? []);
    }
    return [];
  };
}
