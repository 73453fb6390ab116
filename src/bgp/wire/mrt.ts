/**
 * MRT records (RFC 6396): TABLE_DUMP_V2 for a table as it is, BGP4MP_ET for messages as they come. Every record has a
 * header of timestamp, type, subtype and length; a BGP4MP_ET record also has microseconds.
 */
import { type Address, type Family, addressBytes, familyOf } from '../../net/address.ts';
import type { ByteWriter } from '../../net/bytes.ts';
import { encodeAttributes } from './attribute-list.ts';
import type { RouteValues } from './attribute-record.ts';
import { AFI_IPV4, AFI_IPV6, AS_TRANS, ATTRIBUTE_MP_REACH_NLRI, FLAG_OPTIONAL } from './iana.ts';
import { BASIC_WIRE, type WireOptions } from './message.ts';
import { nextHopLength, writeNextHop } from './next-hop.ts';

/** RFC 6396 §4, RFC 8050 §4: types and subtypes. */
const TABLE_DUMP_V2 = 13;
const BGP4MP_ET = 17;
const PEER_INDEX_TABLE = 1;
const RIB_UNICAST: Readonly<Record<Family, number>> = { 4: 2, 6: 4 };
const RIB_UNICAST_ADDPATH: Readonly<Record<Family, number>> = { 4: 8, 6: 10 };
const BGP4MP_MESSAGE = 1;
const BGP4MP_MESSAGE_AS4 = 4;
const BGP4MP_STATE_CHANGE_AS4 = 5;
/** Bits of a peer's type in PEER_INDEX_TABLE (§4.3.1). */
const PEER_IPV6 = 1;
const PEER_AS4 = 2;

/** AS numbers of four octets whatever the session had (§4.3.4). */
const DUMP_WIRE: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, external: false, extendedMessages: true };

export interface MrtPeer {
  readonly identifier: Address;
  readonly address: Address;
  readonly asNumber: number;
}

export interface MrtPath {
  /** Place of its peer in the index. */
  readonly peer: number;
  /** Seconds since 1970 at which it was learned. */
  readonly originated: number;
  /** RFC 7911; 0 if there is none. */
  readonly pathId: number;
  readonly route: RouteValues;
}

/** FSM states as §4.4.1 numbers them. */
export const MRT_STATES = {
  Idle: 1,
  Connect: 2,
  Active: 3,
  OpenSent: 4,
  OpenConfirm: 5,
  Established: 6,
} as const;

/** The ends of a session. */
export interface MrtSession {
  readonly peerAs: number;
  readonly localAs: number;
  readonly peerAddress: Address;
  readonly localAddress: Address;
  readonly fourOctetAs: boolean;
}

/** Appends the table of peers (§4.3.1), which comes first in a dump. Times are milliseconds since 1970. */
export function writePeerIndex(
  writer: ByteWriter,
  time: number,
  collector: Address,
  view: string,
  peers: readonly MrtPeer[],
): void {
  record(writer, time, TABLE_DUMP_V2, PEER_INDEX_TABLE, () => {
    writer.append(addressBytes(collector));
    const name = new TextEncoder().encode(view);
    writer.u16(name.length);
    writer.append(name);
    writer.u16(peers.length);
    for (const { identifier, address, asNumber } of peers) {
      writer.u8(PEER_AS4 | (familyOf(address) === 6 ? PEER_IPV6 : 0));
      writer.append(addressBytes(identifier));
      writer.append(addressBytes(address));
      writer.u32(asNumber);
    }
  });
}

/** Appends one prefix with its paths (§4.3.2, RFC 8050 §4.1); `bits` of the octets count. */
export function writeRibEntry(
  writer: ByteWriter,
  time: number,
  sequence: number,
  prefix: { readonly family: Family; readonly octets: Uint8Array; readonly bits: number },
  paths: readonly MrtPath[],
): void {
  const { family, octets, bits } = prefix;
  const addPath = paths.some(({ pathId }) => pathId !== 0);
  record(writer, time, TABLE_DUMP_V2, (addPath ? RIB_UNICAST_ADDPATH : RIB_UNICAST)[family], () => {
    writer.u32(sequence >>> 0);
    writer.u8(bits);
    writer.append(octets.subarray(0, (bits + 7) >> 3));
    writer.u16(paths.length);
    for (const { peer, originated, pathId, route } of paths) {
      writer.u16(peer);
      writer.u32(originated);
      if (addPath) writer.u32(pathId);
      const at = writer.reserve(2);
      writeAttributes(writer, route);
      writer.setU16(at, writer.length - at - 2);
    }
  });
}

/** §4.3.4: an MP_REACH_NLRI here is nothing but the length of the next hop and the next hop. */
function writeAttributes(writer: ByteWriter, { attributes, nextHop }: RouteValues): void {
  const classic = nextHop === undefined || familyOf(nextHop.address) === 4;
  writer.append(
    encodeAttributes(attributes, classic ? (nextHop?.address ?? OWN_NEXT_HOP) : undefined, DUMP_WIRE),
  );
  if (classic) return;
  writer.u8(FLAG_OPTIONAL);
  writer.u8(ATTRIBUTE_MP_REACH_NLRI);
  writer.u8(nextHopLength(nextHop) + 1);
  writer.u8(nextHopLength(nextHop));
  writeNextHop(writer, nextHop);
}

/** Own routes have no next hop. */
const OWN_NEXT_HOP = '0.0.0.0' as Address;

/** Appends a message as it was received (§4.4.2, §4.4.3). */
export function writeMessage(
  writer: ByteWriter,
  time: number,
  session: MrtSession,
  message: Uint8Array,
): void {
  const subtype = session.fourOctetAs ? BGP4MP_MESSAGE_AS4 : BGP4MP_MESSAGE;
  record(writer, time, BGP4MP_ET, subtype, () => {
    writeSession(writer, session, session.fourOctetAs);
    writer.append(message);
  });
}

/** Appends a change of state (§4.4.1). */
export function writeStateChange(
  writer: ByteWriter,
  time: number,
  session: MrtSession,
  before: number,
  after: number,
): void {
  record(writer, time, BGP4MP_ET, BGP4MP_STATE_CHANGE_AS4, () => {
    writeSession(writer, session, true);
    writer.u16(before);
    writer.u16(after);
  });
}

function writeSession(writer: ByteWriter, session: MrtSession, wide: boolean): void {
  for (const asNumber of [session.peerAs, session.localAs]) {
    if (wide) writer.u32(asNumber);
    else writer.u16(asNumber > 0xffff ? AS_TRANS : asNumber);
  }
  writer.u16(0); // interface index
  writer.u16(familyOf(session.peerAddress) === 4 ? AFI_IPV4 : AFI_IPV6);
  writer.append(addressBytes(session.peerAddress));
  writer.append(addressBytes(session.localAddress));
}

function record(writer: ByteWriter, time: number, type: number, subtype: number, body: () => void): void {
  writer.u32(Math.floor(time / 1000));
  writer.u16(type);
  writer.u16(subtype);
  const at = writer.reserve(4);
  if (type === BGP4MP_ET) writer.u32(Math.floor((time % 1000) * 1000));
  body();
  writer.setU32(at, writer.length - at - 4);
}
