/** Capabilities (RFC 5492 §4): code, length, value; one row per capability we know is the whole codec. */
import { ByteReader, type ByteWriter } from '../../net/bytes.ts';
import {
  CAPABILITY_ADD_PATH,
  CAPABILITY_ENHANCED_ROUTE_REFRESH,
  CAPABILITY_EXTENDED_MESSAGE,
  CAPABILITY_EXTENDED_NEXT_HOP,
  CAPABILITY_FOUR_OCTET_AS,
  CAPABILITY_FQDN,
  CAPABILITY_GRACEFUL_RESTART,
  CAPABILITY_LONG_LIVED_GRACEFUL_RESTART,
  CAPABILITY_MULTIPROTOCOL,
  CAPABILITY_ROLE,
  CAPABILITY_ROUTE_REFRESH,
} from './iana.ts';
import type { AddPathMode, Capability } from './message.ts';

type Known = Exclude<Capability, { type: 'unknown' }>;
type Of<Type extends Known['type']> = Extract<Known, { type: Type }>;

interface CapabilityCodec<Type extends Known['type']> {
  readonly code: number;
  /** Value lengths that are well formed. */
  readonly fits: (length: number) => boolean;
  readonly decode: (reader: ByteReader) => Of<Type> | undefined;
  readonly encode: (capability: Of<Type>, writer: ByteWriter) => void;
}

const MODES: Readonly<Record<AddPathMode, number>> = { receive: 1, send: 2, both: 3 };
/** Flags of graceful restart: R (RFC 4724 §3), N (RFC 8538 §2), F (RFC 4724 §3). */
const RESTARTING = 0x8000;
const NOTIFICATION = 0x4000;
const RESTART_TIME = 0x0fff;
const FORWARDING = 0x80;
/** A name in the FQDN capability has at most this many octets. */
const FQDN_PART = 64;

const exactly = (wanted: number) => (length: number) => length === wanted;
const multipleOf = (unit: number) => (length: number) => length % unit === 0;

function flag<Type extends 'route-refresh' | 'enhanced-route-refresh' | 'extended-message'>(
  code: number,
  type: Type,
): CapabilityCodec<Type> {
  return { code, fits: exactly(0), decode: () => ({ type }) as Of<Type>, encode: () => undefined };
}

function entries<Entry>(reader: ByteReader, read: () => Entry): Entry[] {
  const list: Entry[] = [];
  while (reader.remaining > 0) list.push(read());
  return list;
}

