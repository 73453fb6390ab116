/**
 * UPDATEs as sent. Prefixes of one attribute set are packed into as few messages as hold them; each message either
 * announces or withdraws, in one field only, and MP attributes come first (RFC 7606 §5.1).
 */
import { type Address, type Family, familyOf } from '../../net/address.ts';
import type { ByteWriter } from '../../net/bytes.ts';
import type { PrefixBits } from '../../net/prefix-bits.ts';
import { InternalError } from '../../base/errors.ts';
import { afiSafi } from './afi-safi.ts';
import { encodeAttributes } from './attribute-list.ts';
import { attributeHeaderLength, attributeValueLength, decodeRecord } from './attribute-record.ts';
import { EXTENDED_MAXIMUM_LENGTH, HEADER_LENGTH, beginMessage, endMessage, maximumLength } from './header.ts';
import {
  ATTRIBUTE_MP_REACH_NLRI,
  ATTRIBUTE_MP_UNREACH_NLRI,
  ATTRIBUTE_NEXT_HOP,
  FLAG_EXTENDED_LENGTH,
  FLAG_OPTIONAL,
  FLAG_TRANSITIVE,
  MESSAGE_UPDATE,
} from './iana.ts';
import type {
  Announcement,
  NextHop,
  NlriList,
  PathAttributes,
  UpdateMessage,
  WireOptions,
} from './message.ts';
import { encodeNextHop, nextHopLength } from './next-hop.ts';
import { parseNlri } from './nlri.ts';

const MP_FLAGS = FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH;
/** Header and the two length fields. */
const FRAME = HEADER_LENGTH + 4;
/** Flags, code and length of an MP attribute, then AFI and SAFI. */
const MP_HEAD = 4 + 3;
const NOTHING = new Uint8Array(0);
/** A whole NEXT_HOP attribute. */
const NEXT_HOP_OCTETS = 7;

/** What a run of prefixes is sent as. */
export type UpdateRun =
  | { readonly kind: 'withdraw'; readonly family: Family }
  | {
      readonly kind: 'announce';
      readonly family: Family;
      readonly nextHop: NextHop;
      /** From {@link encodeRouteAttributes}, for this family and next hop. */
      readonly attributes: Uint8Array;
    };

/** Whether prefixes go into the message's own fields rather than into MP attributes. */
function isClassic(run: UpdateRun): boolean {
  if (run.family !== 4) return false;
  return run.kind === 'withdraw' || familyOf(run.nextHop.address) === 4;
}

/** The attribute bytes for announcing prefixes of a family by a next hop: with NEXT_HOP where that is where it goes. */
export function encodeRouteAttributes(
  attributes: PathAttributes,
  family: Family,
  nextHop: NextHop,
  wire: WireOptions,
): Uint8Array {
  const classic = family === 4 && familyOf(nextHop.address) === 4;
  return encodeAttributes(attributes, classic ? nextHop.address : undefined, wire);
}

/** Writes one run of prefixes after another into one buffer, starting a new message whenever one is full. */
export class UpdateWriter {
  private family: Family = 4;
  private announcing = false;
  /** What the messages of the run have before or after their prefixes, if it announces. */
  private attributes: Uint8Array = NOTHING;
  private attributesLength = 0;
  /** With its length before it. */
  private nextHop: Uint8Array = NOTHING;
  private nextHopAt = 0;
  private readonly scratch = new Uint8Array(EXTENDED_MAXIMUM_LENGTH + NEXT_HOP_OCTETS);
  private addPath = false;
  private classic = false;
  private messageAt = -1;
  private attributeAt = -1;
  private limit = 0;
  private readonly maximum: number;

  constructor(
    private readonly writer: ByteWriter,
    private readonly wire: WireOptions,
  ) {
    this.maximum = maximumLength(wire);
  }

  /** Starts a run. Ends the one before. */
  begin(run: UpdateRun): void {
    this.start(run.family, run.kind === 'announce');
    this.classic = isClassic(run);
    if (run.kind === 'withdraw') return;
    this.attributes = run.attributes;
    this.attributesLength = run.attributes.length;
    this.nextHop = encodeNextHop(run.nextHop);
    this.nextHopAt = 0;
  }

