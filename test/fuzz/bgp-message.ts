/** UPDATEs as their fields, damaged ones too: for changing them and for showing them. */

export const HEADER = 19;
const EXTENDED_LENGTH = 0x10;

export interface Attribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
  /** Added to the length that the header tells. */
  readonly lie: number;
}

/** An UPDATE taken apart. */
export interface Parts {
  readonly withdrawn: Uint8Array;
  readonly attributes: readonly Attribute[];
  /** What stands behind the last whole attribute in a damaged list. */
  readonly rest: Uint8Array;
  readonly nlri: Uint8Array;
}

/** An UPDATE as its fields; undefined for any other message and where the lengths of the fields do not fit. */
export function takeApart(bytes: Uint8Array): Parts | undefined {
  const word = (at: number): number => bytes[at]! * 256 + bytes[at + 1]!;
  if (bytes[18] !== 2 || bytes.length < HEADER + 4 || word(16) !== bytes.length) return undefined;
  const withdrawnEnd = HEADER + 2 + word(HEADER);
  if (withdrawnEnd + 2 > bytes.length) return undefined;
  const end = withdrawnEnd + 2 + word(withdrawnEnd);
  if (end > bytes.length) return undefined;
  const attributes: Attribute[] = [];
  let at = withdrawnEnd + 2;
  while (at + 2 < end) {
    const flags = bytes[at]!;
    const long = (flags & EXTENDED_LENGTH) !== 0;
    const valueAt = at + (long ? 4 : 3);
    const next = valueAt + (long ? word(at + 2) : bytes[at + 2]!);
    if (next > end) break;
    attributes.push({ flags, code: bytes[at + 1]!, value: bytes.slice(valueAt, next), lie: 0 });
    at = next;
  }
  return {
    withdrawn: bytes.slice(HEADER + 2, withdrawnEnd),
    attributes,
    rest: bytes.slice(at, end),
    nlri: bytes.slice(end),
  };
}

/** The fields as an UPDATE again; lengths are those of the fields, but for the lies. */
export function putTogether({ withdrawn, attributes, rest, nlri }: Parts): Uint8Array {
  const long = ({ flags, value }: Attribute): boolean =>
    (flags & EXTENDED_LENGTH) !== 0 || value.length > 0xff;
  let size = rest.length;
  for (const attribute of attributes) size += (long(attribute) ? 4 : 3) + attribute.value.length;
  const bytes = new Uint8Array(HEADER + 4 + withdrawn.length + size + nlri.length);
  bytes.fill(0xff, 0, 16);
  bytes[18] = 2;
  const word = (at: number, value: number): void => {
    bytes[at] = value >> 8;
    bytes[at + 1] = value;
  };
  word(16, bytes.length);
  word(HEADER, withdrawn.length);
  bytes.set(withdrawn, HEADER + 2);
  let at = HEADER + 2 + withdrawn.length;
  word(at, size);
  at += 2;
  for (const attribute of attributes) {
    const { flags, code, value, lie } = attribute;
    bytes[at] = long(attribute) ? flags | EXTENDED_LENGTH : flags;
    bytes[at + 1] = code;
    if (long(attribute)) word(at + 2, value.length + lie);
    else bytes[at + 2] = value.length + lie;
    at += long(attribute) ? 4 : 3;
    bytes.set(value, at);
    at += value.length;
  }
  bytes.set(rest, at);
  bytes.set(nlri, at + rest.length);
  return bytes;
}

/** The message with its own length in its header. */
export function relabelled(bytes: Uint8Array): Uint8Array {
  bytes[16] = bytes.length >> 8;
  bytes[17] = bytes.length;
  return bytes;
}
