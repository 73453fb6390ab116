/**
 * Attributes with their next hop as one run of bytes, the form in which the RIB keeps them: equal routes are equal
 * bytes. A next hop as MP_REACH_NLRI has it, its length before it, and then the attribute list as it goes between
 * speakers of one AS that know 32-bit AS numbers, in the order of type codes, without NEXT_HOP and the MP attributes.
 *
 *     octets of the next hop 1 (0, 4, 16 or 32) | next hop | attributes
 */
import { ByteWriter } from '../../net/bytes.ts';
import { decodeAttributes, encodeAttributes } from './attribute-list.ts';
import { InternalError } from '../../base/errors.ts';
import { FLAG_EXTENDED_LENGTH } from './iana.ts';
import type { NextHop, PathAttributes, WireOptions } from './message.ts';
import { encodeNextHop, readIPv4NextHop, readNextHop } from './next-hop.ts';

/** Attributes and next hop of a route; own routes have no next hop. */
export interface RouteValues {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
}

const RECORD_WIRE: WireOptions = {
  fourOctetAs: true,
  extendedMessages: true,
  external: false,
  families: [4, 6],
  addPathReceive: [],
  addPathSend: [],
  extendedNextHop: true,
};

/** The record of a route. */
export function encodeRecord({ attributes, nextHop }: RouteValues): Uint8Array {
  const writer = new ByteWriter(256);
  if (nextHop === undefined) writer.u8(0);
  else writer.append(encodeNextHop(nextHop));
  writer.append(encodeAttributes(attributes, undefined, RECORD_WIRE));
  return writer.copy();
}

/** The inverse of {@link encodeRecord}. */
export function decodeRecord(record: Uint8Array): RouteValues {
  const attributesAt = 1 + record[0]!;
  const { draft, faults } = decodeAttributes(record, attributesAt, record.length, RECORD_WIRE);
  const { origin, asPath } = draft.attributes;
  if (origin === undefined || asPath === undefined || faults.length > 0) {
    throw new InternalError('a record of attributes cannot be read');
  }
  return {
    attributes: { ...draft.attributes, origin, asPath },
    nextHop: nextHopOfRecord(record, 0),
  };
}

/** The next hop of the record that begins at `start`. */
export function nextHopOfRecord(record: Uint8Array, start: number): NextHop | undefined {
  const length = record[start]!;
  if (length === 4) return readIPv4NextHop(word32(record, start + 1));
  return length === 0 ? undefined : readNextHop(record.slice(start + 1, start + 1 + length));
}

/** Octets of an attribute's flags, code and length. */
export function attributeHeaderLength(flags: number): 3 | 4 {
  return (flags & FLAG_EXTENDED_LENGTH) === 0 ? 3 : 4;
}

/** Octets of the value of the attribute at `at`. */
export function attributeValueLength(bytes: Uint8Array, at: number): number {
  return (bytes[at]! & FLAG_EXTENDED_LENGTH) === 0 ? bytes[at + 2]! : (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

export function word32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
