/** Neighbours: `struct ndmsg` and NDA_ attributes (linux/neighbour.h). */
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../../net/address.ts';
import { ByteReader, type ByteWriter } from '../../net/bytes.ts';
import { readAttributes, writeBytes } from '../attribute.ts';
import type { Neighbor } from '../kernel.ts';
import { familyFromNumber, familyNumber } from './constants.ts';
import { formatMac, parseMac } from './mac.ts';

const NDA_DST = 1;
const NDA_LLADDR = 2;

const NUD_INCOMPLETE = 0x01;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NTF_PROXY = 0x08;

const HEADER_LENGTH = 12;

function writeHeader(
  writer: ByteWriter,
  family: number,
  device: number,
  state: number,
  proxy: boolean,
): void {
  writer.u8(family);
  writer.reserve(3);
  writer.u32le(device);
  writer.u16le(state);
  writer.u8(proxy ? NTF_PROXY : 0);
  writer.u8(0); // type
}

/** The payload of RTM_GETNEIGH for a dump: of proxy entries, or of all others. */
export function encodeNeighborQuery(writer: ByteWriter, family: Family | undefined, proxy: boolean): void {
  writeHeader(writer, familyNumber(family), 0, 0, proxy);
}

/** The payload of RTM_NEWNEIGH (permanent with `mac`, proxy without) or RTM_DELNEIGH. */
export function encodeNeighbor(
  writer: ByteWriter,
  entry: {
    readonly interface: number;
    readonly address: Address;
    readonly mac?: string;
    readonly proxy?: boolean;
  },
): void {
  const family = familyNumber(familyOf(entry.address));
  const state = entry.mac === undefined ? 0 : NUD_PERMANENT;
  writeHeader(writer, family, entry.interface, state, entry.proxy === true);
  writeBytes(writer, NDA_DST, addressBytes(entry.address));
  if (entry.mac !== undefined) writeBytes(writer, NDA_LLADDR, parseMac(entry.mac));
}

/** `usable`: false while it is being resolved or when that failed. */
export interface DecodedNeighbor {
  readonly neighbor: Neighbor;
  readonly usable: boolean;
}

/** Decodes RTM_NEWNEIGH or RTM_DELNEIGH; undefined for bridge entries and for what needs no resolution (NOARP). */
export function decodeNeighbor(payload: Uint8Array): DecodedNeighbor | undefined {
  const header = new ByteReader(payload);
  const family = familyFromNumber(header.u8());
  header.skip(3);
  const device = header.u32le();
  const state = header.u16le();
  const proxy = (header.u8() & NTF_PROXY) !== 0;
  const attributes = readAttributes(payload, HEADER_LENGTH);
  const destination = attributes.get(NDA_DST);
  if (family === undefined || destination === undefined || (state & NUD_NOARP) !== 0) return undefined;
  const mac = attributes.get(NDA_LLADDR);
  return {
    neighbor: {
      interface: device,
      address: formatAddress(destination),
      ...(mac === undefined || mac.length !== 6 ? {} : { mac: formatMac(mac) }),
      permanent: (state & NUD_PERMANENT) !== 0,
      proxy,
    },
    usable: proxy || (state !== 0 && (state & (NUD_INCOMPLETE | NUD_FAILED)) === 0),
  };
}
