/**
 * The only door to C: a few libc calls that Node has no binding for. Nothing is bound before
 * the first call. Every call but one ({@link sendInBackground}) is synchronous and runs on the calling thread, which
 * setns(2) and unshare(2) need.
 */
import koffi from 'koffi';
import { errnoName } from './errno.ts';
import { kernelError } from './kernel-error.ts';

function bindLibc() {
  // The program itself is linked to libc, glibc or musl alike.
  const library = koffi.load(null);
  // include/uapi/linux/filter.h
  koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'const void *' });
  return {
    socket: library.func('int socket(int domain, int type, int protocol)') as (
      domain: number,
      type: number,
      protocol: number,
    ) => number,
    bind: library.func('int bind(int fd, const void *address, uint32_t length)') as SocketAddressCall,
    getsockname: library.func('int getsockname(int fd, void *address, void *length)') as unknown as (
      fd: number,
      address: Uint8Array,
      length: Uint8Array,
    ) => number,
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
    ) as (fd: number, level: number, option: number, value: Uint8Array, length: number) => number,
    attachFilter: library.func(
      'int setsockopt(int fd, int level, int option, const sock_fprog *program, uint32_t length)',
    ) as (
      fd: number,
      level: number,
      option: number,
      program: { readonly len: number; readonly filter: Uint8Array },
      length: number,
    ) => number,
    getsockopt: library.func('int getsockopt(int fd, int level, int option, void *value, void *length)') as (
      fd: number,
      level: number,
      option: number,
      value: Uint8Array,
      length: Uint8Array,
    ) => number,
    send: library.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)') as SendCall,
    recv: library.func('intptr_t recv(int fd, void *bytes, size_t length, int flags)') as (
      fd: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
    ) => number | bigint,
    sendto: library.func(
      'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t size)',
    ) as (
      fd: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
      address: Uint8Array,
      size: number,
    ) => number | bigint,
    close: library.func('int close(int fd)') as (fd: number) => number,
    duplicate: library.func('int fcntl(int fd, int command, int minimum)') as (
      fd: number,
      command: number,
      minimum: number,
    ) => number,
    flock: library.func('int flock(int fd, int operation)') as (fd: number, operation: number) => number,
    setns: library.func('int setns(int fd, int type)') as (fd: number, type: number) => number,
    unshare: library.func('int unshare(int flags)') as (flags: number) => number,
    mount: library.func(
      'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
    ) as (source: string, target: string, type: string, flags: number, data: null) => number,
    umount2: library.func('int umount2(const char *target, int flags)') as (
      target: string,
      flags: number,
    ) => number,
  };
}

type SocketAddressCall = (fd: number, address: Uint8Array, length: number) => number;

let bound: ReturnType<typeof bindLibc> | undefined;

function libc(): ReturnType<typeof bindLibc> {
  bound ??= bindLibc();
  return bound;
}

/** A call of koffi's, also as one on another thread. */
interface SendCall {
  (fd: number, bytes: Uint8Array, length: number, flags: number): number | bigint;
  readonly async: (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    done: (error: Error | null, result: number | bigint) => void,
  ) => void;
}

