/** Routes: `struct rtmsg`, `struct rtnexthop` and RTA_ attributes (linux/rtnetlink.h). */
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../../net/address.ts';
import { ByteReader, type ByteWriter } from '../../net/bytes.ts';
import { prefixFromBytes } from '../../net/prefix.ts';
import { readAttributes, readU32le, writeAttribute, writeBytes, writeU32le } from '../attribute.ts';
import {
  type NextHop,
  type Route,
  type RouteFilter,
  type RouteMake,
  type RouteScope,
  type RouteSelector,
  type RouteType,
  TABLE_MAIN,
} from '../kernel.ts';
import { familyFromNumber, familyNumber } from './constants.ts';

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;

const RTNH_F_ONLINK = 4;
const RTM_F_CLONED = 0x200;

const HEADER_LENGTH = 12;
const NEXT_HOP_LENGTH = 8;

/** In place of a destination. */
const NOWHERE: Readonly<Record<Family, Uint8Array>> = { 4: new Uint8Array(4), 6: new Uint8Array(16) };

const TYPES: readonly (RouteType | undefined)[] = [
  undefined,
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];

const SCOPES: Readonly<Record<RouteScope, number>> = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
};

/** Types that go nowhere; IPv6 shows them with the loopback as their device, which means nothing. */
const DEAD_ENDS: ReadonlySet<RouteType> = new Set(['blackhole', 'unreachable', 'prohibit', 'throw']);

export function scopeNumber(scope: RouteScope): number {
  return SCOPES[scope];
}

/** Scopes that an administrator made up lie between ours and are taken for the next wider. */
export function scopeFromNumber(number: number): RouteScope {
  if (number >= SCOPES.nowhere) return 'nowhere';
  if (number >= SCOPES.host) return 'host';
  if (number >= SCOPES.link) return 'link';
  return number >= SCOPES.site ? 'site' : 'global';
}

/** The scope that a new route has when none is given: IPv4 wants `link` for what no gateway leads to. */
export function defaultScope(family: Family, route: RouteMake): RouteScope {
  if (family === 6) return 'global';
  const type = route.type ?? 'unicast';
  if (type === 'local') return 'host';
  const direct = (route.nextHops ?? []).every((hop) => hop.gateway === undefined);
  return type === 'unicast' && direct ? 'link' : 'global';
}

interface Header {
  readonly family: Family;
  readonly destinationLength: number;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: RouteType | undefined;
  readonly flags: number;
}

function writeHeader(writer: ByteWriter, header: Header): void {
  writer.u8(familyNumber(header.family));
  writer.u8(header.destinationLength);
  writer.u8(0); // source length
  writer.u8(0); // type of service
  // The byte holds tables up to 255; the attribute holds all, and the kernel prefers it.
  writer.u8(header.table < 256 ? header.table : 0);
  writer.u8(header.protocol);
  writer.u8(header.scope);
  writer.u8(header.type === undefined ? 0 : TYPES.indexOf(header.type));
  writer.u32le(header.flags);
}

/** The payload of RTM_GETROUTE for a dump of one family; the kernel filters (NETLINK_GET_STRICT_CHK). */
export function encodeRouteQuery(writer: ByteWriter, family: Family, filter: RouteFilter): void {
  writeHeader(writer, {
    family,
    destinationLength: 0,
    table: filter.table ?? 0,
    protocol: filter.protocol ?? 0,
    scope: 0,
    type: undefined,
    flags: 0,
  });
  if (filter.table !== undefined) writeU32le(writer, RTA_TABLE, filter.table);
}

/**
 * The payload of RTM_NEWROUTE for a destination that is yet to be filled in (route-messages.ts): its length is zero, and
 * RTA_DST, with an address of zeros, is the first attribute.
 */
export function encodeRouteMake(writer: ByteWriter, family: Family, make: RouteMake): void {
  const table = make.table ?? TABLE_MAIN;
  const hops = make.nextHops ?? [];
  const single = hops.length === 1 ? hops[0] : undefined;
  writeHeader(writer, {
    family,
    destinationLength: 0,
    table,
    protocol: make.protocol,
    scope: scopeNumber(make.scope ?? defaultScope(family, make)),
    type: make.type ?? 'unicast',
    flags: single?.onlink === true ? RTNH_F_ONLINK : 0,
  });
  writeBytes(writer, RTA_DST, NOWHERE[family]);
  writeU32le(writer, RTA_TABLE, table);
  if (make.metric !== undefined && make.metric !== 0) writeU32le(writer, RTA_PRIORITY, make.metric);
  if (make.preferredSource !== undefined) {
    writeBytes(writer, RTA_PREFSRC, addressBytes(make.preferredSource));
  }
  if (single !== undefined) {
    if (single.interface !== undefined) writeU32le(writer, RTA_OIF, single.interface);
    writeGateway(writer, family, single.gateway);
  } else if (hops.length > 1) {
    writeAttribute(writer, RTA_MULTIPATH, (out) => {
      for (const hop of hops) writeNextHop(out, family, hop);
    });
  }
}

