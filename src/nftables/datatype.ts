/**
 * nftables data types (nft's own numbering, libnftables datatype.h) and the text in which we write set elements.
 *
 * An element is one string, so that it is its own Map key: fields joined by `,` (`10.1.1.1,6,80`). In an interval set
 * a field may be a range; addresses there are always written as a prefix (`10.0.0.1/32`) or, when the kernel holds
 * something else, as `FIRST-LAST`. Protocols, ports, ICMP types and marks are decimal numbers.
 */
import { InternalError } from '../base/errors.ts';
import { type Address, addressBytes, formatAddress } from '../net/address.ts';
import { parsePrefixParts } from '../net/prefix.ts';

export type DataTypeName =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'ifname'
  | 'icmp_type'
  | 'icmpv6_type'
  | 'mark';

/** A JSON value as libnftables reads and writes it. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

interface DataType {
  /** `TYPE_*` of nft's datatype.h; a concatenation holds 6 bits of each. */
  readonly id: number;
  /** Bytes of a value. */
  readonly length: number;
  /** How nft reads the bytes: NFTNL_UDATA_SET_KEYBYTEORDER. */
  readonly order: 'big' | 'host';
  parse(text: string): Uint8Array;
  format(bytes: Uint8Array): string;
  toJson(text: string): JsonValue;
}

const IFNAMSIZ = 16;

function addressType(id: number, length: 4 | 16): DataType {
  return {
    id,
    length,
    order: 'big',
    parse: (text) => checkedLength(addressBytes(text as Address), length, text),
    format: (bytes) => formatAddress(bytes),
    toJson: (text) => text,
  };
}

function checkedLength(bytes: Uint8Array, length: number, text: string): Uint8Array {
  if (bytes.length !== length) throw new InternalError(`${text} does not have ${length} bytes`);
  return bytes;
}

function integerType(id: number, length: 1 | 2 | 4, order: 'big' | 'host'): DataType {
  return {
    id,
    length,
    order,
    parse(text) {
      const value = Number(text);
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** (length * 8)) {
        throw new InternalError(`${JSON.stringify(text)} is not an integer of ${length} bytes`);
      }
      return integerBytes(value, length, order);
    },
    format: (bytes) => String(bytesInteger(bytes, order)),
    toJson: Number,
  };
}

/** An unsigned integer of up to 4 bytes in the order that a register or set holds it. */
export function integerBytes(value: number, length: number, order: 'big' | 'host'): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    bytes[order === 'host' ? index : length - 1 - index] = value >>> (8 * index);
  }
  return bytes;
}

/** The inverse of {@link integerBytes}. */
function bytesInteger(bytes: Uint8Array, order: 'big' | 'host'): number {
  let value = 0;
  for (let index = 0; index < bytes.length; index++) {
    value = value * 256 + bytes[order === 'host' ? bytes.length - 1 - index : index]!;
  }
  return value;
}

/** An interface name as the kernel compares it: 16 bytes, padded with NUL. */
export function interfaceNameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(IFNAMSIZ);
  const text = Buffer.from(name, 'utf8');
  if (text.length === 0 || text.length >= IFNAMSIZ)
    throw new InternalError(`bad interface name ${JSON.stringify(name)}`);
  bytes.set(text);
  return bytes;
}

const INTERFACE_NAME: DataType = {
  id: 41,
  length: IFNAMSIZ,
  order: 'host',
  parse: interfaceNameBytes,
  format: (bytes) => Buffer.from(bytes).toString('utf8').replace(/\0+$/, ''),
  toJson: (text) => text,
};

export const DATA_TYPES: Readonly<Record<DataTypeName, DataType>> = {
  ipv4_addr: addressType(7, 4),
  ipv6_addr: addressType(8, 16),
  inet_proto: integerType(12, 1, 'big'),
  inet_service: integerType(13, 2, 'big'),
  icmp_type: integerType(14, 1, 'big'),
  mark: integerType(19, 4, 'host'),
  icmpv6_type: integerType(29, 1, 'big'),
  ifname: INTERFACE_NAME,
};

const NAMES_BY_ID = new Map<number, DataTypeName>(
  (Object.keys(DATA_TYPES) as DataTypeName[]).map((name) => [DATA_TYPES[name].id, name]),
);

const CONCATENATION_BITS = 6;

/** The id of a concatenation: 6 bits per field, first field highest. */
export function concatenatedTypeId(types: readonly DataTypeName[]): number {
  return types.reduce((id, name) => id * 2 ** CONCATENATION_BITS + DATA_TYPES[name].id, 0);
}

/** The fields of a key type id, or undefined if one of them is not ours. */
export function typesOfId(id: number): DataTypeName[] | undefined {
  const types: DataTypeName[] = [];
  for (let rest = id; rest > 0; rest = Math.floor(rest / 64)) {
    const name = NAMES_BY_ID.get(rest % 64);
    if (name === undefined) return undefined;
    types.unshift(name);
  }
  return types.length === 0 ? undefined : types;
}

