/** sd_notify(3): tells the service manager how we are. Node has no unix datagram sockets, so libc does it. */
import { AF_UNIX, SOCK_DGRAM, close, sendto, socket } from './libc.ts';

/** Length of `sun_path` (unix(7)). */
const SUN_PATH = 108;

/**
 * Sends assignments (`READY=1`, `STATUS=in sync`, `WATCHDOG=1`, `STOPPING=1`; several on lines of their own) to the
 * socket that systemd names in NOTIFY_SOCKET. Returns false when no manager asked for it. Throws a KernelError if sending fails.
 */
export function notifyManager(
  assignments: string,
  target: string | undefined = process.env['NOTIFY_SOCKET'],
): boolean {
  if (target === undefined || target === '') return false;
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  try {
    sendto(fd, Buffer.from(assignments, 'utf8'), unixAddress(target));
  } finally {
    close(fd);
  }
  return true;
}

/** How often to send `WATCHDOG=1`, in milliseconds: half of what the manager allows; undefined if it does not ask. */
export function watchdogInterval(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC'] ?? 0);
  const pid = environment['WATCHDOG_PID'];
  if (!(microseconds > 0) || (pid !== undefined && Number(pid) !== process.pid)) return undefined;
  return microseconds / 2000;
}

/** `sockaddr_un` of a path, or of an abstract name written with a leading `@`. */
function unixAddress(target: string): Uint8Array {
  const path = Buffer.from(target, 'utf8');
  if (path.length >= SUN_PATH) throw new RangeError(`a unix socket path has at most ${SUN_PATH - 1} bytes`);
  const abstract = target.startsWith('@');
  if (abstract) path[0] = 0;
  const address = Buffer.alloc(2 + path.length + (abstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, 2);
  return address;
}
