/**
 * Daemons of a lab: they outlive the command that started them, and are ended by process id and start time, so that
 * an id that the kernel has given to another process meanwhile is never touched.
 */
import { closeSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { MargayError } from '../base/errors.ts';
import { spawnIn } from '../sys/process.ts';
import { waitUntil } from './wait.ts';

/** Enough to recognise one process among all that ever ran since boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot (proc(5), /proc/PID/stat field 22). */
  readonly startTime: number;
}

export interface DaemonOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly namespace?: string;
  /** Takes standard output and error, appended. */
  readonly log: string;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A daemon that could not be started, or that ended when it should run. */
export class DaemonError extends MargayError {}

/** Starts a daemon in its own session. Rejects with a DaemonError if the program cannot be run. */
export async function startDaemon(options: DaemonOptions): Promise<ProcessIdentity> {
  const [program, ...args] = options.command;
  const log = openSync(options.log, 'a', 0o640);
  try {
    const child = spawnIn(program!, args, {
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
      cwd: options.workingDirectory,
      env: options.environment,
      detached: true,
      stdio: ['ignore', log, log],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const identity = identify(child.pid!);
    if (identity === undefined) throw new Error('it ended at once');
    return identity;
  } catch (cause) {
    throw new DaemonError('lab.daemon', `cannot start ${options.name}`, {
      cause,
      fix: `install ${program}, and read ${options.log}`,
    });
  } finally {
    closeSync(log);
  }
}

/** The identity of a running process; undefined for one that is gone or a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything, so count from its end: the state comes next.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTime: Number(fields[19]) };
}

/** Whether that very process still runs. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return identify(pid)?.startTime === startTime;
}

/** Sends a signal if that very process still runs; tells whether it did. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Milliseconds that the kernel may take to tear down a killed process: of a busy machine, much longer than one would like. */
const REAPING = 60_000;

/** Ends processes and waits until they are gone: SIGTERM, then SIGKILL after `grace` milliseconds. */
export async function endProcesses(identities: readonly ProcessIdentity[], grace = 3_000): Promise<void> {
  const left = identities.filter((identity) => signalProcess(identity, 'SIGTERM'));
  if (left.length === 0) return;
  const gone = (): boolean => left.every((identity) => !isRunning(identity));
  if (await waitUntil(gone, grace)) return;
  for (const identity of left) signalProcess(identity, 'SIGKILL');
  if (await waitUntil(gone, REAPING)) return;
  const pids = left.filter(isRunning).map(({ pid }) => pid);
  throw new DaemonError('lab.unkillable', `processes ${pids.join(', ')} survive SIGKILL`);
}

/** Every process whose network namespace is one of these, by the namespaces' inodes. */
export function processesInNamespaces(inodes: ReadonlySet<number>): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (!inodes.has(statSync(`/proc/${name}/ns/net`).ino)) return [];
      } catch {
        // Gone between the two calls.
        return [];
      }
      return identify(Number(name)) ?? [];
    });
}
