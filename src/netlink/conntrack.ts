/**
 * Connection tracking over ctnetlink (linux/netfilter/nfnetlink_conntrack.h): entries of an address are found and
 * deleted, so that who has the address next does not inherit connections, and with them the right to pass.
 */
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../net/address.ts';
import type { ByteWriter } from '../net/bytes.ts';
import {
  NLA_F_NESTED,
  readAttributes,
  readU32,
  writeBytes,
  writeNested,
  writeU32,
  writeU32le,
} from './attribute.ts';
import { NetlinkConnection, type OutgoingMessage } from './connection.ts';
import { NETLINK_NETFILTER } from './socket.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
/** Without NLM_F_CREATE it changes an entry that is there. */
const NEW = NFNL_SUBSYS_CTNETLINK << 8;
const GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
const GET_STATS = (NFNL_SUBSYS_CTNETLINK << 8) | 5;
const NFGENMSG_LENGTH = 4;

const NFPROTO_UNSPEC = 0;
/** AF_INET and AF_INET6 in `struct nfgenmsg`. */
const NFPROTO: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/** `enum ctattr_type`. */
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, MARK: 8, ID: 12, ZONE: 18, MARK_MASK: 21, FILTER: 25 } as const;
/** `enum ctattr_tuple`, `enum ctattr_ip`: the source is 1 and 3, the destination 2 and 4. */
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_SOURCE: Readonly<Record<Family, number>> = { 4: 1, 6: 3 };
const CTA_IP_DESTINATION: Readonly<Record<Family, number>> = { 4: 2, 6: 4 };
/** `enum ctattr_l4proto`. */
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const CTA_PROTO_ICMP: Readonly<Record<Family, { readonly type: number; readonly code: number }>> = {
  4: { type: 5, code: 6 },
  6: { type: 8, code: 9 },
};
/** `enum ctattr_filter` and its flag for the source address, in host order (kernels from 5.8). */
const CTA_FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
const FILTER_IP_SOURCE = 1;
/** `enum ctattr_stats_global`. */
const CTA_STATS_GLOBAL_ENTRIES = 1;

/**
 * A dump walks the whole hash table, some 25 ms at its usual size, whatever it looks for; an entry that is sent to us
 * costs about a microsecond. Above this many entries four walks for an address are cheaper than one for everything.
 */
const ENTRIES_READ_WHOLE = 50_000;
const ADDRESSES_FILTERED = 4;

/**
 * Who began a connection is the source of its first tuple; who answers is the source of the second, whatever address
 * translation made of the destination. So nothing else need be looked at.
 */
const DIRECTIONS = [
  { tuple: CTA.TUPLE_ORIG, flags: CTA_FILTER.ORIG_FLAGS },
  { tuple: CTA.TUPLE_REPLY, flags: CTA_FILTER.REPLY_FLAGS },
] as const;
type Direction = (typeof DIRECTIONS)[number];

/** One direction of a connection: what its packets have in their headers where connection tracking sees them first. */
export interface ConnectionTuple {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

/** An entry of connection tracking. */
export interface Connection {
  /** Of the packet that began it, before any address is translated. */
  readonly original: ConnectionTuple;
  /** Of the answers, before their addresses are translated back. */
  readonly reply: ConnectionTuple;
  /** The connection mark (`ct mark`). */
  readonly mark: number;
  /** The kernel's own words for the entry. */
  readonly identity: ConnectionIdentity;
}

interface ConnectionIdentity {
  readonly family: Family;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

export class Conntrack {
  private readonly connection: NetlinkConnection;
  private readonly readWholeUpTo: number;

  /** Throws a KernelError, e.g. ENOENT when there is no such namespace. */
  constructor(options: {
    readonly namespace?: string;
    /** Up to this many entries the table is read whole, whatever is looked for. */
    readonly readWholeUpTo?: number;
  }) {
    const { namespace, readWholeUpTo = ENTRIES_READ_WHOLE } = options;
    this.readWholeUpTo = readWholeUpTo;
    this.connection = new NetlinkConnection({
      ...(namespace === undefined ? {} : { namespace }),
      protocol: NETLINK_NETFILTER,
    });
  }

