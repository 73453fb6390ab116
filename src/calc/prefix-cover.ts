/**
 * Reference-counted prefixes reduced to the largest of them, because the kernel's interval sets refuse overlap
 * (design D18): of 10.0.0.0/8 and 10.1.2.3/32 only the first is visible until it goes.
 */
import { type Family, familyOf } from '../net/address.ts';
import { type Prefix, isHostPrefix } from '../net/prefix.ts';
import { PrefixTrie } from './prefix-trie.ts';

/** Told of each prefix that becomes visible or ceases to be. */
export interface PrefixCoverListener {
  appeared(prefix: Prefix): void;
  vanished(prefix: Prefix): void;
}

/** What one family's prefixes need besides their counts. */
interface FamilyState {
  /** How many of them are networks, i.e. can cover others. */
  networks: number;
  /** Exists while there are networks: hosts alone are always disjoint, and most sets hold hosts alone. */
  trie: PrefixTrie | undefined;
}

/** A multiset of prefixes of both families that tells what is visible of it. */
export class PrefixCover {
  private readonly counts = new Map<Prefix, number>();
  private readonly families: Readonly<Record<Family, FamilyState>> = {
    4: { networks: 0, trie: undefined },
    6: { networks: 0, trie: undefined },
  };

  constructor(private readonly listener: PrefixCoverListener) {}

  /** Adds one reference. */
  add(prefix: Prefix): void {
    const count = this.counts.get(prefix) ?? 0;
    this.counts.set(prefix, count + 1);
    if (count > 0) return;
    const family = familyOf(prefix);
    const state = this.families[family];
    if (!isHostPrefix(prefix)) {
      state.networks++;
      state.trie ??= this.buildTrie(family, prefix);
    }
    if (state.trie?.isCovered(prefix) !== true) {
      for (const below of state.trie?.largestBelow(prefix) ?? []) this.listener.vanished(below);
      this.listener.appeared(prefix);
    }
    state.trie?.insert(prefix);
  }

  /** Takes one reference away. */
  remove(prefix: Prefix): void {
    const count = this.counts.get(prefix);
    if (count === undefined) throw new RangeError(`${prefix} is not in the cover`);
    if (count > 1) {
      this.counts.set(prefix, count - 1);
      return;
    }
    this.counts.delete(prefix);
    const state = this.families[familyOf(prefix)];
    state.trie?.remove(prefix);
    if (state.trie?.isCovered(prefix) !== true) {
      this.listener.vanished(prefix);
      for (const below of state.trie?.largestBelow(prefix) ?? []) this.listener.appeared(below);
    }
    if (!isHostPrefix(prefix)) {
      state.networks--;
      if (state.networks === 0) state.trie = undefined;
    }
  }

  /** A trie of everything of the family but `except`. */
  private buildTrie(family: Family, except: Prefix): PrefixTrie {
    const trie = new PrefixTrie();
    for (const prefix of this.counts.keys()) {
      if (prefix !== except && familyOf(prefix) === family) trie.insert(prefix);
    }
    return trie;
  }
}
