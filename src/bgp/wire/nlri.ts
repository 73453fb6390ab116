/**
 * Network layer reachability information: prefixes on the wire (RFC 4271 §4.3, RFC 7911 §3).
 *
 *     [ path identifier, 4 octets ] | length in bits, 1 octet | as many octets as the bits need
 *
 * Reading hands out offsets and lengths, not objects, so that a table may take the bytes as they stand.
 */
import { type Address, type Family, addressBytes, formatAddress } from '../../net/address.ts';
import { type MutablePrefixBits, type PrefixBits, maskWord } from '../../net/prefix-bits.ts';
import { type Prefix, prefixAddress, prefixLength } from '../../net/prefix.ts';
import type { NlriList } from './message.ts';

/** Prefixes as bytes, checked to be well formed: `bytes[start..end)`. */
export interface NlriBytes {
  readonly family: Family;
  readonly addPath: boolean;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Told of one prefix: `bits` long, its octets at `offset`; host bits as received. Path identifier 0 if there is none. */
export type NlriVisitor = (bytes: Uint8Array, offset: number, bits: number, pathId: number) => void;

/** How many prefixes there are, or -1 if the bytes are malformed: too long a prefix, or one past the end. */
export function countNlri(nlri: NlriBytes): number {
  const { bytes, end, addPath } = nlri;
  const maximum = nlri.family === 4 ? 32 : 128;
  let at = nlri.start;
  let count = 0;
  while (at < end) {
    if (addPath) at += 4;
    if (at >= end) return -1;
    const bits = bytes[at]!;
    if (bits > maximum) return -1;
    at += 1 + ((bits + 7) >> 3);
    count++;
  }
  return at === end ? count : -1;
}

/** Visits every prefix of well-formed bytes, in order. */
export function visitNlri(nlri: NlriBytes, visit: NlriVisitor): void {
  const { bytes, end, addPath } = nlri;
  let at = nlri.start;
  while (at < end) {
    let pathId = 0;
    if (addPath) {
      pathId = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
      at += 4;
    }
    const bits = bytes[at]!;
    visit(bytes, at + 1, bits, pathId);
    at += 1 + ((bits + 7) >> 3);
  }
}

/** Visits every prefix of well-formed bytes by its numbers, host bits cleared, which stand until the next. */
export function visitNlriBits(
  { family, bytes, start, end, addPath }: NlriBytes,
  visit: (prefix: PrefixBits, pathId: number) => void,
): void {
  const prefix: MutablePrefixBits = { family, length: 0, w0: 0, w1: 0, w2: 0, w3: 0 };
  for (let at = start; at < end;) {
    let pathId = 0;
    if (addPath) {
      pathId = wireWord(bytes, at, 32, 0);
      at += 4;
    }
    const length = bytes[at++]!;
    prefix.length = length;
    prefix.w0 = wireWord(bytes, at, length, 0);
    if (family === 6) {
      prefix.w1 = wireWord(bytes, at, length, 1);
      prefix.w2 = wireWord(bytes, at, length, 2);
      prefix.w3 = wireWord(bytes, at, length, 3);
    }
    at += (length + 7) >> 3;
    visit(prefix, pathId);
  }
}

/** A word of octets on the wire with the bits past `length` cleared (RFC 4271 §4.3). `index` counts words. */
export function wireWord(bytes: Uint8Array, offset: number, length: number, index: number): number {
  const bits = length - 32 * index;
  if (bits <= 0) return 0;
  const at = offset + 4 * index;
  let word = bytes[at]! << 24;
  if (bits > 8) word |= bytes[at + 1]! << 16;
  if (bits > 16) word |= bytes[at + 2]! << 8;
  if (bits > 24) word |= bytes[at + 3]!;
  return maskWord(word >>> 0, bits);
}

/** The prefixes as values. */
export function decodeNlri(nlri: NlriBytes): NlriList {
  const prefixes: Prefix[] = [];
  const pathIds: number[] = [];
  visitNlri(nlri, (bytes, offset, bits, pathId) => {
    prefixes.push(formatNlri(nlri.family, bytes, offset, bits));
    if (nlri.addPath) pathIds.push(pathId);
  });
  return nlri.addPath ? { family: nlri.family, prefixes, pathIds } : { family: nlri.family, prefixes };
}

/** The canonical prefix of octets on the wire; bits past `bits` are ignored (RFC 4271 §4.3). */
export function formatNlri(family: Family, bytes: Uint8Array, offset: number, bits: number): Prefix {
  const octets = (bits + 7) >> 3;
  const spare = octets * 8 - bits;
  if (family === 4) {
    let word = 0;
    for (let index = 0; index < octets; index++) word |= bytes[offset + index]! << (24 - index * 8);
    if (bits < 32) word &= bits === 0 ? 0 : -1 << (32 - bits);
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}/${bits}` as Prefix;
  }
  const full = new Uint8Array(16);
  full.set(bytes.subarray(offset, offset + octets));
  if (octets > 0) full[octets - 1]! &= 0xff << spare;
  return `${formatAddress(full)}/${bits}` as Prefix;
}

/** The octets and the length in bits of a canonical prefix. */
export function parseNlri(canonical: Prefix): { readonly bytes: Uint8Array; readonly bits: number } {
  const network: Address = prefixAddress(canonical);
  return { bytes: addressBytes(network), bits: prefixLength(canonical) };
}
