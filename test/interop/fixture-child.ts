/** Ends of child processes. */
import type { ChildProcess } from 'node:child_process';

/** SIGKILL, and waits until it is gone. */
export async function killChild(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}
