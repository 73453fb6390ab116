/**
 * IP addresses as canonical text.
 *
 * Every room passes addresses and prefixes as branded strings in one canonical spelling (dotted quad; RFC 5952),
 * so that they compare with `===`, serve as Map keys, log as themselves and survive a structured clone. They are
 * parsed once, strictly, where they enter: no octal, no short forms, no zone, no surrounding space.
 */

export type Family = 4 | 6;

/** A canonical IP address, e.g. `10.65.0.2` or `fd65::2`. Made only by {@link parseAddress} and friends. */
export type Address = string & { readonly __brand: 'Address' };

/** Bits in an address of the family. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The family of a canonical address or prefix. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 6 : 4;
}

/** Parses strictly and returns the canonical form, or undefined if the text is not an address. */
export function parseAddress(text: string): Address | undefined {
  const bytes = parseAddressBytes(text);
  if (bytes === undefined) return undefined;
  // What is accepted of IPv4 has one spelling.
  return bytes.length === 4 ? (text as Address) : formatAddress(bytes);
}

/** Like {@link parseAddress} for text that our own code wrote; throws a RangeError on anything else. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new RangeError(`not an IP address: ${JSON.stringify(text)}`);
  return parsed;
}

/** Whether it is an IPv6 address that means something on one link only (RFC 4291 §2.5.6: fe80::/10). */
export function isLinkLocal(canonical: Address): boolean {
  return /^fe[89ab][0-9a-f]:/.test(canonical);
}

/** The 4 or 16 bytes of an address in network order, or undefined if the text is not an address. */
export function parseAddressBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text, 0, text.length);
}

/** The bytes of a canonical address, in network order. */
export function addressBytes(canonical: Address): Uint8Array {
  const bytes = parseAddressBytes(canonical);
  if (bytes === undefined) throw new RangeError(`not an IP address: ${JSON.stringify(canonical)}`);
  return bytes;
}

/** The 32 bits of a canonical IPv4 address, or of that of a canonical prefix. */
export function ipv4Bits(canonical: string): number {
  let bits = 0;
  let octet = 0;
  for (let position = 0; position < canonical.length; position++) {
    const code = canonical.charCodeAt(position);
    if (code === 0x2f) break;
    if (code === 0x2e) {
      bits = (bits << 8) | octet;
      octet = 0;
    } else {
      octet = octet * 10 + code - 0x30;
    }
  }
  return ((bits << 8) | octet) >>> 0;
}

/** An address as an unsigned integer of 32 or 128 bits. */
export function addressToInteger(canonical: Address): bigint {
  let value = 0n;
  for (const byte of addressBytes(canonical)) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The inverse of {@link addressToInteger}. */
export function addressFromInteger(family: Family, value: bigint): Address {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(value & 0xffn);
    value >>= 8n;
  }
  return formatAddress(bytes);
}

function parseIPv4(text: string, start: number, end: number): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let octet = -1;
  let digits = 0;
  let index = 0;
  for (let position = start; position <= end; position++) {
    const code = position < end ? text.charCodeAt(position) : 0x2e;
    if (code === 0x2e) {
      if (digits === 0 || index > 3) return undefined;
      bytes[index++] = octet;
      octet = -1;
      digits = 0;
    } else if (code >= 0x30 && code <= 0x39) {
      if (digits > 0 && octet === 0) return undefined; // a leading zero would be octal elsewhere
      octet = digits === 0 ? code - 0x30 : octet * 10 + code - 0x30;
      digits++;
      if (octet > 255) return undefined;
    } else {
      return undefined;
    }
  }
  return index === 4 ? bytes : undefined;
}

function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const bytes = new Uint8Array(16);
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  groups.forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  });
  return bytes;
}

/** Colon-separated groups of 16 bits; the last may be a dotted quad (RFC 4291 §2.2) if `last`. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      if (!last || index !== parts.length - 1) return undefined;
      const quad = parseIPv4(part, 0, part.length);
      if (quad === undefined) return undefined;
      groups.push((quad[0]! << 8) | quad[1]!, (quad[2]! << 8) | quad[3]!);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups.length <= 8 ? groups : undefined;
}

/** Formats 4 or 16 bytes canonically: dotted quad, or RFC 5952. */
export function formatAddress(bytes: Uint8Array, offset = 0, length = bytes.length - offset): Address {
  if (length === 4) {
    return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as Address;
  }
  if (length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${length}`);
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2)
    groups.push((bytes[offset + index]! << 8) | bytes[offset + index + 1]!);
  // RFC 5952 §5: the well-known IPv4-mapped prefix is written with a dotted quad.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const quad = [...bytes.subarray(offset + 12, offset + 16)].join('.');
    return `::ffff:${quad}` as Address;
  }
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let run = 0;
    while (start + run < 8 && groups[start + run] === 0) run++;
    if (run > best.length) best = { start, length: run };
    if (run > 0) start += run - 1;
  }
  const hex = (list: number[]): string => list.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return hex(groups) as Address;
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}` as Address;
}
