/** IP prefixes (CIDRs) as canonical text: see address.ts for why text. */
import {
  type Address,
  type Family,
  addressBits,
  addressBytes,
  addressFromInteger,
  addressToInteger,
  familyOf,
  formatAddress,
  parseAddress,
  parseAddressBytes,
} from './address.ts';

/** A canonical prefix with host bits zero, e.g. `10.65.0.0/26`; a single address is `10.65.0.2/32`. */
export type Prefix = string & { readonly __brand: 'Prefix' };

/** The parts of `ADDRESS/LENGTH` or a bare address; host bits kept as written. */
export interface PrefixParts {
  readonly family: Family;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Whether any bit beyond `length` is set, i.e. the text is not strictly masked. */
  readonly hostBits: boolean;
}

/** Parses `ADDRESS/LENGTH` or a bare address (full length), strictly. */
export function parsePrefixParts(text: string): PrefixParts | undefined {
  const slash = text.indexOf('/');
  const bytes = parseAddressBytes(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const family: Family = bytes.length === 4 ? 4 : 6;
  let length: number = addressBits(family);
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > length) return undefined;
    length = Number(digits);
  }
  const masked = maskBytes(bytes, length);
  return { family, bytes, length, hostBits: masked.some((byte, index) => byte !== bytes[index]) };
}

/** Parses and masks: `10.65.0.9/26` gives `10.65.0.0/26`, a bare address gives its host prefix. */
export function parsePrefix(text: string): Prefix | undefined {
  const host = /\/(32|128)$/.exec(text);
  if (host !== null) {
    // Single addresses, of which a cluster has most: nothing is masked.
    const address = parseAddress(text.slice(0, host.index));
    if (address === undefined) return undefined;
    if (addressBits(familyOf(address)) === Number(host[1])) return `${address}${host[0]}` as Prefix;
  }
  const parts = parsePrefixParts(text);
  if (parts === undefined) return undefined;
  return prefixFromBytes(maskBytes(parts.bytes, parts.length), parts.length);
}

/** Like {@link parsePrefix} for text that our own code wrote; throws a RangeError on anything else. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new RangeError(`not an IP prefix: ${JSON.stringify(text)}`);
  return parsed;
}

/** A canonical prefix from masked network-order bytes. */
export function prefixFromBytes(bytes: Uint8Array, length: number): Prefix {
  return `${formatAddress(bytes)}/${length}` as Prefix;
}

/** The host prefix (/32 or /128) of an address. */
export function hostPrefix(host: Address): Prefix {
  return `${host}/${addressBits(familyOf(host))}` as Prefix;
}

/** The network address of a canonical prefix. */
export function prefixAddress(canonical: Prefix): Address {
  return canonical.slice(0, canonical.indexOf('/')) as Address;
}

/** The length in bits of a canonical prefix. */
export function prefixLength(canonical: Prefix): number {
  return Number(canonical.slice(canonical.indexOf('/') + 1));
}

/** Whether the prefix is a single address. */
export function isHostPrefix(canonical: Prefix): boolean {
  return prefixLength(canonical) === addressBits(familyOf(canonical));
}

/** The network-order bytes of a canonical prefix. */
export function prefixBytes(canonical: Prefix): Uint8Array {
  return addressBytes(prefixAddress(canonical));
}

/** First and last address of a prefix as unsigned integers, inclusive. */
export function prefixRange(canonical: Prefix): { first: bigint; last: bigint } {
  const first = addressToInteger(prefixAddress(canonical));
  const span = 1n << BigInt(addressBits(familyOf(canonical)) - prefixLength(canonical));
  return { first, last: first + span - 1n };
}

/** Whether `inner` (an address or a prefix) lies wholly inside `outer`. */
export function prefixContains(outer: Prefix, inner: Address | Prefix): boolean {
  if (familyOf(outer) !== familyOf(inner)) return false;
  const { first, last } = prefixRange(outer);
  const range = inner.includes('/')
    ? prefixRange(inner as Prefix)
    : prefixRange(hostPrefix(inner as Address));
  return range.first >= first && range.last <= last;
}

/** The prefixes of these lengths that an address is in, in the order of the lengths: the steps of a longest match. */
export function* prefixesHolding(address: Address, lengths: Iterable<number>): Generator<Prefix> {
  const bytes = addressBytes(address);
  for (const length of lengths) yield prefixFromBytes(maskBytes(bytes, length), length);
}

/** Whether two prefixes share an address. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, b) || prefixContains(b, a);
}

/** The address at `ordinal` from the start of the prefix; undefined past its end. */
export function addressAt(canonical: Prefix, ordinal: bigint): Address | undefined {
  const { first, last } = prefixRange(canonical);
  const value = first + ordinal;
  return value > last || ordinal < 0n ? undefined : addressFromInteger(familyOf(canonical), value);
}

/** A copy with all bits beyond `length` cleared. */
export function maskBytes(bytes: Uint8Array, length: number): Uint8Array {
  const masked = Uint8Array.from(bytes);
  for (let index = 0; index < masked.length; index++) {
    const keep = Math.min(8, Math.max(0, length - index * 8));
    masked[index]! &= 0xff00 >> keep;
  }
  return masked;
}
