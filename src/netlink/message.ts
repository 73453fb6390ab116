/**
 * Netlink framing (linux/netlink.h): a datagram holds messages, each a 16-byte header in host order and a payload,
 * padded to 4 bytes.
 *
 *     0               4       6       8               12              16
 *     +---------------+-------+-------+---------------+---------------+--------- - -
 *     | length        | type  | flags | sequence      | port id       | payload
 *     +---------------+-------+-------+---------------+---------------+--------- - -
 */
import { ByteReader, ByteWriter, ShortReadError } from '../net/bytes.ts';

const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
const NLM_F_ROOT = 0x100;
const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In an NLMSG_ERROR: the request is not echoed in full / extended-ack attributes follow. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_HEADER_LENGTH = 16;

/** One received message; `payload` is a view into the datagram. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
  readonly payload: Uint8Array;
}

/** Rounds up to the 4-byte alignment of netlink. */
export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** Writes one message; `body` appends the payload. Length and padding are filled in afterwards. */
export function writeMessage(
  writer: ByteWriter,
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  body: (writer: ByteWriter) => void,
): void {
  const start = writer.reserve(NLMSG_HEADER_LENGTH);
  writer.setU16le(start + 4, header.type);
  writer.setU16le(start + 6, header.flags);
  writer.setU32le(start + 8, header.sequence);
  body(writer);
  const length = writer.length - start;
  writer.setU32le(start, length);
  writer.reserve(align4(length) - length);
}

/** A message that the kernel does nothing with but acknowledge (af_netlink.c, netlink_rcv_skb). */
export function barrier(sequence: number): Uint8Array {
  const writer = new ByteWriter(NLMSG_HEADER_LENGTH);
  writeMessage(writer, { type: NLMSG_NOOP, flags: NLM_F_REQUEST | NLM_F_ACK, sequence }, () => undefined);
  return writer.bytes();
}

/** Splits a datagram into its messages. A truncated tail is an error of the kernel door, so it throws. */
export function readMessages(datagram: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const reader = new ByteReader(datagram);
  while (reader.remaining >= NLMSG_HEADER_LENGTH) {
    const length = reader.u32le();
    const type = reader.u16le();
    const flags = reader.u16le();
    const sequence = reader.u32le();
    const portId = reader.u32le();
    if (length < NLMSG_HEADER_LENGTH) {
      throw new ShortReadError(reader.offset - NLMSG_HEADER_LENGTH, NLMSG_HEADER_LENGTH, length);
    }
    const payload = reader.view(length - NLMSG_HEADER_LENGTH);
    messages.push({ type, flags, sequence, portId, payload });
    reader.skip(Math.min(align4(length) - length, reader.remaining));
  }
  return messages;
}
