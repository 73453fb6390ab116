/**
 * Tells of changes below a directory datastore's root: inotify on each folder (fs.watch is not recursive on Linux in
 * Node 20), coalesced, and a slow look at everything as a net below, because inotify drops events when its queue
 * overflows and some file systems have none.
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import { errorCode } from './directory-error.ts';
import type { ResourceFiles } from './files.ts';
import { JOURNAL_FILE } from './journal.ts';
import { OWN_FOLDER, isResourceFile } from './layout.ts';

/** Milliseconds. */
const COALESCE = 30;
const JOURNAL_POLL = 1_000;
const SCAN_EVERY = 30_000;
const SCAN_EVERY_WITHOUT_INOTIFY = 2_000;

export interface TreeEvents {
  /** The journal may have grown. */
  journal(): void;
  /** These files may have changed. */
  files(paths: ReadonlySet<string>): void;
  /** Any file may have changed. */
  everything(): void;
}

export class TreeWatcher {
  private readonly watchers = new Map<string, FSWatcher>();
  private readonly suspects = new Set<string>();
  private structural = false;
  private blind = false;
  private pending: NodeJS.Timeout | undefined;
  private readonly poll: NodeJS.Timeout;
  private lastScan = performance.now();

  constructor(
    private readonly root: string,
    private readonly resources: ResourceFiles,
    private readonly events: TreeEvents,
    private readonly logger: Logger | undefined,
  ) {
    this.follow();
    this.poll = setInterval(() => this.look(), JOURNAL_POLL);
  }

  stop(): void {
    clearInterval(this.poll);
    clearTimeout(this.pending);
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  /** What inotify may have missed. */
  private look(): void {
    this.events.journal();
    const every = this.blind ? SCAN_EVERY_WITHOUT_INOTIFY : SCAN_EVERY;
    if (performance.now() - this.lastScan < every) return;
    this.structural = true;
    this.flush();
  }

  /** Watches the folders that are there now. */
  private follow(): void {
    const folders = new Set(['', OWN_FOLDER, ...this.resources.folders()]);
    for (const [folder, watcher] of this.watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.watchers.delete(folder);
    }
    for (const folder of folders) if (!this.watchers.has(folder)) this.add(folder);
  }

  private add(folder: string): void {
    try {
      const watcher = watch(join(this.root, folder), (_, name) => this.heard(folder, name));
      watcher.on('error', () => {
        watcher.close();
        this.watchers.delete(folder);
        this.structural = true;
        this.schedule();
      });
      this.watchers.set(folder, watcher);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return;
      if (code !== 'ENOSPC' && code !== 'EMFILE' && code !== 'ENOSYS') throw error;
      if (!this.blind) {
        this.logger?.warn(
          { err: error, path: this.root, every: SCAN_EVERY_WITHOUT_INOTIFY },
          'directory cannot be watched, looking at it at intervals (raise fs.inotify.max_user_watches)',
        );
      }
      this.blind = true;
    }
  }

  private heard(folder: string, name: string | null): void {
    if (folder === OWN_FOLDER) {
      if (name === null || name === JOURNAL_FILE) this.events.journal();
      return;
    }
    if (name !== null && isResourceFile(name)) this.suspects.add(folder === '' ? name : `${folder}/${name}`);
    else if (name === null || !name.includes('.')) this.structural = true;
    else return;
    this.schedule();
  }

  private schedule(): void {
    this.pending ??= setTimeout(() => this.flush(), COALESCE);
  }

  private flush(): void {
    clearTimeout(this.pending);
    this.pending = undefined;
    const paths = new Set(this.suspects);
    this.suspects.clear();
    if (this.structural) {
      this.structural = false;
      this.lastScan = performance.now();
      this.follow();
      this.events.everything();
    } else if (paths.size > 0) {
      this.events.files(paths);
    }
  }
}