  /** Starts a run that announces what the record `bytes[start..end)` says (attribute-record.ts). */
  beginRecord(family: Family, bytes: Uint8Array, start: number, end: number): void {
    if (!this.wire.fourOctetAs) {
      const { attributes, nextHop } = decodeRecord(bytes.slice(start, end));
      const carried = nextHop!;
      const encoded = encodeRouteAttributes(attributes, family, carried, this.wire);
      this.begin({ kind: 'announce', family, nextHop: carried, attributes: encoded });
      return;
    }
    this.start(family, true);
    this.classic = family === 4 && bytes[start] === 4;
    this.nextHop = bytes;
    this.nextHopAt = start;
    this.attributes = this.scratch;
    this.attributesLength = this.copyAttributes(bytes, start, end);
  }

  private start(family: Family, announcing: boolean): void {
    this.end();
    this.family = family;
    this.announcing = announcing;
    this.addPath = this.wire.addPathSend.includes(family);
  }

  /** The attributes of a record as they are sent: with NEXT_HOP in its place, if that is where the next hop goes. */
  private copyAttributes(bytes: Uint8Array, start: number, end: number): number {
    const { scratch } = this;
    const from = start + 1 + bytes[start]!;
    let to = 0;
    let place = from;
    if (this.classic) {
      while (place < end && bytes[place + 1]! < ATTRIBUTE_NEXT_HOP) {
        place += attributeHeaderLength(bytes[place]!) + attributeValueLength(bytes, place);
      }
      for (let at = from; at < place; at++) scratch[to++] = bytes[at]!;
      scratch[to++] = FLAG_TRANSITIVE;
      scratch[to++] = ATTRIBUTE_NEXT_HOP;
      for (let at = start; at <= start + 4; at++) scratch[to++] = bytes[at]!;
    }
    for (let at = place; at < end; at++) scratch[to++] = bytes[at]!;
    return to;
  }

  /** Adds a prefix of the run's family: `bits` of the octets at `offset`. The path identifier counts with ADD-PATH only. */
  prefix(bytes: Uint8Array, offset: number, bits: number, pathId: number): void {
    const octets = (bits + 7) >> 3;
    const at = this.room(bits, octets, pathId);
    for (let index = 0; index < octets; index++) this.writer.setU8(at + index, bytes[offset + index]!);
  }

  /** {@link prefix} by its numbers. */
  network({ length, w0, w1, w2, w3 }: PrefixBits, pathId: number): void {
    const octets = (length + 7) >> 3;
    const at = this.room(length, octets, pathId);
    for (let index = 0; index < octets; index++) {
      const word = index < 8 ? (index < 4 ? w0 : w1) : index < 12 ? w2 : w3;
      this.writer.setU8(at + index, word >>> (24 - 8 * (index & 3)));
    }
  }

  /** Writes what comes before the octets of a prefix and says where they go. */
  private room(bits: number, octets: number, pathId: number): number {
    const needed = 1 + octets + (this.addPath ? 4 : 0);
    if (this.messageAt >= 0 && this.writer.length + needed > this.limit) this.close();
    if (this.messageAt < 0) {
      this.open();
      if (this.writer.length + needed > this.limit) {
        throw new InternalError(
          `attributes leave no room for a prefix in a message of ${this.maximum} octets`,
          {
            fix: 'Ask fits() before announcing.',
          },
        );
      }
    }
    if (this.addPath) this.writer.u32(pathId);
    const at = this.writer.reserve(1 + octets);
    this.writer.setU8(at, bits);
    return at + 1;
  }

  /** Ends the run and its last message. */
  end(): void {
    if (this.messageAt >= 0) this.close();
  }

  private open(): void {
    const { writer, announcing } = this;
    this.messageAt = beginMessage(writer, MESSAGE_UPDATE);
    this.limit = this.messageAt + this.maximum;
    writer.u16(0);
    if (this.classic) {
      if (!announcing) {
        this.limit -= 2; // the attributes' length comes last
        return;
      }
      writer.u16(this.attributesLength);
      writer.appendRange(this.attributes, 0, this.attributesLength);
      return;
    }
    writer.u16(0);
    this.attributeAt = writer.length;
    writer.u8(MP_FLAGS);
    writer.u8(announcing ? ATTRIBUTE_MP_REACH_NLRI : ATTRIBUTE_MP_UNREACH_NLRI);
    writer.u16(0);
    const { afi, safi } = afiSafi(this.family);
    writer.u16(afi);
    writer.u8(safi);
    if (!announcing) return;
    writer.appendRange(this.nextHop, this.nextHopAt, this.nextHopAt + 1 + this.nextHop[this.nextHopAt]!);
    writer.u8(0); // reserved
    this.limit -= this.attributesLength;
  }

