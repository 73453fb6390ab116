/**
 * The next hops that routes are wanted by: those of one list, and of one sharing of traffic among it, are a group, which
 * is resolved once for all its routes.
 */
import type { NextHop } from '../netlink/kernel.ts';
import type { NextHopAddress } from './next-hop-table.ts';
import { nextHopText } from './next-hop-text.ts';
import type { NextHopTracker, Ways } from './next-hop-tracker.ts';

export interface FibGroup {
  /** Reached or not. */
  readonly nextHops: readonly NextHopAddress[];
  /** How traffic is shared where it is not shared alike: beside `nextHops`, in the same order. */
  readonly weights: readonly number[] | undefined;
  /** What the kernel should have; undefined if nothing is reached. */
  readonly ways: Ways;
  /** Routes. */
  readonly users: number;
}

type Mutable = { -readonly [Key in keyof FibGroup]: FibGroup[Key] };

/** Of routes that are wanted to lead nowhere. */
export const BLACKHOLE: FibGroup = { nextHops: [], weights: undefined, ways: [], users: 0 };

export class FibGroups {
  /** By the next hop, if it is one that carries everything, else by all of them with their weights. */
  private readonly groups = new Map<string, Mutable>();

  constructor(private readonly nextHops: NextHopTracker) {}

  /** Counts one more user of a group, made if there is none; {@link release} undoes it. */
  acquire(nextHops: readonly NextHopAddress[], weights: readonly number[]): FibGroup {
    const alike = weights.every((weight) => weight === 1);
    const key = alike && nextHops.length === 1 ? nextHops[0]! : keyOf(nextHops, alike ? undefined : weights);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { nextHops, weights: alike ? undefined : weights, ways: undefined, users: 0 };
      for (const nextHop of nextHops) this.nextHops.watch(nextHop);
      group.ways = this.waysOf(group);
      this.groups.set(key, group);
    }
    group.users++;
    return group;
  }

  release(group: FibGroup): void {
    if (group === BLACKHOLE || --(group as Mutable).users > 0) return;
    this.groups.delete(keyOf(group.nextHops, group.weights));
    for (const nextHop of group.nextHops) this.nextHops.unwatch(nextHop);
  }

  /** Routes that nothing leads to. */
  get unresolved(): number {
    let sum = 0;
    for (const { ways, users } of this.groups.values()) if (ways === undefined) sum += users;
    return sum;
  }

  /** These are reached otherwise than before. Returns the groups that have a part in it. */
  resolveAgain(changed: { has(nextHop: NextHopAddress): boolean }): Set<FibGroup> {
    const concerned = new Set<FibGroup>();
    for (const group of this.groups.values()) {
      if (!group.nextHops.some((nextHop) => changed.has(nextHop))) continue;
      group.ways = this.waysOf(group);
      concerned.add(group);
    }
    return concerned;
  }

  private waysOf({ nextHops, weights }: FibGroup): Ways {
    if (nextHops.length === 1 && weights === undefined) return this.nextHops.waysTo(nextHops[0]!);
    const ways = new Map<string, NextHop>();
    for (const [index, nextHop] of nextHops.entries()) {
      for (const way of this.nextHops.waysTo(nextHop) ?? []) {
        const weight = weights?.[index] ?? 1;
        ways.set(nextHopText(way), weight === 1 ? way : { ...way, weight });
      }
    }
    return ways.size === 0 ? undefined : [...ways.values()];
  }
}

function keyOf(nextHops: readonly NextHopAddress[], weights: readonly number[] | undefined): string {
  if (weights === undefined) return nextHops.length === 1 ? nextHops[0]! : nextHops.join(' ');
  return nextHops.map((nextHop, index) => `${nextHop}*${weights[index]!}`).join(' ');
}
