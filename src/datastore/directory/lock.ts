/**
 * The lock that serialises writers across processes. A crashed holder frees it at once, whichever process, container
 * or network namespace it ran in, because being alive is a listening unix socket, which the kernel closes with its
 * process:
 *
 *     owner-<pid>-<random>.sock each process that has ever asked for the lock listens on one
 *     <generation>.held        a hard link to the holder's socket
 *     <generation>.free        the same, renamed on release
 *
 * The entry with the highest generation decides. If it is free, or held but refuses connections, whoever links the
 * next generation first has the lock (link(2) fails with EEXIST for the others). A contender that was slow links a
 * generation that is past: when it looks again it sees a higher one, or that one free beside its own link, and
 * withdraws. The highest entry is never deleted, and one getdents(2) of a small folder is an atomic snapshot, so two
 * holders are impossible.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatastoreError } from '../datastore.ts';
import { directoryError, errorCode } from './directory-error.ts';

/** Generations that are kept below the highest one. */
const KEPT = 8;

/** Milliseconds between looks at a lock that another process holds. */
const POLL = { first: 1, last: 16 };

/** Milliseconds that a holder waits at most for those who waited for it. */
const LONGEST_COURTESY = 50;

/** A socket that is older than this many milliseconds and was never finished is left over. */
const ABANDONED_AFTER = 60_000;

interface Top {
  readonly generation: number;
  readonly held: boolean;
}

/** The entry that decides, among the names in the folder of a lock. What was released stays so, whoever links it again. */
export function decidingEntry(names: readonly string[]): Top {
  let top: Top = { generation: 0, held: false };
  for (const name of names) {
    const entry = /^(\d+)\.(held|free)$/.exec(name);
    if (entry === null) continue;
    const generation = Number(entry[1]);
    const held = entry[2] === 'held';
    if (generation > top.generation || (generation === top.generation && !held)) top = { generation, held };
  }
  return top;
}

export class DirectoryLock {
  private server: Promise<{ readonly server: Server; readonly path: string }> | undefined;
  private folder: number | undefined;
  private holding: number | undefined;
  /** The generation that others waited for when we released it. */
  private contested: number | undefined;
  /** Connections of those who wait for us to release the lock, or to die. */
  private readonly visitors = new Set<Socket>();

  /** `path`: the folder of the lock, made if missing. `timeout`: milliseconds to wait for another holder. */
  constructor(
    private readonly path: string,
    private readonly timeout = 10_000,
  ) {}

  /** Waits for the lock. Not for concurrent use within a process. Rejects with a DatastoreError. */
  async acquire(): Promise<void> {
    try {
      this.server ??= this.listen();
      const { path } = await this.server;
      await this.contend(path);
    } catch (error) {
      // The folder may have been replaced under us; the next try starts afresh.
      await this.close();
      throw directoryError('lock the datastore', this.path, error);
    }
  }

  release(): void {
    const generation = this.holding;
    if (generation === undefined) return;
    this.holding = undefined;
    this.contested = this.visitors.size > 0 ? generation : undefined;
    try {
      renameSync(this.name(generation, true), this.name(generation, false));
      // Wakes those who wait.
      for (const visitor of this.visitors) visitor.destroy();
    } catch (error) {
      // Without its folder the lock protects nothing any more.
      if (errorCode(error) !== 'ENOENT') throw directoryError('unlock the datastore', this.path, error);
    }
  }

  async close(): Promise<void> {
    const started = this.server;
    this.server = undefined;
    const made = started === undefined ? undefined : await started.catch(() => undefined);
    if (made !== undefined) {
      const ended = new Promise<void>((resolve) => made.server.close(() => resolve()));
      for (const visitor of this.visitors) visitor.destroy();
      await ended;
      removeIfPresent(made.path);
    }
    if (this.folder !== undefined) closeSync(this.folder);
    this.folder = undefined;
  }

  private async contend(ownPath: string): Promise<void> {
    const deadline = performance.now() + this.timeout;
    await this.giveWay();
    let probe: Probe | undefined;
    let pause = POLL.first;
    try {
      for (;;) {
        const { generation, held } = this.top();
        if (held && !(probe?.generation === generation && probe.isDead)) {
          if (probe?.generation !== generation || probe.isOver) {
            probe?.end();
            probe = new Probe(this.inFolder(`${generation}.held`), generation);
          }
          if (performance.now() > deadline) throw this.lockedError(generation);
          await Promise.race([probe.ended, sleep(pause * (0.5 + Math.random()))]);
          pause = Math.min(POLL.last, pause * 2);
          continue;
        }
        if (this.claim(ownPath, generation + 1)) return;
      }
    } finally {
      probe?.end();
    }
  }

