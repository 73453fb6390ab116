/**
 * Secrets as files, `DIRECTORY/SECRET/KEY`, which is how Kubernetes mounts them; on other hosts an operator puts them
 * there. Whoever reads one is told when something of what was read may have changed.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock, TimerHandle } from '../base/clock.ts';

/** As Kubernetes names secrets and their keys: nothing that leads out of the directory. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;
/** Milliseconds in which a burst of changes settles. */
const QUIET = 100;
/** Milliseconds until a missing directory is looked for again. */
const RETRY = 2_000;

export class SecretFiles {
  private readonly watchers = new Map<string, FSWatcher>();
  private timer: TimerHandle | undefined;

  constructor(
    private readonly directory: string,
    private readonly clock: Clock,
    private readonly changed: () => void,
  ) {}

  /** The secret without the line end that editors leave; undefined if there is none. Throws if it cannot be read. */
  read(name: string, key: string): string | undefined {
    if (!NAME.test(name) || !NAME.test(key)) return undefined;
    const secret = join(this.directory, name);
    this.watch(this.directory);
    this.watch(secret);
    try {
      return readFileSync(join(secret, key), 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  close(): void {
    this.timer?.cancel();
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }

  private watch(path: string): void {
    if (this.watchers.has(path)) return;
    try {
      const watcher = watch(path, { persistent: false });
      const stop = (): void => {
        watcher.close();
        this.watchers.delete(path);
      };
      watcher.on('change', (event) => {
        // A directory that was replaced is another one, to be watched anew at the next reading.
        if (event === 'rename') stop();
        this.raise();
      });
      watcher.on('error', () => {
        stop();
        this.raise();
      });
      this.watchers.set(path, watcher);
    } catch (error) {
      if (!isMissing(error)) throw error;
      // There is nothing to watch yet.
      this.raise(RETRY);
    }
  }

  private raise(delay = QUIET): void {
    this.timer?.cancel();
    this.timer = this.clock.after(delay, this.changed);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
