/** Child processes in a network namespace, for labs, tests and the few programs a user asks us to run. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { KernelError, MargayError } from '../base/errors.ts';
import { inNamespace } from './netns.ts';

export interface ChildOptions extends SpawnOptions {
  /** Network namespace by name or path; ours when left out. */
  readonly namespace?: string;
}

/**
 * Spawns a program in a network namespace: fork and exec happen inside the call, so the child is born there. The
 * caller awaits and ends it. Spawn errors come as the child's `error` event.
 */
export function spawnIn(command: string, args: readonly string[], options: ChildOptions = {}): ChildProcess {
  const { namespace, ...rest } = options;
  const start = (): ChildProcess => spawn(command, args, rest);
  return namespace === undefined ? start() : inNamespace(namespace, start);
}

export interface RunOptions extends Omit<ChildOptions, 'stdio'> {
  /** Written to its standard input, which is then closed. */
  readonly input?: string | Uint8Array;
}

export interface RunResult {
  /** Exit status, or null if a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that could not be started or, with {@link runChecked}, that failed. */
export class ProcessError extends MargayError {}

/** Runs a program to its end and captures its output; any exit status is a result. Honours `signal`, `timeout`. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { input, ...rest } = options;
  const child = spawnIn(command, args, { ...rest, stdio: 'pipe' });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program may end without reading its input; its exit status then says what matters.
  child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') child.emit('error', error);
  });
  child.stdin?.end(input);
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('utf8');
    return { status, signal, stdout: text(stdout), stderr: text(stderr) };
  } catch (cause) {
    throw new ProcessError('process.start', `cannot run ${command}`, { cause });
  }
}

/** {@link run} that throws a ProcessError unless the program exits with 0; returns its standard output. */
export async function runChecked(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, signal, stdout, stderr } = await run(command, args, options);
  if (status === 0) return stdout;
  const end = status === null ? `was ended by ${signal}` : `exited with ${status}`;
  const said = stderr.trim();
  throw new ProcessError(
    'process.failed',
    `${[command, ...args].join(' ')} ${end}${said === '' ? '' : `: ${said}`}`,
  );
}

/**
 * Ends a child and waits until it is gone: SIGTERM, then SIGKILL after `grace` milliseconds. A child that has ended
 * already is fine.
 */
export async function terminate(child: ChildProcess, grace = 5000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  if (!child.kill('SIGTERM') && child.exitCode === null && child.signalCode === null) {
    throw new KernelError(`end process ${child.pid}`, 'EPERM', undefined);
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), grace);
  try {
    await exited;
  } finally {
    clearTimeout(timer);
  }
}
