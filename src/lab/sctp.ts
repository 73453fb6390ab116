/**
 * As much of SCTP as shows whether an association can be set up (RFC 9260): INIT, INIT ACK and ABORT over raw sockets,
 * because many kernels have no SCTP of their own. The State Cookie carries what the responder calls itself.
 */
import { ByteReader, ByteWriter } from '../net/bytes.ts';
import { type Address, type Family, formatAddress } from '../net/address.ts';

export const IPPROTO_SCTP = 132;

const COMMON_HEADER_LENGTH = 12;
const CHECKSUM_OFFSET = 8;
/** RFC 9260 §3.2. */
const CHUNK = { init: 1, initAck: 2, abort: 6 } as const;
/** RFC 9260 §3.3.3: the one parameter that an INIT ACK must have. */
const STATE_COOKIE = 7;
const FIXED_INIT_LENGTH = 20;
const PARAMETER_HEADER_LENGTH = 4;
/** At least 1500 (RFC 9260 §3.3.2). */
const RECEIVER_WINDOW = 65_535;

/** A packet with the one chunk that set-up needs. */
export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The receiver's own tag; 0 in an INIT. */
  readonly verificationTag: number;
  readonly chunk:
    | { readonly type: 'init'; readonly tag: number }
    | { readonly type: 'initAck'; readonly tag: number; readonly cookie: string }
    | { readonly type: 'abort' };
}

/** The bytes behind the IP header, with their checksum. */
export function encodeSctp({ sourcePort, destinationPort, verificationTag, chunk }: SctpPacket): Uint8Array {
  const writer = new ByteWriter();
  writer.u16(sourcePort);
  writer.u16(destinationPort);
  writer.u32(verificationTag);
  writer.u32(0);
  writer.u8(CHUNK[chunk.type]);
  writer.u8(0);
  if (chunk.type === 'abort') {
    writer.u16(4);
  } else {
    const cookie = chunk.type === 'initAck' ? Buffer.from(chunk.cookie, 'utf8') : undefined;
    writer.u16(FIXED_INIT_LENGTH + (cookie === undefined ? 0 : PARAMETER_HEADER_LENGTH + cookie.length));
    writer.u32(chunk.tag);
    writer.u32(RECEIVER_WINDOW);
    writer.u16(1);
    writer.u16(1);
    // The first sequence number may be any.
    writer.u32(chunk.tag);
    if (cookie !== undefined) {
      writer.u16(STATE_COOKIE);
      writer.u16(PARAMETER_HEADER_LENGTH + cookie.length);
      writer.append(cookie);
      // Chunks end at a multiple of four bytes, which their length does not count.
      writer.append(new Uint8Array(-cookie.length & 3));
    }
  }
  const packet = writer.copy();
  new DataView(packet.buffer).setUint32(CHECKSUM_OFFSET, crc32c(packet), true);
  return packet;
}

/** The first chunk of a packet; undefined if it is none of ours, cut short, or damaged. */
export function decodeSctp(bytes: Uint8Array): SctpPacket | undefined {
  if (bytes.length < COMMON_HEADER_LENGTH + 4) return undefined;
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  const checksum = view.getUint32(CHECKSUM_OFFSET, true);
  view.setUint32(CHECKSUM_OFFSET, 0);
  if (crc32c(copy) !== checksum) return undefined;
  const reader = new ByteReader(bytes);
  const sourcePort = reader.u16();
  const destinationPort = reader.u16();
  const verificationTag = reader.u32();
  reader.u32();
  const type = reader.u8();
  reader.u8();
  const length = reader.u16();
  const chunk = readChunk(type, bytes.subarray(COMMON_HEADER_LENGTH, COMMON_HEADER_LENGTH + length));
  return chunk && { sourcePort, destinationPort, verificationTag, chunk };
}

function readChunk(type: number, bytes: Uint8Array): SctpPacket['chunk'] | undefined {
  if (type === CHUNK.abort) return { type: 'abort' };
  if ((type !== CHUNK.init && type !== CHUNK.initAck) || bytes.length < FIXED_INIT_LENGTH) return undefined;
  const tag = new ByteReader(bytes, 4).u32();
  if (type === CHUNK.init) return { type: 'init', tag };
  const reader = new ByteReader(bytes, FIXED_INIT_LENGTH);
  while (reader.remaining >= PARAMETER_HEADER_LENGTH) {
    const parameter = reader.u16();
    const length = reader.u16() - PARAMETER_HEADER_LENGTH;
    if (length < 0 || length > reader.remaining) return undefined;
    const value = bytes.subarray(reader.offset, reader.offset + length);
    if (parameter === STATE_COOKIE) {
      return { type: 'initAck', tag, cookie: Buffer.from(value).toString('utf8') };
    }
    reader.offset += Math.min(length + (-length & 3), reader.remaining);
  }
  return undefined;
}

/** An SCTP packet of an IP packet, and who sent it to whom; undefined if there is none in it. */
export function sctpOfIpPacket(
  family: Family,
  bytes: Uint8Array,
): { readonly source: Address; readonly destination: Address; readonly payload: Uint8Array } | undefined {
  if (family === 4) {
    const headerLength = (bytes[0]! & 0x0f) * 4;
    if (bytes.length < headerLength || bytes[9] !== IPPROTO_SCTP) return undefined;
    return {
      source: formatAddress(bytes.subarray(12, 16)),
      destination: formatAddress(bytes.subarray(16, 20)),
      payload: bytes.subarray(headerLength),
    };
  }
  // Nothing in a lab sends extension headers.
  if (bytes.length < 40 || bytes[6] !== IPPROTO_SCTP) return undefined;
  return {
    source: formatAddress(bytes.subarray(8, 24)),
    destination: formatAddress(bytes.subarray(24, 40)),
    payload: bytes.subarray(40),
  };
}

/** Castagnoli's polynomial, reflected (RFC 9260 appendix A). */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder >>> 0;
});

/** CRC32c. */
export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ byte) & 0xff]!;
  return ~remainder >>> 0;
}
