/** What the sessions of the interoperability matrix are: one row per speaker of ours, shared by all peers. */
import type { Family } from '../../src/net/address.ts';

/** The daemons of others. */
export const PEER_NAMES = ['BIRD', 'FRR', 'GoBGP', 'ExaBGP', 'OpenBGPD'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** AS of every one of them. */
export const PEER_AS = 65100;

/** One speaker of ours with a session to every daemon; its host number in the fabric is its place in the list. */
export interface MatrixSession {
  readonly name: string;
  /** Host number of our speaker. */
  readonly host: number;
  readonly asNumber: number;
  /** Family of the addresses that the session runs between. */
  readonly transport: Family;
  readonly password?: string;
  readonly ttlSecurity?: true;
  readonly extendedNextHop?: true;
  readonly extendedMessages?: true;
  /** The daemon is the customer, we are the provider (RFC 9234). */
  readonly role?: true;
  /** RFC 5880. */
  readonly bfd?: true;
  /** RFC 9494. */
  readonly longLived?: true;
  /** RFC 7911, both ways. */
  readonly addPath?: true;
}

const OUR_AS = 64512;

export const SESSIONS = {
  plain: { name: 'plain', host: 1, asNumber: OUR_AS, transport: 4 },
  six: { name: 'six', host: 8, asNumber: OUR_AS, transport: 6 },
  md5: { name: 'md5', host: 2, asNumber: OUR_AS, transport: 4, password: 'matrix-secret' },
  gtsm: { name: 'gtsm', host: 3, asNumber: OUR_AS, transport: 4, ttlSecurity: true },
  nexthop: { name: 'nexthop', host: 4, asNumber: OUR_AS, transport: 6, extendedNextHop: true },
  reflector: { name: 'reflector', host: 5, asNumber: PEER_AS, transport: 4 },
  extended: { name: 'extended', host: 6, asNumber: OUR_AS, transport: 4, extendedMessages: true },
  role: { name: 'role', host: 7, asNumber: OUR_AS, transport: 4, role: true },
  bfd: { name: 'bfd', host: 9, asNumber: OUR_AS, transport: 4, bfd: true },
  longLived: { name: 'longLived', host: 10, asNumber: OUR_AS, transport: 4, longLived: true },
  // All paths of one AS, or each daemon would see its own in those of the others.
  paths: { name: 'paths', host: 11, asNumber: PEER_AS, transport: 4, addPath: true },
} as const satisfies Readonly<Record<string, MatrixSession>>;

/** Speaks with {@link CALICO_HOST} alone: the node-to-node mesh of a cluster in which some nodes still run BIRD. */
export const MESH_HOST = 12;
export const CALICO_HOST = 13;

/** Seconds that routes of a peer that is away may be kept as a last resort (RFC 9494). */
export const LONG_LIVED_TIME = 3600;

export const FIRST_PEER_HOST = 14;

/** Addresses of a host of the fabric, by family. */
export const hostAddress = (host: number, family: Family): string =>
  family === 4 ? `10.99.0.${host}` : `fd99::${host}`;

/** What our speaker on a host originates. */
export const ownPrefix = (host: number, family: Family): string =>
  family === 4 ? `10.65.${host}.0/26` : `fd65::${host}:0/122`;

/** What the daemon on a host originates, in a pool that we export. */
export const peerPrefix = (host: number, family: Family): string =>
  family === 4 ? `10.65.${100 + host}.0/24` : `fd65:0:${host}::/48`;

/** What it originates with the large community {@link largeCommunity}. */
export const taggedPrefix = (host: number): string => `10.65.${200 + host}.0/24`;

/** What all of them originate. */
export const SHARED_PREFIX = '10.65.250.0/24';

export const largeCommunity = (host: number) => ({ global: PEER_AS, local1: 1, local2: host }) as const;
