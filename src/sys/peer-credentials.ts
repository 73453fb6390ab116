/** Who is at the other end of a unix socket, as the kernel saw it at connect(2) (unix(7) SO_PEERCRED). */
import type { Socket } from 'node:net';
import { ByteReader } from '../net/bytes.ts';
import { getsockoptBytes } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: three 32-bit numbers. */
const UCRED_SIZE = 12;

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The credentials of a connected unix socket; undefined if it is closed already. Throws a KernelError. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  // Node has no public way to the descriptor of a socket.
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle;
  if (handle?.fd === undefined || handle.fd < 0) return undefined;
  const reader = new ByteReader(getsockoptBytes(handle.fd, SOL_SOCKET, SO_PEERCRED, UCRED_SIZE));
  return { pid: reader.u32le(), uid: reader.u32le(), gid: reader.u32le() };
}
