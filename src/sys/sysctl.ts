/** Kernel parameters under /proc/sys. `/proc/sys/net` shows the namespace of the thread that opens a file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { KernelError } from '../base/errors.ts';
import { kernelErrorFrom } from './kernel-error.ts';
import { inNamespace } from './netns.ts';

/**
 * Reads a parameter, trimmed. `name` is a path below /proc/sys with slashes (`net/ipv4/conf/eth0.100/forwarding`),
 * since interface names may hold dots. Throws a KernelError, ENOENT if there is no such parameter.
 */
export function readSysctl(name: string, namespace?: string): string {
  return sysctl('read', name, namespace, (path) => readFileSync(path, 'utf8').trim());
}

/** Writes a parameter; see {@link readSysctl}. Throws a KernelError, EINVAL if the kernel refuses the value. */
export function writeSysctl(name: string, value: string | number, namespace?: string): void {
  sysctl('write', name, namespace, (path) => {
    writeFileSync(path, `${value}\n`, { flag: 'r+' });
    return '';
  });
}

function sysctl(
  verb: string,
  name: string,
  namespace: string | undefined,
  access: (path: string) => string,
): string {
  const operation = `${verb} sysctl ${name}`;
  if (name.startsWith('/') || name.split('/').includes('..')) {
    throw new KernelError(operation, 'EINVAL', 'a path below /proc/sys is wanted');
  }
  const path = `/proc/sys/${name}`;
  try {
    return namespace === undefined ? access(path) : inNamespace(namespace, () => access(path));
  } catch (error) {
    throw kernelErrorFrom(operation, error);
  }
}
