/** Where tests with a real etcd run, and the network they have to themselves. */
import { closeSync, existsSync, openSync } from 'node:fs';
import { afterAll, beforeAll, describe } from 'vitest';
import { setNetworkNamespace } from '../../src/sys/libc.ts';
import { openNamespace } from '../../src/sys/netns.ts';
import { describeKernel, useNamespaces } from '../kernel/fixture-namespace.ts';

/**
 * `describe` for tests that need a real etcd and a network namespace: runs it where there are both; else prints why
 * it is skipped, or throws when CI=true.
 */
export function describeEtcd(name: string, define: () => void): void {
  if (existsSync('/usr/bin/etcd')) {
    describeKernel(name, define);
    return;
  }
  const missing = `${name}: needs etcd (apt-get install etcd-server etcd-client)`;
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(`skipped: ${missing}`);
  describe.skip(name, define);
}

/**
 * Moves this test process into a network namespace of its own, its loopback up, for all tests of the surrounding
 * `describe`: what it connects to and what it starts is there, and ports are free. Sockets are made on the main
 * thread, which is the one that moves. Only for test files that have a process to themselves (interop).
 */
export function useOwnNetwork(): void {
  const [name] = useNamespaces(1);
  let home: number | undefined;
  beforeAll(() => {
    home = openSync('/proc/thread-self/ns/net', 'r');
    const own = openNamespace(name!);
    setNetworkNamespace(own);
    closeSync(own);
  });
  afterAll(() => {
    if (home === undefined) return;
    setNetworkNamespace(home);
    closeSync(home);
  });
}
