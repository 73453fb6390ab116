/**
 * Export policy by bytes: what {@link exportRefusal} and {@link exportRoute} make of a record (wire/attribute-record.ts)
 * that a filter leaves alone. Only what is ordinary is done here; the rest is said to be unusual, and goes by values.
 */
import type { Family } from '../../net/address.ts';
import { addressBytes, addressToInteger } from '../../net/address.ts';
import {
  attributeHeaderLength,
  attributeValueLength,
  nextHopOfRecord,
  word32,
} from '../wire/attribute-record.ts';
import * as iana from '../wire/iana.ts';
import { encodeNextHop } from '../wire/next-hop.ts';
import { type ExportContext, exportedNextHop } from './export.ts';
import { DEFAULT_LOCAL_PREF, type Source } from '../rib/route.ts';

export type RecordVerdict = 'told' | 'refused' | 'unusual';

/** Next hops whose outcome is kept. */
const NEXT_HOPS_KEPT = 4096;
const SEQUENCE = 2;
const SET = 1;
/** Communities from here on mean something (IANA, BGP Well-known Communities). */
const WELL_KNOWN = 0xffff0000;
/** In the first octet of an extended community (RFC 4360 §2). */
const NON_TRANSITIVE = 0x40;

const scratch = new Uint8Array(64 + 0x10000);

export class RecordExport {
  /** What was made last: `bytes[0..end)`. Shared by all, so it stands only until anybody makes another. */
  readonly bytes = scratch;
  end = 0;
  private readonly unusual: boolean;
  private readonly nextHops = new Map<string, Uint8Array | undefined>();
  private readonly localAs: number;
  private readonly clusterId: number | undefined;

  constructor(
    private readonly context: ExportContext,
    private readonly family: Family,
  ) {
    const { peer, localAs, role, clusterId, asPathEdit, leaving, ...others } = context;
    const { policy: _judgedBefore, ownLocalPref: _ofOwnRoutes, ...rest } = others;
    const { nextHopMode: _mode, ownAddresses: _own, extendedNextHop: _extended, ...more } = rest;
    const {
      sharedNetworks: _shared,
      accumulatesMetric: _rare,
      knowsLongLived: _wellKnown,
      ...besides
    } = more;
    const { defaultFamilies: _apart, pathLimit: _several, ...unknown } = besides;
    // Whoever adds to the context must say here what it means to bytes.
    void (unknown satisfies Record<string, never>);
    this.unusual = role !== undefined || asPathEdit !== undefined || peer.confederation === true || leaving;
    this.localAs = localAs;
    this.clusterId = clusterId === undefined ? undefined : Number(addressToInteger(clusterId));
  }

  /** Makes the record that a peer is told of `record[start..end)` from this source. */
  make(record: Uint8Array, start: number, end: number, source: Source | undefined): RecordVerdict {
    // Own routes are few.
    if (this.unusual || source === undefined || source.confederation === true) return 'unusual';
    const { external, reflectorClient } = this.context.peer;
    const reflected = !external && !source.external;
    if (reflected && (this.clusterId === undefined || !(source.reflectorClient || reflectorClient))) {
      // RFC 4456 §6.
      return 'refused';
    }
    const nextHop = this.nextHopFor(record, start, source);
    if (nextHop === undefined) return 'refused';
    this.end = 0;
    this.copy(nextHop, 0, nextHop.length);
    const attributesAt = start + 1 + record[start]!;
    return external
      ? this.toExternal(record, attributesAt, end)
      : this.toInternal(record, attributesAt, end, source, reflected);
  }

  private toExternal(record: Uint8Array, start: number, end: number): RecordVerdict {
    for (let at = start; at < end;) {
      const value = at + attributeHeaderLength(record[at]!);
      const next = value + attributeValueLength(record, at);
      switch (record[at + 1]!) {
        case iana.ATTRIBUTE_AS_PATH:
          if (!this.prepend(record, at, value, next)) return 'unusual';
          break;
        case iana.ATTRIBUTE_MULTI_EXIT_DISC: // RFC 4271 §5.1.4
        case iana.ATTRIBUTE_LOCAL_PREF: // §5.1.5
        case iana.ATTRIBUTE_ORIGINATOR_ID: // RFC 4456 §8
        case iana.ATTRIBUTE_CLUSTER_LIST:
          break;
        case iana.ATTRIBUTE_COMMUNITIES:
          if (hasWellKnown(record, value, next)) return 'unusual';
          this.copy(record, at, next);
          break;
        case iana.ATTRIBUTE_EXTENDED_COMMUNITIES:
          for (let item = value; item < next; item += 8)
            if ((record[item]! & NON_TRANSITIVE) !== 0) return 'unusual';
          this.copy(record, at, next);
          break;
        default:
          if (!isPlain(record[at + 1]!)) return 'unusual';
          this.copy(record, at, next);
      }
      at = next;
    }
    return 'told';
  }

