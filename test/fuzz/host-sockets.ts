/** Probes that begin or end at the node itself: raw sockets that send whole packets, and that hear what is delivered. */
import { KernelError } from '../../src/base/errors.ts';
import { type Address, addressBytes, familyOf } from '../../src/net/address.ts';
import {
  AF_INET,
  AF_INET6,
  SOCK_RAW,
  close,
  receiveNow,
  sendto,
  setsockopt,
  socket,
} from '../../src/sys/libc.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';
import { numberOf } from './frame.ts';

/** Such a socket sends packets with headers of their own, and hears nothing. */
const IPPROTO_RAW = 255;
const SOL_SOCKET = 1;
const SO_MARK = 36;
const SO_RCVBUFFORCE = 33;
const RECEIVE_BUFFER = 8 * 1024 * 1024;
/** What probes of the node are marked with: its own answers are not, and are dropped. */
const PROBE_MARK = 1;

const delivered = [
  { family: AF_INET, protocols: [1, 4, 6, 17, 47, 132, 136] },
  { family: AF_INET6, protocols: [4, 6, 17, 47, 58, 132, 136] },
] as const;

export class HostSockets {
  private readonly buffer = new Uint8Array(4096);

  private constructor(
    private readonly senders: Readonly<Record<4 | 6, number>>,
    private readonly receivers: readonly number[],
  ) {}

  /** Opens the sockets, and keeps the node from answering probes. */
  static async open(namespace: string): Promise<HostSockets> {
    const open = (family: number, protocol: number): number =>
      inNamespace(namespace, () => socket(family, SOCK_RAW, protocol));
    const senders = { 4: open(AF_INET, IPPROTO_RAW), 6: open(AF_INET6, IPPROTO_RAW) };
    for (const fd of Object.values(senders)) setsockopt(fd, SOL_SOCKET, SO_MARK, PROBE_MARK);
    const receivers = delivered.flatMap(({ family, protocols }) =>
      protocols.map((protocol) => open(family, protocol)),
    );
    for (const fd of receivers) setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    const hook = '{ type filter hook output priority -400; }';
    await runChecked(
      'nft',
      [
        `add chain inet probes answers ${hook}
        add rule inet probes answers icmpv6 type { 130-137, 143 } accept
        add rule inet probes answers meta mark & ${PROBE_MARK} == 0 drop
        add rule inet probes answers notrack`,
      ],
      { namespace },
    );
    return new HostSockets(senders, receivers);
  }

  /** Sends a packet with its IP header. Of one that policy drops at the output hook the kernel says EPERM. */
  send(packet: Uint8Array, destination: Address): void {
    const family = familyOf(destination);
    // struct sockaddr_in: u16 family, be16 port, u8 address[4], u8 zero[8]
    // struct sockaddr_in6: u16 family, be16 port, be32 flow, u8 address[16], u32 scope
    const link = Buffer.alloc(family === 4 ? 16 : 28);
    link.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
    link.set(addressBytes(destination), family === 4 ? 4 : 8);
    try {
      sendto(this.senders[family], packet, link);
    } catch (error) {
      if (!(error instanceof KernelError) || error.errno !== 'EPERM') throw error;
    }
  }

  /** Numbers of the probes that were delivered to the node since the last call. */
  *receive(): Generator<number> {
    for (const fd of this.receivers) {
      for (;;) {
        const length = receiveNow(fd, this.buffer);
        if (length === undefined) break;
        const number = numberOf(this.buffer.subarray(0, length));
        if (number !== undefined) yield number;
      }
    }
  }

  close(): void {
    for (const fd of [...Object.values(this.senders), ...this.receivers]) close(fd);
  }
}
