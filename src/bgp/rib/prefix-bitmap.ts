/** A set of prefixes of one family: a bit for each. */
import type { PrefixId } from './prefix-table.ts';

export class PrefixBitmap {
  private words = new Uint32Array(32);

  has(prefix: PrefixId): boolean {
    const word = prefix >>> 5;
    return word < this.words.length && (this.words[word]! & (1 << (prefix & 31))) !== 0;
  }

  /** Returns whether it was not there yet. */
  add(prefix: PrefixId): boolean {
    const word = prefix >>> 5;
    const bit = 1 << (prefix & 31);
    if (word >= this.words.length) this.widen(word);
    if ((this.words[word]! & bit) !== 0) return false;
    this.words[word]! |= bit;
    return true;
  }

  /** Returns whether it was there. */
  delete(prefix: PrefixId): boolean {
    if (!this.has(prefix)) return false;
    this.words[prefix >>> 5]! &= ~(1 << (prefix & 31));
    return true;
  }

  /** The bits of the 32 prefixes from `32 * word` on. */
  word(word: number): number {
    return this.words[word] ?? 0;
  }

  /** Words there are bits in. */
  get length(): number {
    return this.words.length;
  }

  private widen(word: number): void {
    const wider = new Uint32Array(Math.max(word + 1, this.words.length * 2));
    wider.set(this.words);
    this.words = wider;
  }
}
