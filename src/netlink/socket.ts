/**
 * A netlink socket on Node's event loop (design D2).
 *
 * Sends are one sendmsg(2) each and bypass the stream: the kernel works a batch off inside the call, so there is
 * nothing to wait for, and a stream would be free to merge or split buffers. What takes the kernel long is sent on
 * another thread. A lost notification (ENOBUFS) is an ordinary event: the socket goes on with the same port id and
 * groups, and its owner resynchronises.
 */
import { KernelError } from '../base/errors.ts';
import { kernelError, kernelErrorFrom } from '../sys/kernel-error.ts';
import {
  AF_NETLINK,
  SOCK_RAW,
  bind,
  close,
  getsockname,
  getsockopt,
  receiveNow,
  send,
  sendInBackground,
  setsockopt,
  socket,
} from '../sys/libc.ts';
import { inNamespace } from '../sys/netns.ts';
import { nothingOfPort } from '../sys/packet-filter.ts';
import { type DatagramReader, readDatagrams } from './datagram-reader.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const SOCKADDR_NL_LENGTH = 12;
/** af_netlink.c keeps this much of the send buffer for itself (netlink_sendmsg). */
const SEND_RESERVE = 32;
const DEFAULT_BUFFER = 32 << 20;

export interface NetlinkSocketOptions {
  /** NETLINK_ROUTE or NETLINK_NETFILTER. */
  readonly protocol: number;
  /** Network namespace by name or path; the calling thread's own when left out. */
  readonly namespace?: string;
  /** Bytes of the receive queue; 32 MiB when left out. The kernel doubles it for its own book-keeping. */
  readonly receiveBuffer?: number;
  /** A port id: what the kernel tells of the changes that it asked for does not reach this socket. */
  readonly deafTo?: number;
  /** Longest batch in bytes; 32 MiB when left out. */
  readonly sendBuffer?: number;
}

/** What a socket reports, always from the event loop and never from within a call of its owner. */
export interface NetlinkSocketEvents {
  datagram(bytes: Uint8Array): void;
  /** ENOBUFS: the kernel dropped messages meant for this socket. It stays open, its queue now empty. */
  overrun(): void;
  /** The socket is closed, with the reason unless its owner closed it. */
  closed(reason: KernelError | undefined): void;
}

/** One open netlink socket. */
export interface NetlinkSocket {
  /** Our address in the kernel's replies (`nlmsg_pid`). */
  readonly portId: number;
  /** Longest buffer {@link send} takes, in bytes. */
  readonly sendLimit: number;
  /** One buffer, one sendmsg(2). Throws a KernelError; EMSGSIZE if it is longer than `sendLimit`. */
  send(bytes: Uint8Array): void;
  /**
   * {@link send} on another thread, while the event loop goes on: resolves when the kernel has worked it off. The bytes
   * must stay as they are until then. Whatever is sent meanwhile overtakes it. Rejects with a KernelError.
   */
  sendInBackground(bytes: Uint8Array): Promise<void>;
  /** Joins a multicast group by number. */
  join(group: number): void;
  /** Closes at once; idempotent. */
  close(): void;
}

/** Opens a socket. Throws a KernelError, e.g. ENOENT when the namespace does not exist. */
export function openNetlinkSocket(options: NetlinkSocketOptions, events: NetlinkSocketEvents): NetlinkSocket {
  const make = (): number => socket(AF_NETLINK, SOCK_RAW, options.protocol);
  const fd = options.namespace === undefined ? make() : inNamespace(options.namespace, make);
  try {
    const address = new Uint8Array(SOCKADDR_NL_LENGTH);
    address[0] = AF_NETLINK;
    bind(fd, address);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    if (options.deafTo !== undefined) nothingOfPort(fd, options.deafTo);
    setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBuffer ?? DEFAULT_BUFFER);
    setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.sendBuffer ?? DEFAULT_BUFFER);
    return new OpenNetlinkSocket(fd, events);
  } catch (error) {
    close(fd);
    throw kernelErrorFrom('open netlink socket', error);
  }
}

/** The forced option passes net.core.*mem_max and needs CAP_NET_ADMIN; without it the limit holds. */
function setBuffer(fd: number, forced: number, plain: number, bytes: number): void {
  try {
    setsockopt(fd, SOL_SOCKET, forced, bytes);
  } catch (error) {
    if (!(error instanceof KernelError) || error.errno !== 'EPERM') throw error;
    setsockopt(fd, SOL_SOCKET, plain, bytes);
  }
}

/**
 * Empties the receive queue of a socket that overran. Until it is empty the kernel drops everything for the socket
 * and does not say so again (af_netlink.c, NETLINK_S_CONGESTED), so only what its owner reads after this is complete;
 * and what waited in the queue is older than that.
 */
function discardQueue(fd: number): void {
  const scratch = new Uint8Array(32);
  for (;;) {
    try {
      if (receiveNow(fd, scratch) === undefined) return;
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== 'ENOBUFS') throw error;
    }
  }
}

class OpenNetlinkSocket implements NetlinkSocket {
  readonly portId: number;
  readonly sendLimit: number;
  private reader: DatagramReader;
  private open = true;
  /** Threads that are about to use the descriptor, whose number would else come to mean something else. */
  private senders = 0;

  constructor(
    private readonly fd: number,
    private readonly events: NetlinkSocketEvents,
  ) {
    const address = getsockname(fd, SOCKADDR_NL_LENGTH);
    this.portId = new DataView(address.buffer).getUint32(4, true);
    this.sendLimit = getsockopt(fd, SOL_SOCKET, SO_SNDBUF) - SEND_RESERVE;
    this.reader = this.read();
  }

  send(bytes: Uint8Array): void {
    this.mustBeOpen();
    send(this.fd, bytes);
  }

  async sendInBackground(bytes: Uint8Array): Promise<void> {
    this.mustBeOpen();
    this.senders++;
    try {
      await sendInBackground(this.fd, bytes);
    } finally {
      if (--this.senders === 0 && !this.open) close(this.fd);
    }
  }

  join(group: number): void {
    setsockopt(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  }

  close(): void {
    this.finish(undefined);
  }

  private mustBeOpen(): void {
    if (!this.open) throw kernelError('send netlink message', 'EBADF', 'the socket is closed');
  }

  private read(): DatagramReader {
    return readDatagrams(
      this.fd,
      (bytes) => this.events.datagram(bytes),
      (errno, cause) => {
        if (errno !== 'ENOBUFS') {
          this.finish(kernelError('receive netlink message', errno, undefined, cause));
          return;
        }
        this.reader.stop();
        try {
          discardQueue(this.fd);
          this.reader = this.read();
        } catch (error) {
          this.finish(kernelError('receive netlink message', 'EIO', undefined, error));
          return;
        }
        this.events.overrun();
      },
    );
  }

  private finish(reason: KernelError | undefined): void {
    if (!this.open) return;
    this.open = false;
    this.reader.stop();
    if (this.senders === 0) close(this.fd);
    process.nextTick(() => this.events.closed(reason));
  }
}