/** Bytes of one field inside a key: fields of a concatenation are padded to registers of 4 bytes. */
function fieldLength(type: DataTypeName, concatenated: boolean): number {
  const { length } = DATA_TYPES[type];
  return concatenated ? (length + 3) & ~3 : length;
}

export function keyLength(types: readonly DataTypeName[]): number {
  return types.reduce((sum, type) => sum + fieldLength(type, types.length > 1), 0);
}

/** First and last key (inclusive) that an element covers; equal for a single value. */
export interface KeyRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

function splitFields(types: readonly DataTypeName[], element: string): string[] {
  const fields = types.length === 1 ? [element] : element.split(',');
  if (fields.length !== types.length) {
    throw new InternalError(`element ${JSON.stringify(element)} does not have ${types.length} fields`);
  }
  return fields;
}

/** The keys of an element. Throws an InternalError if the text does not fit the types. */
export function parseElement(types: readonly DataTypeName[], element: string): KeyRange {
  if (types.length === 1) return parseField(types[0]!, element);
  const first = new Uint8Array(keyLength(types));
  const last = new Uint8Array(first.length);
  let offset = 0;
  for (const [index, field] of splitFields(types, element).entries()) {
    const range = parseField(types[index]!, field);
    first.set(range.first, offset);
    last.set(range.last, offset);
    offset += fieldLength(types[index]!, true);
  }
  return { first, last };
}

function parseField(name: DataTypeName, text: string): KeyRange {
  const type = DATA_TYPES[name];
  if (isAddress(name)) {
    if (text.includes('/')) {
      const parts = parsePrefixParts(text);
      if (parts === undefined || parts.bytes.length !== type.length || parts.hostBits) {
        throw new InternalError(`${JSON.stringify(text)} is not a prefix of type ${name}`);
      }
      const last = parts.bytes.slice();
      for (let bit = parts.length; bit < last.length * 8; bit++) last[bit >> 3]! |= 0x80 >> (bit & 7);
      return { first: parts.bytes, last };
    }
  }
  if (name !== 'ifname') {
    const dash = text.indexOf('-');
    if (dash > 0) return { first: type.parse(text.slice(0, dash)), last: type.parse(text.slice(dash + 1)) };
  }
  const value = type.parse(text);
  return { first: value, last: value };
}

/** The text of an element from its keys: the inverse of {@link parseElement} for canonical texts. */
export function formatElement(types: readonly DataTypeName[], interval: boolean, keys: KeyRange): string {
  const concatenated = types.length > 1;
  let offset = 0;
  return types
    .map((name) => {
      const { length } = DATA_TYPES[name];
      const first = keys.first.subarray(offset, offset + length);
      const last = keys.last.subarray(offset, offset + length);
      offset += fieldLength(name, concatenated);
      return formatField(name, interval, first, last);
    })
    .join(',');
}

function formatField(name: DataTypeName, interval: boolean, first: Uint8Array, last: Uint8Array): string {
  const type = DATA_TYPES[name];
  if (interval && isAddress(name)) {
    const length = commonPrefixLength(first, last);
    return length === undefined
      ? `${type.format(first)}-${type.format(last)}`
      : `${type.format(first)}/${length}`;
  }
  const from = type.format(first);
  const to = type.format(last);
  return from === to ? from : `${from}-${to}`;
}

/** The length of the prefix that is exactly first to last, if there is one. */
function commonPrefixLength(first: Uint8Array, last: Uint8Array): number | undefined {
  const bits = first.length * 8;
  const bit = (bytes: Uint8Array, index: number): number => (bytes[index >> 3]! >> (7 - (index & 7))) & 1;
  let length = 0;
  while (length < bits && bit(first, length) === bit(last, length)) length++;
  for (let index = length; index < bits; index++) {
    if (bit(first, index) !== 0 || bit(last, index) !== 1) return undefined;
  }
  return length;
}

/** The libnftables JSON of an element's key. */
export function elementToJson(types: readonly DataTypeName[], element: string): JsonValue {
  const fields = splitFields(types, element).map((field, index) => fieldToJson(types[index]!, field));
  return fields.length === 1 ? fields[0]! : { concat: fields };
}

function fieldToJson(name: DataTypeName, text: string): JsonValue {
  const type = DATA_TYPES[name];
  if (name === 'ifname') return text;
  const slash = text.indexOf('/');
  if (slash >= 0) {
    const host = text.slice(0, slash);
    const length = Number(text.slice(slash + 1));
    return length === type.length * 8 ? host : { prefix: { addr: host, len: length } };
  }
  const dash = text.indexOf('-');
  if (dash < 0) return type.toJson(text);
  return { range: [type.toJson(text.slice(0, dash)), type.toJson(text.slice(dash + 1))] };
}

function isAddress(name: DataTypeName): boolean {
  return name === 'ipv4_addr' || name === 'ipv6_addr';
}