  /** Deletes every entry of a connection that one of the addresses began or answers. Resolves with how many. */
  async deleteByAddress(addresses: readonly Address[]): Promise<number> {
    const wanted = new Set(addresses);
    const entries = await this.count();
    if (entries === 0) return 0;
    const queries =
      entries > this.readWholeUpTo && wanted.size <= ADDRESSES_FILTERED
        ? [...wanted].flatMap((address) => DIRECTIONS.map((direction) => filtered(address, direction)))
        : [whole()];
    const deletions = new Map<string, OutgoingMessage>();
    for (const request of queries) {
      for (const { payload } of await this.connection.dump(request)) {
        const attributes = readAttributes(payload, NFGENMSG_LENGTH);
        const family: Family = payload[0] === NFPROTO[4] ? 4 : 6;
        if (!DIRECTIONS.some(({ tuple }) => wanted.has(sourceOf(attributes.get(tuple), family)!))) continue;
        const id = attributes.get(CTA.ID);
        deletions.set(
          Buffer.from(id ?? attributes.get(CTA.TUPLE_ORIG)!).toString('hex'),
          deletion(family, attributes),
        );
      }
    }
    return this.change([...deletions.values()]);
  }

  /** Every entry. */
  async connections(): Promise<Connection[]> {
    if ((await this.count()) === 0) return [];
    return (await this.connection.dump(whole())).flatMap(({ payload }) => {
      const family: Family = payload[0] === NFPROTO[4] ? 4 : 6;
      const attributes = readAttributes(payload, NFGENMSG_LENGTH);
      const original = tupleOf(attributes.get(CTA.TUPLE_ORIG), family);
      const reply = tupleOf(attributes.get(CTA.TUPLE_REPLY), family);
      if (original === undefined || reply === undefined) return [];
      const mark = attributes.get(CTA.MARK);
      const kept = new Map(IDENTITY.flatMap((type) => entryOf(attributes, type)));
      return [
        {
          original,
          reply,
          mark: mark === undefined ? 0 : readU32(mark),
          identity: { family, attributes: kept },
        },
      ];
    });
  }

  /** Sets these bits in the marks of connections. One that ended meanwhile is left out. Resolves with how many. */
  async mark(connections: readonly Connection[], bits: number): Promise<number> {
    return this.change(
      connections.map(({ identity: { family, attributes } }) => ({
        type: NEW,
        operation: () => 'mark a connection',
        body: (writer) => {
          writeIdentity(writer, family, attributes);
          writeU32(writer, CTA.MARK, bits);
          writeU32(writer, CTA.MARK_MASK, bits);
        },
      })),
    );
  }

  /** Deletes entries. One that ended meanwhile is left out. Resolves with how many. */
  async delete(connections: readonly Connection[]): Promise<number> {
    return this.change(connections.map(({ identity }) => deletion(identity.family, identity.attributes)));
  }

  private async change(messages: readonly OutgoingMessage[]): Promise<number> {
    if (messages.length === 0) return 0;
    const { failures } = await this.connection.batch(messages);
    // ENOENT: it ended by itself meanwhile.
    const failure = failures.find(({ error }) => error.errno !== 'ENOENT');
    if (failure !== undefined) throw failure.error;
    return messages.length - failures.length;
  }

  /** Entries of the namespace. */
  async count(): Promise<number> {
    const [answer] = await this.connection.request({
      type: GET_STATS,
      operation: () => 'count connection tracking entries',
      body: (writer) => header(writer, NFPROTO_UNSPEC),
    });
    const entries = answer && readAttributes(answer.payload, NFGENMSG_LENGTH).get(CTA_STATS_GLOBAL_ENTRIES);
    return entries === undefined ? 0 : readU32(entries);
  }

