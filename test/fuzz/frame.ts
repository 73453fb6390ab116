/** Ethernet frames of probes: enough of each header for a router to forward them, and a number at the end. */
import type { Packet } from '../../src/explain/packet.ts';
import { addressBytes, familyOf, formatAddress } from '../../src/net/address.ts';

const MAGIC = Buffer.from('margay probe');
const ETHERTYPES = { 4: 0x0800, 6: 0x86dd } as const;
const ETHERNET = 14;
const HOP_LIMIT = 64;
const ICMPV6 = 58;

/** Length of the header behind the IP header, by protocol; others have none that we fill. */
const HEADERS: ReadonlyMap<number, number> = new Map([
  [1, 8],
  [6, 20],
  [17, 8],
  [58, 8],
  [132, 12],
  [136, 8],
]);

/** The frame of a packet. */
export function frameOf(
  packet: Packet,
  number: number,
  macs: { readonly source: string; readonly destination: string },
): Buffer {
  const family = familyOf(packet.source);
  const tail = Buffer.alloc(MAGIC.length + 4);
  tail.set(MAGIC);
  tail.writeUInt32BE(number, MAGIC.length);
  const payload = Buffer.concat([transportOf(packet, tail.length), tail]);
  if (packet.protocol === ICMPV6) payload.writeUInt16BE(icmpv6Checksum(packet, payload), 2);
  const ethernet = Buffer.alloc(ETHERNET);
  ethernet.set(macBytes(macs.destination), 0);
  ethernet.set(macBytes(macs.source), 6);
  ethernet.writeUInt16BE(ETHERTYPES[family], 12);
  return Buffer.concat([ethernet, networkOf(packet, payload.length), payload]);
}

/** Numbers a frame anew: the same packet once more. */
export function renumber(frame: Buffer, number: number): void {
  frame.writeUInt32BE(number, frame.length - 4);
}

/** The same without its Ethernet header, as a raw socket sends it. */
export function packetOf(packet: Packet, number: number): Buffer {
  const mac = '00:00:00:00:00:00';
  return frameOf(packet, number, { source: mac, destination: mac }).subarray(ETHERNET);
}

/** The number of a probe, whatever headers are left of it; undefined if it is none of ours. */
export function numberOf(packet: Uint8Array): number | undefined {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const at = bytes.length - MAGIC.length - 4;
  if (at < 0 || !bytes.subarray(at, at + MAGIC.length).equals(MAGIC)) return undefined;
  return bytes.readUInt32BE(at + MAGIC.length);
}

/** What a received frame says, if it is one of ours. */
export function probeOf(
  frame: Uint8Array,
): { readonly number: number; readonly destination: string; readonly receiver: string } | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const number = numberOf(frame);
  if (number === undefined) return undefined;
  const isIPv4 = bytes.readUInt16BE(12) === ETHERTYPES[4];
  const destination = isIPv4
    ? bytes.subarray(ETHERNET + 16, ETHERNET + 20)
    : bytes.subarray(ETHERNET + 24, ETHERNET + 40);
  return {
    number,
    destination: formatAddress(destination),
    receiver: [...bytes.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
  };
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function networkOf({ source, destination, protocol }: Packet, payloadLength: number): Buffer {
  if (familyOf(source) === 6) {
    const header = Buffer.alloc(40);
    header[0] = 0x60;
    header.writeUInt16BE(payloadLength, 4);
    header[6] = protocol;
    header[7] = HOP_LIMIT;
    header.set(addressBytes(source), 8);
    header.set(addressBytes(destination), 24);
    return header;
  }
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(header.length + payloadLength, 2);
  header[8] = HOP_LIMIT;
  header[9] = protocol;
  header.set(addressBytes(source), 12);
  header.set(addressBytes(destination), 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function transportOf(packet: Packet, tailLength: number): Buffer {
  const header = Buffer.alloc(HEADERS.get(packet.protocol) ?? 4);
  if (packet.icmp !== undefined) {
    header[0] = packet.icmp.type;
    header[1] = packet.icmp.code;
    return header;
  }
  if (packet.sourcePort === undefined || packet.destinationPort === undefined) return header;
  header.writeUInt16BE(packet.sourcePort, 0);
  header.writeUInt16BE(packet.destinationPort, 2);
  if (packet.protocol === 6) {
    // Data offset of five words; SYN.
    header[12] = 0x50;
    header[13] = 0x02;
  } else if (packet.protocol !== 132) {
    header.writeUInt16BE(header.length + tailLength, 4);
  }
  return header;
}

/** RFC 4443 §2.3: a host takes no message without it. */
function icmpv6Checksum({ source, destination }: Packet, payload: Buffer): number {
  if (familyOf(source) === 4) return 0;
  const pseudo = Buffer.alloc(40);
  pseudo.set(addressBytes(source), 0);
  pseudo.set(addressBytes(destination), 16);
  pseudo.writeUInt32BE(payload.length, 32);
  pseudo[39] = ICMPV6;
  return checksum(Buffer.concat([pseudo, payload]));
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  if (bytes.length % 2 === 1) sum += bytes.at(-1)! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
