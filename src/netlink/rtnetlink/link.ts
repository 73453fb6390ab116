/** Links: `struct ifinfomsg` and IFLA_ attributes (linux/if_link.h). */
import { ByteReader, type ByteWriter } from '../../net/bytes.ts';
import {
  readAttributes,
  readString,
  readU32le,
  writeBytes,
  writeNested,
  writeString,
  writeU32le,
} from '../attribute.ts';
import type { Link, LinkChange, NewLink } from '../kernel.ts';
import { formatMac, parseMac } from './mac.ts';

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_LOWER_UP = 0x10000;

const HEADER_LENGTH = 16;

/** Appends a header for the link `index` (0: by name, or all); `up` sets or clears IFF_UP, undefined leaves it. */
function writeHeader(writer: ByteWriter, index: number, up?: boolean): void {
  writer.u32le(0); // family AF_UNSPEC, device type
  writer.u32le(index);
  writer.u32le(up === true ? IFF_UP : 0);
  writer.u32le(up === undefined ? 0 : IFF_UP);
}

/** The payload of RTM_GETLINK or RTM_DELLINK: one link by index or name, or all for a dump. */
export function encodeLinkQuery(writer: ByteWriter, which?: string | number): void {
  writeHeader(writer, typeof which === 'number' ? which : 0);
  if (typeof which === 'string') writeString(writer, IFLA_IFNAME, which);
}

/** The payload of RTM_NEWLINK that makes a link; `peerNamespace` is a descriptor for a veth's far end. */
export function encodeNewLink(writer: ByteWriter, link: NewLink, peerNamespace?: number): void {
  writeHeader(writer, 0, link.up);
  writeSettings(writer, link);
  writeNested(writer, IFLA_LINKINFO, (info) => {
    writeString(info, IFLA_INFO_KIND, link.kind);
    if (link.kind !== 'veth') return;
    const { peer } = link;
    writeNested(info, IFLA_INFO_DATA, (data) =>
      writeNested(data, VETH_INFO_PEER, (out) => {
        writeHeader(out, 0);
        writeSettings(out, peer);
        if (peerNamespace !== undefined) writeU32le(out, IFLA_NET_NS_FD, peerNamespace);
      }),
    );
  });
}

/** The payload of RTM_NEWLINK that changes a link; `namespace` is a descriptor to move it to. */
export function encodeLinkChange(
  writer: ByteWriter,
  index: number,
  change: LinkChange,
  namespace?: number,
): void {
  writeHeader(writer, index, change.up);
  writeSettings(writer, change);
  if (change.master !== undefined) writeU32le(writer, IFLA_MASTER, change.master);
  if (namespace !== undefined) writeU32le(writer, IFLA_NET_NS_FD, namespace);
}

function writeSettings(
  writer: ByteWriter,
  settings: Pick<LinkChange, 'name' | 'mtu' | 'mac' | 'alias'>,
): void {
  if (settings.name !== undefined) writeString(writer, IFLA_IFNAME, settings.name);
  if (settings.mtu !== undefined) writeU32le(writer, IFLA_MTU, settings.mtu);
  if (settings.mac !== undefined) writeBytes(writer, IFLA_ADDRESS, parseMac(settings.mac));
  // Without a NUL: the kernel takes the length as the alias's, and an empty value removes it.
  if (settings.alias !== undefined) writeBytes(writer, IFLA_IFALIAS, Buffer.from(settings.alias, 'utf8'));
}

/** Decodes RTM_NEWLINK or RTM_DELLINK; undefined if it is not about the link itself but its role in a bridge. */
export function decodeLink(payload: Uint8Array): Link | undefined {
  const header = new ByteReader(payload);
  if (header.u8() !== 0) return undefined;
  header.skip(3);
  const index = header.u32le();
  const flags = header.u32le();
  const attributes = readAttributes(payload, HEADER_LENGTH);
  const number = (type: number): number | undefined => {
    const value = attributes.get(type);
    return value === undefined ? undefined : readU32le(value);
  };
  const info = attributes.get(IFLA_LINKINFO);
  const kind = info === undefined ? undefined : readAttributes(info).get(IFLA_INFO_KIND);
  const mac = attributes.get(IFLA_ADDRESS);
  const alias = attributes.get(IFLA_IFALIAS);
  const master = number(IFLA_MASTER);
  const lower = number(IFLA_LINK);
  const linkNamespaceId = number(IFLA_LINK_NETNSID);
  return {
    index,
    name: readString(attributes.get(IFLA_IFNAME) ?? new Uint8Array()),
    ...(kind === undefined ? {} : { kind: readString(kind) }),
    loopback: (flags & IFF_LOOPBACK) !== 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    mtu: number(IFLA_MTU) ?? 0,
    ...(mac === undefined || mac.length !== 6 ? {} : { mac: formatMac(mac) }),
    ...(master === undefined ? {} : { master }),
    ...(lower === undefined ? {} : { link: lower }),
    ...(linkNamespaceId === undefined ? {} : { linkNamespaceId }),
    ...(alias === undefined ? {} : { alias: readString(alias) }),
  };
}
