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
import {
  EXTENDED_MAXIMUM_LENGTH,
  HEADER_LENGTH,
  MAXIMUM_LENGTH,
  beginMessage,
  endMessage,
} from './header.ts';
import {
  ATTRIBUTE_MP_REACH_NLRI,
  ATTRIBUTE_MP_UNREACH_NLRI,
  FLAG_EXTENDED_LENGTH,
  FLAG_OPTIONAL,
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
import { nextHopLength, writeNextHop } from './next-hop.ts';
import { parseNlri } from './nlri.ts';

const MP_FLAGS = FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH;
/** Header and the two length fields. */
const FRAME = HEADER_LENGTH + 4;
/** Flags, code and length of an MP attribute, then AFI and SAFI. */
const MP_HEAD = 4 + 3;

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
  private run: UpdateRun | undefined;
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
    this.maximum = wire.extendedMessages ? EXTENDED_MAXIMUM_LENGTH : MAXIMUM_LENGTH;
  }

  /** Starts a run. Ends the one before. */
  begin(run: UpdateRun): void {
    this.end();
    this.run = run;
    this.addPath = this.wire.addPathSend.includes(run.family);
    this.classic = isClassic(run);
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
    this.run = undefined;
  }

  private open(): void {
    const { writer } = this;
    const run = this.run!;
    this.messageAt = beginMessage(writer, MESSAGE_UPDATE);
    this.limit = this.messageAt + this.maximum;
    writer.u16(0);
    if (this.classic) {
      if (run.kind === 'withdraw') {
        this.limit -= 2; // the attributes' length comes last
        return;
      }
      writer.u16(run.attributes.length);
      writer.append(run.attributes);
      return;
    }
    writer.u16(0);
    this.attributeAt = writer.length;
    writer.u8(MP_FLAGS);
    writer.u8(run.kind === 'announce' ? ATTRIBUTE_MP_REACH_NLRI : ATTRIBUTE_MP_UNREACH_NLRI);
    writer.u16(0);
    const { afi, safi } = afiSafi(run.family);
    writer.u16(afi);
    writer.u8(safi);
    if (run.kind === 'withdraw') return;
    writer.u8(nextHopLength(run.nextHop));
    writeNextHop(writer, run.nextHop);
    writer.u8(0); // reserved
    this.limit -= run.attributes.length;
  }

  private close(): void {
    const { writer } = this;
    const run = this.run!;
    const body = this.messageAt + HEADER_LENGTH;
    if (this.classic) {
      if (run.kind === 'withdraw') {
        writer.setU16(body, writer.length - body - 2);
        writer.u16(0);
      }
    } else {
      writer.setU16(this.attributeAt + 2, writer.length - this.attributeAt - 4);
      if (run.kind === 'announce') writer.append(run.attributes);
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
  const maximum = wire.extendedMessages ? EXTENDED_MAXIMUM_LENGTH : MAXIMUM_LENGTH;
  return FRAME + mp + attributes.length + longest <= maximum;
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
