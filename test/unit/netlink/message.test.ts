import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter, ShortReadError } from '../../../src/net/bytes.ts';
import { readAcknowledgement } from '../../../src/netlink/acknowledgement.ts';
import {
  eachAttribute,
  readAttributes,
  readString,
  readU16le,
  readU32,
  readU32le,
  readU64,
  writeBytes,
  writeNested,
  writeString,
  writeU16le,
  writeU32,
  writeU32le,
  writeU64,
  writeU8,
} from '../../../src/netlink/attribute.ts';
import { readMessages, writeMessage } from '../../../src/netlink/message.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

describe('netlink framing', () => {
  it('pads each message to four bytes but does not count the padding', () => {
    const writer = new ByteWriter();
    writeMessage(writer, { type: 0x1234, flags: 0x0305, sequence: 7 }, (out) => out.u8(0xff));
    expect(hex(writer.bytes())).toBe('11000000' + '3412' + '0503' + '07000000' + '00000000' + 'ff000000');
  });

  it('reads back whatever it wrote', () => {
    const u16 = fc.integer({ min: 0, max: 0xffff });
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const message = fc.record({
      type: u16,
      flags: u16,
      sequence: u32,
      payload: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
        const writer = new ByteWriter(1);
        for (const { payload, ...header } of messages) {
          writeMessage(writer, header, (out) => out.append(payload));
        }
        expect(writer.length % 4).toBe(0);
        const read = readMessages(writer.bytes());
        expect(read.map((message) => ({ ...message, payload: Uint8Array.from(message.payload) }))).toEqual(
          messages.map((message) => ({ ...message, portId: 0 })),
        );
      }),
    );
  });

  it('throws on a message cut short, and on a length below the header, instead of looping', () => {
    const header = '10000000 0100 0000 00000000 00000000';
    expect(readMessages(bytes(header))).toHaveLength(1);
    expect(() => readMessages(bytes(header.replace('10', '14')))).toThrow(ShortReadError);
    for (const length of ['00', '0f']) {
      expect(() => readMessages(bytes(header.replace('10', length)))).toThrow(ShortReadError);
    }
  });

  it('fails on any bytes only by a short read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (datagram) => {
        try {
          for (const { payload } of readMessages(datagram)) readAttributes(payload);
        } catch (error) {
          expect(error).toBeInstanceOf(ShortReadError);
        }
      }),
    );
  });
});

describe('netlink attributes', () => {
  it('write numbers in the order their name says', () => {
    const writer = new ByteWriter();
    writeU8(writer, 1, 0xab);
    writeU16le(writer, 2, 0x0102);
    writeU32le(writer, 3, 0x01020304);
    writeU32(writer, 4, 0x01020304);
    writeU64(writer, 5, 0x0102030405060708n);
    writeString(writer, 6, 'lo');
    expect(hex(writer.bytes())).toBe(
      '05000100ab000000' +
        '0600020002010000' +
        '0800030004030201' +
        '0800040001020304' +
        '0c0005000102030405060708' +
        '070006006c6f0000',
    );
    const read = readAttributes(writer.bytes());
    expect(read.get(1)).toEqual(Uint8Array.of(0xab));
    expect(readU16le(read.get(2)!)).toBe(0x0102);
    expect(readU32le(read.get(3)!)).toBe(0x01020304);
    expect(readU32(read.get(4)!)).toBe(0x01020304);
    expect(readU64(read.get(5)!)).toBe(0x0102030405060708n);
    expect(readString(read.get(6)!)).toBe('lo');
  });

  it('nest, flagged, and are found without the flag', () => {
    const writer = new ByteWriter();
    writeNested(writer, 18, (out) => writeNested(out, 2, (inner) => writeU8(inner, 1, 7)));
    expect(hex(writer.bytes())).toBe('10001280' + '0c000280' + '0500010007000000');
    const inner = readAttributes(readAttributes(writer.bytes()).get(18)!).get(2)!;
    expect([...eachAttribute(inner)]).toEqual([[1, Uint8Array.of(7)]]);
  });

  it('keep their order and repetition, of which a map keeps the last', () => {
    const list = fc.array(fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 9 })), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(list, (attributes) => {
        const writer = new ByteWriter(1);
        for (const [type, value] of attributes) writeBytes(writer, type, value);
        const read = [...eachAttribute(writer.bytes())].map(([type, value]) => [
          type,
          Uint8Array.from(value),
        ]);
        expect(read).toEqual(attributes);
        const last = new Map(attributes);
        for (const [type, value] of readAttributes(writer.bytes()))
          expect(hex(value)).toBe(hex(last.get(type)!));
      }),
    );
  });
});

describe('acknowledgements', () => {
  const read = (type: number, flags: number, payload: string) =>
    readAcknowledgement({ type, flags, sequence: 1, portId: 1, payload: bytes(payload) });
  const request = '24000000 1800 0506 01000000 00000000';
  const text = '09000100 77686174 00000000';

  it('are positive with errno 0', () => {
    expect(read(2, 0x100, `00000000 ${request}`)).toEqual({ errno: 0, text: undefined });
  });

  it("carry the kernel's words behind a capped request", () => {
    expect(read(2, 0x300, `efffffff ${request} ${text}`)).toEqual({ errno: 17, text: 'what' });
  });

  it("carry the kernel's words behind a request echoed in full", () => {
    const echoed = request + '00'.repeat(0x24 - 16);
    expect(read(2, 0x200, `eaffffff ${echoed} ${text}`)).toEqual({ errno: 22, text: 'what' });
  });

  it('end a dump with or without a status', () => {
    expect(read(3, 2, '')).toEqual({ errno: 0, text: undefined });
    expect(read(3, 2, '00000000')).toEqual({ errno: 0, text: undefined });
    expect(read(3, 0x202, `feffffff ${text}`)).toEqual({ errno: 2, text: 'what' });
  });
});
