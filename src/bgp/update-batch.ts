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
import { UpdateWriter, encodeRouteAttributes } from './wire/update-writer.ts';

/** In the place of attributes: withdrawn. */
export const WITHDRAWN: AttributeId = 0;

interface Bucket {
  readonly attribute: AttributeId;
  /** Who is not told. */
  readonly source: SourceId;
  readonly prefixes: PrefixId[];
  /** Path identifiers in the same order (RFC 7911 §3). */
  readonly paths: PathId[];
}

/** A run of messages for everyone but one. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

/** Encodes batches for peers of one family and one set of wire options. */
export class UpdateBatch {
  private readonly buckets = new Map<number, Bucket>();
  private last: Bucket | undefined;

  constructor(
    private readonly family: Family,
    private readonly wire: WireOptions,
    private readonly prefixes: PrefixTable,
    private readonly attributes: AttributeStore,
  ) {}

  get isEmpty(): boolean {
    return this.buckets.size === 0;
  }

  /** Adds a prefix with what is told of it, {@link WITHDRAWN} perhaps, to all but `source`; with ADD-PATH, of one path. */
  add(prefix: PrefixId, attribute: AttributeId, source: SourceId = OWN, path: PathId = 0): void {
    let bucket = this.last;
    if (bucket?.attribute !== attribute || bucket.source !== source) {
      const key = attribute * 2 ** 16 + source;
      bucket = this.buckets.get(key);
      if (bucket === undefined)
        this.buckets.set(key, (bucket = { attribute, source, prefixes: [], paths: [] }));
      this.last = bucket;
    }
    bucket.prefixes.push(prefix);
    if (path !== 0) bucket.paths.push(path);
  }

  /** The messages of all that was added, and which of them are not for whom. Begins anew. */
  encode(): EncodedBatch {
    const { family, prefixes, buckets } = this;
    const writer = new ByteWriter(4096);
    const updates = new UpdateWriter(writer, this.wire);
    const pieces = new Map<SourceId, Piece[]>();
    for (const { attribute, source, prefixes: members, paths } of buckets.values()) {
      const start = writer.length;
      if (attribute === WITHDRAWN) updates.begin({ kind: 'withdraw', family });
      else updates.begin(this.announcement(attribute));
      for (let index = 0; index < members.length; index++) {
        updates.network(prefixes.bits(members[index]!), paths[index] ?? 0);
      }
      updates.end();
      if (source === OWN) continue;
      const piece = { start, end: writer.length };
      const own = pieces.get(source);
      if (own === undefined) pieces.set(source, [piece]);
      else own.push(piece);
    }
    buckets.clear();
    this.last = undefined;
    return new EncodedBatch(writer.bytes(), pieces);
  }

  private announcement(attribute: AttributeId): Parameters<UpdateWriter['begin']>[0] {
    const { family, wire } = this;
    const route = this.attributes.route(attribute);
    // An exported route always has a next hop: policy/export.ts gives it one.
    const nextHop = route.nextHop!;
    const attributes = encodeRouteAttributes(route.attributes, family, nextHop, wire);
    return { kind: 'announce', family, nextHop, attributes };
  }
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
