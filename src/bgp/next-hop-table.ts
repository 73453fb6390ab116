/**
 * Where next hops lie (RFC 4271 §9.1.2.1): the kernel's routes that are not ours, searched by longest prefix and then
 * lowest metric. A next hop on a connected network is its own gateway; one behind a router gets that router's gateway
 * (recursive resolution, as BIRD's `gateway recursive`), because to the kernel a gateway must be on the link.
 */
import { type Address, type Family, addressBytes, familyOf } from '../net/address.ts';
import { type Prefix, maskBytes, prefixContains, prefixFromBytes, prefixLength } from '../net/prefix.ts';
import type { NextHop, Route } from '../netlink/kernel.ts';
import { nextHopText } from './next-hop-text.ts';

/** A next hop that is an address on one link only, with the index of that link: `fe80::1%2` (RFC 4007 §11). */
export type ScopedAddress = string & { readonly __scope: 'link' };
export type NextHopAddress = Address | ScopedAddress;

export function scopedAddress(address: Address, index: number): ScopedAddress {
  return `${address}%${index}` as ScopedAddress;
}

function splitScope(host: NextHopAddress): readonly [address: Address, index: number | undefined] {
  const at = host.indexOf('%');
  return at < 0 ? [host as Address, undefined] : [host.slice(0, at) as Address, Number(host.slice(at + 1))];
}

export class NextHopTable {
  /** By destination, then by metric: the kernel has at most one route for both that it would use. */
  private readonly routes = new Map<Prefix, Map<number, Route>>();
  /** How many destinations there are of each length. */
  private readonly lengths: Readonly<Record<Family, number[]>> = { 4: [], 6: [] };

  /** Links that carry nothing: IPv4 routes outlast the carrier, and go silently with the link. */
  private readonly deadLinks = new Set<number>();
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

  /** Takes a route out; of a multipath route only the next hops that are named, as IPv6 tells it (RTM_DELROUTE). */
  delete(route: Route): void {
    const entries = this.routes.get(route.destination);
    const known = entries?.get(route.metric);
    if (entries === undefined || known === undefined) return;
    const gone = new Set(route.nextHops.map(nextHopText));
    const left = known.nextHops.filter((nextHop) => !gone.has(nextHopText(nextHop)));
    if (left.length > 0 && left.length < known.nextHops.length) {
      entries.set(route.metric, { ...known, nextHops: left });
      return;
    }
    entries.delete(route.metric);
    if (entries.size > 0) return;
    this.routes.delete(route.destination);
    this.countLength(route.destination, -1);
  }

  /** Returns whether the link has not been so before. */
  setLink(index: number, alive: boolean): boolean {
    if (alive) return this.deadLinks.delete(index);
    if (this.deadLinks.has(index)) return false;
    this.deadLinks.add(index);
    return true;
  }

  /** Replaces all routes; links are all alive until told otherwise. */
  replaceAll(routes: Iterable<Route>): void {
    this.routes.clear();
    this.deadLinks.clear();
    for (const family of [4, 6] as const) this.lengths[family].length = 0;
    for (const route of routes) this.set(route);
  }

  /** Whether exactly this key (destination and metric) is taken. */
  holds(destination: Prefix, metric: number): boolean {
    return this.routes.get(destination)?.has(metric) === true;
  }

  /** The ways to an address, or undefined if it cannot be reached. */
  resolve(host: NextHopAddress): readonly NextHop[] | undefined {
    const [onLink, index] = splitScope(host);
    if (index !== undefined) {
      return this.deadLinks.has(index) ? undefined : [{ gateway: onLink, interface: index }];
    }
    const neighbor = this.gateways.get(onLink) ?? onLink;
    const route = this.covering(neighbor);
    if (route === undefined || route.type !== 'unicast' || route.nextHops.length === 0) return undefined;
    return this.alive(route).map((nextHop) => ({
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
  concerns(destination: Prefix, hosts: Iterable<NextHopAddress>): boolean {
    for (const host of hosts) {
      const [address, index] = splitScope(host);
      if (index === undefined && prefixContains(destination, address)) return true;
    }
    return false;
  }

  private covering(host: Address): Route | undefined {
    const bytes = addressBytes(host);
    const lengths = this.lengths[familyOf(host)];
    for (let length = bytes.length * 8; length >= 0; length--) {
      if ((lengths[length] ?? 0) === 0) continue;
      const entries = this.routes.get(prefixFromBytes(maskBytes(bytes, length), length));
      if (entries === undefined) continue;
      const live = [...entries.values()].filter((route) => this.isAlive(route));
      // We name gateway and interface to the kernel, so a longer prefix on a dead link is not in the way.
      if (live.length === 0) continue;
      return live.reduce((best, route) => (route.metric < best.metric ? route : best));
    }
    return undefined;
  }

  private isAlive(route: Route): boolean {
    return route.nextHops.length === 0 || this.alive(route).length > 0;
  }

  private alive({ nextHops }: Route): readonly NextHop[] {
    return nextHops.filter(({ interface: index }) => index === undefined || !this.deadLinks.has(index));
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
