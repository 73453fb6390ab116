/**
 * A datastore's content in memory: the newest state of each key and the changes that led there. The memory datastore
 * is this and nothing else; the directory datastore fills it from its journal.
 */
import { MargayError } from '../base/errors.ts';
import { decodeResource } from '../model/decode.ts';
import { type Resource, type ResourceKey, keyText } from '../model/resource.ts';
import {
  CompactedError,
  type DatastoreError,
  InvalidValueError,
  type ListOptions,
  type ListResult,
  NotFoundError,
  type WatchEvent,
  type WatchOptions,
} from './datastore.ts';
import { isSelected, withVersion } from './stamp.ts';

/** What a revision did to a key. */
export type Content =
  /** The stored value as JSON has it, not yet decoded. */
  | { readonly type: 'value'; readonly value: unknown }
  | { readonly type: 'deleted' }
  /** What is stored cannot even be read as a value. */
  | { readonly type: 'unreadable'; readonly error: MargayError };

/** One revision. Each key changes at most once in a revision. */
export class Change {
  private decoded: Resource | MargayError | undefined;

  constructor(
    readonly key: ResourceKey,
    readonly revision: number,
    readonly content: Content,
  ) {}

  /** The resource, or why there is none; undefined for a deletion. Decoded on first use, as most are never asked for. */
  outcome(): Resource | MargayError | undefined {
    if (this.decoded === undefined && this.content.type === 'value') {
      try {
        this.decoded = withVersion(decodeResource(this.key.kind, this.content.value), this.revision);
      } catch (error) {
        if (!(error instanceof MargayError)) throw error;
        this.decoded = error;
      }
    } else if (this.content.type === 'unreadable') {
      this.decoded = this.content.error;
    }
    return this.decoded;
  }

  event(): WatchEvent {
    const { key, revision } = this;
    const outcome = this.outcome();
    if (outcome === undefined) return { type: 'delete', key, revision };
    return outcome instanceof MargayError
      ? { type: 'invalid', key, error: outcome, revision }
      : { type: 'put', key, resource: outcome, revision };
  }
}

/** What is stored under a key now. */
export interface Entry {
  readonly last: Change;
  /** The newest change of the key that left a value; `last` itself if that did. */
  readonly good: Change | undefined;
}

/** A state as it was written down. */
export interface Snapshot {
  /** The newest revision whose changes are not known one by one. */
  readonly base: number;
  readonly revision: number;
  readonly entries: Iterable<Entry>;
  /** The changes in (base, revision], ascending. */
  readonly history: readonly Change[];
}

export class State {
  private readonly entries = new Map<string, Entry>();
  /** Ascending by revision. */
  private history: Change[] = [];
  private compacted = 0;
  private newest = 0;
  private waiters: (() => void)[] = [];
  private failure: DatastoreError | undefined;

  constructor(snapshot?: Snapshot) {
    if (snapshot === undefined) return;
    this.compacted = snapshot.base;
    this.newest = snapshot.revision;
    this.history = [...snapshot.history];
    for (const entry of snapshot.entries) this.entries.set(keyText(entry.last.key), entry);
  }

  /** Revision of the newest change. */
  get revision(): number {
    return this.newest;
  }

  /** Changes up to here are forgotten. */
  get base(): number {
    return this.compacted;
  }

  entry(key: ResourceKey): Entry | undefined {
    return this.entries.get(keyText(key));
  }

  all(): IterableIterator<Entry> {
    return this.entries.values();
  }

  /** Applies the next change and wakes the watches. */
  apply(change: Change): void {
    const id = keyText(change.key);
    if (change.content.type === 'deleted') {
      this.entries.delete(id);
    } else {
      const good = change.content.type === 'value' ? change : this.entries.get(id)?.good;
      this.entries.set(id, { last: change, good });
    }
    this.history.push(change);
    this.newest = change.revision;
    this.wake();
  }

  /** Forgets the changes up to `revision`. Watches that have not got them end with a CompactedError. */
  compact(revision: number): void {
    this.history.splice(0, this.indexAfter(revision));
    this.compacted = Math.max(this.compacted, Math.min(revision, this.newest));
    this.wake();
  }

  /** The changes that are still known. */
  changes(): readonly Change[] {
    return this.history;
  }

  get(key: ResourceKey): Resource {
    const outcome = this.entry(key)?.last.outcome();
    if (outcome === undefined) throw new NotFoundError(key);
    if (outcome instanceof MargayError) throw new InvalidValueError(key, outcome);
    return outcome;
  }

  list(options: ListOptions): ListResult {
    const resources: Resource[] = [];
    const invalid: { key: ResourceKey; error: MargayError; revision: number }[] = [];
    for (const { last, good } of this.entries.values()) {
      if (!isSelected(last.key, options)) continue;
      const outcome = last.outcome();
      if (outcome instanceof MargayError) {
        invalid.push({ key: last.key, error: outcome, revision: last.revision });
      }
      const resource = good?.outcome();
      if (resource !== undefined && !(resource instanceof MargayError)) resources.push(resource);
    }
    return { resources, invalid, revision: this.newest };
  }

  /** As {@link Datastore.watch}. */
  async *watch(options: WatchOptions): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    let { from } = options;
    if (from > this.newest) throw new CompactedError(from);
    while (!options.signal.aborted) {
      if (this.failure !== undefined) throw this.failure;
      if (from < this.compacted) throw new CompactedError(from);
      const changes = this.history.slice(this.indexAfter(from));
      if (changes.length > 0) {
        from = changes.at(-1)!.revision;
        const events = changes
          .filter((change) => isSelected(change.key, options))
          .map((change) => change.event());
        if (events.length > 0) yield events;
      } else {
        await this.changed(options.signal);
      }
    }
  }

  /** The state is no longer that of the datastore: every watch ends with the error. */
  fail(error: DatastoreError): void {
    this.failure = error;
    this.wake();
  }

  /** Index in the history of the first change after a revision. */
  private indexAfter(revision: number): number {
    let low = 0;
    let high = this.history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.history[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }

  private async changed(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiters.push(done);
      signal.addEventListener('abort', done);
    });
  }
}
