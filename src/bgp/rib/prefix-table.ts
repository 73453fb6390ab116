/**
 * The prefixes of one family, each with a small number: an open-addressing table of ids (linear probing) over columns
 * of words and lengths. Ids are dense and used again, so that whatever is known of a prefix is a column by id.
 */
import type { Family } from '../../net/address.ts';
import { type MutablePrefixBits, type PrefixBits, formatPrefixBits } from '../../net/prefix-bits.ts';
import type { Prefix } from '../../net/prefix.ts';
import { FIRST_ROWS, grown } from './columns.ts';

/** Number of a prefix in its family's table; valid while somebody holds it. */
export type PrefixId = number;

const FIRST_SLOTS = 1024;

export class PrefixTable {
  private readonly stride: 1 | 4;
  /** Words of prefix `id` from `id * stride` on. */
  private words: Uint32Array;
  private lengths = new Uint8Array(FIRST_ROWS);
  /** How many hold the prefix. */
  private holders = new Uint16Array(FIRST_ROWS);
  /** Id + 1, or 0 for a free slot. */
  private slots = new Uint32Array(FIRST_SLOTS);
  private used = 0;
  private live = 0;
  /** The first free id + 1; the next one stands in the words of each. */
  private free = 0;
  private readonly scratch: MutablePrefixBits;

  /** `seed` makes the places of prefixes unforeseeable to whoever chooses them. */
  constructor(
    readonly family: Family,
    private readonly seed: number,
  ) {
    this.stride = family === 4 ? 1 : 4;
    this.words = new Uint32Array(FIRST_ROWS * this.stride);
    this.scratch = { family, length: 0, w0: 0, w1: 0, w2: 0, w3: 0 };
  }

  /** Prefixes there are. */
  get size(): number {
    return this.live;
  }

  /** Ids are below this. */
  get limit(): number {
    return this.used;
  }

