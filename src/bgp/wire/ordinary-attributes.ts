/**
 * A lean reading of attribute lists as nearly all UPDATEs have them: well formed, in order of type codes, nothing rare.
 * One pass checks them as the registry's rows would (attribute.ts) and copies them into a record
 * (attribute-record.ts). Anything else, be it legal, is left to those rows: what is read here is read there alike.
 */
import { attributeHeaderLength } from './attribute-record.ts';
import { familyOfAfiSafi } from './afi-safi.ts';
import * as iana from './iana.ts';
import type { WireOptions } from './message.ts';
import { type NlriBytes, countNlri } from './nlri.ts';

/** Before the attributes, for a next hop and its length. */
const NEXT_HOP_ROOM = 33;
const record = new Uint8Array(NEXT_HOP_ROOM + 0xffff);

/** What an ordinary list says. */
export interface OrdinaryAttributes {
  /** The record is `bytes[start..end)`, until the next list is read. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** From MP_REACH_NLRI; its next hop is in the record. */
  readonly reach: NlriBytes | undefined;
  readonly unreach: NlriBytes | undefined;
}

interface Shape {
  readonly code: number;
  readonly flags: number;
  /** Octets of the value. */
  readonly length?: number;
  /** The value is one or more items of so many octets. */
  readonly items?: number;
  /** Ordinary only within an AS. */
  readonly internal?: true;
}

const WELL_KNOWN = iana.FLAG_TRANSITIVE;
const OPTIONAL = iana.FLAG_OPTIONAL;
const OPTIONAL_TRANSITIVE = iana.FLAG_OPTIONAL | iana.FLAG_TRANSITIVE;

const SHAPES: readonly Shape[] = [
  { code: iana.ATTRIBUTE_ORIGIN, flags: WELL_KNOWN, length: 1 },
  { code: iana.ATTRIBUTE_AS_PATH, flags: WELL_KNOWN },
  { code: iana.ATTRIBUTE_NEXT_HOP, flags: WELL_KNOWN, length: 4 },
  { code: iana.ATTRIBUTE_MULTI_EXIT_DISC, flags: OPTIONAL, length: 4 },
  { code: iana.ATTRIBUTE_LOCAL_PREF, flags: WELL_KNOWN, length: 4, internal: true },
  { code: iana.ATTRIBUTE_ATOMIC_AGGREGATE, flags: WELL_KNOWN, length: 0 },
  { code: iana.ATTRIBUTE_AGGREGATOR, flags: OPTIONAL_TRANSITIVE, length: 8 },
  { code: iana.ATTRIBUTE_COMMUNITIES, flags: OPTIONAL_TRANSITIVE, items: 4 },
  { code: iana.ATTRIBUTE_ORIGINATOR_ID, flags: OPTIONAL, length: 4, internal: true },
  { code: iana.ATTRIBUTE_CLUSTER_LIST, flags: OPTIONAL, items: 4, internal: true },
  { code: iana.ATTRIBUTE_EXTENDED_COMMUNITIES, flags: OPTIONAL_TRANSITIVE, items: 8 },
  { code: iana.ATTRIBUTE_LARGE_COMMUNITY, flags: OPTIONAL_TRANSITIVE, items: 12 },
];

const SHAPE_OF: readonly (Shape | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  SHAPES.find((shape) => shape.code === code),
);

/**
 * Reads `bytes[start..end)` beside an NLRI field that is empty or not (`classic`); undefined if there is anything about
 * it that is not ordinary.
 */
