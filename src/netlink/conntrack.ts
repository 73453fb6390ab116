/**
 * Connection tracking over ctnetlink (linux/netfilter/nfnetlink_conntrack.h): entries of an address are found and
 * deleted, so that who has the address next does not inherit connections, and with them the right to pass.
 */
import { type Address, type Family, addressBytes, familyOf, formatAddress } from '../net/address.ts';
import type { ByteWriter } from '../net/bytes.ts';
import { NLA_F_NESTED, readAttributes, readU32, writeBytes, writeNested, writeU32le } from './attribute.ts';
import { NetlinkConnection, type OutgoingMessage } from './connection.ts';
import { NETLINK_NETFILTER } from './socket.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
const GET_STATS = (NFNL_SUBSYS_CTNETLINK << 8) | 5;
const NFGENMSG_LENGTH = 4;

const NFPROTO_UNSPEC = 0;
/** AF_INET and AF_INET6 in `struct nfgenmsg`. */
const NFPROTO: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/** `enum ctattr_type`. */
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, ZONE: 18, FILTER: 25 } as const;
/** `enum ctattr_tuple`, `enum ctattr_ip`: the source is 1 and 3, the destination 2 and 4. */
const CTA_TUPLE_IP = 1;
const CTA_IP_SOURCE: Readonly<Record<Family, number>> = { 4: 1, 6: 3 };
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
    if (deletions.size === 0) return 0;
    const { failures } = await this.connection.batch([...deletions.values()]);
    // ENOENT: it ended by itself meanwhile.
    const failure = failures.find(({ error }) => error.errno !== 'ENOENT');
    if (failure !== undefined) throw failure.error;
    return deletions.size - failures.length;
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

/** Names an entry by its own words: tuple, zone and id. */
function deletion(family: Family, attributes: ReadonlyMap<number, Uint8Array>): OutgoingMessage {
  return {
    type: DELETE,
    operation: () => 'delete a connection tracking entry',
    body: (writer) => {
      header(writer, NFPROTO[family]);
      for (const type of [CTA.TUPLE_ORIG, CTA.ZONE, CTA.ID]) {
        const value = attributes.get(type);
        if (value !== undefined)
          writeBytes(writer, type === CTA.TUPLE_ORIG ? type | NLA_F_NESTED : type, value);
      }
    },
  };
}

function sourceOf(tuple: Uint8Array | undefined, family: Family): Address | undefined {
  const ip = tuple && readAttributes(tuple).get(CTA_TUPLE_IP);
  const source = ip && readAttributes(ip).get(CTA_IP_SOURCE[family]);
  return source && formatAddress(source);
}
