/**
 * Where next hops lie (RFC 4271 §9.1.2.1): the kernel's routes that are not ours, searched by longest prefix and then
 * lowest metric. A next hop on a connected network is its own gateway; one behind a router gets that router's gateway
 * (recursive resolution, as BIRD's `gateway recursive`), because to the kernel a gateway must be on the link.
 */
import { type Address, type Family, addressBytes, familyOf } from '../net/address.ts';
import { type Prefix, maskBytes, prefixContains, prefixFromBytes, prefixLength } from '../net/prefix.ts';
import type { NextHop, Route } from '../netlink/kernel.ts';

export class NextHopTable {
  /** By destination, then by metric: the kernel has at most one route for both that it would use. */
  private readonly routes = new Map<Prefix, Map<number, Route>>();
  /** How many destinations there are of each length. */
  private readonly lengths: Readonly<Record<Family, number[]>> = { 4: [], 6: [] };

  /** Hosts with a gateway of their own, whatever the routes say. */
  private gateways: ReadonlyMap<Address, Address> = new Map();

  /** Reaches these hosts by these gateways from now on, and no others. */
  setGateways(gateways: ReadonlyMap<Address, Address>): void {
    this.gateways = gateways;
  }

  set(route: Route): void {
    let entries = this.routes.get(route.destination);
    if (entries === undefined) {
      this.routes.set(route.destination, (entries = new Map()));
      this.countLength(route.destination, 1);
    }
    entries.set(route.metric, route);
  }

  delete(route: Route): void {
    const entries = this.routes.get(route.destination);
    if (entries === undefined || !entries.delete(route.metric) || entries.size > 0) return;
    this.routes.delete(route.destination);
    this.countLength(route.destination, -1);
  }

  replaceAll(routes: Iterable<Route>): void {
    this.routes.clear();
    for (const family of [4, 6] as const) this.lengths[family].length = 0;
    for (const route of routes) this.set(route);
  }

  /** Whether exactly this key (destination and metric) is taken. */
  holds(destination: Prefix, metric: number): boolean {
    return this.routes.get(destination)?.has(metric) === true;
  }

  /** The ways to an address, or undefined if it cannot be reached. */
  resolve(host: Address): readonly NextHop[] | undefined {
    const neighbor = this.gateways.get(host) ?? host;
    const route = this.covering(neighbor);
    if (route === undefined || route.type !== 'unicast' || route.nextHops.length === 0) return undefined;
    return route.nextHops.map((nextHop) => ({
      gateway: nextHop.gateway ?? neighbor,
      ...(nextHop.interface === undefined ? {} : { interface: nextHop.interface }),
      ...(nextHop.onlink === true ? { onlink: true } : {}),
    }));
  }

  /**
   * The networks of the link that a host is on, or none if it is not on a link of ours: whoever has an address in one
   * of them can be reached by that host without us.
   */
  networksOf(host: Address): readonly Prefix[] {
    const link = this.gateways.has(host) ? undefined : directLink(this.covering(host));
    if (link === undefined) return [];
    const networks: Prefix[] = [];
    for (const [destination, entries] of this.routes) {
      const length = prefixLength(destination);
      if (length === 32 && familyOf(destination) === 4) continue;
      if (length === 128) continue;
      for (const route of entries.values()) if (directLink(route) === link) networks.push(destination);
    }
    return networks;
  }

  /** Whether a route to `destination` could change how any of these is reached. */
  concerns(destination: Prefix, hosts: Iterable<Address>): boolean {
    for (const host of hosts) if (prefixContains(destination, host)) return true;
    return false;
  }

  private covering(host: Address): Route | undefined {
    const bytes = addressBytes(host);
    const lengths = this.lengths[familyOf(host)];
    for (let length = bytes.length * 8; length >= 0; length--) {
      if ((lengths[length] ?? 0) === 0) continue;
      const entries = this.routes.get(prefixFromBytes(maskBytes(bytes, length), length));
      if (entries === undefined) continue;
      return [...entries.values()].reduce((best, route) => (route.metric < best.metric ? route : best));
    }
    return undefined;
  }

  private countLength(destination: Prefix, change: 1 | -1): void {
    const lengths = this.lengths[familyOf(destination)];
    const length = prefixLength(destination);
    lengths[length] = (lengths[length] ?? 0) + change;
  }
}

/** The only interface of a connected route; undefined for any other. */
function directLink(route: Route | undefined): number | undefined {
  if (route?.type !== 'unicast' || route.nextHops.length !== 1) return undefined;
  const [nextHop] = route.nextHops;
  return nextHop!.gateway === undefined ? nextHop!.interface : undefined;
}
