/**
 * Follows how next hops are reached, for the kernel's routes and for the decision process: what the kernel says of
 * routes and links is taken over at once, and whoever watches a next hop is told of every change, once for all that
 * came together.
 */
import type { Address } from '../net/address.ts';
import type { Link, NextHop, Route } from '../netlink/kernel.ts';
import { NextHopTable } from './next-hop-table.ts';
import { nextHopsText } from './next-hop-text.ts';

/** How a next hop is reached; undefined if it is not. */
export type Ways = readonly NextHop[] | undefined;

interface Watched {
  watchers: number;
  ways: Ways;
}

export class NextHopTracker {
  readonly table = new NextHopTable();
  private readonly watched = new Map<Address, Watched>();
  private readonly listeners: ((changes: ReadonlyMap<Address, Ways>) => void)[] = [];

  /** Calls back with next hops that are reached otherwise than before. */
  onChange(listener: (changes: ReadonlyMap<Address, Ways>) => void): void {
    this.listeners.push(listener);
  }

  /** Begins to watch; {@link unwatch} undoes one. Returns how it is reached now. */
  watch(host: Address): Ways {
    const known = this.watched.get(host);
    if (known !== undefined) {
      known.watchers++;
      return known.ways;
    }
    const ways = this.table.resolve(host);
    this.watched.set(host, { watchers: 1, ways });
    return ways;
  }

  unwatch(host: Address): void {
    const known = this.watched.get(host);
    if (known !== undefined && --known.watchers === 0) this.watched.delete(host);
  }

  /** Whether a route to the destination could change how anything watched is reached. */
  concerns(destination: Route['destination']): boolean {
    return this.table.concerns(destination, this.watched.keys());
  }

  route(route: Route, present: boolean): void {
    if (present) this.table.set(route);
    else this.table.delete(route);
  }

  /** Returns whether that makes a difference. */
  link(link: Link, present: boolean): boolean {
    return this.table.setLink(link.index, present && link.up && link.carrier);
  }

  /** What the kernel has, read whole. */
  replaceAll(routes: Iterable<Route>, links: Iterable<Link>): void {
    this.table.replaceAll(routes);
    for (const link of links) this.link(link, true);
  }

  /** Works out anew how everything watched is reached, and tells what is not as it was. */
  resolveAgain(): void {
    const changes = new Map<Address, Ways>();
    for (const [host, entry] of this.watched) {
      const ways = this.table.resolve(host);
      if (nextHopsText(ways ?? []) === nextHopsText(entry.ways ?? [])) continue;
      entry.ways = ways;
      changes.set(host, ways);
    }
    if (changes.size > 0) for (const listener of this.listeners) listener(changes);
  }
}
