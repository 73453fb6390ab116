/**
 * The fixed header of every message (RFC 4271 §4.1).
 *
 *     0                              16              18      19
 *     +------------------------------+---------------+-------+------- - -
 *     | marker, all ones             | length        | type  | body
 *     +------------------------------+---------------+-------+------- - -
 */
import type { ByteWriter } from '../../net/bytes.ts';
import { decodeError } from './decode-error.ts';
import {
  ERROR_MESSAGE_HEADER,
  HEADER_BAD_MESSAGE_LENGTH,
  HEADER_BAD_MESSAGE_TYPE,
  HEADER_CONNECTION_NOT_SYNCHRONIZED,
  MESSAGE_KEEPALIVE,
  MESSAGE_NOTIFICATION,
  MESSAGE_OPEN,
  MESSAGE_ROUTE_REFRESH,
  MESSAGE_UPDATE,
} from './iana.ts';
import type { DecodeError, WireOptions } from './message.ts';

export const HEADER_LENGTH = 19;
/** RFC 4271 §4.1. */
export const MAXIMUM_LENGTH = 4096;
/** RFC 8654 §3. */
export const EXTENDED_MAXIMUM_LENGTH = 65_535;

const MARKER_LENGTH = 16;
const LENGTH_OFFSET = 16;
const TYPE_OFFSET = 18;

/** Shortest message of each type (RFC 4271 §6.1, RFC 2918 §3). */
const MINIMUM_LENGTHS: Readonly<Record<number, number>> = {
  [MESSAGE_OPEN]: 29,
  [MESSAGE_UPDATE]: 23,
  [MESSAGE_NOTIFICATION]: 21,
  [MESSAGE_KEEPALIVE]: HEADER_LENGTH,
  // Up to the subtype, which decides what one that is too short is answered with (RFC 7313 §5).
  [MESSAGE_ROUTE_REFRESH]: 22,
};

/** The message type of a whole message. */
export function messageType(message: Uint8Array): number {
  return message[TYPE_OFFSET]!;
}

/** Octets that a message of any type but OPEN and KEEPALIVE may have (RFC 8654 §4). */
export function maximumLength({ extendedMessages }: Pick<WireOptions, 'extendedMessages'>): number {
  return extendedMessages ? EXTENDED_MAXIMUM_LENGTH : MAXIMUM_LENGTH;
}

/** A length that no message of the type has; the data are the length (RFC 4271 §6.1). */
export function badLength(bytes: Uint8Array, offset: number): DecodeError {
  const length = bytes.slice(offset + LENGTH_OFFSET, offset + LENGTH_OFFSET + 2);
  return decodeError(
    ERROR_MESSAGE_HEADER,
    HEADER_BAD_MESSAGE_LENGTH,
    `a message of type ${bytes[offset + TYPE_OFFSET]} cannot have ${(length[0]! << 8) | length[1]!} octets`,
    length,
  );
}

/** The length a header announces, or what is wrong with the header (RFC 4271 §6.1). */
export function readHeader(bytes: Uint8Array, offset: number, maximum: number): number | DecodeError {
  for (let at = offset; at < offset + MARKER_LENGTH; at++) {
    if (bytes[at] !== 0xff) {
      return decodeError(
        ERROR_MESSAGE_HEADER,
        HEADER_CONNECTION_NOT_SYNCHRONIZED,
        'the marker is not all ones',
      );
    }
  }
  const length = (bytes[offset + LENGTH_OFFSET]! << 8) | bytes[offset + LENGTH_OFFSET + 1]!;
  const type = bytes[offset + TYPE_OFFSET]!;
  const minimum = MINIMUM_LENGTHS[type] ?? HEADER_LENGTH;
  // RFC 8654 §4: OPEN and KEEPALIVE stay within 4,096 octets; a KEEPALIVE is its header alone (RFC 4271 §4.4).
  const limit = type === MESSAGE_KEEPALIVE ? HEADER_LENGTH : type === MESSAGE_OPEN ? MAXIMUM_LENGTH : maximum;
  if (length < HEADER_LENGTH || length > maximum || length < minimum || length > limit) {
    return badLength(bytes, offset);
  }
  if (MINIMUM_LENGTHS[type] === undefined) {
    return decodeError(
      ERROR_MESSAGE_HEADER,
      HEADER_BAD_MESSAGE_TYPE,
      `no message has type ${type}`,
      Uint8Array.of(type),
    );
  }
  return length;
}

/** Begins a message; give the offset returned to {@link endMessage} when the body is written. */
export function beginMessage(writer: ByteWriter, type: number): number {
  const start = writer.reserve(HEADER_LENGTH);
  for (let at = start; at < start + MARKER_LENGTH; at++) writer.setU8(at, 0xff);
  writer.setU8(start + TYPE_OFFSET, type);
  return start;
}

export function endMessage(writer: ByteWriter, start: number): void {
  writer.setU16(start + LENGTH_OFFSET, writer.length - start);
}
