/**
 * As much of ICMP and ICMPv6 as asks a host for what its kernel answers by itself: echo (RFC 792, RFC 4443 §4) and, in
 * IPv4, timestamp (RFC 792). Pure.
 */
import { ByteReader, ByteWriter } from '../net/bytes.ts';
import { type Address, type Family, formatAddress } from '../net/address.ts';

/** Protocols of probes that have no ports, and the one family of each. */
export type IcmpProtocol = 'ICMP' | 'ICMPv6';

export const icmpFamilies: Readonly<Record<IcmpProtocol, Family>> = { ICMP: 4, ICMPv6: 6 };
/** IANA protocol numbers. */
export const icmpNumbers: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };

export interface IcmpRequest {
  readonly type: number;
  readonly code: number;
}

/** By the type of a request, the type that answers it. */
export const icmpReplies: Readonly<Record<Family, Readonly<Record<number, number>>>> = {
  4: { 8: 0, 13: 14 },
  6: { 128: 129 },
};
/** What is asked if nothing else is said. */
export const echoRequest: Readonly<Record<Family, IcmpRequest>> = {
  4: { type: 8, code: 0 },
  6: { type: 128, code: 0 },
};

/** Types of errors that say that a packet was refused: Destination Unreachable. */
const UNREACHABLE: Readonly<Record<Family, number>> = { 4: 3, 6: 1 };
const IPV6_HEADER_LENGTH = 40;
/** Type, code, checksum, and four more bytes, in requests an identifier and a sequence number. */
const HEADER_LENGTH = 8;
/** A timestamp message has three times behind its header; an echo may carry anything. */
const BODY_LENGTH = 12;

/** A request of an identifier (16 bits). In IPv6 the kernel fills in the checksum. */
export function encodeIcmpRequest(
  family: Family,
  { type, code }: IcmpRequest,
  identifier: number,
): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(type);
  writer.u8(code);
  writer.u16(0);
  writer.u16(identifier);
  writer.u16(1);
  writer.append(new Uint8Array(BODY_LENGTH));
  const message = writer.copy();
  if (family === 4) new DataView(message.buffer).setUint16(2, internetChecksum(message));
  return message;
}

/** What a packet of a raw socket says about a request. */
export interface IcmpAnswer {
  /** `reply` by whom it was asked, or `unreachable` by anybody. */
  readonly kind: 'reply' | 'unreachable';
  readonly identifier: number;
  /** The type of the reply, or of the request that could not be delivered. */
  readonly type: number;
  /** Who sent the reply; raw sockets of IPv6 do not say. */
  readonly source?: Address;
}

/** Reads what a raw socket received: with its IP header in IPv4, without it in IPv6. Undefined if it is no answer. */
export function decodeIcmpAnswer(family: Family, bytes: Uint8Array): IcmpAnswer | undefined {
  const start = family === 4 ? ipv4HeaderLength(bytes) : 0;
  const message = bytes.subarray(start);
  if (message.length < HEADER_LENGTH) return undefined;
  const type = message[0]!;
  const identifier = new ByteReader(message, 4).u16();
  if (Object.values(icmpReplies[family]).includes(type)) {
    const source = family === 4 ? { source: formatAddress(bytes.subarray(12, 16)) } : {};
    return { kind: 'reply', identifier, type, ...source };
  }
  if (type !== UNREACHABLE[family]) return undefined;
  const original = message.subarray(HEADER_LENGTH);
  const [protocol, header] =
    family === 4 ? [original[9], ipv4HeaderLength(original)] : [original[6], IPV6_HEADER_LENGTH];
  const request = original.subarray(header);
  if (protocol !== icmpNumbers[family] || request.length < HEADER_LENGTH) return undefined;
  return { kind: 'unreachable', identifier: new ByteReader(request, 4).u16(), type: request[0]! };
}

function ipv4HeaderLength(bytes: Uint8Array): number {
  return ((bytes[0] ?? 0) & 0x0f) * 4;
}

/** The checksum of RFC 1071 over an even number of bytes. */
function internetChecksum(bytes: Uint8Array): number {
  const reader = new ByteReader(bytes);
  let sum = 0;
  while (reader.remaining > 0) sum += reader.u16();
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
