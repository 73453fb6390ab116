/**
 * A datastore that takes writes without passing them on: what `--dry-run=server` and `--atomic` try a command on. It
 * reads from the real one, sees its own writes, and refuses what the real one would refuse.
 */
import {
  AlreadyExistsError,
  ConflictError,
  type Datastore,
  InvalidValueError,
  type ListOptions,
  type ListResult,
  NotFoundError,
  type WatchEvent,
  type WatchOptions,
} from '../datastore/datastore.ts';
import { checkStorable, isSelected, stampNew, stampUpdate } from '../datastore/stamp.ts';
import { type Resource, type ResourceKey, keyOf, keyText } from '../model/resource.ts';

export class Rehearsal implements Datastore {
  readonly type;
  /** What was written here; undefined for what was deleted. */
  private readonly written = new Map<string, Resource | undefined>();

  constructor(private readonly real: Datastore) {
    this.type = real.type;
  }

  async get(key: ResourceKey): Promise<Resource> {
    const id = keyText(key);
    if (!this.written.has(id)) return this.real.get(key);
    const resource = this.written.get(id);
    if (resource === undefined) throw new NotFoundError(key);
    return resource;
  }

  async list(options: ListOptions = {}): Promise<ListResult> {
    const list = await this.real.list(options);
    const untouched = list.resources.filter((resource) => !this.written.has(keyText(keyOf(resource))));
    const own = [...this.written.values()].filter(
      (resource): resource is Resource => resource !== undefined && isSelected(keyOf(resource), options),
    );
    return {
      ...list,
      resources: [...untouched, ...own],
      invalid: list.invalid.filter(({ key }) => !this.written.has(keyText(key))),
    };
  }

  async create(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    if ((await this.current(key)) !== 'none') throw new AlreadyExistsError(key);
    return this.write(stampNew(resource));
  }

  async update(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    const current = await this.expect(key, resource.metadata.resourceVersion);
    return this.write(stampUpdate(resource, current === 'invalid' ? {} : current.metadata));
  }

  /** The revision is that of the real datastore at best: nothing was deleted. */
  async delete(key: ResourceKey, options: { readonly resourceVersion?: string } = {}): Promise<number> {
    const current = await this.expect(key, options.resourceVersion);
    this.written.set(keyText(key), undefined);
    return current === 'invalid' ? 0 : Number(current.metadata.resourceVersion ?? 0);
  }

  watch(options: WatchOptions): AsyncIterable<readonly WatchEvent[]> {
    return this.real.watch(options);
  }

  /** The real datastore stays open: it is its owner's. */
  async close(): Promise<void> {
    this.written.clear();
  }

  private write(resource: Resource): Resource {
    this.written.set(keyText(keyOf(resource)), resource);
    return resource;
  }

  private async expect(key: ResourceKey, version: string | undefined): Promise<Resource | 'invalid'> {
    const current = await this.current(key);
    if (current === 'none') throw new NotFoundError(key);
    if (version !== undefined && current !== 'invalid' && current.metadata.resourceVersion !== version) {
      throw new ConflictError(key);
    }
    return current;
  }

  private async current(key: ResourceKey): Promise<Resource | 'none' | 'invalid'> {
    try {
      return await this.get(key);
    } catch (error) {
      if (error instanceof NotFoundError) return 'none';
      // What is stored and broken can be written over and deleted, but not created.
      if (error instanceof InvalidValueError) return 'invalid';
      throw error;
    }
  }
}
