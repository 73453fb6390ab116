/**
 * What a lab has made, on disk, so that any later command can repair it or take it away, and nothing else. Each thing
 * is noted before it is made (then without its identity) and again when its identity is known.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import { lockExclusive } from '../sys/libc.ts';
import type { LabPlan } from './plan.ts';
import type { ProcessIdentity } from './processes.ts';

export interface ProcessRecord extends ProcessIdentity {
  readonly name: string;
  readonly command: readonly string[];
  /** Name and inode of its network namespace: a process in a namespace that was replaced is of no use. */
  readonly namespace?: string;
  readonly namespaceInode?: number;
  readonly log: string;
}

export interface LabState {
  readonly version: 1;
  /** As it is now, workloads that came later included. */
  plan: LabPlan;
  /** Inode by name; 0 while it is being made. */
  readonly namespaces: Record<string, number>;
  readonly processes: Record<string, ProcessRecord>;
}

/** Where labs keep their files when nobody says otherwise. */
export const LAB_DIRECTORY = '/run/margay/lab';

const STATE_FILE = 'state.json';

/** The files of one lab: `PARENT/NAME/`. */
export class LabDirectory {
  readonly path: string;

  constructor(
    readonly name: string,
    parent: string = LAB_DIRECTORY,
  ) {
    this.path = join(parent, name);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Whether a lab made the directory. */
  exists(): boolean {
    return existsSync(this.file(STATE_FILE));
  }

  /** The state of the lab; undefined if there is none. Throws a ConfigError for a directory that is not a lab's. */
  read(): LabState | undefined {
    const file = this.file(STATE_FILE);
    if (!existsSync(this.path)) return undefined;
    if (!existsSync(file)) {
      throw new ConfigError('lab.foreign-directory', `${this.path} exists but no lab made it`, {
        fix: 'remove it yourself, or give the lab another name',
      });
    }
    const state = JSON.parse(readFileSync(file, 'utf8')) as LabState;
    if (state.version !== 1) {
      throw new ConfigError('lab.state-version', `${file} is of another version of margay`, {
        fix: 'take the lab down with the version that made it',
      });
    }
    return state;
  }

  /** Replaces the state atomically. */
  write(state: LabState): void {
    const file = this.file(STATE_FILE);
    if (!existsSync(this.path)) mkdirSync(this.path, { recursive: true, mode: 0o755 });
    writeFileSync(`${file}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** Removes all files of the lab. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const locked = new Set<string>();

/**
 * Runs `work` while no other command changes the lab of that name. Waits for another process; a second call for the
 * same lab within one process is a mistake of the caller and throws.
 */
export async function withLabLock<T>(directory: LabDirectory, work: () => Promise<T>): Promise<T> {
  const file = `${directory.path}.lock`;
  if (locked.has(file)) throw new RangeError(`lab ${directory.name} is being changed already`);
  mkdirSync(join(directory.path, '..'), { recursive: true, mode: 0o755 });
  locked.add(file);
  try {
    const fd = lockFile(file);
    try {
      return await work();
    } finally {
      rmSync(file, { force: true });
      closeSync(fd);
    }
  } finally {
    locked.delete(file);
  }
}

/** Waits for the lock. Its last holder removed the file, so what we then hold may no longer be what others will find. */
function lockFile(file: string): number {
  for (;;) {
    const fd = openSync(file, 'w', 0o600);
    lockExclusive(fd);
    if (fstatSync(fd).ino === statSync(file, { throwIfNoEntry: false })?.ino) return fd;
    closeSync(fd);
  }
}
