/**
 * Sockets made by hand where Node's API is too small: in another network namespace, or with options to be set before
 * connecting or listening (TCP MD5, GTSM, device). Each function returns a descriptor that Node takes over:
 *
 *     tcpListenSocket   net.createServer().listen({ fd })
 *     tcpSocket         new net.Socket({ fd }).connect({ host, port })
 *     udpSocket         dgram.createSocket('udp4' | 'udp6').bind({ fd })
 *
 * Until it does, the caller closes it with {@link closeSocket}. Options may be set on the descriptor later, too.
 */
import { type Address, type Family, addressBytes, familyOf } from '../net/address.ts';
import { type Prefix, prefixAddress, prefixLength } from '../net/prefix.ts';
import { kernelErrorFrom } from './kernel-error.ts';
import {
  AF_INET,
  AF_INET6,
  AF_PACKET,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  bind,
  close,
  getsockname,
  sendto,
  setsockopt,
  socket,
} from './libc.ts';
import { inNamespace } from './netns.ts';

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BINDTODEVICE = 25;

const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_FREEBIND = 15;
const IP_MINTTL = 21;

const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
const IPV6_MINHOPCOUNT = 73;
const IPV6_FREEBIND = 78;

const IPPROTO_TCP = 6;
const TCP_MD5SIG = 14;
const TCP_MD5SIG_EXT = 32;
const TCP_MD5SIG_FLAG_PREFIX = 1;
const TCP_MD5SIG_LENGTH = 216;
const TCP_MD5SIG_MAXKEYLEN = 80;

/** The same option of both families (ip(7), ipv6(7)). */
const BY_FAMILY = {
  timeToLive: { 4: [IPPROTO_IP, IP_TTL], 6: [IPPROTO_IPV6, IPV6_UNICAST_HOPS] },
  minimumTimeToLive: { 4: [IPPROTO_IP, IP_MINTTL], 6: [IPPROTO_IPV6, IPV6_MINHOPCOUNT] },
  trafficClass: { 4: [IPPROTO_IP, IP_TOS], 6: [IPPROTO_IPV6, IPV6_TCLASS] },
  freeBind: { 4: [IPPROTO_IP, IP_FREEBIND], 6: [IPPROTO_IPV6, IPV6_FREEBIND] },
} as const;

/** A shared key of TCP MD5 signatures (RFC 2385) with one peer, or with all of a prefix. */
export interface Md5Key {
  readonly peer: Address | Prefix;
  /** 1 to 80 bytes. */
  readonly key: string;
}

export interface SocketOptions {
  /** Network namespace by name or path; the calling thread's own when left out. */
  readonly namespace?: string;
  /** Outgoing TTL or hop limit, e.g. 255 for GTSM (RFC 5082), 1 for a directly connected eBGP peer. */
  readonly timeToLive?: number;
  /** Incoming segments with less are dropped: GTSM (RFC 5082). */
  readonly minimumTimeToLive?: number;
  /** DSCP and ECN bits; 0xc0 is CS6, internetwork control. */
  readonly trafficClass?: number;
  /** Bind to an address that is not (yet) ours. */
  readonly freeBind?: boolean;
  /** Bind to an interface by name. */
  readonly device?: string;
  readonly md5Keys?: readonly Md5Key[];
}

export interface BoundSocketOptions extends SocketOptions {
  /** Address to bind; `0.0.0.0` or `::` for all of one family (an IPv6 socket never takes IPv4 traffic). */
  readonly address: Address;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

export interface ConnectingSocketOptions extends SocketOptions {
  readonly family: Family;
  readonly sourceAddress?: Address;
  readonly sourcePort?: number;
}

/** A bound TCP socket for `net.Server.listen({ fd })`. Throws a KernelError, e.g. EADDRINUSE, EADDRNOTAVAIL. */
export function tcpListenSocket(options: BoundSocketOptions): number {
  return make(SOCK_STREAM, familyOf(options.address), options, [options.address, options.port]);
}

/** A TCP socket to connect with `new net.Socket({ fd }).connect(…)`. Throws a KernelError. */
export function tcpSocket(options: ConnectingSocketOptions): number {
  const { family, sourceAddress, sourcePort = 0 } = options;
  if (sourceAddress === undefined && sourcePort === 0) return make(SOCK_STREAM, family, options, undefined);
  return make(SOCK_STREAM, family, options, [sourceAddress ?? unspecified(family), sourcePort]);
}

/** A bound UDP socket for `dgram.Socket.bind({ fd })`. Throws a KernelError. */
export function udpSocket(options: BoundSocketOptions): number {
  return make(SOCK_DGRAM, familyOf(options.address), options, [options.address, options.port]);
}

/**
 * A raw IP socket of one protocol (raw(7)): receives packets with their IP header in IPv4 and without it in IPv6,
 * sends what stands behind the header with {@link sendDatagram}. Needs CAP_NET_RAW; throws a KernelError.
 */
export function rawSocket(options: {
  readonly namespace?: string;
  readonly family: Family;
  /** IANA protocol number. */
  readonly protocol: number;
}): number {
  const { namespace, family, protocol } = options;
  return born(namespace, () => socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, protocol));
}

