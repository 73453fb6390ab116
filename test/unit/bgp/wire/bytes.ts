/** Hexadecimal text to bytes and back; blanks are for the reader. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/.test(digits))
    throw new RangeError(`not hexadecimal: ${text}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const MARKER = 'ff'.repeat(16);

/** A message of the type with this body. */
export function framed(type: number, body: string): Uint8Array {
  const bytes = hex(body);
  const length = (bytes.length + 19).toString(16).padStart(4, '0');
  return hex(MARKER + length + type.toString(16).padStart(2, '0') + toHex(bytes));
}

/** An UPDATE out of its three fields, with lengths that fit. */
export function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const field = (text: string): string =>
    hex(text).length.toString(16).padStart(4, '0') + text.replaceAll(/\s/g, '');
  return framed(2, field(withdrawn) + field(attributes) + nlri);
}
