/**
 * Keeps a consumer in step with a datastore: list, then watch, and whenever the watch is in doubt list again and
 * emit only the differences, deletions included. While the datastore is away the consumer keeps its last state.
 */
import { Backoff, type BackoffOptions } from '../base/backoff.ts';
import { type Clock, pause, systemClock } from '../base/clock.ts';
import { type Resource, keyOf, keyText, type ResourceKey } from '../model/resource.ts';
import {
  CompactedError,
  type Datastore,
  DatastoreError,
  type InvalidEntry,
  type ListResult,
  type WatchEvent,
} from './datastore.ts';

export interface SyncerCallbacks {
  /**
   * Changes, in order. The first list comes as puts (and invalid entries) before {@link inSync}. An `invalid` event
   * leaves the last good state of its key in force. Never an event that changes nothing.
   */
  updates(batch: readonly WatchEvent[], revision: number): void;
  /** Everything that was stored at `revision` has been delivered; called after each complete list. */
  inSync(revision: number): void;
  /** Why the datastore cannot be read now; undefined when it can again. The syncer keeps trying by itself. */
  problem(error: DatastoreError | undefined): void;
}

export interface SyncerOptions {
  /** Only these kinds; all when left out. */
  readonly kinds?: readonly string[];
  readonly clock?: Clock;
  /** Between tries while the datastore is away; 100 ms to 1 s when left out: it is to be back at once with it. */
  readonly backoff?: BackoffOptions;
}

/** A watch that lasted so many milliseconds was a success: the next trouble starts from the shortest delay. */
const STABLE_AFTER = 30_000;

/** What the consumer was told last of a key. */
interface Known {
  readonly key: ResourceKey;
  readonly resource?: Resource;
  readonly invalid?: InvalidEntry;
}

/** A callback threw: a fault of the consumer, which no retry mends. */
class ConsumerFailure {
  constructor(readonly error: unknown) {}
}

export class Syncer {
  private readonly known = new Map<string, Known>();
  private readonly kinds: ReadonlySet<string> | undefined;
  private readonly clock: Clock;
  private readonly backoff: Backoff;
  private problem: DatastoreError | undefined;

  constructor(
    private readonly datastore: Datastore,
    private readonly callbacks: SyncerCallbacks,
    options: SyncerOptions = {},
  ) {
    this.kinds = options.kinds === undefined ? undefined : new Set(options.kinds);
    this.clock = options.clock ?? systemClock;
    this.backoff = new Backoff(options.backoff ?? { initial: 100, maximum: 1_000 });
  }

  /** Stored values that are refused at present. */
  get invalid(): readonly InvalidEntry[] {
    return [...this.known.values()].flatMap(({ invalid }) => (invalid === undefined ? [] : [invalid]));
  }

  /**
   * Runs until `signal` aborts. Rejects only with what is no fault of the datastore: an error that a callback threw,
   * or a defect.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const since = this.clock.now();
      try {
        await this.follow(signal);
      } catch (error) {
        if (error instanceof ConsumerFailure) throw error.error;
        if (signal.aborted) return;
        if (!(error instanceof DatastoreError)) throw error;
        if (this.clock.now() - since > STABLE_AFTER) this.backoff.reset();
        // Compaction is no trouble of the datastore: the next list mends it.
        if (!(error instanceof CompactedError)) this.report(error);
        await pause(this.clock, this.backoff.delay(), signal);
      }
    }
  }

  /** One list and the watch that follows it; ends only with an error or when aborted. */
  private async follow(signal: AbortSignal): Promise<void> {
    const list = await this.datastore.list();
    if (signal.aborted) return;
    this.report(undefined);
    this.deliver(this.differences(list), list.revision);
    this.guard(() => this.callbacks.inSync(list.revision));
    const onProblem = (problem: DatastoreError | undefined): void => this.report(problem);
    for await (const batch of this.datastore.watch({ from: list.revision, signal, onProblem })) {
      if (signal.aborted) return;
      this.backoff.reset();
      const wanted = batch.filter((event) => this.isWanted(event.key));
      for (const event of wanted) this.remember(event);
      this.deliver(wanted, batch.at(-1)!.revision);
    }
    if (!signal.aborted) {
      throw new DatastoreError('datastore.watch-ended', 'the watch on the datastore ended', true);
    }
  }

  private isWanted(key: ResourceKey): boolean {
    return this.kinds === undefined || this.kinds.has(key.kind);
  }

  private deliver(batch: readonly WatchEvent[], revision: number): void {
    if (batch.length > 0) this.guard(() => this.callbacks.updates(batch, revision));
  }

  /** What leads from the known state to the listed one; the known state moves along. */
  private differences(list: ListResult): WatchEvent[] {
    const events: WatchEvent[] = [];
    const listed = new Set<string>();
    const refused = new Set(list.invalid.map((entry) => keyText(entry.key)));
    for (const resource of list.resources) {
      const key = keyOf(resource);
      if (!this.isWanted(key)) continue;
      const id = keyText(key);
      listed.add(id);
      const before = this.known.get(id);
      // A value that was refused and now reads as it did before brings its put all the same: it clears the mark.
      const cleared = before?.invalid !== undefined && !refused.has(id);
      if (before?.resource !== undefined && !cleared && isSame(before.resource, resource)) continue;
      events.push({ type: 'put', key, resource, revision: versionOf(resource) ?? list.revision });
    }
    for (const entry of list.invalid) {
      if (!this.isWanted(entry.key)) continue;
      const id = keyText(entry.key);
      listed.add(id);
      const before = this.known.get(id)?.invalid;
      if (before?.revision === entry.revision && before.error.message === entry.error.message) continue;
      events.push({ type: 'invalid', ...entry });
    }
    for (const [id, { key }] of this.known) {
      if (!listed.has(id)) events.push({ type: 'delete', key, revision: list.revision });
    }
    for (const event of events) this.remember(event);
    return events;
  }

  private remember(event: WatchEvent): void {
    const id = keyText(event.key);
    const { key } = event;
    if (event.type === 'delete') {
      this.known.delete(id);
    } else if (event.type === 'put') {
      this.known.set(id, { key, resource: event.resource });
    } else {
      const { type: _, ...invalid } = event;
      const resource = this.known.get(id)?.resource;
      this.known.set(id, resource === undefined ? { key, invalid } : { key, resource, invalid });
    }
  }

  private report(problem: DatastoreError | undefined): void {
    const before = this.problem;
    this.problem = problem;
    if (before?.message !== problem?.message) this.guard(() => this.callbacks.problem(problem));
  }

  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      throw new ConsumerFailure(error);
    }
  }
}

function versionOf(resource: Resource): number | undefined {
  const { resourceVersion } = resource.metadata;
  return resourceVersion === undefined ? undefined : Number(resourceVersion);
}

/** A datastore restored from a backup may give an old revision to new content, so both are compared. */
function isSame(a: Resource, b: Resource): boolean {
  return (
    a === b ||
    (a.metadata.resourceVersion === b.metadata.resourceVersion && JSON.stringify(a) === JSON.stringify(b))
  );
}
