/** A map from a key to a set of values; keys without values take no space. */
export class MultiMap<Key, Value> {
  private readonly sets = new Map<Key, Set<Value>>();

  /** Number of keys. */
  get size(): number {
    return this.sets.size;
  }

  keys(): IterableIterator<Key> {
    return this.sets.keys();
  }

  get(key: Key): ReadonlySet<Value> {
    return this.sets.get(key) ?? (none as ReadonlySet<Value>);
  }

  add(key: Key, value: Value): void {
    const set = this.sets.get(key);
    if (set === undefined) this.sets.set(key, new Set([value]));
    else set.add(value);
  }

  delete(key: Key, value: Value): void {
    const set = this.sets.get(key);
    if (set?.delete(value) === true && set.size === 0) this.sets.delete(key);
  }
}

const none: ReadonlySet<never> = new Set();
