import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, ShortReadError } from '../../../src/net/bytes.ts';

/** Each field kind: how it is written and read, its values, and its bytes. */
const FIELDS = {
  u8: { bits: 8, little: false },
  u16: { bits: 16, little: false },
  u32: { bits: 32, little: false },
  u16le: { bits: 16, little: true },
  u32le: { bits: 32, little: true },
} as const;
type Field = keyof typeof FIELDS;

function bytesOf(field: Field, value: number): number[] {
  const { bits, little } = FIELDS[field];
  const bytes = Array.from({ length: bits / 8 }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256);
  return little ? bytes : bytes.toReversed();
}

const anyField = fc
  .constantFrom(...(Object.keys(FIELDS) as Field[]))
  .chain((field) =>
    fc.integer({ min: 0, max: 2 ** FIELDS[field].bits - 1 }).map((value) => ({ field, value })),
  );

describe('bytes', () => {
  it('are written and read in the order their name says, from a buffer of any size that grows', () => {
    fc.assert(
      fc.property(fc.array(anyField), fc.integer({ min: 1, max: 16 }), (fields, capacity) => {
        const writer = new ByteWriter(capacity);
        for (const { field, value } of fields) writer[field](value);
        expect([...writer.bytes()]).toEqual(fields.flatMap(({ field, value }) => bytesOf(field, value)));
        const reader = new ByteReader(writer.copy());
        expect(fields.map(({ field }) => reader[field]())).toEqual(fields.map(({ value }) => value));
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('hold 64-bit numbers in network order', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const writer = new ByteWriter(1);
        writer.u64(value);
        expect(Buffer.from(writer.bytes()).readBigUInt64BE()).toBe(value);
        expect(new ByteReader(writer.bytes()).u64()).toBe(value);
      }),
    );
  });

  it('are never read past the end, and the error says where', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4), 1, 3);
    expect(() => reader.u32()).toThrow(ShortReadError);
    expect(reader.offset, 'a failed read moves nothing').toBe(1);
    expect(reader.u16()).toBe(0x0203);
    try {
      reader.u8();
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ offset: 3, wanted: 1, available: 0 });
    }
  });

  it('are seen through views and sub-readers that end where they were told', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4, 5));
    const inner = reader.sub(2);
    expect(reader.u8()).toBe(3);
    expect([inner.u8(), inner.u8(), inner.remaining]).toEqual([1, 2, 0]);
    expect(() => inner.u8()).toThrow(ShortReadError);
    expect([...reader.view(2)]).toEqual([4, 5]);
    expect(() => reader.skip(1)).toThrow(ShortReadError);
  });

  it('are overwritten in place, and cleared when room is taken again after a truncation', () => {
    const writer = new ByteWriter(2);
    const at = writer.reserve(4);
    writer.append(Uint8Array.of(9, 9));
    writer.setU16(at, 0x0102);
    writer.setU16le(at + 2, 0x0304);
    expect([...writer.bytes()]).toEqual([1, 2, 4, 3, 9, 9]);
    writer.setU32(at, 0xfffefdfc);
    expect([...writer.bytes().subarray(0, 4)]).toEqual([0xff, 0xfe, 0xfd, 0xfc]);
    writer.setU32le(at, 0xfffefdfc);
    expect([...writer.bytes().subarray(0, 4)]).toEqual([0xfc, 0xfd, 0xfe, 0xff]);
    writer.setU8(at, 7);
    writer.truncate(1);
    writer.reserve(3);
    expect([...writer.bytes()]).toEqual([7, 0, 0, 0]);
  });

  it('hold text as UTF-8, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const writer = new ByteWriter(1);
        writer.u8(1);
        writer.text(text);
        writer.u8(2);
        expect(Buffer.from(writer.bytes()).equals(Buffer.from(`\u0001${text}\u0002`, 'utf8'))).toBe(true);
      }),
    );
  });
});