  /** The id of a prefix with host bits zero, or -1. Words past the first count in IPv6 only. */
  find(w0: number, w1: number, w2: number, w3: number, length: number): PrefixId {
    const { slots, words, lengths, stride } = this;
    const mask = slots.length - 1;
    for (let slot = this.hash(w0, w1, w2, w3, length) & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot]! - 1;
      if (id < 0) return -1;
      if (lengths[id] !== length) continue;
      if (stride === 1) {
        if (words[id] === w0) return id;
      } else {
        const at = id * 4;
        if (words[at] === w0 && words[at + 1] === w1 && words[at + 2] === w2 && words[at + 3] === w3)
          return id;
      }
    }
  }

  /** The id of the prefix, which is new and held by nobody if it was not there. */
  findOrAdd(w0: number, w1: number, w2: number, w3: number, length: number): PrefixId {
    if ((this.live + 1) * 3 > this.slots.length * 2) this.rehash(this.slots.length * 2);
    const { slots, words, lengths, stride } = this;
    const mask = slots.length - 1;
    let slot = this.hash(w0, w1, w2, w3, length) & mask;
    for (let id = slots[slot]! - 1; id >= 0; id = slots[slot]! - 1) {
      if (lengths[id] === length) {
        const at = id * stride;
        if (words[at] === w0) {
          if (stride === 1) return id;
          if (words[at + 1] === w1 && words[at + 2] === w2 && words[at + 3] === w3) return id;
        }
      }
      slot = (slot + 1) & mask;
    }
    const id = this.newId();
    slots[slot] = id + 1;
    const at = id * stride;
    this.words[at] = w0;
    if (stride === 4) {
      this.words[at + 1] = w1;
      this.words[at + 2] = w2;
      this.words[at + 3] = w3;
    }
    this.lengths[id] = length;
    return id;
  }

  /** Keeps the prefix from being forgotten. */
  hold(id: PrefixId): void {
    this.holders[id]!++;
  }

  /** Undoes one {@link hold}; with the last the prefix is forgotten, and its id may come to mean another. */
  release(id: PrefixId): void {
    if (--this.holders[id]! === 0) this.remove(id);
  }

  lengthOf(id: PrefixId): number {
    return this.lengths[id]!;
  }

  /** A word of the prefix, 0 to 3; zero past the first in IPv4. */
  word(id: PrefixId, index: number): number {
    return index < this.stride ? this.words[id * this.stride + index]! : 0;
  }

  /** The prefix as numbers, until the next call. */
  bits(id: PrefixId): PrefixBits {
    const { scratch, words, stride } = this;
    const at = id * stride;
    scratch.length = this.lengths[id]!;
    scratch.w0 = words[at]!;
    if (stride === 4) {
      scratch.w1 = words[at + 1]!;
      scratch.w2 = words[at + 2]!;
      scratch.w3 = words[at + 3]!;
    }
    return scratch;
  }

  text(id: PrefixId): Prefix {
    return formatPrefixBits(this.bits(id));
  }

  private remove(id: PrefixId): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = this.hashOf(id) & mask;
    while (slots[slot] !== id + 1) slot = (slot + 1) & mask;
    // What follows moves up, so that no search ends too early.
    for (let next = (slot + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const wanted = this.hashOf(slots[next]! - 1) & mask;
      if (((next - wanted) & mask) >= ((next - slot) & mask)) {
        slots[slot] = slots[next]!;
        slot = next;
      }
    }
    slots[slot] = 0;
    this.live--;
    this.words[id * this.stride] = this.free;
    this.free = id + 1;
  }

  private newId(): PrefixId {
    this.live++;
    if (this.free !== 0) {
      const id = this.free - 1;
      this.free = this.words[id * this.stride]!;
      return id;
    }
    const id = this.used++;
    if (id >= this.lengths.length) {
      this.lengths = grown(this.lengths, id + 1);
      this.holders = grown(this.holders, id + 1);
      this.words = grown(this.words, (id + 1) * this.stride);
    }
    return id;
  }

  private place(id: PrefixId): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = this.hashOf(id) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = id + 1;
  }

  private rehash(size: number): void {
    this.slots = new Uint32Array(size);
    // In the order of ids, in which their words lie.
    for (let id = 0; id < this.used; id++) if (this.holders[id] !== 0) this.place(id);
  }

  private hashOf(id: PrefixId): number {
    const { words, stride } = this;
    const at = id * stride;
    if (stride === 1) return this.hash(words[at]!, 0, 0, 0, this.lengths[id]!);
    return this.hash(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, this.lengths[id]!);
  }

  /**
   * Where the search for a prefix begins. Networks beside one another begin beside one another: the last four bits of
   * the network only choose among sixteen slots, which share a cache line, for neighbours mostly come together.
   */
  private hash(w0: number, w1: number, w2: number, w3: number, length: number): number {
    let hash = this.seed ^ length;
    if (this.stride === 1) {
      const shift = 32 - length;
      const last = length === 0 ? 0 : (w0 >>> shift) & 15;
      hash = Math.imul(hash ^ (w0 - (last << shift)), 0x9e3779b1);
      hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
      return ((hash ^ (hash >>> 13)) >>> 0) ^ last;
    }
    const shift = (128 - length) & 31;
    const end = length <= 32 ? w0 : length <= 64 ? w1 : length <= 96 ? w2 : w3;
    const last = length === 0 ? 0 : (end >>> shift) & 15;
    const rest = last << shift;
    hash = Math.imul(hash ^ (length <= 32 ? w0 - rest : w0), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (length > 32 && length <= 64 ? w1 - rest : w1), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (length > 64 && length <= 96 ? w2 - rest : w2), 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (length > 96 ? w3 - rest : w3), 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return ((hash ^ (hash >>> 13)) >>> 0) ^ last;
  }
}

export type PrefixTables = Readonly<Record<Family, PrefixTable>>;

/** Empty ones; `seed` is any number that peers cannot guess. */
export function prefixTables(seed: number): PrefixTables {
  return { 4: new PrefixTable(4, seed), 6: new PrefixTable(6, seed) };
}
