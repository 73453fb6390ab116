/** A datastore that lives as long as its process: for tests, and for an agent that is configured by nothing else. */
import type { Resource, ResourceKey } from '../model/resource.ts';
import { keyOf } from '../model/resource.ts';
import {
  AlreadyExistsError,
  ClosedError,
  ConflictError,
  type Datastore,
  type ListOptions,
  type ListResult,
  NotFoundError,
  type WatchEvent,
  type WatchOptions,
} from './datastore.ts';
import { checkStorable, currentMetadata, stampNew, stampUpdate, withoutVersion } from './stamp.ts';
import { Change, type Content, State } from './state.ts';

/** How many changes are remembered for watches that start in the past. */
const HISTORY = 10_000;

export class MemoryDatastore implements Datastore {
  readonly type = 'memory';
  private readonly closing = new AbortController();

  /** Datastores that are given one state are clients of the same datastore. */
  constructor(private readonly state = new State()) {}

  async get(key: ResourceKey): Promise<Resource> {
    this.mustBeOpen();
    return this.state.get(key);
  }

  async list(options: ListOptions = {}): Promise<ListResult> {
    this.mustBeOpen();
    return this.state.list(options);
  }

  async create(resource: Resource): Promise<Resource> {
    this.mustBeOpen();
    const key = keyOf(resource);
    checkStorable(resource);
    if (this.state.entry(key) !== undefined) throw new AlreadyExistsError(key);
    return this.write(key, stampNew(resource));
  }

  async update(resource: Resource): Promise<Resource> {
    this.mustBeOpen();
    const key = keyOf(resource);
    checkStorable(resource);
    const { resourceVersion } = resource.metadata;
    const entry = this.check(key, resourceVersion);
    return this.write(key, stampUpdate(resource, currentMetadata(entry.good?.outcome())));
  }

  async delete(key: ResourceKey, options: { readonly resourceVersion?: string } = {}): Promise<number> {
    this.mustBeOpen();
    this.check(key, options.resourceVersion);
    return this.change(key, { type: 'deleted' });
  }

  watch(options: WatchOptions): AsyncIterable<readonly WatchEvent[]> {
    this.mustBeOpen();
    return this.state.watch({ ...options, signal: AbortSignal.any([options.signal, this.closing.signal]) });
  }

  async close(): Promise<void> {
    this.closing.abort();
  }

  /** Stores any value under a key, as a program that is not ours might. Returns its revision. */
  putRaw(key: ResourceKey, value: unknown): number {
    return this.change(key, { type: 'value', value });
  }

  /** Forgets the changes up to a revision. */
  compact(revision: number): void {
    this.state.compact(revision);
  }

  private write(key: ResourceKey, resource: Resource): Resource {
    this.change(key, { type: 'value', value: withoutVersion(structuredClone(resource)) });
    return this.state.get(key);
  }

  private change(key: ResourceKey, content: Content): number {
    const revision = this.state.revision + 1;
    this.state.apply(new Change(key, revision, content));
    // In steps, so that forgetting costs little per write.
    if (this.state.changes().length >= 2 * HISTORY) this.state.compact(revision - HISTORY);
    return revision;
  }

  private check(key: ResourceKey, resourceVersion: string | undefined) {
    const entry = this.state.entry(key);
    if (entry === undefined) throw new NotFoundError(key);
    if (resourceVersion !== undefined && resourceVersion !== String(entry.last.revision)) {
      throw new ConflictError(key);
    }
    return entry;
  }

  private mustBeOpen(): void {
    if (this.closing.signal.aborted) throw new ClosedError();
  }
}