/**
 * Receives copies of the packets of one EtherType that come to any interface of a namespace, without their link-layer
 * header (packet(7)). Needs CAP_NET_RAW; throws a KernelError.
 */
export function packetSocket(options: { readonly namespace?: string; readonly etherType: number }): number {
  const { namespace, etherType } = options;
  const networkOrder = ((etherType & 0xff) << 8) | (etherType >> 8);
  return born(namespace, () => socket(AF_PACKET, SOCK_DGRAM, networkOrder));
}

/** Sends one datagram on a raw or UDP socket. Throws a KernelError, e.g. ENETUNREACH. */
export function sendDatagram(fd: number, to: Address, bytes: Uint8Array, port = 0): void {
  try {
    sendto(fd, bytes, socketAddress(to, port));
  } catch (error) {
    throw kernelErrorFrom(`send to ${to}`, error);
  }
}

/**
 * The index of the interface that a connection between link-local addresses is on (sin6_scope_id of ipv6(7)); 0 for any
 * other. Node says its name only, and that of the namespace of the thread.
 */
export function socketScope(fd: number): number {
  const address = Buffer.from(getsockname(fd, 28));
  return address.readUInt16LE(0) === AF_INET6 ? address.readUInt32LE(24) : 0;
}

/** Closes a descriptor that Node has not taken over. */
export function closeSocket(fd: number): void {
  close(fd);
}

/**
 * Sets the MD5 key of a peer on a socket, also on one that listens; an undefined key removes it (ENOENT if there was
 * none). From then on segments of that peer without the right signature are dropped.
 */
export function setMd5Key(fd: number, peer: Address | Prefix, key: string | undefined): void {
  const bytes = Buffer.from(key ?? '', 'utf8');
  if (bytes.length > TCP_MD5SIG_MAXKEYLEN) throw new RangeError('a TCP MD5 key has at most 80 bytes');
  const whole = peer.includes('/') ? (peer as Prefix) : undefined;
  const host = whole === undefined ? (peer as Address) : prefixAddress(whole);
  // struct tcp_md5sig: sockaddr_storage, u8 flags, u8 prefix length, u16 key length, s32 interface, u8 key[80]
  const option = Buffer.alloc(TCP_MD5SIG_LENGTH);
  option.set(socketAddress(host, 0), 0);
  option[128] = whole === undefined ? 0 : TCP_MD5SIG_FLAG_PREFIX;
  option[129] = whole === undefined ? 0 : prefixLength(whole);
  option.writeUInt16LE(bytes.length, 130);
  bytes.copy(option, 136);
  try {
    setsockopt(fd, IPPROTO_TCP, whole === undefined ? TCP_MD5SIG : TCP_MD5SIG_EXT, option);
  } catch (error) {
    throw kernelErrorFrom(`set TCP MD5 key of ${peer}`, error);
  }
}

/** Sets the outgoing TTL or hop limit, or the least that is accepted, of a socket that is already open. */
export function setTimeToLive(
  fd: number,
  family: Family,
  option: 'timeToLive' | 'minimumTimeToLive',
  value: number,
): void {
  const [level, name] = BY_FAMILY[option][family];
  setsockopt(fd, level, name, value);
}

function make(
  type: number,
  family: Family,
  options: SocketOptions,
  local: readonly [address: Address, port: number] | undefined,
): number {
  const operation =
    `open ${type === SOCK_STREAM ? 'TCP' : 'UDP'} socket` +
    (local === undefined ? '' : ` on ${local[0]} port ${local[1]}`);
  // Binding to a device or address looks it up in the socket's own namespace, so only its making must happen there.
  const create = (): number => socket(family === 4 ? AF_INET : AF_INET6, type, 0);
  const fd = born(options.namespace, create);
  try {
    setOptions(fd, family, type, options);
    if (local !== undefined) bind(fd, socketAddress(local[0], local[1]));
    return fd;
  } catch (error) {
    close(fd);
    throw kernelErrorFrom(operation, error);
  }
}

function born(namespace: string | undefined, create: () => number): number {
  return namespace === undefined ? create() : inNamespace(namespace, create);
}

function setOptions(fd: number, family: Family, type: number, options: SocketOptions): void {
  if (type === SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  for (const name of ['timeToLive', 'minimumTimeToLive', 'trafficClass', 'freeBind'] as const) {
    const value = options[name];
    if (value === undefined) continue;
    const [level, option] = BY_FAMILY[name][family];
    setsockopt(fd, level, option, Number(value));
  }
  if (options.device !== undefined) {
    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${options.device}\0`, 'utf8'));
  }
  for (const { peer, key } of options.md5Keys ?? []) setMd5Key(fd, peer, key);
}

function unspecified(family: Family): Address {
  return (family === 4 ? '0.0.0.0' : '::') as Address;
}

/** `sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)). */
function socketAddress(host: Address, port: number): Uint8Array {
  const bytes = addressBytes(host);
  const family: Family = bytes.length === 4 ? 4 : 6;
  const address = Buffer.alloc(family === 4 ? 16 : 28);
  address.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address.set(bytes, family === 4 ? 4 : 8);
  return address;
}
