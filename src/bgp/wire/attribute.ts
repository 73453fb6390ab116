/**
 * The registry of path attributes: one row is all there is to know about an attribute: its flags, how it is read and
 * written, and what a malformed one costs (RFC 7606 §7).
 */
import { type Address, addressBytes, formatAddress } from '../../net/address.ts';
import type { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { familyOfAfiSafi } from './afi-safi.ts';
import type { FaultCost } from './attribute-fault.ts';
import {
  confederationFault,
  needsAs4Path,
  readAsPath,
  withoutConfederation,
  writeAsPath,
} from './as-path.ts';
import * as iana from './iana.ts';
import type {
  Aggregator,
  AsPathSegment,
  LargeCommunity,
  NextHop,
  PathAttributes,
  WireOptions,
} from './message.ts';
import { readIPv4NextHop, readNextHop } from './next-hop.ts';
import { type NlriBytes, countNlri } from './nlri.ts';

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

/** What an attribute list has said so far. */
export interface AttributeDraft {
  readonly attributes: Partial<Mutable<PathAttributes>>;
  as4Path?: readonly AsPathSegment[];
  as4Aggregator?: Aggregator;
  nextHop?: NextHop;
  /** MP_REACH_NLRI of a family that we carry. */
  reach?: { readonly nlri: NlriBytes; readonly nextHop: NextHop };
  /** MP_UNREACH_NLRI of a family that we carry. */
  unreach?: NlriBytes;
  /** MP_REACH_NLRI of a family that we do not carry was there. */
  otherFamily?: true;
}

export interface AttributeCodec {
  readonly code: number;
  readonly name: string;
  /** Optional and transitive bits. */
  readonly flags: number;
  /** What a malformed value costs (RFC 7606 §7); what any other fault costs is in attribute-fault.ts. */
  readonly action: FaultCost;
  /** Means nothing from a peer in another AS: discarded there (RFC 7606 §7.5, §7.9, §7.10). */
  readonly internal?: true;
  /** Means nothing from a peer that knows 32-bit AS numbers: discarded there (RFC 6793 §4.1). */
  readonly twoOctet?: true;
  /** Reads the value to its end into the draft, or says what is wrong with it. */
  readonly decode: (value: ByteReader, draft: AttributeDraft, wire: WireOptions) => string | undefined;
  /** Appends the value, or returns false if the attribute is not to be sent. Absent: never sent from values. */
  readonly encode?: (
    attributes: PathAttributes,
    writer: ByteWriter,
    context: { readonly wire: WireOptions; readonly nextHop: Address | undefined },
  ) => boolean;
}

const WELL_KNOWN = iana.FLAG_TRANSITIVE;
const OPTIONAL = iana.FLAG_OPTIONAL;
const OPTIONAL_TRANSITIVE = iana.FLAG_OPTIONAL | iana.FLAG_TRANSITIVE;

const ORIGINS = ['igp', 'egp', 'incomplete'] as const;

const lengthFault = (value: ByteReader, wanted: string, clause: string): string =>
  `${value.remaining} octets instead of ${wanted} (${clause})`;

/** A list of equal items that may not be empty. */
function items<Item>(
  value: ByteReader,
  size: number,
  clause: string,
  read: () => Item,
  store: (list: Item[]) => void,
): string | undefined {
  if (value.remaining === 0 || value.remaining % size !== 0) {
    return lengthFault(value, `a multiple of ${size}`, clause);
  }
  const list: Item[] = [];
  while (value.remaining > 0) list.push(read());
  store(list);
  return undefined;
}

/** One value of 32 bits. */
function word(value: ByteReader, clause: string, store: (word: number) => void): string | undefined {
  if (value.remaining !== 4) return lengthFault(value, '4', clause);
  store(value.u32());
  return undefined;
}

function writeWord(writer: ByteWriter, value: number | undefined): boolean {
  if (value === undefined) return false;
  writer.u32(value);
  return true;
}

function writeItems<Item>(list: readonly Item[] | undefined, write: (item: Item) => void): boolean {
  if (list === undefined || list.length === 0) return false;
  list.forEach(write);
  return true;
}

function readAggregator(value: ByteReader, width: 2 | 4): Aggregator | string {
  if (value.remaining !== width + 4) return lengthFault(value, String(width + 4), 'RFC 7606 §7.7');
  const asNumber = width === 4 ? value.u32() : value.u16();
  if (asNumber === 0) return 'AS number 0 (RFC 7607 §2)';
  return { asNumber, address: formatAddress(value.view(4)) };
}

const asWidth = (wire: WireOptions): 2 | 4 => (wire.fourOctetAs ? 4 : 2);

const ROWS: readonly AttributeCodec[] = [
  {
    code: iana.ATTRIBUTE_ORIGIN,
    name: 'ORIGIN', // RFC 4271 §5.1.1
    flags: WELL_KNOWN,
    action: 'withdraw', // RFC 7606 §7.1
    decode(value, { attributes }) {
      if (value.remaining !== 1) return lengthFault(value, '1', 'RFC 7606 §7.1');
      const code = value.u8();
      const origin = ORIGINS[code];
      if (origin === undefined) return `origin ${code} does not exist (RFC 7606 §7.1)`;
      attributes.origin = origin;
      return undefined;
    },
    encode({ origin }, writer) {
      writer.u8(ORIGINS.indexOf(origin));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_AS_PATH,
    name: 'AS_PATH', // RFC 4271 §5.1.2
    flags: WELL_KNOWN,
    action: 'withdraw', // RFC 7606 §7.2
    decode(value, { attributes }, wire) {
      const path = readAsPath(value, asWidth(wire));
      if (typeof path === 'string') return path;
      attributes.asPath = path;
      return confederationFault(path, wire);
    },
    encode({ asPath }, writer, { wire }) {
      writeAsPath(writer, asPath, asWidth(wire));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_NEXT_HOP,
    name: 'NEXT_HOP', // RFC 4271 §5.1.3
    flags: WELL_KNOWN,
    action: 'withdraw', // RFC 7606 §7.3
    decode(value, draft) {
      if (value.remaining !== 4) return lengthFault(value, '4', 'RFC 7606 §7.3');
      draft.nextHop = readIPv4NextHop(value.u32());
      return undefined;
    },
    encode(_attributes, writer, { nextHop }) {
      if (nextHop === undefined) return false;
      writer.append(addressBytes(nextHop));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_MULTI_EXIT_DISC,
    name: 'MULTI_EXIT_DISC', // RFC 4271 §5.1.4
    flags: OPTIONAL,
    action: 'withdraw', // RFC 7606 §7.4
    decode: (value, { attributes }) =>
      word(value, 'RFC 7606 §7.4', (metric) => (attributes.multiExitDisc = metric)),
    encode: ({ multiExitDisc }, writer) => writeWord(writer, multiExitDisc),
  },
  {
    code: iana.ATTRIBUTE_LOCAL_PREF,
    name: 'LOCAL_PREF', // RFC 4271 §5.1.5
    flags: WELL_KNOWN,
    action: 'withdraw', // RFC 7606 §7.5
    internal: true,
    decode: (value, { attributes }) =>
      word(value, 'RFC 7606 §7.5', (preference) => (attributes.localPref = preference)),
    encode: ({ localPref }, writer) => writeWord(writer, localPref),
  },
  {
    code: iana.ATTRIBUTE_ATOMIC_AGGREGATE,
    name: 'ATOMIC_AGGREGATE', // RFC 4271 §5.1.6
    flags: WELL_KNOWN,
    action: 'discard', // RFC 7606 §7.6
    decode(value, { attributes }) {
      if (value.remaining !== 0) return lengthFault(value, '0', 'RFC 7606 §7.6');
      attributes.atomicAggregate = true;
      return undefined;
    },
    encode: ({ atomicAggregate }) => atomicAggregate === true,
  },
  {
    code: iana.ATTRIBUTE_AGGREGATOR,
    name: 'AGGREGATOR', // RFC 4271 §5.1.7
    flags: OPTIONAL_TRANSITIVE,
    action: 'discard', // RFC 7606 §7.7
    decode(value, { attributes }, wire) {
      const aggregator = readAggregator(value, asWidth(wire));
      if (typeof aggregator === 'string') return aggregator;
      attributes.aggregator = aggregator;
      return undefined;
    },
    encode({ aggregator }, writer, { wire }) {
      if (aggregator === undefined) return false;
      if (wire.fourOctetAs) writer.u32(aggregator.asNumber);
      else writer.u16(aggregator.asNumber > 0xffff ? iana.AS_TRANS : aggregator.asNumber);
      writer.append(addressBytes(aggregator.address));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_COMMUNITIES,
    name: 'COMMUNITIES', // RFC 1997
    flags: OPTIONAL_TRANSITIVE,
    action: 'withdraw', // RFC 7606 §7.8
    decode: (value, { attributes }) =>
      items(
        value,
        4,
        'RFC 7606 §7.8',
        () => value.u32(),
        (list) => (attributes.communities = list),
      ),
    encode: ({ communities }, writer) => writeItems(communities, (community) => writer.u32(community)),
  },
  {
    code: iana.ATTRIBUTE_ORIGINATOR_ID,
    name: 'ORIGINATOR_ID', // RFC 4456 §8
    flags: OPTIONAL,
    action: 'withdraw', // RFC 7606 §7.9
    internal: true,
    decode(value, { attributes }) {
      if (value.remaining !== 4) return lengthFault(value, '4', 'RFC 7606 §7.9');
      attributes.originatorId = formatAddress(value.view(4));
      return undefined;
    },
    encode({ originatorId }, writer) {
      if (originatorId === undefined) return false;
      writer.append(addressBytes(originatorId));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_CLUSTER_LIST,
    name: 'CLUSTER_LIST', // RFC 4456 §8
    flags: OPTIONAL,
    action: 'withdraw', // RFC 7606 §7.10
    internal: true,
    decode: (value, { attributes }) =>
      items(
        value,
        4,
        'RFC 7606 §7.10',
        () => formatAddress(value.view(4)),
        (list) => (attributes.clusterList = list),
      ),
    encode: ({ clusterList }, writer) =>
      writeItems(clusterList, (cluster) => writer.append(addressBytes(cluster))),
  },
  {
    code: iana.ATTRIBUTE_MP_REACH_NLRI,
    name: 'MP_REACH_NLRI', // RFC 4760 §3
    flags: OPTIONAL,
    action: 'reset', // RFC 7606 §7.11
    decode(value, draft, wire) {
      if (value.remaining < 5) return lengthFault(value, 'at least 5', 'RFC 7606 §5.3');
      const family = familyOfAfiSafi({ afi: value.u16(), safi: value.u8() });
      const nextHopBytes = value.u8();
      if (family === undefined || !wire.families.includes(family)) {
        draft.otherFamily = true;
        return undefined;
      }
      if (nextHopBytes + 1 > value.remaining) return 'the next hop runs past the attribute (RFC 7606 §7.11)';
      const nextHop = family === 6 && nextHopBytes === 4 ? undefined : readNextHop(value.view(nextHopBytes));
      if (nextHop === undefined) return `a next hop has ${nextHopBytes} octets (RFC 7606 §7.11)`;
      value.skip(1); // reserved
      const nlri = nlriOf(value, family, wire);
      if (countNlri(nlri) < 0) return 'the prefixes cannot be read (RFC 7606 §5.3)';
      draft.reach = { nlri, nextHop };
      return undefined;
    },
  },
  {
    code: iana.ATTRIBUTE_MP_UNREACH_NLRI,
    name: 'MP_UNREACH_NLRI', // RFC 4760 §4
    flags: OPTIONAL,
    action: 'reset', // RFC 7606 §7.12, §5.3
    decode(value, draft, wire) {
      if (value.remaining < 3) return lengthFault(value, 'at least 3', 'RFC 7606 §5.3');
      const family = familyOfAfiSafi({ afi: value.u16(), safi: value.u8() });
      if (family === undefined || !wire.families.includes(family)) return undefined;
      const nlri = nlriOf(value, family, wire);
      if (countNlri(nlri) < 0) return 'the prefixes cannot be read (RFC 7606 §5.3)';
      draft.unreach = nlri;
      return undefined;
    },
  },
  {
    code: iana.ATTRIBUTE_EXTENDED_COMMUNITIES,
    name: 'EXTENDED_COMMUNITIES', // RFC 4360
    flags: OPTIONAL_TRANSITIVE,
    action: 'withdraw', // RFC 7606 §7.14
    decode: (value, { attributes }) =>
      items(
        value,
        8,
        'RFC 7606 §7.14',
        () => value.u64(),
        (list) => (attributes.extendedCommunities = list),
      ),
    encode: ({ extendedCommunities }, writer) =>
      writeItems(extendedCommunities, (community) => writer.u64(community)),
  },
  {
    code: iana.ATTRIBUTE_AS4_PATH,
    name: 'AS4_PATH', // RFC 6793 §3
    flags: OPTIONAL_TRANSITIVE,
    action: 'discard', // RFC 6793 §6
    twoOctet: true,
    decode(value, draft) {
      if (value.remaining < 6) return lengthFault(value, 'at least 6', 'RFC 6793 §6');
      const path = readAsPath(value, 4);
      if (typeof path === 'string') return path;
      draft.as4Path = withoutConfederation(path);
      return undefined;
    },
    encode({ asPath }, writer, { wire }) {
      if (wire.fourOctetAs || !needsAs4Path(asPath)) return false;
      writeAsPath(writer, withoutConfederation(asPath), 4);
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_AS4_AGGREGATOR,
    name: 'AS4_AGGREGATOR', // RFC 6793 §3
    flags: OPTIONAL_TRANSITIVE,
    action: 'discard', // RFC 6793 §6
    twoOctet: true,
    decode(value, draft) {
      const aggregator = readAggregator(value, 4);
      if (typeof aggregator === 'string') return aggregator;
      draft.as4Aggregator = aggregator;
      return undefined;
    },
    encode({ aggregator }, writer, { wire }) {
      if (wire.fourOctetAs || aggregator === undefined || aggregator.asNumber <= 0xffff) return false;
      writer.u32(aggregator.asNumber);
      writer.append(addressBytes(aggregator.address));
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_IPV6_EXTENDED_COMMUNITIES,
    name: 'IPV6_EXTENDED_COMMUNITIES', // RFC 5701 §2
    flags: OPTIONAL_TRANSITIVE,
    action: 'withdraw', // RFC 7606 §7.15
    decode: (value, { attributes }) =>
      items(
        value,
        20,
        'RFC 7606 §7.15',
        () => value.view(20).slice(),
        (list) => (attributes.ipv6ExtendedCommunities = list),
      ),
    encode: ({ ipv6ExtendedCommunities }, writer) =>
      writeItems(ipv6ExtendedCommunities, (community) => writer.append(community)),
  },
  {
    code: iana.ATTRIBUTE_AIGP,
    name: 'AIGP', // RFC 7311 §3
    flags: OPTIONAL,
    action: 'discard', // RFC 7311 §3.2
    decode(value, { attributes }) {
      let metric: bigint | undefined;
      while (value.remaining > 0) {
        if (value.remaining < 3) return 'a TLV is cut off (RFC 7311 §3)';
        const type = value.u8();
        const length = value.u16() - 3;
        if (length < 0 || length > value.remaining) return 'a TLV runs past the attribute (RFC 7311 §3)';
        const tlv = value.sub(length);
        if (type !== iana.AIGP_TLV || metric !== undefined) continue; // only the first counts
        if (length !== 8) return `an AIGP TLV has ${length + 3} octets instead of 11 (RFC 7311 §3)`;
        metric = tlv.u64();
      }
      if (metric !== undefined) attributes.aigp = metric;
      return undefined;
    },
    encode({ aigp }, writer) {
      if (aigp === undefined) return false;
      writer.u8(iana.AIGP_TLV);
      writer.u16(11);
      writer.u64(aigp);
      return true;
    },
  },
  {
    code: iana.ATTRIBUTE_LARGE_COMMUNITY,
    name: 'LARGE_COMMUNITY', // RFC 8092 §3
    flags: OPTIONAL_TRANSITIVE,
    action: 'withdraw', // RFC 8092 §6
    decode: (value, { attributes }) =>
      items(
        value,
        12,
        'RFC 8092 §6',
        (): LargeCommunity => ({ global: value.u32(), local1: value.u32(), local2: value.u32() }),
        (list) => (attributes.largeCommunities = list),
      ),
    encode: ({ largeCommunities }, writer) =>
      writeItems(largeCommunities, ({ global, local1, local2 }) => {
        writer.u32(global);
        writer.u32(local1);
        writer.u32(local2);
      }),
  },
  {
    code: iana.ATTRIBUTE_ONLY_TO_CUSTOMER,
    name: 'OTC', // RFC 9234 §5
    flags: OPTIONAL_TRANSITIVE,
    action: 'withdraw', // RFC 9234 §5
    decode: (value, { attributes }) =>
      word(value, 'RFC 9234 §5', (asNumber) => (attributes.onlyToCustomer = asNumber)),
    encode: ({ onlyToCustomer }, writer) => writeWord(writer, onlyToCustomer),
  },
];

const BY_CODE: readonly (AttributeCodec | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  ROWS.find((row) => row.code === code),
);

/** The row of a type code, or undefined if we do not know the attribute. */
export function attributeCodec(code: number): AttributeCodec | undefined {
  return BY_CODE[code];
}

/** All rows in the order of their codes. */
export const ATTRIBUTE_CODECS = ROWS;

/** The name of a type code, for people. */
export function attributeName(code: number): string {
  return BY_CODE[code]?.name ?? `attribute ${code}`;
}

function nlriOf(value: ByteReader, family: NlriBytes['family'], wire: WireOptions): NlriBytes {
  const start = value.offset;
  value.skip(value.remaining);
  return {
    family,
    addPath: wire.addPathReceive.includes(family),
    bytes: value.bytes,
    start,
    end: value.end,
  };
}
