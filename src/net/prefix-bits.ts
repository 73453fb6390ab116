/**
 * Prefixes as numbers, for tables of a million of them: 32-bit words in host order, the first the highest. An IPv4
 * prefix has one word, and the others are zero. Text (prefix.ts) is for people and for tables that are small.
 */
import { type Family, familyOf, formatAddress, ipv4Bits } from './address.ts';
import { type Prefix, prefixBytes, prefixLength } from './prefix.ts';

/** Host bits are zero. */
export interface PrefixBits {
  readonly family: Family;
  /** In bits. */
  readonly length: number;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** One that is filled again and again: whoever is handed it keeps nothing of it. */
export type MutablePrefixBits = { -readonly [Key in keyof PrefixBits]: PrefixBits[Key] };

/** The numbers of a canonical prefix. */
export function prefixBits(canonical: Prefix): PrefixBits {
  if (familyOf(canonical) === 4) {
    return { family: 4, length: prefixLength(canonical), w0: ipv4Bits(canonical), w1: 0, w2: 0, w3: 0 };
  }
  const bytes = prefixBytes(canonical);
  const word = (at: number): number =>
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  return { family: 6, length: prefixLength(canonical), w0: word(0), w1: word(4), w2: word(8), w3: word(12) };
}

/** The canonical text. */
export function formatPrefixBits({ family, length, w0, w1, w2, w3 }: PrefixBits): Prefix {
  if (family === 4) {
    return `${w0 >>> 24}.${(w0 >>> 16) & 255}.${(w0 >>> 8) & 255}.${w0 & 255}/${length}` as Prefix;
  }
  const bytes = new Uint8Array(16);
  [w0, w1, w2, w3].forEach((word, index) => {
    bytes[index * 4] = word >>> 24;
    bytes[index * 4 + 1] = word >>> 16;
    bytes[index * 4 + 2] = word >>> 8;
    bytes[index * 4 + 3] = word;
  });
  return `${formatAddress(bytes)}/${length}` as Prefix;
}

export function samePrefixBits(a: PrefixBits, b: PrefixBits): boolean {
  return (
    a.length === b.length &&
    a.w0 === b.w0 &&
    a.w1 === b.w1 &&
    a.w2 === b.w2 &&
    a.w3 === b.w3 &&
    a.family === b.family
  );
}

/** Whether `inner` lies wholly inside `outer`. */
export function prefixBitsContain(outer: PrefixBits, inner: PrefixBits): boolean {
  const { length } = outer;
  if (inner.length < length || inner.family !== outer.family) return false;
  return (
    sameHead(outer.w0, inner.w0, length) &&
    sameHead(outer.w1, inner.w1, length - 32) &&
    sameHead(outer.w2, inner.w2, length - 64) &&
    sameHead(outer.w3, inner.w3, length - 96)
  );
}

/** The first bits of a word; all of them from 32 on, none up to 0. */
export function maskWord(word: number, bits: number): number {
  if (bits >= 32) return word;
  return bits <= 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
}

function sameHead(a: number, b: number, bits: number): boolean {
  return bits <= 0 || maskWord((a ^ b) >>> 0, bits) === 0;
}

/** A set of prefixes, asked whether it has one, or one around it. Made once, asked often. */
export class PrefixSet {
  private readonly byLength: Readonly<Record<Family, Networks[]>> = { 4: [], 6: [] };

  constructor(prefixes: Iterable<Prefix>) {
    for (const prefix of prefixes) {
      const bits = prefixBits(prefix);
      let entry = this.byLength[bits.family].find(({ length }) => length === bits.length);
      if (entry === undefined) {
        entry = { length: bits.length, networks: new Set() };
        this.byLength[bits.family].push(entry);
      }
      entry.networks.add(networkOf(bits, bits.length));
    }
  }

  has(prefix: PrefixBits): boolean {
    for (const { length, networks } of this.byLength[prefix.family]) {
      if (length === prefix.length) return networks.has(networkOf(prefix, length));
    }
    return false;
  }

  /** Whether the prefix is one of the set or lies inside one. */
  covers(prefix: PrefixBits): boolean {
    for (const { length, networks } of this.byLength[prefix.family]) {
      if (length <= prefix.length && networks.has(networkOf(prefix, length))) return true;
    }
    return false;
  }
}

/** Networks of one length: an IPv4 network is its word, an IPv6 network its words as text. */
interface Networks {
  readonly length: number;
  readonly networks: Set<number | string>;
}

function networkOf({ family, w0, w1, w2, w3 }: PrefixBits, length: number): number | string {
  if (family === 4) return maskWord(w0, length);
  const words = [w0, w1, w2, w3].map((word, index) => maskWord(word, length - 32 * index));
  return words.join(' ');
}
