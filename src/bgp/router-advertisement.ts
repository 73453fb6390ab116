/**
 * Router Advertisements and Solicitations (RFC 4861 §4.1, §4.2) as far as routers need them to find each other: ours say
 * that we are there, and that we are nobody's default router.
 */
import { type Address, formatAddress, isLinkLocal } from '../net/address.ts';

export const ICMPV6_ROUTER_SOLICITATION = 133;
export const ICMPV6_ROUTER_ADVERTISEMENT = 134;

const NEXT_HEADER_ICMPV6 = 58;
const HOP_LIMIT = 255;
const IPV6_HEADER = 40;
const ADVERTISEMENT_LENGTH = 16;
const SOLICITATION_LENGTH = 8;

export interface RouterMessage {
  readonly type: 'advertisement' | 'solicitation';
  readonly source: Address;
}

/** An advertisement with Router Lifetime 0: hosts take no default route from it. The kernel adds the checksum. */
export function encodeAdvertisement(): Uint8Array {
  const bytes = new Uint8Array(ADVERTISEMENT_LENGTH);
  bytes[0] = ICMPV6_ROUTER_ADVERTISEMENT;
  return bytes;
}

export function encodeSolicitation(): Uint8Array {
  const bytes = new Uint8Array(SOLICITATION_LENGTH);
  bytes[0] = ICMPV6_ROUTER_SOLICITATION;
  return bytes;
}

/** Reads an IPv6 packet; undefined unless it is one of the two and valid (RFC 4861 §6.1). */
export function decodeRouterMessage(packet: Uint8Array): RouterMessage | undefined {
  if (packet.length < IPV6_HEADER + SOLICITATION_LENGTH) return undefined;
  if (packet[0]! >> 4 !== 6 || packet[6] !== NEXT_HEADER_ICMPV6 || packet[7] !== HOP_LIMIT) return undefined;
  const source = formatAddress(packet.slice(8, 24));
  const type = packet[IPV6_HEADER];
  if (packet[IPV6_HEADER + 1] !== 0) return undefined;
  if (type === ICMPV6_ROUTER_SOLICITATION) return { type: 'solicitation', source };
  const long = packet.length >= IPV6_HEADER + ADVERTISEMENT_LENGTH;
  if (type !== ICMPV6_ROUTER_ADVERTISEMENT || !long || !isLinkLocal(source)) return undefined;
  return { type: 'advertisement', source };
}
