/**
 * Follows how next hops are reached, for the kernel's routes and for the decision process: what the kernel says of
 * routes and links is taken over at once, and whoever watches a next hop is told of every change, once for all that
 * came together.
 */
import type { Link, NextHop, Route } from '../netlink/kernel.ts';
import { type NextHopAddress, NextHopTable } from './next-hop-table.ts';
import { nextHopsText } from './next-hop-text.ts';

/** How a next hop is reached; undefined if it is not. */
export type Ways = readonly NextHop[] | undefined;

interface Watched {
  watchers: number;
  ways: Ways;
}

export class NextHopTracker {
  readonly table = new NextHopTable();
  private readonly watched = new Map<NextHopAddress, Watched>();
  private readonly links = new Map<string, { readonly index: number; readonly alive: boolean }>();
  private readonly linkListeners: ((name: string) => void)[] = [];
  private readonly listeners: ((changes: ReadonlyMap<NextHopAddress, Ways>) => void)[] = [];

  /** Calls back with next hops that are reached otherwise than before. */
  onChange(listener: (changes: ReadonlyMap<NextHopAddress, Ways>) => void): void {
    this.listeners.push(listener);
  }

  /** Begins to watch; {@link unwatch} undoes one. Returns how it is reached now. */
  watch(host: NextHopAddress): Ways {
    const known = this.watched.get(host);
    if (known !== undefined) {
      known.watchers++;
      return known.ways;
    }
    const ways = this.table.resolve(host);
    this.watched.set(host, { watchers: 1, ways });
    return ways;
  }

  /** How something watched is reached now. */
  waysTo(host: NextHopAddress): Ways {
    return this.watched.get(host)?.ways;
  }

  unwatch(host: NextHopAddress): void {
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

  /** Calls back with the name of a link that came alive, or is so no longer. */
  onLink(listener: (name: string) => void): void {
    this.linkListeners.push(listener);
  }

  /** A link by its name; undefined if there is none. */
  linkNamed(name: string): { readonly index: number; readonly alive: boolean } | undefined {
    return this.links.get(name);
  }

  /** Returns whether that makes a difference. */
  link(link: Link, present: boolean): boolean {
    const alive = present && link.up && link.carrier;
    const { index, name } = link;
    const before = this.links.get(name);
    for (const [other, known] of this.links)
      if (known.index === index && other !== name) this.links.delete(other);
    if (present) this.links.set(name, { index, alive });
    else this.links.delete(name);
    const differs = this.table.setLink(index, alive);
    if (before?.alive !== alive || before.index !== index) {
      for (const listener of this.linkListeners) listener(name);
    }
    return differs;
  }

  /** What the kernel has, read whole. */
  replaceAll(routes: Iterable<Route>, links: Iterable<Link>): void {
    this.table.replaceAll(routes);
    for (const link of links) this.link(link, true);
  }

  /** Works out anew how everything watched is reached, and tells what is not as it was. */
  resolveAgain(): void {
    const changes = new Map<NextHopAddress, Ways>();
    for (const [host, entry] of this.watched) {
      const ways = this.table.resolve(host);
      if (nextHopsText(ways ?? []) === nextHopsText(entry.ways ?? [])) continue;
      entry.ways = ways;
      changes.set(host, ways);
    }
    if (changes.size > 0) for (const listener of this.listeners) listener(changes);
  }
}
