/**
 * The embedded datastore: a directory of YAML files, one per resource, that any number of processes on a machine
 * read, write and watch, and people edit by hand.
 *
 * Each process keeps the whole content in memory and follows the journal, which orders all changes. A writer takes
 * the lock, replaces the file and then appends to the journal. Whoever notices a file that the journal does not know
 * so (an edit by hand, or a write whose process died before its journal line) takes the lock and journals it: that is
 * how an edit gets its one revision. A file that cannot be read is journaled as such, and its last good state stays.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import { MargayError } from '../../base/errors.ts';
import { decodeResource } from '../../model/decode.ts';
import { type Resource, type ResourceKey, keyOf, keyText } from '../../model/resource.ts';
import {
  AlreadyExistsError,
  ClosedError,
  ConflictError,
  type Datastore,
  DatastoreError,
  type ListOptions,
  type ListResult,
  NotFoundError,
  type WatchEvent,
  type WatchOptions,
} from '../datastore.ts';
import { checkStorable, currentMetadata, stampNew, stampUpdate, withoutVersion } from '../stamp.ts';
import { Change, type Entry, type State } from '../state.ts';
import { directoryError } from './directory-error.ts';
import { type ReadFile, ResourceFiles } from './files.ts';
import type { JournalLine } from './journal.ts';
import { OWN_FOLDER, pathOf } from './layout.ts';
import { DirectoryLock } from './lock.ts';
import { ROTATION, Replica, type Rotation } from './replica.ts';
import { TreeWatcher } from './tree-watcher.ts';

export interface DirectoryOptions {
  readonly logger?: Logger;
  /** Milliseconds to wait for other writers; 10,000 when left out. */
  readonly lockTimeout?: number;
  /** When the journal is written anew; {@link ROTATION} when left out. */
  readonly rotation?: Rotation;
}

export class DirectoryDatastore implements Datastore {
  readonly type = 'directory';
  private readonly resources: ResourceFiles;
  private readonly replica: Replica;
  private readonly lock: DirectoryLock;
  private readonly closing = new AbortController();
  /** The last of the queued sections that hold the lock. */
  private queue: Promise<unknown> = Promise.resolve();
  private watcher: TreeWatcher | undefined;
  private readonly watches = new Set<WatchOptions>();
  private problem: DatastoreError | undefined;

  private constructor(
    private readonly root: string,
    private readonly options: DirectoryOptions,
  ) {
    this.resources = new ResourceFiles(root);
    this.replica = new Replica(join(root, OWN_FOLDER), options.rotation ?? ROTATION, options.logger);
    this.lock = new DirectoryLock(join(root, OWN_FOLDER, 'writer'), options.lockTimeout);
  }

  /** Opens the datastore in a directory, which is made if it is missing. Rejects with a DatastoreError. */
  static async open(root: string, options: DirectoryOptions = {}): Promise<DirectoryDatastore> {
    const datastore = new DirectoryDatastore(root, options);
    await datastore.attempt('open the datastore', async () => {
      if (datastore.replica.read() === 'ok') return;
      mkdirSync(join(root, OWN_FOLDER), { recursive: true, mode: 0o700 });
      await datastore.locked(async () => {});
    });
    return datastore;
  }

  async get(key: ResourceKey): Promise<Resource> {
    return this.attempt('read', async () => {
      await this.catchUp();
      const path = pathOf(key);
      if (path !== undefined) await this.notice([path]);
      return this.state.get(key);
    });
  }

  async list(options: ListOptions = {}): Promise<ListResult> {
    return this.attempt('read', async () => {
      await this.catchUp();
      await this.noticeEverything();
      return this.state.list(options);
    });
  }

  async create(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    return this.write(key, async () => {
      if (this.state.entry(key) !== undefined) throw new AlreadyExistsError(key);
      await this.put(stampNew(resource));
      return this.state.get(key);
    });
  }

  async update(resource: Resource): Promise<Resource> {
    const key = keyOf(resource);
    checkStorable(resource);
    return this.write(key, async () => {
      const entry = this.check(key, resource.metadata.resourceVersion);
      await this.put(stampUpdate(resource, currentMetadata(entry.good?.outcome())));
      return this.state.get(key);
    });
  }

  async delete(key: ResourceKey, options: { readonly resourceVersion?: string } = {}): Promise<number> {
    return this.write(key, async () => {
      this.check(key, options.resourceVersion);
      await this.resources.remove(key);
      this.replica.commit(this.replica.nextChange(key, { type: 'deleted' }));
      return this.state.revision;
    });
  }

  async *watch(options: WatchOptions): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    const signal = AbortSignal.any([options.signal, this.closing.signal]);
    if (signal.aborted) return;
    this.watches.add(options);
    try {
      await this.attempt('watch', async () => {
        await this.catchUp();
        this.watcher ??= this.startWatcher();
        await this.noticeEverything();
      });
      yield* this.state.watch({ ...options, signal });
    } finally {
      this.watches.delete(options);
      if (this.watches.size === 0) {
        this.watcher?.stop();
        this.watcher = undefined;
      }
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.queue;
    this.watcher?.stop();
    this.watcher = undefined;
    await this.lock.close();
    this.replica.forget();
  }

  private async write<T>(key: ResourceKey, section: () => Promise<T>): Promise<T> {
    return this.attempt('write', () =>
      this.locked(async () => {
        await this.settle(pathOf(key)!);
        return section();
      }),
    );
  }

  private get state(): State {
    return this.replica.state;
  }

  private check(key: ResourceKey, resourceVersion: string | undefined): Entry {
    const entry = this.state.entry(key);
    if (entry === undefined) throw new NotFoundError(key);
    if (resourceVersion !== undefined && resourceVersion !== String(entry.last.revision)) {
      throw new ConflictError(key);
    }
    return entry;
  }

