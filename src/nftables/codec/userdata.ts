/**
 * libnftables' own notes in the kernel's userdata attributes: type and length of 8 bits each, then the value
 * (libnftnl/udata.h). They carry comments and tell nft in which byte order to print set keys.
 */

/** `enum nftnl_udata_*_types`. */
const RULE_COMMENT = 0;
const CHAIN_COMMENT = 0;
const SET_KEY_BYTE_ORDER = 0;
const SET_DATA_BYTE_ORDER = 1;
const SET_COMMENT = 7;
const ELEMENT_COMMENT = 0;
const ELEMENT_FLAGS = 1;
const ELEMENT_INTERVAL_OPEN = 1;

/** nft's `enum byteorder`. */
const BYTE_ORDERS = { none: 0, host: 1, big: 2 } as const;
type ByteOrder = keyof typeof BYTE_ORDERS;

function join(parts: readonly (readonly [type: number, value: Uint8Array])[]): Uint8Array | undefined {
  if (parts.length === 0) return undefined;
  const bytes = new Uint8Array(parts.reduce((sum, [, value]) => sum + 2 + value.length, 0));
  let offset = 0;
  for (const [type, value] of parts) {
    bytes[offset] = type;
    bytes[offset + 1] = value.length;
    bytes.set(value, offset + 2);
    offset += 2 + value.length;
  }
  return bytes;
}

function split(bytes: Uint8Array): Map<number, Uint8Array> {
  const parts = new Map<number, Uint8Array>();
  for (let offset = 0; offset + 2 <= bytes.length;) {
    const length = bytes[offset + 1]!;
    parts.set(bytes[offset]!, bytes.subarray(offset + 2, offset + 2 + length));
    offset += 2 + length;
  }
  return parts;
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`, 'utf8');
}

function comment(bytes: Uint8Array | undefined, type: number): string | undefined {
  const value = bytes === undefined ? undefined : split(bytes).get(type);
  return value === undefined ? undefined : Buffer.from(value).toString('utf8').replace(/\0+$/, '');
}

/** 32 bits in host order. */
function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24);
}

export function encodeRuleComment(value: string): Uint8Array {
  return join([[RULE_COMMENT, text(value)]])!;
}

export function decodeRuleComment(bytes: Uint8Array | undefined): string | undefined {
  return comment(bytes, RULE_COMMENT);
}

export function encodeChainComment(value: string): Uint8Array {
  return join([[CHAIN_COMMENT, text(value)]])!;
}

export function decodeChainComment(bytes: Uint8Array | undefined): string | undefined {
  return comment(bytes, CHAIN_COMMENT);
}

interface SetUserdata {
  readonly keyOrder: ByteOrder;
  /** In maps only. */
  readonly dataOrder?: ByteOrder;
  readonly comment?: string;
}

export function encodeSetUserdata(set: SetUserdata): Uint8Array {
  const parts: [number, Uint8Array][] = [[SET_KEY_BYTE_ORDER, word(BYTE_ORDERS[set.keyOrder])]];
  if (set.dataOrder !== undefined) parts.push([SET_DATA_BYTE_ORDER, word(BYTE_ORDERS[set.dataOrder])]);
  if (set.comment !== undefined) parts.push([SET_COMMENT, text(set.comment)]);
  return join(parts)!;
}

export function decodeSetComment(bytes: Uint8Array | undefined): string | undefined {
  return comment(bytes, SET_COMMENT);
}

interface ElementUserdata {
  readonly comment: string | undefined;
  /** The interval has no end: it reaches the highest key. */
  readonly open: boolean;
}

export function encodeElementUserdata(element: ElementUserdata): Uint8Array | undefined {
  const parts: [number, Uint8Array][] = [];
  if (element.comment !== undefined) parts.push([ELEMENT_COMMENT, text(element.comment)]);
  if (element.open) parts.push([ELEMENT_FLAGS, word(ELEMENT_INTERVAL_OPEN)]);
  return join(parts);
}

export function decodeElementComment(bytes: Uint8Array | undefined): string | undefined {
  return comment(bytes, ELEMENT_COMMENT);
}
