/**
 * Desired against actual, both as maps from a key to a value:
 *
 *      desired only   →  to create
 *      both, unequal  →  to update
 *      actual only    →  to delete
 *
 * The tracker remembers only which keys differ, so that the cost of a flush is the size of the difference.
 */
export class DeltaTracker<Key, Value> {
  private readonly desiredMap = new Map<Key, Value>();
  private readonly actualMap = new Map<Key, Value>();
  private readonly dirty = new Set<Key>();

  constructor(private readonly equal: (desired: Value, actual: Value) => boolean) {}

  get desired(): ReadonlyMap<Key, Value> {
    return this.desiredMap;
  }

  get actual(): ReadonlyMap<Key, Value> {
    return this.actualMap;
  }

  setDesired(key: Key, value: Value): void {
    this.desiredMap.set(key, value);
    this.mark(key);
  }

  deleteDesired(key: Key): void {
    this.desiredMap.delete(key);
    this.mark(key);
  }

  setActual(key: Key, value: Value): void {
    this.actualMap.set(key, value);
    this.mark(key);
  }

  deleteActual(key: Key): void {
    this.actualMap.delete(key);
    this.mark(key);
  }

  /** Replaces everything known of the actual side, after a full read-back. */
  replaceActual(entries: Iterable<readonly [Key, Value]>): void {
    const before = [...this.actualMap.keys()];
    this.actualMap.clear();
    for (const [key, value] of entries) this.actualMap.set(key, value);
    for (const key of before) this.mark(key);
    for (const key of this.actualMap.keys()) this.mark(key);
    for (const key of this.desiredMap.keys()) this.mark(key);
  }

  /** Number of keys that differ. */
  get pending(): number {
    return this.dirty.size;
  }

  /** Desired entries that the actual side lacks or has otherwise. */
  *updates(): Generator<{ key: Key; desired: Value; actual: Value | undefined }> {
    for (const key of this.dirty) {
      const desired = this.desiredMap.get(key);
      if (desired !== undefined) yield { key, desired, actual: this.actualMap.get(key) };
    }
  }

  /** Actual entries that nobody desires. */
  *deletions(): Generator<{ key: Key; actual: Value }> {
    for (const key of this.dirty) {
      if (this.desiredMap.has(key)) continue;
      const actual = this.actualMap.get(key);
      if (actual !== undefined) yield { key, actual };
    }
  }

  private mark(key: Key): void {
    const desired = this.desiredMap.get(key);
    const actual = this.actualMap.get(key);
    const same =
      desired === undefined || actual === undefined ? desired === actual : this.equal(desired, actual);
    if (same) this.dirty.delete(key);
    else this.dirty.add(key);
  }
}
