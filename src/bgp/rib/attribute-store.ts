/**
 * Attribute records (wire/attribute-record.ts), each kept once under a small number with a count of its holders:
 * equal attributes are equal numbers. The bytes lie in blocks; the room of a record that is gone is used again.
 */
import { type RouteValues, decodeRecord, encodeRecord, nextHopOfRecord } from '../wire/attribute-record.ts';
import type { NextHop } from '../wire/message.ts';
import { FIRST_ROWS, grown } from './columns.ts';
import { type Route, rankOf } from './route.ts';

/** Number of a record; 0 is none. */
export type AttributeId = number;

const BLOCK = 1 << 20;
/** Records begin at multiples of this many octets. */
const GRAIN = 8;
const GRAINS_PER_BLOCK = BLOCK / GRAIN;
const FIRST_SLOTS = 1024;
/** Records kept decoded. A power of two. */
const DECODED = 1024;

export class AttributeStore {
  private readonly blocks: Uint8Array[] = [];
  /** First grain that was never used. */
  private fresh = 0;
  /** Where rooms that are free begin, by their size in grains. */
  private readonly rooms = new Map<number, number[]>();
  private places = new Uint32Array(FIRST_ROWS);
  private lengths = new Uint32Array(FIRST_ROWS);
  private hashes = new Uint32Array(FIRST_ROWS);
  private holders = new Uint32Array(FIRST_ROWS);
  private slots = new Uint32Array(FIRST_SLOTS);
  /** The first free id; the next one stands in the place of each. */
  private free = 0;
  private used = 1;
  private live = 0;
  private readonly decodedIds = new Uint32Array(DECODED);
  private readonly decoded: (Route | undefined)[] = Array.from({ length: DECODED });

  /**
   * `seed` makes hashes unforeseeable to whoever chooses attributes; `forgotten` is told of numbers that will mean
   * something else.
   */
  constructor(
    private readonly seed: number,
    private readonly forgotten: (id: AttributeId) => void,
  ) {}

  /** Records there are. */
  get size(): number {
    return this.live;
  }

