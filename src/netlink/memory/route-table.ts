/** The routes of one in-memory namespace, with the kernel's keys, checks and errors (net/ipv4/fib_*.c, net/ipv6/route.c). */
import { type Address, type Family, familyOf } from '../../net/address.ts';
import { type Prefix, prefixLength, prefixesHolding } from '../../net/prefix.ts';
import { kernelError } from '../../sys/kernel-error.ts';
import {
  type NewRoute,
  type NextHop,
  type Route,
  type RouteKey,
  type RouteType,
  TABLE_MAIN,
} from '../kernel.ts';
import { defaultScope } from '../rtnetlink/route.ts';

/** What routes need to know of links and addresses. */
export interface RouteSurroundings {
  /** Whether a link is up; undefined if there is none of this index. */
  linkUp(index: number): boolean | undefined;
  /** The link that holds an address, whether up or down. */
  holder(address: Address): number | undefined;
  changed(type: 'route' | 'route-deleted', route: Route): void;
}

const IPV6_DEFAULT_METRIC = 1024;

const DEAD_ENDS: ReadonlySet<RouteType> = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

export class MemoryRouteTable {
  /** By table, destination and metric: one holder each. */
  private readonly byKey = new Map<string, Route>();
  private readonly byDestination = new Map<string, Set<Route>>();
  /** Routes of the main table that lead straight onto a link, for gateways, and how many there are by length. */
  private readonly direct = new Map<Prefix, Set<Route>>();
  private readonly directLengths: Readonly<Record<Family, Map<number, number>>> = {
    4: new Map(),
    6: new Map(),
  };

  constructor(private readonly surroundings: RouteSurroundings) {}

  all(): IterableIterator<Route> {
    return this.byKey.values();
  }

  /** `add`: EEXIST if the key is taken. `replace`: takes it over. */
  set(operation: 'add' | 'replace', wanted: NewRoute): void {
    const what = `${operation} route ${wanted.destination}`;
    const route = this.resolve(what, wanted);
    const key = keyOf(route);
    const holder = this.byKey.get(key);
    if (holder !== undefined && operation === 'add') throw kernelError(what, 'EEXIST');
    if (holder !== undefined) this.forget(holder);
    this.remember(key, route);
    this.surroundings.changed('route', route);
  }

  /** ESRCH if nothing matches; else the lowest metric that does goes. */
  delete(key: RouteKey): void {
    const family = familyOf(key.destination);
    const table = key.table ?? TABLE_MAIN;
    const candidates = [...(this.byDestination.get(`${table} ${key.destination}`) ?? [])].filter(
      (route) =>
        (key.metric === undefined || key.metric === 0 || route.metric === key.metric) &&
        (key.protocol === undefined || key.protocol === 0 || route.protocol === key.protocol) &&
        // IPv6 does not look at the type.
        (family === 6 || key.type === undefined || route.type === key.type),
    );
    const victim = candidates.toSorted((a, b) => a.metric - b.metric)[0];
    if (victim === undefined) throw kernelError(`delete route ${key.destination}`, 'ESRCH');
    this.forget(victim);
    this.surroundings.changed('route-deleted', victim);
  }

  /** Takes away what leads to a link that went down: announced for IPv6 only, as the kernel does. */
  linkWentDown(index: number): void {
    for (const route of this.byKey.values()) {
      if (!route.nextHops.some((hop) => hop.interface === index)) continue;
      this.forget(route);
      const left = route.nextHops.filter((hop) => hop.interface !== index);
      if (left.length > 0) this.remember(keyOf(route), { ...route, nextHops: left });
      else if (familyOf(route.destination) === 6) this.surroundings.changed('route-deleted', route);
    }
  }

  /** An address is gone: IPv4 routes that prefer it as source go silently, IPv6 ones lose the preference. */
  addressWentAway(address: Address): void {
    for (const route of this.byKey.values()) {
      if (route.preferredSource !== address) continue;
      this.forget(route);
      if (familyOf(address) === 4) continue;
      const { preferredSource: _, ...rest } = route;
      this.remember(keyOf(route), rest);
    }
  }

  private remember(key: string, route: Route): void {
    this.byKey.set(key, route);
    append(this.byDestination, `${route.table} ${route.destination}`, route);
    if (!isDirect(route)) return;
    append(this.direct, route.destination, route);
    this.countLength(route.destination, 1);
  }

  private forget(route: Route): void {
    this.byKey.delete(keyOf(route));
    drop(this.byDestination, `${route.table} ${route.destination}`, route);
    if (!isDirect(route)) return;
    drop(this.direct, route.destination, route);
    this.countLength(route.destination, -1);
  }

