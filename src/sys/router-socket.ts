/** ICMPv6 of routers on one interface: raw(7) to send, packet(7) to receive, which tells the sender. */
import type { Address } from '../net/address.ts';
import { kernelErrorFrom } from './kernel-error.ts';
import { AF_PACKET, bind, close, setsockopt } from './libc.ts';
import { onlyIcmpv6, onlyNothing } from './packet-filter.ts';
import { packetSocket, rawSocket, sendDatagram } from './socket.ts';

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const ETH_P_IPV6 = 0x86dd;
/** RFC 4861 §6.1: what a router has forwarded is not valid. */
const HOP_LIMIT = 255;

export interface RouterSocketOptions {
  readonly interface: string;
  readonly index: number;
  /** Network namespace by name or path; the calling thread's own when left out. */
  readonly namespace?: string;
  /** ICMPv6 types to receive. */
  readonly types: readonly number[];
}

export interface RouterSocket {
  /** Whole IPv6 packets come here. */
  readonly input: number;
  /** Sends an ICMPv6 message, whose checksum the kernel fills in. Throws a KernelError. */
  send(to: Address, message: Uint8Array): void;
  close(): void;
}

/** Needs CAP_NET_RAW. Throws a KernelError, e.g. ENODEV. */
export function openRouterSocket(options: RouterSocketOptions): RouterSocket {
  const inNamespace = options.namespace === undefined ? {} : { namespace: options.namespace };
  const opened: number[] = [];
  const closeAll = (): void => {
    for (const fd of opened.splice(0)) close(fd);
  };
  try {
    const output = rawSocket({ ...inNamespace, family: 6, protocol: IPPROTO_ICMPV6 });
    opened.push(output);
    // It is for sending only: nothing may pile up in it.
    onlyNothing(output);
    setsockopt(output, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${options.interface}\0`, 'utf8'));
    setsockopt(output, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, HOP_LIMIT);
    setsockopt(output, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
    const input = packetSocket({ ...inNamespace, etherType: ETH_P_IPV6 });
    opened.push(input);
    onlyIcmpv6(input, HOP_LIMIT, options.types);
    bind(input, linkLayerAddress(options.index));
    return { input, send: (to, message) => sendDatagram(output, to, message), close: closeAll };
  } catch (error) {
    closeAll();
    throw kernelErrorFrom(`open router discovery on ${options.interface}`, error);
  }
}

/** struct sockaddr_ll (packet(7)). */
function linkLayerAddress(index: number): Uint8Array {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_IPV6, 2);
  address.writeInt32LE(index, 4);
  return address;
}