  close(): void {
    this.connection.close();
  }
}

function header(writer: ByteWriter, nfproto: number): void {
  writer.u8(nfproto);
  writer.u8(0);
  writer.u16(0);
}

/** All entries. */
function whole(): OutgoingMessage {
  return {
    type: GET,
    operation: () => 'read connection tracking',
    body: (writer) => header(writer, NFPROTO_UNSPEC),
  };
}

/** Entries with this source in one direction; a kernel that cannot filter (before 5.8) gives all of the family. */
function filtered(address: Address, direction: Direction): OutgoingMessage {
  const family = familyOf(address);
  return {
    type: GET,
    operation: () => `read connection tracking of ${address}`,
    body: (writer) => {
      header(writer, NFPROTO[family]);
      writeNested(writer, direction.tuple, (tuple) =>
        writeNested(tuple, CTA_TUPLE_IP, (ip) =>
          writeBytes(ip, CTA_IP_SOURCE[family], addressBytes(address)),
        ),
      );
      writeNested(writer, CTA.FILTER, (filter) => writeU32le(filter, direction.flags, FILTER_IP_SOURCE));
    },
  };
}

/** What names an entry: its own words for tuple, zone and id. */
const IDENTITY = [CTA.TUPLE_ORIG, CTA.ZONE, CTA.ID] as const;

function entryOf(
  attributes: ReadonlyMap<number, Uint8Array>,
  type: number,
): readonly (readonly [number, Uint8Array])[] {
  const value = attributes.get(type);
  return value === undefined ? [] : [[type, value]];
}

function writeIdentity(
  writer: ByteWriter,
  family: Family,
  attributes: ReadonlyMap<number, Uint8Array>,
): void {
  header(writer, NFPROTO[family]);
  for (const [type, value] of IDENTITY.flatMap((name) => entryOf(attributes, name))) {
    writeBytes(writer, type === CTA.TUPLE_ORIG ? type | NLA_F_NESTED : type, value);
  }
}

function deletion(family: Family, attributes: ReadonlyMap<number, Uint8Array>): OutgoingMessage {
  return {
    type: DELETE,
    operation: () => 'delete a connection tracking entry',
    body: (writer) => writeIdentity(writer, family, attributes),
  };
}

function tupleOf(tuple: Uint8Array | undefined, family: Family): ConnectionTuple | undefined {
  if (tuple === undefined) return undefined;
  const parts = readAttributes(tuple);
  const ip = readAttributes(parts.get(CTA_TUPLE_IP) ?? new Uint8Array());
  const proto = readAttributes(parts.get(CTA_TUPLE_PROTO) ?? new Uint8Array());
  const source = ip.get(CTA_IP_SOURCE[family]);
  const destination = ip.get(CTA_IP_DESTINATION[family]);
  const protocol = proto.get(CTA_PROTO.NUM)?.[0];
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  const port = (type: number): number | undefined => {
    const value = proto.get(type);
    return value === undefined ? undefined : (value[0]! << 8) | value[1]!;
  };
  const sourcePort = port(CTA_PROTO.SRC_PORT);
  const destinationPort = port(CTA_PROTO.DST_PORT);
  const type = proto.get(CTA_PROTO_ICMP[family].type)?.[0];
  const code = proto.get(CTA_PROTO_ICMP[family].code)?.[0];
  return {
    source: formatAddress(source),
    destination: formatAddress(destination),
    protocol,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(type === undefined || code === undefined ? {} : { icmp: { type, code } }),
  };
}

function sourceOf(tuple: Uint8Array | undefined, family: Family): Address | undefined {
  const ip = tuple && readAttributes(tuple).get(CTA_TUPLE_IP);
  const source = ip && readAttributes(ip).get(CTA_IP_SOURCE[family]);
  return source && formatAddress(source);
}
