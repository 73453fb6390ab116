/**
 * What the decision process compares of attribute records, as columns of numbers. Read from the bytes when a record
 * first has a rival: most never have one, and pages of a column that nobody touched take no memory.
 */
import { attributeHeaderLength, attributeValueLength, word32 } from '../wire/attribute-record.ts';
import {
  AIGP_TLV,
  ATTRIBUTE_AIGP,
  ATTRIBUTE_AS_PATH,
  ATTRIBUTE_CLUSTER_LIST,
  ATTRIBUTE_COMMUNITIES,
  ATTRIBUTE_LOCAL_PREF,
  ATTRIBUTE_MULTI_EXIT_DISC,
  ATTRIBUTE_ORIGIN,
  ATTRIBUTE_ORIGINATOR_ID,
} from '../wire/iana.ts';
import { SEGMENT_CODES } from '../wire/as-path.ts';
import type { AttributeId, AttributeStore } from './attribute-store.ts';
import { FIRST_ROWS, grown } from './columns.ts';
import { DEFAULT_LOCAL_PREF } from './route.ts';

const { set: SEGMENT_SET, sequence: SEGMENT_SEQUENCE } = SEGMENT_CODES;
/** RFC 9494 §3.2. */
const LLGR_STALE = 0xffff0006;

export class Ranks {
  /** LLGR_STALE, LOCAL_PREF, AS_PATH length and ORIGIN in one number of 52 bits, lower is better; 0 if not read yet. */
  private quality = new Float64Array(FIRST_ROWS);
  private discriminators = new Uint32Array(FIRST_ROWS);
  private neighbors = new Uint32Array(FIRST_ROWS);
  private originators = new Uint32Array(FIRST_ROWS);
  /** CLUSTER_LIST length, and the top bit if there is an ORIGINATOR_ID. */
  private reflections = new Uint16Array(FIRST_ROWS);
  /** AIGP, where there is one: few have it. */
  private readonly metrics = new Map<AttributeId, number>();

  constructor(private readonly attributes: AttributeStore) {}

  /** The number will mean another record. */
  forget(id: AttributeId): void {
    if (id >= this.quality.length || this.quality[id] === 0) return;
    this.quality[id] = 0;
    if (this.metrics.size > 0) this.metrics.delete(id);
  }

  /** Orders by LLGR_STALE (RFC 9494 §4.3), LOCAL_PREF, AS_PATH length and ORIGIN; lower is better. */
  qualityOf(id: AttributeId): number {
    const known = id < this.quality.length ? this.quality[id]! : 0;
    return known === 0 ? this.read(id) : known;
  }

  // The rest is known once qualityOf() has been asked.

  /** Orders by LLGR_STALE and LOCAL_PREF alone; lower is better. */
  preferenceOf(id: AttributeId): number {
    return Math.floor((this.quality[id]! - 1) / 2 ** 18);
  }

  /** The accumulated interior metric (RFC 7311), rounded above 2^53. */
  accumulatedMetric(id: AttributeId): number | undefined {
    return this.metrics.size === 0 ? undefined : this.metrics.get(id);
  }

  multiExitDisc(id: AttributeId): number {
    return this.discriminators[id]!;
  }

  neighborAs(id: AttributeId): number {
    return this.neighbors[id]!;
  }

  clusterListLength(id: AttributeId): number {
    return this.reflections[id]! & 0x7fff;
  }

  /** ORIGINATOR_ID, or the identifier of who told the route. */
  routerId(id: AttributeId, identifier: number): number {
    return (this.reflections[id]! & 0x8000) === 0 ? identifier : this.originators[id]!;
  }

  private read(id: AttributeId): number {
    const { attributes } = this;
    const bytes = attributes.block(id);
    const start = attributes.start(id);
    const end = start + attributes.lengthOf(id);
    let origin = 0;
    let pathLength = 0;
    let neighbor = 0;
    let localPref = DEFAULT_LOCAL_PREF;
    // Absent is the best possible value (RFC 4271 §9.1.2.2 c).
    let discriminator = 0;
    let originator = 0;
    let reflection = 0;
    let outlived = 0;
    for (let at = start + 1 + bytes[start]!; at < end;) {
      const length = attributeValueLength(bytes, at);
      const value = at + attributeHeaderLength(bytes[at]!);
      switch (bytes[at + 1]!) {
        case ATTRIBUTE_ORIGIN:
          origin = bytes[value]!;
          break;
        case ATTRIBUTE_AS_PATH: {
          let first = true;
          for (let segment = value; segment < value + length; segment += 2 + 4 * bytes[segment + 1]!) {
            const type = bytes[segment];
            // A set is one, confederation segments are none (RFC 5065 §5.3).
            if (type === SEGMENT_SEQUENCE) pathLength += bytes[segment + 1]!;
            else if (type === SEGMENT_SET) pathLength++;
            else continue;
            if (first && type === SEGMENT_SEQUENCE) neighbor = word32(bytes, segment + 2);
            first = false;
          }
          break;
        }
        case ATTRIBUTE_AIGP:
          // Records are as we write them: one TLV (RFC 7311 §3).
          if (bytes[value] === AIGP_TLV) {
            this.metrics.set(id, word32(bytes, value + 3) * 2 ** 32 + word32(bytes, value + 7));
          }
          break;
        case ATTRIBUTE_MULTI_EXIT_DISC:
          discriminator = word32(bytes, value);
          break;
        case ATTRIBUTE_COMMUNITIES:
          for (let item = value; item < value + length; item += 4) {
            if (word32(bytes, item) === LLGR_STALE) outlived = 1;
          }
          break;
        case ATTRIBUTE_LOCAL_PREF:
          localPref = word32(bytes, value);
          break;
        case ATTRIBUTE_ORIGINATOR_ID:
          originator = word32(bytes, value);
          reflection |= 0x8000;
          break;
        case ATTRIBUTE_CLUSTER_LIST:
          reflection = (reflection & 0x8000) | Math.min(length / 4, 0x7fff);
          break;
      }
      at = value + length;
    }
    const preference = outlived * 2 ** 32 + (0xffffffff - localPref);
    const quality = preference * 2 ** 18 + Math.min(pathLength, 0xffff) * 4 + origin + 1;
    this.quality = grown(this.quality, id + 1);
    this.discriminators = grown(this.discriminators, id + 1);
    this.neighbors = grown(this.neighbors, id + 1);
    this.originators = grown(this.originators, id + 1);
    this.reflections = grown(this.reflections, id + 1);
    this.quality[id] = quality;
    this.discriminators[id] = discriminator;
    this.neighbors[id] = neighbor;
    this.originators[id] = originator;
    this.reflections[id] = reflection;
    return quality;
  }
}
