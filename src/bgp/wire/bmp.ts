/** BMP messages, version 3 (RFC 7854): what a monitored router tells a station. */
import { type Address, addressBytes, familyOf } from '../../net/address.ts';
import { ByteWriter } from '../../net/bytes.ts';
import { AFI_IPV4, AFI_IPV6, SAFI_UNICAST } from './iana.ts';

const VERSION = 3;
/** §4.1. */
const TYPES = {
  'route-monitoring': 0,
  statistics: 1,
  'peer-down': 2,
  'peer-up': 3,
  initiation: 4,
  termination: 5,
} as const;
/** Flags of the per-peer header (§4.2). */
const FLAG_IPV6 = 0x80;
const FLAG_POST_POLICY = 0x40;
const FLAG_TWO_OCTET_AS = 0x20;
/** Information TLVs (§4.4) and reasons of a termination (§4.5). */
const INFORMATION_DESCRIPTION = 1;
const INFORMATION_NAME = 2;
const TERMINATION_REASON = 1;
const CLOSED_BY_ADMINISTRATOR = 0;
/** Statistics (§4.8): routes in adj-RIB-in, and that by family. */
const STATISTIC_ADJ_RIB_IN = 7;
const STATISTIC_ADJ_RIB_IN_FAMILY = 9;
/** Why a session ended (§4.9). */
const DOWN_NOTIFICATION_SENT = 1;
const DOWN_LOCAL = 2;
const DOWN_NOTIFICATION_RECEIVED = 3;
const DOWN_REMOTE = 4;

export interface BmpPeer {
  readonly address: Address;
  readonly asNumber: number;
  readonly identifier: Address;
  /** AS numbers of its UPDATEs take four octets. */
  readonly fourOctetAs: boolean;
}

/** §4.3. */
export function initiation(description: string, name: string): Uint8Array {
  return message('initiation', (writer) => {
    text(writer, INFORMATION_DESCRIPTION, description);
    text(writer, INFORMATION_NAME, name);
  });
}

/** §4.5: we are shut down. */
export function termination(): Uint8Array {
  return message('termination', (writer) => {
    writer.u16(TERMINATION_REASON);
    writer.u16(2);
    writer.u16(CLOSED_BY_ADMINISTRATOR);
  });
}

/** §4.10, with both OPENs as they were on the wire. Times are milliseconds since 1970. */
export function peerUp(
  peer: BmpPeer,
  time: number,
  local: { readonly address: Address; readonly port: number; readonly remotePort: number },
  sentOpen: Uint8Array,
  receivedOpen: Uint8Array,
): Uint8Array {
  return message('peer-up', (writer) => {
    peerHeader(writer, peer, time);
    wideAddress(writer, local.address);
    writer.u16(local.port);
    writer.u16(local.remotePort);
    writer.append(sentOpen);
    writer.append(receivedOpen);
  });
}

/** §4.9. Without a NOTIFICATION `local` says who closed the connection. */
export function peerDown(
  peer: BmpPeer,
  time: number,
  end: {
    readonly notification?: { readonly sent: boolean; readonly message: Uint8Array };
    readonly local: boolean;
  },
): Uint8Array {
  return message('peer-down', (writer) => {
    peerHeader(writer, peer, time);
    const { notification, local } = end;
    if (notification !== undefined) {
      writer.u8(notification.sent ? DOWN_NOTIFICATION_SENT : DOWN_NOTIFICATION_RECEIVED);
      writer.append(notification.message);
    } else if (local) {
      writer.u8(DOWN_LOCAL);
      writer.u16(0); // no FSM event of RFC 4271 stands for it
    } else {
      writer.u8(DOWN_REMOTE);
    }
  });
}

/** §4.6: an UPDATE as it was received, or what policy has made of it (§5). */
export function routeMonitoring(
  peer: BmpPeer,
  time: number,
  update: Uint8Array,
  policy: 'pre-policy' | 'post-policy',
): Uint8Array {
  return message('route-monitoring', (writer) => {
    peerHeader(writer, peer, time, policy === 'post-policy' ? FLAG_POST_POLICY : 0);
    writer.append(update);
  });
}

/** §4.8: how many routes the peer has told, in all and by family. */
export function statistics(
  peer: BmpPeer,
  time: number,
  routes: readonly { readonly family: 4 | 6; readonly count: number }[],
): Uint8Array {
  return message('statistics', (writer) => {
    peerHeader(writer, peer, time);
    writer.u32(1 + routes.length);
    writer.u16(STATISTIC_ADJ_RIB_IN);
    writer.u16(8);
    writer.u64(BigInt(routes.reduce((sum, { count }) => sum + count, 0)));
    for (const { family, count } of routes) {
      writer.u16(STATISTIC_ADJ_RIB_IN_FAMILY);
      writer.u16(11);
      writer.u16(family === 4 ? AFI_IPV4 : AFI_IPV6);
      writer.u8(SAFI_UNICAST);
      writer.u64(BigInt(count));
    }
  });
}

/** §4.1. */
function message(type: keyof typeof TYPES, body: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(256);
  writer.u8(VERSION);
  const at = writer.reserve(4);
  writer.u8(TYPES[type]);
  body(writer);
  writer.setU32(at, writer.length);
  return writer.copy();
}

/** §4.2; the peer is one of the global instance. The flag of policy is about routes only. */
function peerHeader(writer: ByteWriter, peer: BmpPeer, time: number, policyFlag = 0): void {
  writer.u8(0);
  const familyFlag = familyOf(peer.address) === 6 ? FLAG_IPV6 : 0;
  writer.u8(familyFlag | policyFlag | (peer.fourOctetAs ? 0 : FLAG_TWO_OCTET_AS));
  writer.u64(0n); // distinguisher
  wideAddress(writer, peer.address);
  writer.u32(peer.asNumber);
  writer.append(addressBytes(peer.identifier));
  writer.u32(Math.floor(time / 1000));
  writer.u32(Math.floor((time % 1000) * 1000));
}

/** Sixteen octets; an IPv4 address takes the last four. */
function wideAddress(writer: ByteWriter, address: Address): void {
  const octets = addressBytes(address);
  writer.reserve(16 - octets.length);
  writer.append(octets);
}

function text(writer: ByteWriter, type: number, value: string): void {
  const octets = new TextEncoder().encode(value);
  writer.u16(type);
  writer.u16(octets.length);
  writer.append(octets);
}
