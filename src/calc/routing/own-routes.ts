/** What this node originates: its blocks, and the workloads that have addresses outside them. */
import { type Family, familyOf } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { BlockAffinity } from '../../model/kinds/block-affinity.ts';
import { PrefixTrie } from '../prefix-trie.ts';

export class OwnRoutes {
  /** Own blocks by the BlockAffinity that claims them. */
  private readonly affinities = new Map<string, Prefix>();
  private readonly workloads = new Map<string, readonly Prefix[]>();
  /** Addresses outside the blocks, with the number of workloads that have them. */
  private outside = new Map<Prefix, number>();
  private tries: Record<Family, PrefixTrie> = { 4: new PrefixTrie(), 6: new PrefixTrie() };
  private blockSet: ReadonlySet<Prefix> = new Set();
  private blocksDirty = false;

  constructor(private readonly nodeName: string) {}

  setAffinity(key: string, affinity: BlockAffinity['spec'] | undefined): void {
    const own =
      affinity !== undefined &&
      affinity.node === this.nodeName &&
      affinity.type === 'host' &&
      affinity.state === 'confirmed' &&
      !affinity.deleted;
    const before = this.affinities.get(key);
    if (own) this.affinities.set(key, affinity.cidr);
    else this.affinities.delete(key);
    if (before !== this.affinities.get(key)) this.blocksDirty = true;
  }

  /** Sets the addresses of a workload of this node; undefined: it is gone. */
  setWorkload(key: string, prefixes: readonly Prefix[] | undefined): void {
    this.settle();
    for (const prefix of this.workloads.get(key) ?? []) this.count(prefix, -1);
    if (prefixes === undefined) {
      this.workloads.delete(key);
    } else {
      this.workloads.set(key, prefixes);
      for (const prefix of prefixes) this.count(prefix, 1);
    }
  }

  /** The node's confirmed blocks, sorted. */
  get blocks(): readonly Prefix[] {
    this.settle();
    return [...this.blockSet].toSorted();
  }

  /** Prefixes of local workloads that no own block holds, sorted. */
  get outsideWorkloads(): readonly Prefix[] {
    this.settle();
    return [...this.outside.keys()].toSorted();
  }

  private count(prefix: Prefix, change: 1 | -1): void {
    if (this.isInside(prefix)) return;
    const count = (this.outside.get(prefix) ?? 0) + change;
    if (count > 0) this.outside.set(prefix, count);
    else this.outside.delete(prefix);
  }

  private isInside(prefix: Prefix): boolean {
    return this.blockSet.has(prefix) || this.tries[familyOf(prefix)].isCovered(prefix);
  }

  /** After a change of blocks, sorts all workloads anew. */
  private settle(): void {
    if (!this.blocksDirty) return;
    this.blocksDirty = false;
    this.blockSet = new Set(this.affinities.values());
    this.tries = { 4: new PrefixTrie(), 6: new PrefixTrie() };
    for (const block of this.blockSet) this.tries[familyOf(block)].insert(block);
    this.outside = new Map();
    for (const prefixes of this.workloads.values()) {
      for (const prefix of prefixes) this.count(prefix, 1);
    }
  }
}
