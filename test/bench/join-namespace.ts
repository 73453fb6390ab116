/** Benches that talk over TCP have a network of their own, so that ports are free and nothing of the machine is touched. */
import { closeSync } from 'node:fs';
import { setNetworkNamespace } from '../../src/sys/libc.ts';
import { openNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';

/** Moves this process (its main thread, which makes the sockets and children) into a namespace, its loopback up. */
export async function joinNamespace(name: string): Promise<void> {
  const namespace = openNamespace(name);
  setNetworkNamespace(namespace);
  closeSync(namespace);
  await runChecked('/usr/sbin/ip', ['link', 'set', 'lo', 'up']);
}
