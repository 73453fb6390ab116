/**
 * What one peer does not know yet of what its group has been told: a bit for each prefix that it is to be told anew,
 * and one for each of these that it holds in an older form. So a slow reader costs two bits a prefix, however much
 * changes meanwhile. One that is to be told everything is walked through the table a piece at a time: what the walk has
 * not come to costs nothing.
 */
import { PrefixBitmap } from './prefix-bitmap.ts';
import type { PrefixId, PrefixTable } from './prefix-table.ts';

/** Where a walk stands that is over. */
const DONE = Infinity;

export class Lag {
  private readonly dirty = new PrefixBitmap();
  private readonly old = new PrefixBitmap();
  private cursor = 0;
  private count = 0;
  /** What the walk looks at next. */
  private position = DONE;
  /** This is the peer's first walk here: what it has not come to the peer has not been told here. */
  private isNew = false;
  /** Another walk is to follow. */
  private again = false;

  constructor(private readonly prefixes: PrefixTable) {}

  /** The peer knows all that it is to know. */
  get isOver(): boolean {
    return this.count === 0 && this.position === DONE;
  }

  has(prefix: PrefixId): boolean {
    return this.dirty.has(prefix);
  }

  /** Whether the peer holds an older form of a prefix that it is to be told. */
  holds(prefix: PrefixId): boolean {
    return this.old.has(prefix);
  }

  /** The peer holds nothing, or what another group has told it, and is to be told all that differs. */
  tellAll(): void {
    this.position = 0;
    this.isNew = true;
  }

  /** The peer is to be told all again. */
  tellAgain(): void {
    if (this.isNew) this.again = true;
    else this.position = 0;
  }

  /** The walk is the first: what it has not come to is as it was before. */
  get isWalkingFirst(): boolean {
    return this.isNew && this.position !== DONE;
  }

  /**
   * Goes through up to `limit` prefixes of the table, and adds those that the peer is to be told. `held`: of these, what
   * it holds now; if left out, all, but for the first walk, before which it held nothing.
   */
  walk(limit: number, wanted: (prefix: PrefixId) => boolean, held?: (prefix: PrefixId) => boolean): void {
    if (this.position === DONE) return;
    const end = Math.min(this.position + limit, this.prefixes.limit);
    for (let prefix = this.position; prefix < end; prefix++) {
      if (wanted(prefix)) this.add(prefix, held === undefined ? !this.isNew : held(prefix));
    }
    this.position = end;
    if (end < this.prefixes.limit) return;
    this.position = this.again ? 0 : DONE;
    this.isNew = false;
    this.again = false;
  }

  /** The first walk has not come to a prefix: the peer holds nothing of it, or what another group has told it. */
  isUntold(prefix: PrefixId): boolean {
    return this.isNew && prefix >= this.position;
  }

  /** The walk, or the one that follows, is still to have a prefix told again. */
  isDueAgain(prefix: PrefixId): boolean {
    return this.again || (!this.isNew && prefix >= this.position);
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
