/** Prefixes that wait, in order, each at most once: a queue of ids with a bit for each that is in it. */
import { PrefixBitmap } from './prefix-bitmap.ts';

export class PrefixQueue {
  private readonly members = new PrefixBitmap();
  private ring = new Uint32Array(1024);
  private head = 0;
  private count = 0;

  get size(): number {
    return this.count;
  }

  has(id: number): boolean {
    return this.members.has(id);
  }

  /** Returns whether it was not there yet. */
  add(id: number): boolean {
    if (!this.members.add(id)) return false;
    if (this.count === this.ring.length) this.lengthen();
    this.ring[(this.head + this.count++) & (this.ring.length - 1)] = id;
    return true;
  }

  /** Takes the first, or returns -1 if there is none. */
  take(): number {
    if (this.count === 0) return -1;
    const id = this.ring[this.head]!;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.members.delete(id);
    // What a burst needed is given back when it is over.
    if (--this.count === 0 && this.ring.length > 65_536) this.ring = new Uint32Array(1024);
    if (this.count === 0) this.head = 0;
    return id;
  }

  private lengthen(): void {
    const longer = new Uint32Array(this.ring.length * 2);
    const first = this.ring.subarray(this.head);
    longer.set(first);
    longer.set(this.ring.subarray(0, this.head), first.length);
    this.ring = longer;
    this.head = 0;
  }
}
