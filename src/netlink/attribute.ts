/**
 * Netlink attributes (linux/netlink.h `struct nlattr`): 16-bit length and type in host order, then the value, padded
 * to 4 bytes. nf_tables values are in network order inside, rtnetlink values in host order: the caller says which.
 */
import { ByteReader, type ByteWriter } from '../net/bytes.ts';
import { align4 } from './message.ts';

export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const HEADER_LENGTH = 4;

/** Writes one attribute whose value `body` appends. */
export function writeAttribute(writer: ByteWriter, type: number, body: (writer: ByteWriter) => void): void {
  const start = writer.reserve(HEADER_LENGTH);
  body(writer);
  finish(writer, start, type);
}

/** Fills in the header at `start` of an attribute that ends here, and pads it. */
function finish(writer: ByteWriter, start: number, type: number): void {
  const length = writer.length - start;
  writer.setU16le(start, length);
  writer.setU16le(start + 2, type);
  writer.reserve(align4(length) - length);
}

/** Writes a nested attribute (flag set). */
export function writeNested(writer: ByteWriter, type: number, body: (writer: ByteWriter) => void): void {
  writeAttribute(writer, type | NLA_F_NESTED, body);
}

export function writeBytes(writer: ByteWriter, type: number, value: Uint8Array): void {
  const start = writer.reserve(HEADER_LENGTH);
  writer.append(value);
  finish(writer, start, type);
}

/** Writes a string with its terminating NUL. */
export function writeString(writer: ByteWriter, type: number, value: string): void {
  const start = writer.reserve(HEADER_LENGTH);
  writer.text(value);
  writer.u8(0);
  finish(writer, start, type);
}

export function writeU8(writer: ByteWriter, type: number, value: number): void {
  writeAttribute(writer, type, (out) => out.u8(value));
}

/** 16 bits in host order. */
export function writeU16le(writer: ByteWriter, type: number, value: number): void {
  writeAttribute(writer, type, (out) => out.u16le(value));
}

/** 32 bits in host order. */
export function writeU32le(writer: ByteWriter, type: number, value: number): void {
  writeAttribute(writer, type, (out) => out.u32le(value));
}

/** 32 bits in network order. */
export function writeU32(writer: ByteWriter, type: number, value: number): void {
  const start = writer.reserve(HEADER_LENGTH + 4);
  writer.setU16le(start, HEADER_LENGTH + 4);
  writer.setU16le(start + 2, type);
  writer.setU32(start + HEADER_LENGTH, value);
}

/** 64 bits in network order. */
export function writeU64(writer: ByteWriter, type: number, value: bigint): void {
  writeAttribute(writer, type, (out) => out.u64(value));
}

/** The attributes of a payload by type (flags stripped); the last one wins. Values are views. */
export function readAttributes(bytes: Uint8Array, offset = 0): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  for (const [type, value] of eachAttribute(bytes, offset)) attributes.set(type, value);
  return attributes;
}

/** Every attribute of a payload in order, for lists whose types repeat. */
export function* eachAttribute(bytes: Uint8Array, offset = 0): Generator<[type: number, value: Uint8Array]> {
  const reader = new ByteReader(bytes, offset);
  while (reader.remaining >= HEADER_LENGTH) {
    const length = reader.u16le();
    const type = reader.u16le() & NLA_TYPE_MASK;
    if (length < HEADER_LENGTH) return;
    yield [type, reader.view(length - HEADER_LENGTH)];
    reader.skip(Math.min(align4(length) - length, reader.remaining));
  }
}

/** Text up to the first NUL. */
export function readString(value: Uint8Array): string {
  const end = value.indexOf(0);
  return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString('utf8');
}

export function readU16le(value: Uint8Array): number {
  return new ByteReader(value).u16le();
}

export function readU32le(value: Uint8Array): number {
  return new ByteReader(value).u32le();
}

export function readU32(value: Uint8Array): number {
  return new ByteReader(value).u32();
}

export function readU64(value: Uint8Array): bigint {
  return new ByteReader(value).u64();
}