  private toInternal(
    record: Uint8Array,
    start: number,
    end: number,
    source: Source,
    reflected: boolean,
  ): RecordVerdict {
    // Attributes that are added where their code has its place.
    let preference = true;
    let originator = reflected;
    let cluster = reflected;
    const addBefore = (code: number): void => {
      if (preference && code > iana.ATTRIBUTE_LOCAL_PREF) {
        preference = false;
        this.addWord(iana.FLAG_TRANSITIVE, iana.ATTRIBUTE_LOCAL_PREF, DEFAULT_LOCAL_PREF);
      }
      if (originator && code > iana.ATTRIBUTE_ORIGINATOR_ID) {
        originator = false;
        this.addWord(iana.FLAG_OPTIONAL, iana.ATTRIBUTE_ORIGINATOR_ID, identifierOf(source));
      }
      if (cluster && code > iana.ATTRIBUTE_CLUSTER_LIST) {
        cluster = false;
        this.addWord(iana.FLAG_OPTIONAL, iana.ATTRIBUTE_CLUSTER_LIST, this.clusterId!);
      }
    };
    for (let at = start; at < end;) {
      const code = record[at + 1]!;
      const value = at + attributeHeaderLength(record[at]!);
      const next = value + attributeValueLength(record, at);
      addBefore(code);
      if (code === iana.ATTRIBUTE_LOCAL_PREF) preference = false;
      if (code === iana.ATTRIBUTE_ORIGINATOR_ID) originator = false;
      if (code === iana.ATTRIBUTE_COMMUNITIES && hasWellKnown(record, value, next)) return 'unusual';
      if (code === iana.ATTRIBUTE_CLUSTER_LIST && cluster) {
        cluster = false;
        const length = next - value + 4;
        if (length > 0xff) return 'unusual';
        this.header(iana.FLAG_OPTIONAL, code, length);
        this.word(this.clusterId!);
        this.copy(record, value, next);
      } else if (isPlain(code) || IN_AS.includes(code)) {
        this.copy(record, at, next);
      } else {
        return 'unusual';
      }
      at = next;
    }
    addBefore(0xff);
    return 'told';
  }

  /** Our AS in front (RFC 4271 §5.1.2 b); false if that is not simply one more in the first sequence. */
  private prepend(record: Uint8Array, at: number, value: number, next: number): boolean {
    const length = next - value;
    for (let segment = value; segment < next; segment += 2 + 4 * record[segment + 1]!) {
      if (record[segment] !== SEQUENCE && record[segment] !== SET) return false;
    }
    if (length === 0) {
      this.header(record[at]!, iana.ATTRIBUTE_AS_PATH, 6);
      this.octet(SEQUENCE);
      this.octet(1);
      this.word(this.localAs);
      return true;
    }
    if (record[value] !== SEQUENCE || record[value + 1] === 0xff || length + 4 > 0xff) return false;
    this.header(record[at]!, iana.ATTRIBUTE_AS_PATH, length + 4);
    this.octet(SEQUENCE);
    this.octet(record[value + 1]! + 1);
    this.word(this.localAs);
    this.copy(record, value + 2, next);
    return true;
  }

  /** Its length and octets, as they begin a record; undefined if there is none to give. */
  private nextHopFor(record: Uint8Array, start: number, source: Source): Uint8Array | undefined {
    const length = record[start]!;
    let key = source.workload === true ? 'w' : '';
    for (let at = start + 1; at <= start + length; at++) key += String.fromCharCode(record[at]!);
    if (this.nextHops.has(key)) return this.nextHops.get(key);
    const given = exportedNextHop(source, nextHopOfRecord(record, start)?.address, this.family, this.context);
    const octets = given === undefined ? undefined : encodeNextHop(given);
    if (this.nextHops.size >= NEXT_HOPS_KEPT) this.nextHops.clear();
    this.nextHops.set(key, octets);
    return octets;
  }

  private copy(from: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    let to = this.end;
    for (let at = start; at < end; at++) bytes[to++] = from[at]!;
    this.end = to;
  }

  private octet(value: number): void {
    this.bytes[this.end++] = value;
  }

  private word(value: number): void {
    this.octet(value >>> 24);
    this.octet(value >>> 16);
    this.octet(value >>> 8);
    this.octet(value);
  }

  private header(flags: number, code: number, length: number): void {
    this.octet(flags);
    this.octet(code);
    this.octet(length);
  }

  private addWord(flags: number, code: number, value: number): void {
    this.header(flags, code, 4);
    this.word(value);
  }
}

/** Goes on to every peer as it is. */
function isPlain(code: number): boolean {
  return PLAIN.includes(code);
}

const PLAIN: readonly number[] = [
  iana.ATTRIBUTE_ORIGIN,
  iana.ATTRIBUTE_AS_PATH,
  iana.ATTRIBUTE_ATOMIC_AGGREGATE,
  iana.ATTRIBUTE_AGGREGATOR,
  iana.ATTRIBUTE_COMMUNITIES,
  iana.ATTRIBUTE_EXTENDED_COMMUNITIES,
  iana.ATTRIBUTE_LARGE_COMMUNITY,
];

/** Stays as it is inside our AS. */
const IN_AS: readonly number[] = [
  iana.ATTRIBUTE_MULTI_EXIT_DISC,
  iana.ATTRIBUTE_LOCAL_PREF,
  iana.ATTRIBUTE_ORIGINATOR_ID,
  iana.ATTRIBUTE_CLUSTER_LIST,
];

function hasWellKnown(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 4) if (word32(bytes, at) >= WELL_KNOWN) return true;
  return false;
}

function identifierOf({ identifier }: Source): number {
  return word32(addressBytes(identifier), 0);
}
