/**
 * Where next hops lie (RFC 4271 §9.1.2.1): the kernel's routes that are not ours, searched by longest prefix and then
 * lowest metric. A next hop on a connected network is its own gateway; one behind a router gets that router's gateway
 * (recursive resolution, as BIRD's `gateway recursive`), because to the kernel a gateway must be on the link.
 */
import { randomInt } from 'node:crypto';
import type { Address, Family } from '../net/address.ts';
import { type PrefixBits, maskWord, prefixBits } from '../net/prefix-bits.ts';
import { type Prefix, hostPrefix, isHostPrefix, prefixContains } from '../net/prefix.ts';
import type { NextHop, Route } from '../netlink/kernel.ts';
import { nextHopText } from './next-hop-text.ts';
import { PrefixTable } from './rib/prefix-table.ts';

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

/** Routes to one destination by their metric: for both the kernel has at most one that it would use. */
type Entries = Map<number, Route>;

/** The destinations of one family. */
class Destinations {
  private prefixes: PrefixTable;
  /** By the number of the destination. */
  private readonly rows: (Entries | undefined)[] = [];
  /** How many destinations there are of each length. */
  private readonly lengths: number[] = [];

  constructor(private readonly family: Family) {
    this.prefixes = this.makeTable();
  }

  private makeTable(): PrefixTable {
    return new PrefixTable(this.family, randomInt(2 ** 32));
  }

  find({ w0, w1, w2, w3, length }: PrefixBits): Entries | undefined {
    return this.rows[this.prefixes.find(w0, w1, w2, w3, length)];
  }

  findOrAdd({ w0, w1, w2, w3, length }: PrefixBits): Entries {
    const id = this.prefixes.findOrAdd(w0, w1, w2, w3, length);
    let entries = this.rows[id];
    if (entries === undefined) {
      this.prefixes.hold(id);
      this.rows[id] = entries = new Map();
      this.lengths[length] = (this.lengths[length] ?? 0) + 1;
    }
    return entries;
  }

  delete({ w0, w1, w2, w3, length }: PrefixBits): void {
    const id = this.prefixes.find(w0, w1, w2, w3, length);
    if (id < 0) return;
    this.rows[id] = undefined;
    this.prefixes.release(id);
    this.lengths[length]!--;
  }

  clear(): void {
    this.prefixes = this.makeTable();
    this.rows.length = 0;
    this.lengths.length = 0;
  }

  *all(): Generator<Entries> {
    for (const entries of this.rows) if (entries !== undefined) yield entries;
  }

  /** Of the destinations that hold this one, the longest first. */
  *covering({ w0, w1, w2, w3, length: longest }: PrefixBits): Generator<Entries> {
    for (let length = longest; length >= 0; length--) {
      if ((this.lengths[length] ?? 0) === 0) continue;
      const id = this.prefixes.find(
        maskWord(w0, length),
        maskWord(w1, length - 32),
        maskWord(w2, length - 64),
        maskWord(w3, length - 96),
        length,
      );
      if (id >= 0) yield this.rows[id]!;
    }
  }
}

export class NextHopTable {
  private readonly families: Readonly<Record<Family, Destinations>> = {
    4: new Destinations(4),
    6: new Destinations(6),
  };

  /** Links that carry nothing: IPv4 routes outlast the carrier, and go silently with the link. */
  private readonly deadLinks = new Set<number>();
  /** Hosts with a gateway of their own, whatever the routes say. */
  private gateways: ReadonlyMap<Address, Address> = new Map();

  /** Reaches these hosts by these gateways from now on, and no others. */
  setGateways(gateways: ReadonlyMap<Address, Address>): void {
    this.gateways = gateways;
  }

  set(route: Route): void {
    const destination = prefixBits(route.destination);
    this.families[destination.family].findOrAdd(destination).set(route.metric, route);
  }

  /** Takes a route out; of a multipath route only the next hops that are named, as IPv6 tells it (RTM_DELROUTE). */
  delete(route: Route): void {
    const destination = prefixBits(route.destination);
    const entries = this.families[destination.family].find(destination);
    const known = entries?.get(route.metric);
    if (entries === undefined || known === undefined) return;
    const gone = new Set(route.nextHops.map(nextHopText));
    const left = known.nextHops.filter((nextHop) => !gone.has(nextHopText(nextHop)));
    if (left.length > 0 && left.length < known.nextHops.length) {
      entries.set(route.metric, { ...known, nextHops: left });
      return;
    }
    entries.delete(route.metric);
    if (entries.size === 0) this.families[destination.family].delete(destination);
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
    for (const family of [4, 6] as const) this.families[family].clear();
    this.deadLinks.clear();
    for (const route of routes) this.set(route);
  }

  /** Whether exactly this key (destination and metric) is taken. */
  holds(destination: PrefixBits, metric: number): boolean {
    return this.families[destination.family].find(destination)?.has(metric) === true;
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
    for (const family of [4, 6] as const) {
      for (const entries of this.families[family].all()) {
        for (const route of entries.values()) {
          if (directLink(route) === link && !isHostPrefix(route.destination))
            networks.push(route.destination);
        }
      }
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
    const bits = prefixBits(hostPrefix(host));
    for (const entries of this.families[bits.family].covering(bits)) {
      let best: Route | undefined;
      for (const route of entries.values()) {
        if (this.isAlive(route) && (best === undefined || route.metric < best.metric)) best = route;
      }
      // We name gateway and interface to the kernel, so a longer prefix on a dead link is not in the way.
      if (best !== undefined) return best;
    }
    return undefined;
  }

  private isAlive(route: Route): boolean {
    return route.nextHops.length === 0 || this.alive(route).length > 0;
  }

  private alive({ nextHops }: Route): readonly NextHop[] {
    return nextHops.filter(({ interface: index }) => index === undefined || !this.deadLinks.has(index));
  }
}

/** The only interface of a connected route; undefined for any other. */
function directLink(route: Route | undefined): number | undefined {
  if (route?.type !== 'unicast' || route.nextHops.length !== 1) return undefined;
  const [nextHop] = route.nextHops;
  return nextHop!.gateway === undefined ? nextHop!.interface : undefined;
}