export function readOrdinary(
  bytes: Uint8Array,
  start: number,
  end: number,
  wire: WireOptions,
  classic: boolean,
): OrdinaryAttributes | undefined {
  // Within a confederation a path must begin with a segment of it (RFC 5065 §5), which is nothing ordinary.
  if (!wire.fourOctetAs || wire.confederation === true) return undefined;
  let reach: NlriBytes | undefined;
  let unreach: NlriBytes | undefined;
  let nextHopAt = 0;
  let nextHopLength = 0;
  let seen = 0;
  let last = 0;
  let to = NEXT_HOP_ROOM;
  for (let at = start; at < end;) {
    if (at + 3 > end) return undefined;
    const flags = bytes[at]!;
    const code = bytes[at + 1]!;
    const header = attributeHeaderLength(flags);
    const value = at + header;
    const length = header === 3 ? bytes[at + 2]! : (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const next = value + length;
    if (next > end) return undefined;
    if (code === iana.ATTRIBUTE_MP_REACH_NLRI || code === iana.ATTRIBUTE_MP_UNREACH_NLRI) {
      if ((flags & ~iana.FLAG_EXTENDED_LENGTH) !== OPTIONAL) return undefined;
      if (code === iana.ATTRIBUTE_MP_REACH_NLRI) {
        if (reach !== undefined || classic || length < 5) return undefined;
        nextHopAt = value + 4;
        nextHopLength = bytes[value + 3]!;
        if (length < 5 + nextHopLength || !isOrdinaryNextHop(bytes, nextHopAt, nextHopLength))
          return undefined;
        reach = nlriOf(bytes, value, nextHopAt + nextHopLength + 1, next, wire);
        if (reach === undefined || (reach.family === 4 && !wire.extendedNextHop)) return undefined;
      } else {
        if (unreach !== undefined || length < 3) return undefined;
        unreach = nlriOf(bytes, value, value + 3, next, wire);
        if (unreach === undefined) return undefined;
      }
      at = next;
      continue;
    }
    const shape = SHAPE_OF[code];
    if (shape === undefined || code <= last || (flags & ~iana.FLAG_EXTENDED_LENGTH) !== shape.flags)
      return undefined;
    // As it would be written: two octets of length only where one is too short.
    if ((header === 4) !== length > 0xff) return undefined;
    if (shape.internal === true && wire.external) return undefined;
    if (shape.length !== undefined && shape.length !== length) return undefined;
    if (shape.items !== undefined && (length === 0 || length % shape.items !== 0)) return undefined;
    last = code;
    if (code === iana.ATTRIBUTE_NEXT_HOP) {
      const first = bytes[value]!;
      if (!classic || first === 0 || first >= 224) return undefined;
      nextHopAt = value;
      nextHopLength = 4;
      at = next;
      continue;
    }
    if (code === iana.ATTRIBUTE_ORIGIN) {
      if (bytes[value]! > 2) return undefined;
      seen |= 1;
    } else if (code === iana.ATTRIBUTE_AS_PATH) {
      if (!isOrdinaryPath(bytes, value, next)) return undefined;
      seen |= 2;
    } else if (code === iana.ATTRIBUTE_AGGREGATOR && isZero(bytes, value, 4)) {
      return undefined;
    }
    for (; at < next; at++) record[to++] = bytes[at]!;
  }
  // Mandatory attributes (RFC 7606 §3 d); without a prefix there is nothing to keep.
  if (seen !== 3 || nextHopLength === 0) return undefined;
  const begin = NEXT_HOP_ROOM - 1 - nextHopLength;
  record[begin] = nextHopLength;
  for (let index = 0; index < nextHopLength; index++) record[begin + 1 + index] = bytes[nextHopAt + index]!;
  return { bytes: record, start: begin, end: to, reach, unreach };
}

/** Sets and sequences, none of them empty, without AS 0. */
function isOrdinaryPath(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    if (at + 2 > end) return false;
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    at += 2;
    if ((type !== 1 && type !== 2) || count === 0 || at + 4 * count > end) return false;
    for (let index = 0; index < count; index++, at += 4) if (isZero(bytes, at, 4)) return false;
  }
  return true;
}

/** A global IPv6 address of a host, and perhaps another, link-local one with it (RFC 2545 §3). */
function isOrdinaryNextHop(bytes: Uint8Array, at: number, length: number): boolean {
  if (length !== 16 && length !== 32) return false;
  if (at + length > bytes.length || !isGlobal(bytes, at)) return false;
  return length === 16 || (bytes[at + 16] === 0xfe && (bytes[at + 17]! & 0xc0) === 0x80);
}

/** Neither `::`, nor multicast, nor link-local, nor an IPv4 address in the guise of one. */
function isGlobal(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]!;
  if (first === 0xff || (first === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80)) return false;
  return !isZero(bytes, at, 10);
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[at + index] !== 0) return false;
  return true;
}

/** Of one or more prefixes of a family that is carried, whose AFI and SAFI are at `afiAt`. */
function nlriOf(
  bytes: Uint8Array,
  afiAt: number,
  start: number,
  end: number,
  wire: WireOptions,
): NlriBytes | undefined {
  const family = familyOfAfiSafi({ afi: (bytes[afiAt]! << 8) | bytes[afiAt + 1]!, safi: bytes[afiAt + 2]! });
  if (family === undefined || !wire.families.includes(family) || start >= end) return undefined;
  const nlri: NlriBytes = { family, addPath: wire.addPathReceive.includes(family), bytes, start, end };
  return countNlri(nlri) < 0 ? undefined : nlri;
}
