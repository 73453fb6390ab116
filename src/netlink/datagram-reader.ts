/**
 * Datagrams of a file descriptor on Node's event loop. Node's public API refuses AF_NETLINK descriptors
 * (ERR_INVALID_FD_TYPE), but the handle below its pipes reads from any; this is the one file that uses it
 * (process.binding is deprecated in the documentation, DEP0111, and present in every Node we support).
 *
 * Each read of the handle is one read(2), so one datagram, of up to 64 KiB; the kernel makes none longer than 32 KiB.
 */
import { Socket } from 'node:net';
import { InternalError } from '../base/errors.ts';
import { close, duplicate } from '../sys/libc.ts';

interface PipeHandle {
  open(fd: number): number;
}

interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly constants: { readonly SOCKET: number };
}

declare global {
  // oxlint-disable-next-line typescript/no-namespace
  namespace NodeJS {
    interface Process {
      binding(name: 'pipe_wrap'): PipeBinding;
    }
  }
}

export interface DatagramReader {
  /** Stops reading; the descriptor it was made from stays open. */
  stop(): void;
}

/**
 * Reads every datagram that arrives at `fd` until the first error. The reader works on a duplicate, so that the
 * socket, its port id and its groups outlive an error: start another reader to go on.
 */
export function readDatagrams(
  fd: number,
  datagram: (bytes: Buffer) => void,
  failed: (errno: string, cause: Error) => void,
): DatagramReader {
  const { Pipe, constants } = process.binding('pipe_wrap');
  const handle = new Pipe(constants.SOCKET);
  const own = duplicate(fd);
  const status = handle.open(own);
  if (status !== 0) {
    close(own);
    throw new InternalError(`the event loop refuses a netlink socket (${status})`);
  }
  // `handle` is an option of net.Socket that its type declaration leaves out.
  const options: { handle: PipeHandle; readable: boolean } = { handle, readable: true };
  const stream = new Socket(options as object);
  let stopped = false;
  stream.on('data', (bytes) => {
    if (!stopped) datagram(bytes);
  });
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!stopped) failed(error.code ?? 'EIO', error);
  });
  return {
    stop() {
      stopped = true;
      stream.destroy();
    },
  };
}