  private async put(resource: Resource): Promise<void> {
    const value = withoutVersion(structuredClone(resource));
    const file = await this.resources.write(value);
    this.replica.commit({ ...this.replica.nextChange(keyOf(resource), { type: 'value', value }), file });
  }

  // ── following the journal ────────────────────────────────────────────────────────────────────────────────────────

  /** Brings the memory up to the journal. */
  private async catchUp(): Promise<void> {
    // A damaged journal is made again.
    if (this.replica.read() !== 'ok') await this.locked(async () => {});
  }

  // ── writing, with the lock held ──────────────────────────────────────────────────────────────────────────────────

  /** Runs a section with the lock held and everything read, one at a time. */
  private async locked<T>(section: () => Promise<T>): Promise<T> {
    const before = this.queue;
    const run = (async () => {
      await before.catch(() => {});
      this.mustBeOpen();
      this.mustBeThere();
      await this.lock.acquire();
      try {
        const found = this.replica.read();
        if (found !== 'ok') await this.makeJournal(found);
        return await section();
      } finally {
        this.lock.release();
      }
    })();
    this.queue = run.catch(() => {});
    return run;
  }

  /** A directory that vanished (not mounted, say) must not turn into an empty datastore, which deletes everything. */
  private mustBeThere(): void {
    if (!this.replica.isLoaded || this.replica.read() !== 'missing') return;
    throw new DatastoreError('datastore.gone', `the datastore in ${this.root} is gone`, true, {
      fix: 'mount or restore the directory; to start anew with the files that are there, restart this process',
    });
  }

  /** Makes a journal from the files that are there. */
  private async makeJournal(found: 'missing' | 'damaged'): Promise<void> {
    const revision = this.replica.revisionAfter(found);
    const lines: JournalLine[] = [];
    for (const path of (await this.resources.scan()).keys()) {
      const read = await this.resources.read(path);
      if (read === undefined) continue;
      lines.push({ type: 'state', change: new Change(read.key, revision, read.content), file: read.file });
    }
    this.replica.begin(revision, lines);
  }

  // ── what people do to the files ──────────────────────────────────────────────────────────────────────────────────

  private isAsRecorded(path: string): boolean {
    return this.resources.signature(path) === this.replica.records.get(path)?.signature;
  }

  /** Journals those of the files that are not as the journal says. */
  private async notice(paths: Iterable<string>): Promise<void> {
    const suspects = [...paths].filter((path) => !this.isAsRecorded(path));
    if (suspects.length === 0) return;
    await this.locked(async () => {
      for (const path of suspects) await this.settle(path);
    });
  }

  private async noticeEverything(): Promise<void> {
    const found = await this.resources.scan();
    const changed = [...found].filter(
      ([path, signature]) => this.replica.records.get(path)?.signature !== signature,
    );
    const missing = [...this.replica.records.keys()].filter((path) => !found.has(path));
    await this.notice([...changed.map(([path]) => path), ...missing]);
  }

  /** Journals a file if it is not as the journal says; only with the lock held. */
  private async settle(path: string): Promise<void> {
    if (this.isAsRecorded(path)) return;
    const record = this.replica.records.get(path);
    const read = await this.resources.read(path, record?.key);
    if (read === undefined) {
      if (record !== undefined) this.replica.commit(this.replica.nextChange(record.key, { type: 'deleted' }));
      return;
    }
    if (record !== undefined && keyText(record.key) !== keyText(read.key)) {
      // Only a name that was cut short in the path can turn out to be another one.
      this.replica.commit(this.replica.nextChange(record.key, { type: 'deleted' }));
    } else if (record?.hash === read.file.hash || this.meansTheSame(read)) {
      this.replica.commit({ type: 'touch', key: read.key, file: read.file });
      return;
    }
    this.replica.commit({ ...this.replica.nextChange(read.key, read.content), file: read.file });
  }

  /** Whether only comments, layout or defaults that were left out changed. */
  private meansTheSame(read: ReadFile): boolean {
    const outcome = this.state.entry(read.key)?.last.outcome();
    if (read.content.type !== 'value' || outcome === undefined || outcome instanceof MargayError)
      return false;
    const now = decodeResource(read.key.kind, read.content.value);
    return JSON.stringify(withoutVersion(outcome)) === JSON.stringify(withoutVersion(now));
  }

  private startWatcher(): TreeWatcher {
    return new TreeWatcher(
      this.root,
      this.resources,
      {
        journal: () => this.inBackground(() => this.catchUp()),
        files: (paths) =>
          this.inBackground(async () => {
            await this.catchUp();
            await this.notice(paths);
          }),
        everything: () =>
          this.inBackground(async () => {
            await this.catchUp();
            await this.noticeEverything();
          }),
      },
      this.options.logger,
    );
  }

  /** What a watch needs done; trouble is told to the watches, and the watcher's next look tries again. */
  private inBackground(task: () => Promise<void>): void {
    if (this.closing.signal.aborted) return;
    void (async () => {
      let problem: DatastoreError | undefined;
      try {
        await this.attempt('watch', task);
      } catch (error) {
        if (!(error instanceof DatastoreError)) throw error;
        if (error instanceof ClosedError) return;
        problem = error;
      }
      if (problem?.message === this.problem?.message) return;
      this.problem = problem;
      for (const { onProblem } of this.watches) onProblem?.(problem);
    })();
  }

  private async attempt<T>(operation: string, task: () => Promise<T>): Promise<T> {
    this.mustBeOpen();
    try {
      return await task();
    } catch (error) {
      throw directoryError(operation, this.root, error);
    }
  }

  private mustBeOpen(): void {
    if (this.closing.signal.aborted) throw new ClosedError();
  }
}
