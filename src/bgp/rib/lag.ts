/**
 * What one peer does not know yet of what its group has been told: a bit for each prefix that it is to be told anew,
 * and one for each of these that it holds in an older form. So a slow reader costs two bits a prefix, however much
 * changes meanwhile.
 */
import { PrefixBitmap } from './prefix-bitmap.ts';
import type { PrefixId, PrefixTable } from './prefix-table.ts';

export class Lag {
  private readonly dirty = new PrefixBitmap();
  private readonly old = new PrefixBitmap();
  private cursor = 0;
  private count = 0;

  constructor(private readonly prefixes: PrefixTable) {}

  /** Prefixes to be told. */
  get size(): number {
    return this.count;
  }

  has(prefix: PrefixId): boolean {
    return this.dirty.has(prefix);
  }

  /** Whether the peer holds an older form of a prefix that it is to be told. */
  holds(prefix: PrefixId): boolean {
    return this.old.has(prefix);
  }

  /** The peer is to be told of a prefix. `held`: it holds it now; what counts is the first time. */
  add(prefix: PrefixId, held: boolean): void {
    if (!this.dirty.add(prefix)) return;
    if (held) this.old.add(prefix);
    this.count++;
    this.prefixes.hold(prefix);
  }

  /** Up to `limit` prefixes that the peer is to be told; {@link settle} each. */
  next(limit: number): PrefixId[] {
    const { dirty } = this;
    const found: PrefixId[] = [];
    let budget = Math.min(limit, this.count);
    for (let words = dirty.length; words >= 0 && budget > 0; words--) {
      let bits = dirty.word(this.cursor);
      while (bits !== 0 && budget > 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        found.push(this.cursor * 32 + bit);
        budget--;
      }
      if (budget > 0) this.cursor = (this.cursor + 1) % dirty.length;
    }
    return found;
  }

  /** The peer has been told. */
  settle(prefix: PrefixId): void {
    this.dirty.delete(prefix);
    this.old.delete(prefix);
    this.count--;
    this.prefixes.release(prefix);
  }

  /** Lets go of everything: the peer is gone. */
  clear(): void {
    while (this.count > 0) for (const prefix of this.next(this.count)) this.settle(prefix);
  }
}
