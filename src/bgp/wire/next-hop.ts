/** Next hops on the wire: one IPv4 address, one IPv6 address, or a global and a link-local one (RFC 2545 §3). */
import { type Address, addressBytes, familyOf, formatAddress, isLinkLocal } from '../../net/address.ts';
import { ByteWriter } from '../../net/bytes.ts';
import type { NextHop } from './message.ts';

const UNSPECIFIED = '::' as Address;
const MULTICAST = /^ff..:/; // ff00::/8, RFC 4291 §2.7

/** Reads 4, 16 or 32 octets; undefined for any other length. */
export function readNextHop(bytes: Uint8Array): NextHop | undefined {
  if (bytes.length === 4 || bytes.length === 16) return { address: formatAddress(bytes) };
  if (bytes.length !== 32) return undefined;
  const address = formatAddress(bytes, 0, 16);
  const linkLocal = formatAddress(bytes, 16, 16);
  // Peers without a global address send `::` or the link-local address in its place.
  if (address === UNSPECIFIED || address === linkLocal) return { address: linkLocal };
  return linkLocal === UNSPECIFIED ? { address } : { address, linkLocal };
}

/** The last IPv4 next hop read: nearly every route of a peer has the same. */
let lastWord = -1;
let lastNextHop: NextHop | undefined;

/** The next hop of four octets, as a number. */
export function readIPv4NextHop(word: number): NextHop {
  if (word !== lastWord || lastNextHop === undefined) {
    lastWord = word;
    const address = `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}` as Address;
    lastNextHop = { address };
  }
  return lastNextHop;
}

/** Octets that {@link writeNextHop} appends. */
export function nextHopLength({ address, linkLocal }: NextHop): 4 | 16 | 32 {
  if (familyOf(address) === 4) return 4;
  return linkLocal !== undefined || isLinkLocal(address) ? 32 : 16;
}

/** Appends the next hop. A link-local address alone is written twice, which every known receiver understands. */
export function writeNextHop(writer: ByteWriter, nextHop: NextHop): void {
  const bytes = addressBytes(nextHop.address);
  writer.append(bytes);
  if (nextHopLength(nextHop) !== 32) return;
  writer.append(nextHop.linkLocal === undefined ? bytes : addressBytes(nextHop.linkLocal));
}

/** The octets of a next hop, their number before them. */
export function encodeNextHop(nextHop: NextHop): Uint8Array {
  const writer = new ByteWriter(33);
  writer.u8(nextHopLength(nextHop));
  writeNextHop(writer, nextHop);
  return writer.copy();
}

/** Why the address cannot be that of a host (RFC 4271 §6.3), or undefined if it can. */
export function nextHopFault({ address }: NextHop): string | undefined {
  const impossible =
    familyOf(address) === 4
      ? address.startsWith('0.') || Number(address.slice(0, address.indexOf('.'))) >= 224
      : address === UNSPECIFIED || MULTICAST.test(address);
  return impossible ? `next hop ${address} is no host (RFC 4271 §6.3)` : undefined;
}
