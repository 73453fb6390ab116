/**
 * Bounds-checked readers and writers over bytes, by shifts (measured faster than DataView for short fields).
 * Network order (big-endian) unless the name ends in `le`; netlink headers are in host order, and every host we
 * run on is little-endian.
 */

/** Thrown when a read passes the end; carries where. Codecs turn it into their own typed error. */
export class ShortReadError extends RangeError {
  constructor(
    readonly offset: number,
    readonly wanted: number,
    readonly available: number,
  ) {
    super(`wanted ${wanted} bytes at offset ${offset}, ${available} left`);
    this.name = 'ShortReadError';
  }
}

/** Reads forward through `bytes` from `offset` to `end`. */
export class ByteReader {
  constructor(
    readonly bytes: Uint8Array,
    public offset = 0,
    readonly end = bytes.length,
  ) {}

  get remaining(): number {
    return this.end - this.offset;
  }

  private take(count: number): number {
    const at = this.offset;
    if (at + count > this.end) throw new ShortReadError(at, count, this.end - at);
    this.offset = at + count;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)]!;
  }

  u16(): number {
    const at = this.take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    const at = this.take(4);
    const { bytes } = this;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  u16le(): number {
    const at = this.take(2);
    return this.bytes[at]! | (this.bytes[at + 1]! << 8);
  }

  u32le(): number {
    const at = this.take(4);
    const { bytes } = this;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** A view (not a copy) of the next `count` bytes. */
  view(count: number): Uint8Array {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  skip(count: number): void {
    this.take(count);
  }

  /** A reader over the next `count` bytes, which this reader skips. */
  sub(count: number): ByteReader {
    const at = this.take(count);
    return new ByteReader(this.bytes, at, at + count);
  }
}

/** Appends to a buffer that grows by doubling. */
export class ByteWriter {
  private buffer: Uint8Array;
  private used = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.used;
  }

  /** Makes room for `count` bytes (zeroed) and returns their offset. */
  reserve(count: number): number {
    const at = this.used;
    const needed = at + count;
    if (needed > this.buffer.length) {
      const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
      grown.set(this.buffer.subarray(0, at));
      this.buffer = grown;
    }
    this.used = needed;
    return at;
  }

  u8(value: number): void {
    // In two steps: reserving may replace the buffer.
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    this.setU16(this.reserve(2), value);
  }

  u32(value: number): void {
    this.setU32(this.reserve(4), value);
  }

  u64(value: bigint): void {
    this.u32(Number(value >> 32n) >>> 0);
    this.u32(Number(value & 0xffffffffn));
  }

  u16le(value: number): void {
    this.setU16le(this.reserve(2), value);
  }

  u32le(value: number): void {
    this.setU32le(this.reserve(4), value);
  }

  /** UTF-8. */
  text(value: string): void {
    const at = this.reserve(value.length);
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) {
        // Rare, and longer than its text: written anew.
        this.truncate(at);
        this.append(Buffer.from(value, 'utf8'));
        return;
      }
      this.buffer[at + index] = code;
    }
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** {@link append} of `bytes[start..end)`, for a few of them: no view is made. */
  appendRange(bytes: Uint8Array, start: number, end: number): void {
    let to = this.reserve(end - start);
    const { buffer } = this;
    for (let at = start; at < end; at++) buffer[to++] = bytes[at]!;
  }

  setU8(at: number, value: number): void {
    this.buffer[at] = value;
  }

  setU16(at: number, value: number): void {
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
  }

  setU32(at: number, value: number): void {
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
  }

  setU16le(at: number, value: number): void {
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
  }

  setU32le(at: number, value: number): void {
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
    this.buffer[at + 2] = value >>> 16;
    this.buffer[at + 3] = value >>> 24;
  }

  /** A view of what was written; valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.used);
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.buffer.slice(0, this.used);
  }

  /** Forgets everything from `length` on. Bytes reserved again later are cleared first. */
  truncate(length: number): void {
    this.buffer.fill(0, length, this.used);
    this.used = length;
  }
}