const CODECS: { readonly [Type in Known['type']]: CapabilityCodec<Type> } = {
  multiprotocol: {
    code: CAPABILITY_MULTIPROTOCOL, // RFC 4760 §8: AFI, reserved, SAFI
    fits: exactly(4),
    decode(reader) {
      const afi = reader.u16();
      reader.skip(1);
      return { type: 'multiprotocol', afi, safi: reader.u8() };
    },
    encode({ afi, safi }, writer) {
      writer.u16(afi);
      writer.u8(0);
      writer.u8(safi);
    },
  },
  'route-refresh': flag(CAPABILITY_ROUTE_REFRESH, 'route-refresh'),
  'enhanced-route-refresh': flag(CAPABILITY_ENHANCED_ROUTE_REFRESH, 'enhanced-route-refresh'),
  'extended-message': flag(CAPABILITY_EXTENDED_MESSAGE, 'extended-message'),
  'four-octet-as': {
    code: CAPABILITY_FOUR_OCTET_AS, // RFC 6793 §3
    fits: exactly(4),
    decode: (reader) => ({ type: 'four-octet-as', asNumber: reader.u32() }),
    encode: ({ asNumber }, writer) => writer.u32(asNumber),
  },
  'graceful-restart': {
    code: CAPABILITY_GRACEFUL_RESTART, // RFC 4724 §3
    fits: (length) => length % 4 === 2,
    decode(reader) {
      const head = reader.u16();
      return {
        type: 'graceful-restart',
        restarting: (head & RESTARTING) !== 0,
        notification: (head & NOTIFICATION) !== 0,
        restartTime: head & RESTART_TIME,
        families: entries(reader, () => ({
          afi: reader.u16(),
          safi: reader.u8(),
          forwarding: (reader.u8() & FORWARDING) !== 0,
        })),
      };
    },
    encode(capability, writer) {
      writer.u16(
        (capability.restarting ? RESTARTING : 0) |
          (capability.notification ? NOTIFICATION : 0) |
          Math.min(capability.restartTime, RESTART_TIME),
      );
      for (const family of capability.families) {
        writer.u16(family.afi);
        writer.u8(family.safi);
        writer.u8(family.forwarding ? FORWARDING : 0);
      }
    },
  },
  'long-lived-graceful-restart': {
    code: CAPABILITY_LONG_LIVED_GRACEFUL_RESTART, // RFC 9494 §3.1
    fits: multipleOf(7),
    decode: (reader) => ({
      type: 'long-lived-graceful-restart',
      families: entries(reader, () => ({
        afi: reader.u16(),
        safi: reader.u8(),
        forwarding: (reader.u8() & FORWARDING) !== 0,
        staleTime: (reader.u8() << 16) | reader.u16(),
      })),
    }),
    encode({ families }, writer) {
      for (const { afi, safi, forwarding, staleTime } of families) {
        writer.u16(afi);
        writer.u8(safi);
        writer.u8(forwarding ? FORWARDING : 0);
        writer.u8(staleTime >>> 16);
        writer.u16(staleTime & 0xffff);
      }
    },
  },
  'add-path': {
    code: CAPABILITY_ADD_PATH, // RFC 7911 §4
    fits: multipleOf(4),
    decode(reader) {
      const families = entries(reader, () => ({
        afi: reader.u16(),
        safi: reader.u8(),
        mode: modeOf(reader.u8()),
      }));
      // RFC 7911 §4: an entry with any other mode is ignored.
      return {
        type: 'add-path',
        families: families.flatMap(({ mode, ...family }) =>
          mode === undefined ? [] : [{ ...family, mode }],
        ),
      };
    },
    encode({ families }, writer) {
      for (const { afi, safi, mode } of families) {
        writer.u16(afi);
        writer.u8(safi);
        writer.u8(MODES[mode]);
      }
    },
  },
  'extended-next-hop': {
    code: CAPABILITY_EXTENDED_NEXT_HOP, // RFC 8950 §4: the SAFI takes two octets here
    fits: multipleOf(6),
    decode: (reader) => ({
      type: 'extended-next-hop',
      families: entries(reader, () => ({ afi: reader.u16(), safi: reader.u16(), nextHopAfi: reader.u16() })),
    }),
    encode({ families }, writer) {
      for (const { afi, safi, nextHopAfi } of families) {
        writer.u16(afi);
        writer.u16(safi);
        writer.u16(nextHopAfi);
      }
    },
  },
  role: {
    code: CAPABILITY_ROLE, // RFC 9234 §4.1
    fits: exactly(1),
    decode: (reader) => ({ type: 'role', role: reader.u8() }),
    encode: ({ role }, writer) => writer.u8(role),
  },
  fqdn: {
    code: CAPABILITY_FQDN, // draft-walton-bgp-hostname-capability §2: two counted strings
    fits: (length) => length >= 2,
    decode(reader) {
      const read = (): string | undefined => {
        if (reader.remaining < 1) return undefined;
        const length = reader.u8();
        return length > reader.remaining ? undefined : new TextDecoder().decode(reader.view(length));
      };
      const hostname = read();
      const domain = read();
      if (hostname === undefined || domain === undefined || reader.remaining > 0) return undefined;
      return { type: 'fqdn', hostname, domain };
    },
    encode({ hostname, domain }, writer) {
      for (const text of [hostname, domain]) {
        const bytes = new Uint8Array(FQDN_PART);
        const { written } = new TextEncoder().encodeInto(text, bytes);
        writer.u8(written);
        writer.append(bytes.subarray(0, written));
      }
    },
  },
};

const BY_CODE = new Map(Object.values(CODECS).map((codec) => [codec.code, codec]));

function modeOf(value: number): AddPathMode | undefined {
  return value === 1 ? 'receive' : value === 2 ? 'send' : value === 3 ? 'both' : undefined;
}

/** The code of a capability. */
function capabilityCode(capability: Capability): number {
  return capability.type === 'unknown' ? capability.code : CODECS[capability.type].code;
}

/** Reads capabilities up to the reader's end. One we do not know, or with a value that makes no sense, is kept as bytes. */
export function decodeCapabilities(reader: ByteReader): Capability[] {
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const code = reader.u8();
    const value = reader.view(reader.u8());
    const codec = BY_CODE.get(code);
    const known =
      codec !== undefined && codec.fits(value.length) ? codec.decode(new ByteReader(value)) : undefined;
    capabilities.push(known ?? { type: 'unknown', code, value: value.slice() });
  }
  return capabilities;
}

/** One capability with its code and length. */
export function encodeCapability(capability: Capability, writer: ByteWriter): void {
  writer.u8(capabilityCode(capability));
  const at = writer.reserve(1);
  if (capability.type === 'unknown') {
    writer.append(capability.value);
  } else {
    // The row belongs to the capability's own type; the compiler cannot follow that through the index.
    const codec = CODECS[capability.type] as CapabilityCodec<Known['type']>;
    codec.encode(capability, writer);
  }
  writer.setU8(at, writer.length - at - 1);
}
