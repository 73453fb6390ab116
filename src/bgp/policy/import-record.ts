/**
 * Import policy by bytes: whether a record (wire/attribute-record.ts) passes {@link importRefusal} and comes out of
 * {@link importedAttributes} as it went in, which nearly all do. Says yes only where that is certain.
 */
import { addressBytes, addressToInteger } from '../../net/address.ts';
import { attributeHeaderLength, attributeValueLength, word32 } from '../wire/attribute-record.ts';
import {
  ATTRIBUTE_AIGP,
  ATTRIBUTE_AS_PATH,
  ATTRIBUTE_CLUSTER_LIST,
  ATTRIBUTE_COMMUNITIES,
  ATTRIBUTE_LOCAL_PREF,
  ATTRIBUTE_ONLY_TO_CUSTOMER,
  ATTRIBUTE_ORIGINATOR_ID,
} from '../wire/iana.ts';
import { SEGMENT_CODES } from '../wire/as-path.ts';
import type { ImportContext } from './import.ts';
import { GRACEFUL_SHUTDOWN } from './well-known.ts';

const { set: AS_SET, 'confederation-set': AS_CONFED_SET } = SEGMENT_CODES;

export class RecordImport {
  /** A session where attributes always change, or need a closer look. */
  private readonly never: boolean;
  private readonly external: boolean;
  private readonly localAs: number;
  private readonly rejectsAsSets: boolean;
  private readonly routerId: number;
  private readonly clusterId: number | undefined;
  private readonly ownAddresses: readonly Uint8Array[];

  constructor(context: ImportContext) {
    const { external, localAs, role, routerId, clusterId, ownAddresses, leaving, ...others } = context;
    const { fromMember, confederationId, linkBandwidth, onLink, ...rest } = others;
    // Whoever adds to the context must say here what it means to bytes.
    const { peerAs: _onlyWithRole, allowedOwnAs: _onlyWithOwnAs, filters: _byPrefix, ...more } = rest;
    const { accumulatesMetric: _onlyWithMetric, longLivedTime: _later, rejectsAsSets, ...unknown } = more;
    void (unknown satisfies Record<string, never>);
    this.never =
      role !== undefined ||
      leaving === true ||
      fromMember === true ||
      confederationId !== undefined ||
      linkBandwidth !== undefined ||
      onLink === true;
    this.external = external;
    this.localAs = localAs;
    this.rejectsAsSets = rejectsAsSets === true;
    this.routerId = Number(addressToInteger(routerId));
    this.clusterId = clusterId === undefined ? undefined : Number(addressToInteger(clusterId));
    this.ownAddresses = ownAddresses.map(addressBytes);
  }

  /** Whether the record is imported, and as it is. */
  passes(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.never || this.isOwn(bytes, start)) return false;
    for (let at = start + 1 + bytes[start]!; at < end;) {
      const value = at + attributeHeaderLength(bytes[at]!);
      const next = value + attributeValueLength(bytes, at);
      switch (bytes[at + 1]!) {
        case ATTRIBUTE_AS_PATH: // RFC 4271 §9.1.2
          if (!this.passesPath(bytes, value, next)) return false;
          break;
        case ATTRIBUTE_COMMUNITIES: // RFC 8326 §4
          if (this.external && hasWord(bytes, value, next, GRACEFUL_SHUTDOWN)) return false;
          break;
        case ATTRIBUTE_LOCAL_PREF: // RFC 4271 §5.1.5
          if (this.external) return false;
          break;
        case ATTRIBUTE_ORIGINATOR_ID: // RFC 4456 §8
          if (this.external || word32(bytes, value) === this.routerId) return false;
          break;
        case ATTRIBUTE_CLUSTER_LIST: // RFC 4456 §8
          if (this.external) return false;
          if (this.clusterId !== undefined && hasWord(bytes, value, next, this.clusterId)) return false;
          break;
        case ATTRIBUTE_AIGP: // RFC 7311 §3.3
        case ATTRIBUTE_ONLY_TO_CUSTOMER: // RFC 9234 §5
          return false;
        default:
          break;
      }
      at = next;
    }
    return true;
  }

  /** Whether our AS is not in the path, nor a set that is refused (RFC 9774 §3). */
  private passesPath(bytes: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end;) {
      if (this.rejectsAsSets && (bytes[at] === AS_SET || bytes[at] === AS_CONFED_SET)) return false;
      const segmentEnd = at + 2 + 4 * bytes[at + 1]!;
      if (hasWord(bytes, at + 2, segmentEnd, this.localAs)) return false;
      at = segmentEnd;
    }
    return true;
  }

  /** Whether the next hop is, or begins with, an address of ours (RFC 4271 §5.1.3). */
  private isOwn(bytes: Uint8Array, start: number): boolean {
    const length = bytes[start]!;
    return this.ownAddresses.some(
      (own) => own.length <= length && own.every((octet, index) => octet === bytes[start + 1 + index]),
    );
  }
}

function hasWord(bytes: Uint8Array, start: number, end: number, word: number): boolean {
  for (let at = start; at < end; at += 4) if (word32(bytes, at) === word) return true;
  return false;
}