  private countLength(destination: Prefix, by: number): void {
    const lengths = this.directLengths[familyOf(destination)];
    const length = prefixLength(destination);
    const count = (lengths.get(length) ?? 0) + by;
    if (count === 0) lengths.delete(length);
    else lengths.set(length, count);
  }

  private resolve(what: string, wanted: NewRoute): Route {
    const family = familyOf(wanted.destination);
    const type = wanted.type ?? 'unicast';
    const wantedHops = wanted.nextHops ?? [];
    if (DEAD_ENDS.has(type) && wantedHops.length > 0 && family === 4) {
      throw kernelError(what, 'EINVAL', 'Route with blackhole type can not have nexthop');
    }
    const hops = DEAD_ENDS.has(type) ? [] : this.resolveHops(what, family, wantedHops);
    const source = wanted.preferredSource;
    if (source !== undefined && this.surroundings.holder(source) === undefined) {
      throw kernelError(what, 'EINVAL', 'Invalid prefsrc address');
    }
    const metric = wanted.metric ?? 0;
    return {
      destination: wanted.destination,
      type,
      nextHops: hops,
      metric: family === 6 && metric === 0 ? IPV6_DEFAULT_METRIC : metric,
      protocol: wanted.protocol,
      table: wanted.table ?? TABLE_MAIN,
      scope: family === 6 ? 'global' : (wanted.scope ?? defaultScope(family, wanted)),
      ...(source === undefined ? {} : { preferredSource: source }),
    };
  }

  private resolveHops(what: string, family: Family, hops: readonly NextHop[]): NextHop[] {
    if (hops.length === 0) throw kernelError(what, 'ENODEV');
    return hops.map((hop) => ({
      ...(hop.gateway === undefined ? {} : { gateway: hop.gateway }),
      interface: this.resolveHop(what, hop.gateway === undefined ? family : familyOf(hop.gateway), hop),
      ...(hop.onlink === true ? { onlink: true } : {}),
      ...(hops.length === 1 || hop.weight === undefined || hop.weight === 1 ? {} : { weight: hop.weight }),
    }));
  }

  /** The link that a next hop goes out of. */
  private resolveHop(what: string, family: Family, hop: NextHop): number {
    const { gateway, interface: device } = hop;
    if (gateway === undefined || hop.onlink === true) return this.upLink(what, device);
    if (family === 6) {
      if (device !== undefined) this.upLink(what, device);
      if (this.surroundings.holder(gateway) !== undefined) {
        throw kernelError(what, 'EINVAL', 'Gateway can not be a local address');
      }
      if (device === undefined && gateway.startsWith('fe80:')) {
        throw kernelError(what, 'EINVAL', 'Device or gateway missing');
      }
    }
    const found = this.linkTowards(gateway, device);
    if (found !== undefined) return found;
    if (family === 6) throw kernelError(what, 'EHOSTUNREACH');
    throw kernelError(what, 'ENETUNREACH', 'Nexthop has invalid gateway');
  }

  private upLink(what: string, device: number | undefined): number {
    const up = device === undefined ? undefined : this.surroundings.linkUp(device);
    if (device === undefined || up === undefined) throw kernelError(what, 'ENODEV');
    if (!up) throw kernelError(what, 'ENETDOWN', 'Nexthop device is not up');
    return device;
  }

  /** The link of the longest direct route that holds a gateway, on `device` if that is given. */
  private linkTowards(gateway: Address, device: number | undefined): number | undefined {
    const lengths = [...this.directLengths[familyOf(gateway)].keys()].toSorted((a, b) => b - a);
    for (const covering of prefixesHolding(gateway, lengths)) {
      for (const { nextHops } of this.direct.get(covering) ?? []) {
        const hop = nextHops.find(({ interface: out }) => device === undefined || out === device);
        if (hop !== undefined) return hop.interface;
      }
    }
    return undefined;
  }
}

function keyOf(route: Route): string {
  return `${route.table} ${route.destination} ${route.metric}`;
}

function isDirect(route: Route): boolean {
  return (
    route.table === TABLE_MAIN &&
    route.type === 'unicast' &&
    route.nextHops.every((hop) => hop.gateway === undefined) &&
    (route.scope === 'link' || route.scope === 'host' || familyOf(route.destination) === 6)
  );
}

function append<Key>(index: Map<Key, Set<Route>>, key: Key, route: Route): void {
  const routes = index.get(key);
  if (routes === undefined) index.set(key, new Set([route]));
  else routes.add(route);
}

function drop<Key>(index: Map<Key, Set<Route>>, key: Key, route: Route): void {
  const routes = index.get(key);
  routes?.delete(route);
  if (routes?.size === 0) index.delete(key);
}