  private close(): void {
    const { writer } = this;
    const body = this.messageAt + HEADER_LENGTH;
    if (this.classic) {
      if (!this.announcing) {
        writer.setU16(body, writer.length - body - 2);
        writer.u16(0);
      }
    } else {
      writer.setU16(this.attributeAt + 2, writer.length - this.attributeAt - 4);
      if (this.announcing) writer.appendRange(this.attributes, 0, this.attributesLength);
      writer.setU16(body + 2, writer.length - body - 4);
    }
    endMessage(writer, this.messageAt);
    this.messageAt = -1;
  }
}

/** Whether at least one prefix of any length fits beside the attributes; a route that does not is not sent (RFC 4271 §9.2). */
export function fits(
  attributes: Uint8Array,
  family: Family,
  nextHop: NextHop,
  wire: Pick<WireOptions, 'extendedMessages'>,
): boolean {
  const longest = 4 + 1 + (family === 4 ? 4 : 16);
  const mp = family === 4 && familyOf(nextHop.address) === 4 ? 0 : MP_HEAD + 2 + nextHopLength(nextHop);
  return FRAME + mp + attributes.length + longest <= maximumLength(wire);
}

/** {@link fits} for a record (attribute-record.ts) of `length` octets, towards a peer that knows 32-bit AS numbers. */
export function recordFits(
  record: Uint8Array,
  length: number,
  family: Family,
  wire: Pick<WireOptions, 'extendedMessages'>,
): boolean {
  const nextHopOctets = record[0]!;
  const attributes = length - 1 - nextHopOctets;
  const classic = family === 4 && nextHopOctets === 4;
  const nextHop = classic ? NEXT_HOP_OCTETS : MP_HEAD + 2 + nextHopOctets;
  const longest = 4 + 1 + (family === 4 ? 4 : 16);
  return FRAME + nextHop + attributes + longest <= maximumLength(wire);
}

/** Appends as many UPDATEs as the value needs; withdrawals first. */
export function writeUpdate(writer: ByteWriter, update: UpdateMessage, wire: WireOptions): void {
  if (update.endOfRib !== undefined) {
    writeEndOfRib(writer, update.endOfRib);
    return;
  }
  const updates = new UpdateWriter(writer, wire);
  for (const list of update.withdrawn) {
    updates.begin({ kind: 'withdraw', family: list.family });
    writePrefixes(updates, list);
  }
  for (const announcement of update.announced) {
    const { attributes } = update;
    if (attributes === undefined) throw new InternalError('an announcement needs attributes');
    updates.begin(announcementRun(announcement, attributes, wire));
    writePrefixes(updates, announcement);
  }
  updates.end();
}

function announcementRun(
  { family, nextHop }: Announcement,
  attributes: PathAttributes,
  wire: WireOptions,
): UpdateRun {
  // An IPv6 prefix cannot have a next hop of four octets; the mapped form says the same (RFC 4291 §2.5.5.2).
  const carried: NextHop =
    family === 6 && familyOf(nextHop.address) === 4
      ? { address: `::ffff:${nextHop.address}` as Address }
      : nextHop;
  return {
    kind: 'announce',
    family,
    nextHop: carried,
    attributes: encodeRouteAttributes(attributes, family, carried, wire),
  };
}

function writePrefixes(updates: UpdateWriter, list: NlriList): void {
  for (const [index, prefix] of list.prefixes.entries()) {
    const { bytes, bits } = parseNlri(prefix);
    updates.prefix(bytes, 0, bits, list.pathIds?.[index] ?? 0);
  }
}

/** RFC 4724 §2. */
function writeEndOfRib(writer: ByteWriter, family: Family): void {
  const start = beginMessage(writer, MESSAGE_UPDATE);
  writer.u16(0);
  if (family === 4) {
    writer.u16(0);
  } else {
    const { afi, safi } = afiSafi(family);
    writer.u16(6);
    writer.u8(FLAG_OPTIONAL);
    writer.u8(ATTRIBUTE_MP_UNREACH_NLRI);
    writer.u8(3);
    writer.u16(afi);
    writer.u8(safi);
  }
  endMessage(writer, start);
}