/** The payload of RTM_DELROUTE, in the same way. */
export function encodeRouteSelector(writer: ByteWriter, family: Family, selector: RouteSelector): void {
  const table = selector.table ?? TABLE_MAIN;
  writeHeader(writer, {
    family,
    destinationLength: 0,
    table,
    protocol: selector.protocol ?? 0,
    scope: SCOPES.nowhere,
    type: selector.type,
    flags: 0,
  });
  writeBytes(writer, RTA_DST, NOWHERE[family]);
  writeU32le(writer, RTA_TABLE, table);
  if (selector.metric !== undefined && selector.metric !== 0)
    writeU32le(writer, RTA_PRIORITY, selector.metric);
}

function writeGateway(writer: ByteWriter, family: Family, gateway: Address | undefined): void {
  if (gateway === undefined) return;
  const bytes = addressBytes(gateway);
  if (familyOf(gateway) === family) {
    writeBytes(writer, RTA_GATEWAY, bytes);
    return;
  }
  writeAttribute(writer, RTA_VIA, (out) => {
    out.u16le(familyNumber(familyOf(gateway)));
    out.append(bytes);
  });
}

function writeNextHop(writer: ByteWriter, family: Family, hop: NextHop): void {
  const start = writer.reserve(NEXT_HOP_LENGTH);
  writer.setU8(start + 2, hop.onlink === true ? RTNH_F_ONLINK : 0);
  writer.setU8(start + 3, (hop.weight ?? 1) - 1);
  writer.setU32le(start + 4, hop.interface ?? 0);
  writeGateway(writer, family, hop.gateway);
  writer.setU16le(start, writer.length - start);
}

/** Decodes RTM_NEWROUTE or RTM_DELROUTE; undefined for a cached clone or a family that is not IP. */
export function decodeRoute(payload: Uint8Array): Route | undefined {
  const header = new ByteReader(payload);
  const family = familyFromNumber(header.u8());
  const length = header.u8();
  header.skip(2);
  const shortTable = header.u8();
  const protocol = header.u8();
  const scope = scopeFromNumber(header.u8());
  const type = TYPES[header.u8()];
  const flags = header.u32le();
  if (family === undefined || type === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = readAttributes(payload, HEADER_LENGTH);
  const table = attributes.get(RTA_TABLE);
  const metric = attributes.get(RTA_PRIORITY);
  const source = attributes.get(RTA_PREFSRC);
  const destination = attributes.get(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16);
  return {
    destination: prefixFromBytes(destination, length),
    type,
    nextHops: DEAD_ENDS.has(type) ? [] : readNextHops(attributes, flags),
    metric: metric === undefined ? 0 : readU32le(metric),
    protocol,
    table: table === undefined ? shortTable : readU32le(table),
    scope,
    ...(source === undefined ? {} : { preferredSource: formatAddress(source) }),
  };
}

function readNextHops(attributes: ReadonlyMap<number, Uint8Array>, flags: number): NextHop[] {
  const multipath = attributes.get(RTA_MULTIPATH);
  if (multipath === undefined) {
    const device = attributes.get(RTA_OIF);
    const hop = nextHop(attributes, device === undefined ? 0 : readU32le(device), flags, 1);
    return hop.interface === undefined && hop.gateway === undefined ? [] : [hop];
  }
  const hops: NextHop[] = [];
  const reader = new ByteReader(multipath);
  while (reader.remaining >= NEXT_HOP_LENGTH) {
    const length = reader.u16le();
    const hopFlags = reader.u8();
    const weight = reader.u8() + 1;
    const device = reader.u32le();
    const rest = readAttributes(reader.view(length - NEXT_HOP_LENGTH));
    hops.push(nextHop(rest, device, hopFlags, weight));
  }
  return hops;
}

function nextHop(
  attributes: ReadonlyMap<number, Uint8Array>,
  device: number,
  flags: number,
  weight: number,
): NextHop {
  const gateway = attributes.get(RTA_GATEWAY);
  const via = attributes.get(RTA_VIA);
  const address = gateway ?? via?.subarray(2);
  return {
    ...(address === undefined ? {} : { gateway: formatAddress(address) }),
    ...(device === 0 ? {} : { interface: device }),
    ...((flags & RTNH_F_ONLINK) === 0 ? {} : { onlink: true }),
    ...(weight === 1 ? {} : { weight }),
  };
}