  /** Lets others go first who waited for the lock that we had last: else a busy writer would keep them out. */
  private async giveWay(): Promise<void> {
    const released = this.contested;
    this.contested = undefined;
    const deadline = performance.now() + LONGEST_COURTESY;
    while (released !== undefined && this.top().generation === released && performance.now() < deadline) {
      await sleep(1);
    }
  }

  /** Tries to be the holder of a generation. */
  private claim(ownPath: string, generation: number): boolean {
    try {
      linkSync(ownPath, this.name(generation, true));
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    }
    const top = this.top();
    if (top.generation !== generation || !top.held) {
      unlinkSync(this.name(generation, true));
      return false;
    }
    this.holding = generation;
    for (const name of readdirSync(this.path)) {
      const past = /^(\d+)\.(?:held|free)$/.exec(name);
      if (past !== null && Number(past[1]) < generation - KEPT) removeIfPresent(join(this.path, name));
    }
    return true;
  }

  private top(): Top {
    return decidingEntry(readdirSync(this.path));
  }

  private name(generation: number, held: boolean): string {
    return join(this.path, `${generation}.${held ? 'held' : 'free'}`);
  }

  private lockedError(generation: number): DatastoreError {
    const inode = statSync(this.name(generation, true), { throwIfNoEntry: false })?.ino;
    const owner = readdirSync(this.path).find(
      (name) =>
        name.endsWith('.sock') && statSync(join(this.path, name), { throwIfNoEntry: false })?.ino === inode,
    );
    // The process id is that of the holder's own pid namespace.
    const pid = owner?.split('-')[1];
    return new DatastoreError(
      'datastore.locked',
      `another process${pid === undefined ? '' : ` (pid ${pid})`} has held the lock in ${this.path} ` +
        `for ${this.timeout / 1000} s`,
      true,
      { fix: 'see whether that process hangs; the lock is free as soon as it ends' },
    );
  }

  /** A path to bind or connect to: a socket's address has room for 107 characters only (unix(7)). */
  private inFolder(name: string): string {
    return `/proc/self/fd/${this.folder!}/${name}`;
  }

  private async listen(): Promise<{ server: Server; path: string }> {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    this.folder = openSync(this.path, 'r');
    await this.sweep();
    const id = `${process.pid}-${randomBytes(8).toString('hex')}`;
    const server = createServer((socket) => {
      this.visitors.add(socket);
      socket.unref();
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.visitors.delete(socket));
      socket.resume();
    });
    server.unref();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: this.inFolder(`owner-${id}.tmp`) }, resolve);
    });
    // Only now does it have the name that others look at: a socket of that name listens or is dead.
    const path = join(this.path, `owner-${id}.sock`);
    renameSync(join(this.path, `owner-${id}.tmp`), path);
    return { server, path };
  }

  /** Removes the sockets of processes that are gone. */
  private async sweep(): Promise<void> {
    for (const name of readdirSync(this.path)) {
      const path = join(this.path, name);
      if (name.endsWith('.tmp')) {
        const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
        if (age > ABANDONED_AFTER) removeIfPresent(path);
      } else if (name.endsWith('.sock')) {
        const probe = new Probe(this.inFolder(name), 0);
        await probe.settled;
        if (probe.isDead) removeIfPresent(path);
        probe.end();
      }
    }
  }
}

/** A connection to a holder's socket: as long as it stands the holder lives. */
class Probe {
  private readonly socket: Socket;
  isDead = false;
  /** The connection ended: the holder did, or the entry was renamed. Only another probe can tell. */
  isOver = false;
  /** Resolves when the owner is known to live, or not to. */
  readonly settled: Promise<void>;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;

  constructor(
    path: string,
    readonly generation: number,
  ) {
    const socket = connect({ path });
    this.socket = socket;
    socket.on('error', (error) => {
      this.isDead = errorCode(error) === 'ECONNREFUSED';
    });
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.isOver = true;
        resolve();
      });
    });
    const connected = new Promise<void>((resolve) => {
      socket.on('connect', resolve);
    });
    this.settled = Promise.race([connected, this.ended]);
    // Without a reader the end of the connection would go unnoticed.
    socket.resume();
  }

  end(): void {
    this.socket.destroy();
  }
}

function removeIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
