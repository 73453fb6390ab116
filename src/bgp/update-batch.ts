/**
 * Changes that a group of peers is told together: prefixes in buckets of equal attributes and equal source, each bucket
 * encoded once. A bucket is for everyone but its source, to whom its own routes are not told.
 */
import type { Family } from '../net/address.ts';
import { ByteWriter } from '../net/bytes.ts';
import type { AttributeId, AttributeStore } from './rib/attribute-store.ts';
import type { PathId } from './rib/path-table.ts';
import type { PrefixId, PrefixTable } from './rib/prefix-table.ts';
import { OWN, type SourceId } from './rib/sources.ts';
import type { WireOptions } from './wire/message.ts';
import { UpdateWriter } from './wire/update-writer.ts';

/** In the place of attributes: withdrawn. */
export const WITHDRAWN: AttributeId = 0;

/** Prefixes that a batch has room for at first. A power of two. */
const FIRST_ROOM = 256;

/** A run of messages for everyone but one. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

/** Gathers and encodes batches for peers of one family and one set of wire options. Kept over batches. */
export class UpdateBatch {
  // Prefixes in the order in which they came, each with the next of its bucket; -1 ends it.
  private members = new Int32Array(FIRST_ROOM);
  private nexts = new Int32Array(FIRST_ROOM);
  /** Path identifiers (RFC 7911 §3). */
  private paths = new Uint32Array(FIRST_ROOM);
  private count = 0;
  // Buckets in the order of their first prefix.
  private attributesOf = new Uint32Array(FIRST_ROOM);
  private sourcesOf = new Uint16Array(FIRST_ROOM);
  private firsts = new Int32Array(FIRST_ROOM);
  private lasts = new Int32Array(FIRST_ROOM);
  private places = new Int32Array(FIRST_ROOM);
  private buckets = 0;
  /** Bucket + 1, by a hash of its attributes and source. */
  private slots = new Int32Array(2 * FIRST_ROOM);
  private readonly writer = new ByteWriter(4096);
  private readonly updates: UpdateWriter;

  constructor(
    private readonly family: Family,
    wire: WireOptions,
    private readonly prefixes: PrefixTable,
    private readonly attributes: AttributeStore,
  ) {
    this.updates = new UpdateWriter(this.writer, wire);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Adds a prefix with what is told of it, {@link WITHDRAWN} perhaps, to all but `source`; with ADD-PATH, of one path. */
  add(prefix: PrefixId, attribute: AttributeId, source: SourceId = OWN, path: PathId = 0): void {
    if (this.count === this.members.length) this.enlarge();
    const bucket = this.bucket(attribute, source);
    const place = this.count++;
    this.members[place] = prefix;
    this.paths[place] = path;
    this.nexts[place] = -1;
    if (this.firsts[bucket] === -1) this.firsts[bucket] = place;
    else this.nexts[this.lasts[bucket]!] = place;
    this.lasts[bucket] = place;
  }

  /** The messages of all that was added, and which of them are not for whom. Begins anew. */
  encode(): EncodedBatch {
    const { family, prefixes, writer, updates } = this;
    writer.truncate(0);
    const pieces = new Map<SourceId, Piece[]>();
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      const start = writer.length;
      const attribute = this.attributesOf[bucket]!;
      if (attribute === WITHDRAWN) updates.begin({ kind: 'withdraw', family });
      else this.announce(attribute);
      for (let place = this.firsts[bucket]!; place >= 0; place = this.nexts[place]!) {
        updates.network(prefixes.bits(this.members[place]!), this.paths[place]!);
      }
      updates.end();
      this.slots[this.places[bucket]!] = 0;
      const source = this.sourcesOf[bucket]!;
      if (source === OWN) continue;
      const piece = { start, end: writer.length };
      const own = pieces.get(source);
      if (own === undefined) pieces.set(source, [piece]);
      else own.push(piece);
    }
    this.count = 0;
    this.buckets = 0;
    return new EncodedBatch(writer.copy(), pieces);
  }

  private announce(attribute: AttributeId): void {
    const { attributes } = this;
    const start = attributes.start(attribute);
    const end = start + attributes.lengthOf(attribute);
    this.updates.beginRecord(this.family, attributes.block(attribute), start, end);
  }

  private bucket(attribute: AttributeId, source: SourceId): number {
    const { attributesOf, sourcesOf, slots } = this;
    // Mostly the next prefix goes where the last one went.
    const last = this.buckets - 1;
    if (last >= 0 && attributesOf[last] === attribute && sourcesOf[last] === source) return last;
    const mask = slots.length - 1;
    let slot = hashOf(attribute, source) & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const bucket = slots[slot]! - 1;
      if (attributesOf[bucket] === attribute && sourcesOf[bucket] === source) return bucket;
    }
    const bucket = this.buckets++;
    attributesOf[bucket] = attribute;
    sourcesOf[bucket] = source;
    this.firsts[bucket] = -1;
    this.places[bucket] = slot;
    slots[slot] = bucket + 1;
    return bucket;
  }

  /** Makes room for twice as much. */
  private enlarge(): void {
    const room = this.members.length * 2;
    const enlarged = <Row extends Int32Array | Uint32Array | Uint16Array>(row: Row, larger: Row): Row => {
      larger.set(row);
      return larger;
    };
    this.members = enlarged(this.members, new Int32Array(room));
    this.nexts = enlarged(this.nexts, new Int32Array(room));
    this.paths = enlarged(this.paths, new Uint32Array(room));
    this.attributesOf = enlarged(this.attributesOf, new Uint32Array(room));
    this.sourcesOf = enlarged(this.sourcesOf, new Uint16Array(room));
    this.firsts = enlarged(this.firsts, new Int32Array(room));
    this.lasts = enlarged(this.lasts, new Int32Array(room));
    this.places = enlarged(this.places, new Int32Array(room));
    this.slots = new Int32Array(2 * room);
    const mask = this.slots.length - 1;
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      let slot = hashOf(this.attributesOf[bucket]!, this.sourcesOf[bucket]!) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = bucket + 1;
      this.places[bucket] = slot;
    }
  }
}

function hashOf(attribute: AttributeId, source: SourceId): number {
  return (Math.imul(attribute, 0x9e3779b1) >>> 12) ^ source;
}

export class EncodedBatch {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly pieces: ReadonlyMap<SourceId, readonly Piece[]>,
  ) {}

  /** What a peer is sent: the bytes of all, the same for each, but for a peer that is a source. */
  bytesFor(member: SourceId): Uint8Array {
    const own = this.pieces.get(member);
    if (own === undefined) return this.bytes;
    const others = new Uint8Array(
      own.reduce((sum, { start, end }) => sum - (end - start), this.bytes.length),
    );
    let from = 0;
    let to = 0;
    for (const { start, end } of own) {
      others.set(this.bytes.subarray(from, start), to);
      to += start - from;
      from = end;
    }
    others.set(this.bytes.subarray(from), to);
    return others;
  }
}
