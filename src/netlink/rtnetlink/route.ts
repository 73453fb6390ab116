/** Routes: `struct rtmsg`, `struct rtnexthop` and RTA_ attributes (linux/rtnetlink.h). */
import {
  type Address,
  type Family,
  addressBytes,
  familyOf,
  formatAddress,
  ipv4Bits,
} from '../../net/address.ts';
import { ByteReader, ByteWriter } from '../../net/bytes.ts';
import { type Prefix, prefix, prefixBytes, prefixFromBytes, prefixLength } from '../../net/prefix.ts';
import { readAttributes, readU32le, writeAttribute, writeBytes, writeU32le } from '../attribute.ts';
import {
  type NewRoute,
  type NextHop,
  type Route,
  type RouteFilter,
  type RouteKey,
  type RouteScope,
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
const ATTRIBUTE_HEADER_LENGTH = 4;
const NEXT_HOP_LENGTH = 8;

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
export function defaultScope(route: NewRoute): RouteScope {
  if (familyOf(route.destination) === 6) return 'global';
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

/** The payload of RTM_NEWROUTE. */
export function encodeRoute(writer: ByteWriter, route: NewRoute): void {
  const family = familyOf(route.destination);
  const table = route.table ?? TABLE_MAIN;
  const hops = route.nextHops ?? [];
  const single = hops.length === 1 ? hops[0] : undefined;
  writeHeader(writer, {
    family,
    destinationLength: prefixLength(route.destination),
    table,
    protocol: route.protocol,
    scope: scopeNumber(route.scope ?? defaultScope(route)),
    type: route.type ?? 'unicast',
    flags: single?.onlink === true ? RTNH_F_ONLINK : 0,
  });
  writeDestination(writer, route.destination);
  writeU32le(writer, RTA_TABLE, table);
  if (route.metric !== undefined && route.metric !== 0) writeU32le(writer, RTA_PRIORITY, route.metric);
  if (route.preferredSource !== undefined) {
    writeBytes(writer, RTA_PREFSRC, addressBytes(route.preferredSource));
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

const EVERYTHING: Readonly<Record<Family, Prefix>> = { 4: prefix('0.0.0.0/0'), 6: prefix('::/0') };

/**
 * {@link encodeRoute} for many: of routes that differ in nothing but their destination, which those by one next hop do,
 * all else is copied from the one before.
 */
export class RouteEncoder {
  /** The last route, and how it would be written if it led everywhere, which needs no RTA_DST. */
  private last: NewRoute | undefined;
  private readonly template = new ByteWriter(64);

  /** Appends the payload of RTM_NEWROUTE. */
  encode(writer: ByteWriter, route: NewRoute): void {
    const { destination } = route;
    const family = familyOf(destination);
    if (
      this.last === undefined ||
      familyOf(this.last.destination) !== family ||
      !areAlike(this.last, route)
    ) {
      this.template.truncate(0);
      encodeRoute(this.template, { ...route, destination: EVERYTHING[family] });
    }
    this.last = route;
    const bytes = this.template.bytes();
    const start = writer.length;
    writer.appendRange(bytes, 0, HEADER_LENGTH);
    writer.setU8(start + 1, prefixLength(destination));
    writeDestination(writer, destination);
    writer.appendRange(bytes, HEADER_LENGTH, bytes.length);
  }
}

/** In all but the destination. */
function areAlike(a: NewRoute, b: NewRoute): boolean {
  return (
    a.nextHops === b.nextHops &&
    a.metric === b.metric &&
    a.type === b.type &&
    a.protocol === b.protocol &&
    a.table === b.table &&
    a.scope === b.scope &&
    a.preferredSource === b.preferredSource
  );
}

/** The payload of RTM_DELROUTE. */
export function encodeRouteKey(writer: ByteWriter, key: RouteKey): void {
  const table = key.table ?? TABLE_MAIN;
  writeHeader(writer, {
    family: familyOf(key.destination),
    destinationLength: prefixLength(key.destination),
    table,
    protocol: key.protocol ?? 0,
    scope: SCOPES.nowhere,
    type: key.type,
    flags: 0,
  });
  writeDestination(writer, key.destination);
  writeU32le(writer, RTA_TABLE, table);
  if (key.metric !== undefined && key.metric !== 0) writeU32le(writer, RTA_PRIORITY, key.metric);
}

function writeDestination(writer: ByteWriter, destination: Prefix): void {
  if (prefixLength(destination) === 0) return;
  if (familyOf(destination) === 6) {
    writeBytes(writer, RTA_DST, prefixBytes(destination));
    return;
  }
  writer.u16le(ATTRIBUTE_HEADER_LENGTH + 4);
  writer.u16le(RTA_DST);
  writer.u32(ipv4Bits(destination));
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
