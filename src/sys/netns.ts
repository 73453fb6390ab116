/**
 * Named network namespaces, as iproute2 keeps them: a file under /run/netns with the namespace bind-mounted on it.
 * A name without a slash is such a file; anything with a slash is a path (`/proc/PID/ns/net`).
 *
 * A thread's namespace is changed only inside {@link inNamespace} and {@link createNamespace}, which never yield to
 * the event loop: what runs in between on this thread is what they call.
 */
import { closeSync, mkdirSync, openSync, readdirSync, statfsSync, unlinkSync } from 'node:fs';
import { InternalError, KernelError } from '../base/errors.ts';
import { kernelErrorFrom } from './kernel-error.ts';
import { lockExclusive, mount, setNetworkNamespace, unmountLazily, unshareNetworkNamespace } from './libc.ts';

const NETNS_DIRECTORY = '/run/netns';
const OWN_NAMESPACE = '/proc/thread-self/ns/net';

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x100000;
const NSFS_MAGIC = 0x6e736673;

/** The path of a namespace given by name or by path. A name may not be `.`, `..` or empty. */
function namespacePath(nameOrPath: string): string {
  if (nameOrPath.includes('/')) return nameOrPath;
  if (nameOrPath === '' || nameOrPath === '.' || nameOrPath === '..') {
    throw new KernelError('open network namespace', 'EINVAL', `bad name ${JSON.stringify(nameOrPath)}`, {
      fix: 'give the name of a file in /run/netns or a path',
    });
  }
  return `${NETNS_DIRECTORY}/${nameOrPath}`;
}

/**
 * Opens a namespace; the caller closes the descriptor with fs.closeSync. Throws a KernelError ENOENT if there is
 * none, EINVAL if the file is not a namespace (a leftover of one whose mount is gone).
 */
export function openNamespace(nameOrPath: string): number {
  const path = namespacePath(nameOrPath);
  try {
    const { type } = statfsSync(path);
    if (type !== NSFS_MAGIC) {
      throw new KernelError(`open network namespace ${path}`, 'EINVAL', 'the file is not a namespace', {
        fix: `remove it: ip netns delete ${nameOrPath}`,
      });
    }
    return openSync(path, 'r');
  } catch (error) {
    throw kernelErrorFrom(`open network namespace ${path}`, error);
  }
}

/** What a synchronous section may return: anything but a promise. */
type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/**
 * Runs `section` with this thread in the namespace and brings the thread back. Strictly synchronous. Sockets and
 * child processes made inside stay in the namespace. Throws a KernelError when the namespace cannot be entered.
 */
export function inNamespace<T>(nameOrPath: string, section: () => Synchronous<T>): T {
  const target = openNamespace(nameOrPath);
  try {
    return leavingNamespace(() => {
      try {
        setNetworkNamespace(target);
      } catch (error) {
        throw kernelErrorFrom(`enter network namespace ${nameOrPath}`, error);
      }
      const result = section();
      if (typeof result === 'object' && result !== null && 'then' in result) {
        throw new InternalError('a section in another network namespace must be synchronous');
      }
      return result;
    });
  } finally {
    closeSync(target);
  }
}

/** Runs a section that may leave the thread in another namespace, and puts the thread back. */
function leavingNamespace<T>(section: () => T): T {
  const home = openSync(OWN_NAMESPACE, 'r');
  try {
    return section();
  } finally {
    try {
      setNetworkNamespace(home);
    } catch (cause) {
      // Going on in a foreign namespace would apply this node's routes and policy there.
      // oxlint-disable-next-line no-unsafe-finally
      throw new InternalError('cannot return to the own network namespace', { cause });
    } finally {
      closeSync(home);
    }
  }
}

/**
 * Makes an empty named namespace, visible to `ip netns`. Its loopback is down. Throws a KernelError: EEXIST if the
 * name is taken, EPERM without CAP_SYS_ADMIN.
 */
export function createNamespace(name: string): void {
  const operation = `create network namespace ${name}`;
  const path = namedPath(name, operation);
  try {
    shareNamespaceDirectory();
    closeSync(openSync(path, 'wx', 0o444));
  } catch (error) {
    throw kernelErrorFrom(operation, error);
  }
  try {
    leavingNamespace(() => {
      unshareNetworkNamespace();
      mount(OWN_NAMESPACE, path, 'none', MS_BIND);
    });
  } catch (error) {
    unlinkSync(path);
    throw kernelErrorFrom(operation, error);
  }
}

/** Unmounts and removes a name. The namespace itself lives on as long as a process or a descriptor holds it. */
export function deleteNamespace(name: string): void {
  const operation = `delete network namespace ${name}`;
  const path = namedPath(name, operation);
  try {
    try {
      unmountLazily(path);
    } catch (error) {
      // EINVAL: not a mount point, i.e. the leftover file of an unclean end; it is removed all the same.
      if (!(error instanceof KernelError) || error.errno !== 'EINVAL') throw error;
    }
    unlinkSync(path);
  } catch (error) {
    throw kernelErrorFrom(operation, error);
  }
}

/** The names in /run/netns, sorted. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY).toSorted();
  } catch (error) {
    const failure = kernelErrorFrom('list network namespaces', error);
    if (failure instanceof KernelError && failure.errno === 'ENOENT') return [];
    throw failure;
  }
}

function namedPath(name: string, operation: string): string {
  if (name.includes('/')) throw new KernelError(operation, 'EINVAL', 'a name has no slash');
  return namespacePath(name);
}

/**
 * Makes /run/netns a shared mount, so that names made here show in other mount namespaces and the other way round.
 * The lock keeps two processes from mounting it twice, one hiding the names of the other.
 */
function shareNamespaceDirectory(): void {
  mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 });
  const lock = openSync(NETNS_DIRECTORY, 'r');
  try {
    lockExclusive(lock);
    try {
      mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC);
    } catch (error) {
      // EINVAL: not a mount point yet.
      if (!(error instanceof KernelError) || error.errno !== 'EINVAL') throw error;
      mount(NETNS_DIRECTORY, NETNS_DIRECTORY, 'none', MS_BIND | MS_REC);
      mount('', NETNS_DIRECTORY, 'none', MS_SHARED | MS_REC);
    }
  } finally {
    closeSync(lock);
  }
}