/** errno must be read before any other foreign call, so the check follows the call at once. */
function check(operation: string, result: number | bigint): number {
  const value = Number(result);
  if (value < 0) throw kernelError(operation, errnoName(koffi.errno()));
  return value;
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const FILTER_INSTRUCTION = 8;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const F_DUPFD_CLOEXEC = 1030;
const CLONE_NEWNET = 0x40000000;
const LOCK_EX = 2;
const MNT_DETACH = 2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** socket(2), always close-on-exec and non-blocking. */
export function socket(domain: number, type: number, protocol: number): number {
  return check('socket', libc().socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

/** bind(2) to a raw sockaddr. */
export function bind(fd: number, address: Uint8Array): void {
  check('bind', libc().bind(fd, address, address.length));
}

/** getsockname(2): the raw sockaddr of at most `size` bytes. */
export function getsockname(fd: number, size: number): Uint8Array {
  const address = new Uint8Array(size);
  const length = new Uint8Array(Uint32Array.of(size).buffer);
  check('getsockname', libc().getsockname(fd, address, length));
  return address;
}

/** setsockopt(2); a number is passed as a C int. */
export function setsockopt(fd: number, level: number, option: number, value: number | Uint8Array): void {
  const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
  check('setsockopt', libc().setsockopt(fd, level, option, bytes, bytes.length));
}

/** SO_ATTACH_FILTER of socket(7): a classic BPF program of 8 bytes per instruction (struct sock_filter). */
export function attachFilter(fd: number, program: Uint8Array): void {
  const value = { len: program.length / FILTER_INSTRUCTION, filter: program };
  check(
    'setsockopt',
    libc().attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, koffi.sizeof('sock_fprog')),
  );
}

/** getsockopt(2) of a C int. */
export function getsockopt(fd: number, level: number, option: number): number {
  const value = new Int32Array(1);
  const length = new Uint8Array(Uint32Array.of(4).buffer);
  check('getsockopt', libc().getsockopt(fd, level, option, new Uint8Array(value.buffer), length));
  return value[0]!;
}

/** getsockopt(2) of a structure of `size` bytes. */
export function getsockoptBytes(fd: number, level: number, option: number, size: number): Uint8Array {
  const value = new Uint8Array(size);
  const length = new Uint8Array(Uint32Array.of(size).buffer);
  check('getsockopt', libc().getsockopt(fd, level, option, value, length));
  return value;
}

/** send(2): the whole buffer is one datagram. */
export function send(fd: number, bytes: Uint8Array): number {
  return check('send', libc().send(fd, bytes, bytes.length, MSG_NOSIGNAL));
}

/**
 * {@link send} on a thread of libuv's pool, for what takes the kernel long. Until it is done the descriptor must stay
 * open and the bytes as they are. Rejects with a KernelError.
 */
export function sendInBackground(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    libc().send.async(fd, bytes, bytes.length, MSG_NOSIGNAL, (error, result) => {
      if (error !== null) {
        reject(error);
        return;
      }
      try {
        // In here, errno is that of the call.
        resolve(check('send', result));
      } catch (refused) {
        reject(refused as Error);
      }
    });
  });
}

/** recv(2) of one datagram into `bytes`, or undefined if none waits. */
export function receiveNow(fd: number, bytes: Uint8Array): number | undefined {
  const length = Number(libc().recv(fd, bytes, bytes.length, MSG_DONTWAIT));
  if (length < 0 && errnoName(koffi.errno()) === 'EAGAIN') return undefined;
  return check('recv', length);
}

/** sendto(2) a raw sockaddr. */
export function sendto(fd: number, bytes: Uint8Array, address: Uint8Array): number {
  return check('sendto', libc().sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length));
}

/** close(2), for descriptors that fs did not open (in a worker fs.close warns about them). */
export function close(fd: number): void {
  check('close', libc().close(fd));
}

/** A second, close-on-exec descriptor of the same open file. */
export function duplicate(fd: number): number {
  return check('fcntl(F_DUPFD_CLOEXEC)', libc().duplicate(fd, F_DUPFD_CLOEXEC, 0));
}

/** flock(2) LOCK_EX: waits for the lock, which the last close of `fd` gives back. */
export function lockExclusive(fd: number): void {
  check('flock', libc().flock(fd, LOCK_EX));
}

/** setns(2) of the calling thread into the network namespace that `fd` names. */
export function setNetworkNamespace(fd: number): void {
  check('setns', libc().setns(fd, CLONE_NEWNET));
}

/** unshare(2): the calling thread moves to a new, empty network namespace. */
export function unshareNetworkNamespace(): void {
  check('unshare', libc().unshare(CLONE_NEWNET));
}

/** mount(2) without data. */
export function mount(source: string, target: string, type: string, flags: number): void {
  check('mount', libc().mount(source, target, type, flags, null));
}

/** umount2(2) with MNT_DETACH. */
export function unmountLazily(target: string): void {
  check('umount2', libc().umount2(target, MNT_DETACH));
}
