/**
 * Network namespaces for kernel tests, and the rule for running without privilege: a test that needs root is skipped
 * with a printed reason, unless CI=true, where it fails.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe } from 'vitest';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

let counter = 0;

/** Why kernel tests cannot run here, or undefined when they can. */
export function missingPrivilege(): string | undefined {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const capabilities = BigInt(`0x${effective}`);
  const held = (bit: bigint): boolean => ((capabilities >> bit) & 1n) === 1n;
  return held(CAP_NET_ADMIN) && held(CAP_SYS_ADMIN)
    ? undefined
    : 'needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN';
}

/**
 * `describe` for tests that need the kernel: runs it when privileged; else prints why it is skipped, or throws when
 * CI=true.
 */
export function describeKernel(name: string, define: () => void): void {
  const missing = missingPrivilege();
  if (missing === undefined) {
    describe(name, define);
    return;
  }
  if (process.env['CI'] === 'true') throw new Error(`${name}: ${missing}`);
  console.warn(`skipped: ${name}: ${missing}`);
  describe.skip(name, define);
}

/** A name that no other test process uses. */
export function uniqueNamespaceName(): string {
  return `mgt-${process.pid}-${++counter}`;
}

/** Runs `body` with `count` fresh namespaces, their loopback up, and removes them afterwards. */
export async function withNamespaces<T>(
  count: number,
  body: (names: readonly string[]) => T | Promise<T>,
): Promise<T> {
  const names = Array.from({ length: count }, uniqueNamespaceName);
  const made: string[] = [];
  try {
    for (const name of names) {
      createNamespace(name);
      made.push(name);
      await setLoopbackUp(name);
    }
    return await body(names);
  } finally {
    for (const name of made) deleteNamespace(name);
  }
}

/**
 * Fresh namespaces with their loopback up for all tests of the surrounding `describe`, removed after them. The
 * names are known at once; the namespaces exist from beforeAll on.
 */
export function useNamespaces(count: number): readonly string[] {
  const names = Array.from({ length: count }, uniqueNamespaceName);
  const made: string[] = [];
  beforeAll(async () => {
    for (const name of names) {
      createNamespace(name);
      made.push(name);
      await setLoopbackUp(name);
    }
  });
  afterAll(() => {
    for (const name of made.splice(0)) deleteNamespace(name);
  });
  return names;
}

async function setLoopbackUp(namespace: string): Promise<void> {
  const kernel = openLinuxKernel({ namespace });
  try {
    await kernel.changeLink(1, { up: true });
  } finally {
    kernel.close();
  }
}