  /** The number of the record `bytes[start..end)`, which the caller then holds. */
  intern(bytes: Uint8Array, start: number, end: number): AttributeId {
    const hash = hashOf(bytes, start, end, this.seed);
    const length = end - start;
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = this.slots[slot]!;
      if (id === 0) break;
      if (this.hashes[id] === hash && this.lengths[id] === length && this.equals(id, bytes, start)) {
        this.holders[id]!++;
        return id;
      }
    }
    return this.add(hash, bytes, start, end);
  }

  /** Interns a route by its values. */
  internRoute(values: RouteValues): AttributeId {
    const record = encodeRecord(values);
    return this.intern(record, 0, record.length);
  }

  hold(id: AttributeId): void {
    this.holders[id]!++;
  }

  /** Undoes one {@link intern} or {@link hold}; with the last the record is forgotten. */
  release(id: AttributeId): void {
    if (--this.holders[id]! === 0) this.remove(id);
  }

  /** The block that holds the record; it lies from {@link start} on. Nobody writes to it. */
  block(id: AttributeId): Uint8Array {
    return this.blocks[Math.floor(this.places[id]! / GRAINS_PER_BLOCK)]!;
  }

  start(id: AttributeId): number {
    return (this.places[id]! % GRAINS_PER_BLOCK) * GRAIN;
  }

  lengthOf(id: AttributeId): number {
    return this.lengths[id]!;
  }

  /** The record as a view, until it is released. */
  view(id: AttributeId): Uint8Array {
    const start = this.start(id);
    return this.block(id).subarray(start, start + this.lengths[id]!);
  }

  /** The next hop of the record alone. */
  nextHop(id: AttributeId): NextHop | undefined {
    return nextHopOfRecord(this.block(id), this.start(id));
  }

  /** The record as values, for policies and people. */
  route(id: AttributeId): Route {
    const place = id & (DECODED - 1);
    if (this.decodedIds[place] === id) return this.decoded[place]!;
    const values = decodeRecord(this.view(id).slice());
    const route: Route = { ...values, rank: rankOf(values.attributes) };
    this.decodedIds[place] = id;
    this.decoded[place] = route;
    return route;
  }

  private add(hash: number, bytes: Uint8Array, start: number, end: number): AttributeId {
    if ((this.live + 1) * 3 > this.slots.length * 2) this.rehash();
    const id = this.newId();
    this.hashes[id] = hash;
    this.lengths[id] = end - start;
    this.holders[id] = 1;
    this.places[id] = this.room(end - start);
    const block = this.block(id);
    const at = this.start(id);
    for (let index = start, to = at; index < end; index++, to++) block[to] = bytes[index]!;
    this.live++;
    this.place(id);
    return id;
  }

  private remove(id: AttributeId): void {
    this.forgotten(id);
    const decodedAt = id & (DECODED - 1);
    if (this.decodedIds[decodedAt] === id) {
      this.decodedIds[decodedAt] = 0;
      this.decoded[decodedAt] = undefined;
    }
    const { slots, hashes } = this;
    const mask = slots.length - 1;
    let slot = hashes[id]! & mask;
    while (slots[slot] !== id) slot = (slot + 1) & mask;
    // What follows moves up, so that no search ends too early.
    for (let next = (slot + 1) & mask; slots[next] !== 0; next = (next + 1) & mask) {
      const wanted = hashes[slots[next]!]! & mask;
      if (((next - wanted) & mask) >= ((next - slot) & mask)) {
        slots[slot] = slots[next]!;
        slot = next;
      }
    }
    slots[slot] = 0;
    const grains = grainsOf(this.lengths[id]!);
    let rooms = this.rooms.get(grains);
    if (rooms === undefined) this.rooms.set(grains, (rooms = []));
    rooms.push(this.places[id]!);
    this.places[id] = this.free;
    this.free = id;
    this.live--;
  }

  private newId(): AttributeId {
    if (this.free !== 0) {
      const id = this.free;
      this.free = this.places[id]!;
      return id;
    }
    const id = this.used++;
    if (id >= this.places.length) {
      this.places = grown(this.places, id + 1);
      this.lengths = grown(this.lengths, id + 1);
      this.hashes = grown(this.hashes, id + 1);
      this.holders = grown(this.holders, id + 1);
    }
    return id;
  }

  /** Where a record of so many octets may lie, in grains. Never over the edge of a block. */
  private room(length: number): number {
    const grains = grainsOf(length);
    const free = this.rooms.get(grains)?.pop();
    if (free !== undefined) return free;
    if ((this.fresh % GRAINS_PER_BLOCK) + grains > GRAINS_PER_BLOCK) {
      this.fresh = Math.ceil(this.fresh / GRAINS_PER_BLOCK) * GRAINS_PER_BLOCK;
    }
    const at = this.fresh;
    this.fresh += grains;
    if (this.fresh > this.blocks.length * GRAINS_PER_BLOCK) this.blocks.push(new Uint8Array(BLOCK));
    return at;
  }

  private equals(id: AttributeId, bytes: Uint8Array, start: number): boolean {
    const block = this.block(id);
    const at = this.start(id);
    const length = this.lengths[id]!;
    for (let index = 0; index < length; index++) if (block[at + index] !== bytes[start + index]) return false;
    return true;
  }

  private place(id: AttributeId): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = this.hashes[id]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = id;
  }

  private rehash(): void {
    const before = this.slots;
    this.slots = new Uint32Array(before.length * 2);
    for (const id of before) if (id !== 0) this.place(id);
  }
}

function grainsOf(length: number): number {
  return Math.ceil(length / GRAIN);
}

/** Four octets at a time. */
function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) >>> 0;
}
