/** The BFD Control packet (RFC 5880 §4.1), without an authentication section: none is in use, so one is refused. */
import { ByteReader, ByteWriter } from '../../net/bytes.ts';

/** RFC 5880 §4.1, in the order of their numbers. */
const STATES = ['AdminDown', 'Down', 'Init', 'Up'] as const;
export type BfdState = (typeof STATES)[number];

export const DIAGNOSTIC_NONE = 0;
export const DIAGNOSTIC_DETECTION_TIME_EXPIRED = 1;
export const DIAGNOSTIC_NEIGHBOR_SIGNALED_DOWN = 3;
export const DIAGNOSTIC_ADMINISTRATIVELY_DOWN = 7;

/** IANA's registry of BFD diagnostic codes (RFC 5880 §4.1). */
const DIAGNOSTICS = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
] as const;

const VERSION = 1;
export const CONTROL_PACKET_LENGTH = 24;

const POLL = 0x20;
const FINAL = 0x10;
const CONTROL_PLANE_INDEPENDENT = 0x08;
const AUTHENTICATION_PRESENT = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;

/** Intervals are in microseconds. */
export interface ControlPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  /** C bit: the sender's BFD goes on when its control plane restarts. */
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  readonly multiplier: number;
  readonly myDiscriminator: number;
  /** 0: the sender does not know the receiver's yet. */
  readonly yourDiscriminator: number;
  readonly desiredMinTx: number;
  readonly requiredMinRx: number;
  readonly requiredMinEchoRx: number;
}

/** A packet that is dropped, and why (RFC 5880 §6.8.6). */
export interface PacketFault {
  readonly fault: string;
}

/** The words for a diagnostic code. */
export function diagnosticName(code: number): string {
  return DIAGNOSTICS[code] ?? `diagnostic ${code}`;
}

export function encodeControlPacket(packet: ControlPacket): Uint8Array {
  const writer = new ByteWriter(CONTROL_PACKET_LENGTH);
  writer.u8((VERSION << 5) | packet.diagnostic);
  writer.u8(
    (STATES.indexOf(packet.state) << 6) |
      (packet.poll ? POLL : 0) |
      (packet.final ? FINAL : 0) |
      (packet.controlPlaneIndependent ? CONTROL_PLANE_INDEPENDENT : 0) |
      (packet.demand ? DEMAND : 0),
  );
  writer.u8(packet.multiplier);
  writer.u8(CONTROL_PACKET_LENGTH);
  writer.u32(packet.myDiscriminator);
  writer.u32(packet.yourDiscriminator);
  writer.u32(packet.desiredMinTx);
  writer.u32(packet.requiredMinRx);
  writer.u32(packet.requiredMinEchoRx);
  return writer.bytes();
}

/** Reads a UDP payload, with the checks of RFC 5880 §6.8.6 that need no session. Never throws. */
export function decodeControlPacket(bytes: Uint8Array): ControlPacket | PacketFault {
  if (bytes.length < CONTROL_PACKET_LENGTH) return { fault: 'shorter than a control packet' };
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  const flags = reader.u8();
  const multiplier = reader.u8();
  const length = reader.u8();
  const packet: ControlPacket = {
    diagnostic: first & 0x1f,
    state: STATES[flags >> 6]!,
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    controlPlaneIndependent: (flags & CONTROL_PLANE_INDEPENDENT) !== 0,
    demand: (flags & DEMAND) !== 0,
    multiplier,
    myDiscriminator: reader.u32(),
    yourDiscriminator: reader.u32(),
    desiredMinTx: reader.u32(),
    requiredMinRx: reader.u32(),
    requiredMinEchoRx: reader.u32(),
  };
  if (first >> 5 !== VERSION) return { fault: `version ${first >> 5}` };
  if ((flags & AUTHENTICATION_PRESENT) !== 0) return { fault: 'authentication is not in use' };
  if (length < CONTROL_PACKET_LENGTH || length > bytes.length) return { fault: `length ${length}` };
  if (multiplier === 0) return { fault: 'detect multiplier 0' };
  if ((flags & MULTIPOINT) !== 0) return { fault: 'multipoint bit' };
  if (packet.myDiscriminator === 0) return { fault: 'discriminator 0' };
  if (packet.yourDiscriminator === 0 && packet.state !== 'Down' && packet.state !== 'AdminDown') {
    return { fault: `state ${packet.state} without our discriminator` };
  }
  return packet;
}
