/** Interface addresses: `struct ifaddrmsg` and IFA_ attributes (linux/if_addr.h). */
import { type Family, addressBytes, familyOf, formatAddress } from '../../net/address.ts';
import { ByteReader, type ByteWriter } from '../../net/bytes.ts';
import { readAttributes, readU32le, writeBytes, writeU32le, writeU8 } from '../attribute.ts';
import type { InterfaceAddress, NewInterfaceAddress } from '../kernel.ts';
import { familyFromNumber, familyNumber } from './constants.ts';
import { scopeFromNumber, scopeNumber } from './route.ts';

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** struct ifa_cacheinfo: seconds preferred and valid, and two times that the kernel sets. */
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_PROTO = 11;

const INFINITE_LIFETIME = 0xffff_ffff;

const IFA_F_NODAD = 0x02;
const IFA_F_TENTATIVE = 0x40;

const HEADER_LENGTH = 8;

/** The payload of RTM_GETADDR for a dump. */
export function encodeAddressQuery(writer: ByteWriter, family?: Family, interfaceIndex = 0): void {
  writer.u8(familyNumber(family));
  writer.reserve(3);
  writer.u32le(interfaceIndex);
}

/** The payload of RTM_NEWADDR or RTM_DELADDR. */
export function encodeAddress(writer: ByteWriter, entry: NewInterfaceAddress): void {
  const bytes = addressBytes(entry.address);
  writer.u8(familyNumber(familyOf(entry.address)));
  writer.u8(entry.prefixLength);
  writer.u8(0);
  writer.u8(scopeNumber(entry.scope ?? 'global'));
  writer.u32le(entry.interface);
  writeBytes(writer, IFA_LOCAL, bytes);
  writeBytes(writer, IFA_ADDRESS, bytes);
  if (entry.noDuplicateDetection === true) writeU32le(writer, IFA_FLAGS, IFA_F_NODAD);
  if (entry.deprecated === true) {
    writeBytes(writer, IFA_CACHEINFO, new Uint8Array(new Uint32Array([0, INFINITE_LIFETIME, 0, 0]).buffer));
  }
  if (entry.protocol !== undefined) writeU8(writer, IFA_PROTO, entry.protocol);
}

/** Decodes RTM_NEWADDR or RTM_DELADDR; undefined for a family that is not IP. */
export function decodeAddress(payload: Uint8Array): InterfaceAddress | undefined {
  const header = new ByteReader(payload);
  const family = familyFromNumber(header.u8());
  const prefixLength = header.u8();
  const shortFlags = header.u8();
  const scope = scopeFromNumber(header.u8());
  const index = header.u32le();
  const attributes = readAttributes(payload, HEADER_LENGTH);
  // IFA_ADDRESS is the peer's on a point-to-point address; IFA_LOCAL is ours wherever it is present.
  const local = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  if (family === undefined || local === undefined) return undefined;
  const protocol = attributes.get(IFA_PROTO);
  const longFlags = attributes.get(IFA_FLAGS);
  const flags = longFlags === undefined ? shortFlags : readU32le(longFlags);
  return {
    interface: index,
    address: formatAddress(local),
    prefixLength,
    scope,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    ...(protocol === undefined ? {} : { protocol: protocol[0]! }),
  };
}
