/**
 * The table of Margay's own BGP options, `bgp.margay.io/NAME`. On a BGPPeer an option is for its sessions; on the
 * BGPConfiguration `default` (all nodes) or `node.NAME` (one node) it is the default of all sessions, the mesh's too, or
 * an option of the whole speaker. A row's name is the field of the calculation's PeerPlan and of the speaker's
 * PeerConfig (src/bgp/config.ts) that it becomes, and FIELD_EFFECTS there says what its change means for a session; a
 * row for the speaker alone becomes a field of RoutingPlan.options. To add an option, add a row and that field.
 */
import {
  type OptionRow,
  type OptionTable,
  type OptionValues,
  parseCount,
  parseFlag,
} from './annotation-options.ts';
import {
  DURATION,
  parseAddPath,
  parseAggregates,
  parseBandwidth,
  parseBfd,
  parseBmpStations,
  parseConfederation,
  parseDynamicNeighbors,
  parseHoldTime,
  parseIdleHoldTime,
  parseMaxPrefix,
  seconds,
} from './bgp-option-values.ts';

type Scope = 'BGPPeer' | 'BGPConfiguration';

interface BgpOptionRow<Value, Scopes extends readonly Scope[]> extends OptionRow<Value> {
  readonly scopes: Scopes;
  /**
   * What the other end of a session between two nodes takes over from a BGPPeer (Calico's reverse peering); undefined:
   * nothing, because the option is about one direction. The same value if left out.
   */
  reverse?(value: Value): Value | undefined;
}

function row<Value, const Scopes extends readonly Scope[]>(
  definition: BgpOptionRow<Value, Scopes>,
): BgpOptionRow<Value, Scopes> {
  return definition;
}

const SESSION = ['BGPPeer', 'BGPConfiguration'] as const;

const OPPOSITE_ROLES = {
  provider: 'customer',
  customer: 'provider',
  peer: 'peer',
  rs: 'rs-client',
  'rs-client': 'rs',
} as const;
const ROLES = Object.keys(OPPOSITE_ROLES) as (keyof typeof OPPOSITE_ROLES)[];

const bgpOptions = {
  holdTime: row({
    scopes: SESSION,
    syntax: '0 (never), or a duration in whole seconds from 3s to 65535s, such as 9s',
    default: '90s',
    description:
      'Hold time proposed to the peer; the lesser of both counts. Without a KEEPALIVE or UPDATE for so long the ' +
      'session ends (RFC 4271 §4.2).',
    parse: parseHoldTime,
  }),
  idleHoldTime: row({
    scopes: SESSION,
    syntax: 'FIRST-MAXIMUM, durations from 1s to 1h, such as 1s-30s',
    default: '1s-30s',
    description:
      'Time without a session after an error: the first after one error, doubling up to the maximum with each that ' +
      'follows (RFC 4271 §8.1.1, IdleHoldTime with DampPeerOscillations).',
    parse: parseIdleHoldTime,
  }),
  connectRetryTime: row({
    scopes: SESSION,
    syntax: `${DURATION}, from 100ms to 1h`,
    default: '250ms at first, doubling up to 5s',
    description: 'Time before another attempt to connect (RFC 4271 §8.2.2, ConnectRetryTime).',
    parse: seconds(0.1, 3600),
  }),
  delayOpen: row({
    scopes: SESSION,
    syntax: `${DURATION}, from 1s to 240s`,
    default: 'our OPEN is sent as soon as the connection is up',
    description:
      "Time that a new connection waits for the peer's OPEN before ours is sent (RFC 4271 §8.1.1, DelayOpen): a peer " +
      'that opens a connection of its own meanwhile speaks first on it.',
    parse: seconds(1, 240),
  }),
  advertisementInterval: row({
    scopes: SESSION,
    syntax: `${DURATION}, from 1s to 600s`,
    default: 'changes are told at once',
    description:
      'Time between two rounds of changes that the peer is told (RFC 4271 §9.2.1.1, MinRouteAdvertisementInterval). ' +
      'What changes meanwhile is told once, and as it is then, withdrawals too.',
    parse: seconds(1, 600),
    reverse: () => undefined,
  }),
  interface: row({
    scopes: ['BGPPeer'],
    syntax: 'the name of a network interface, such as eth0',
    default: 'by which the routes lead to the peer',
    description:
      'The interface that the peer is on, where peerIP is a link-local address. Without peerIP and peerSelector the ' +
      'peer is found there by its router advertisements (RFC 4861). IPv4 routes then have IPv6 next hops ' +
      '(RFC 8950), and the session ends with the link (RFC 4291 §2.5.6, RFC 2545 §3).',
    parse: (text) => (/^[^\s/:%]{1,15}$/.test(text) && text !== '.' && text !== '..' ? text : undefined),
    reverse: () => undefined,
  }),
  passive: row({
    scopes: ['BGPPeer'],
    syntax: 'true or false',
    default: 'of two nodes the one with the greater address text waits; other peers are connected to',
    description: 'Wait for the peer to connect (RFC 4271 §8.1.1, PassiveTcpEstablishment).',
    parse: parseFlag,
    reverse: (passive) => !passive,
  }),
  dynamicNeighbors: row({
    scopes: ['BGPPeer'],
    syntax:
      'CIDR[,CIDR …] [limit NUMBER]: at most 10000, and no link-local prefix; such as ' +
      '"10.1.0.0/24,fd00:1::/64 limit 100"',
    default: 'none; the limit is 100',
    description:
      'Whoever connects from one of the prefixes becomes a peer with the settings of this BGPPeer, which then has ' +
      'no peerIP, peerSelector, localWorkloadSelector, interface or passive. The most specific prefix counts, and a peer ' +
      'with an address of its own goes before. It is removed when it has left and its routes are not kept for a restart ' +
      '(RFC 4724). With a password all connections from the prefixes must be signed (Linux TCP_MD5SIG_EXT).',
    parse: parseDynamicNeighbors,
    reverse: () => undefined,
  }),
  role: row({
    scopes: ['BGPPeer'],
    syntax: `${ROLES.join(', ')}; with \` strict\` behind it the peer must tell its role, too`,
    default: 'none: nothing is told, marked or refused',
    description:
      'The part that this node has towards a peer in another AS. It is told to the peer, and a session whose ends do ' +
      'not agree is refused. Routes from a provider, peer or route server are marked Only to Customer and go to ' +
      'customers alone (RFC 9234).',
    parse(text) {
      const [word, mode, ...more] = text.split(' ');
      const name = ROLES.find((role) => role === word);
      if (name === undefined || more.length > 0 || (mode !== undefined && mode !== 'strict'))
        return undefined;
      return { name, strict: mode === 'strict' };
    },
    reverse: ({ name, strict }) => ({ name: OPPOSITE_ROLES[name], strict }),
  }),
  maxPrefix: row({
    scopes: SESSION,
    syntax: 'LIMIT [PERCENT%] [idle | warn | restart DURATION], such as 1000, or 1000 90% restart 5m',
    default: 'no limit; of the parts, 75% and idle',
    description:
      'How many prefixes of one address family the peer may tell. From the percentage on there is a warning. Beyond ' +
      'the limit the session ends with Cease, Maximum Number of Prefixes Reached (RFC 4486 §4) and stays idle until ' +
      'the limit changes or an operator starts it, or for the duration; with warn it stays up.',
    parse: parseMaxPrefix,
    reverse: () => undefined,
  }),
  shutdown: row({
    scopes: ['BGPPeer'],
    syntax: 'any text of at most 255 octets, also none',
    default: 'not shut down',
    description: 'Keeps the session down and tells the peer why (RFC 9003).',
    parse: (text) => (Buffer.byteLength(text) <= 255 ? text : undefined),
  }),
  removePrivateAs: row({
    scopes: SESSION,
    syntax: 'if-all, all or replace',
    default: 'they stay',
    description:
      'Private AS numbers (RFC 6996) in paths told to a peer in another AS: taken out if the path has no others, taken ' +
      "out in any case, or replaced by ours. The peer's own stays.",
    parse: (text) => (['if-all', 'all', 'replace'] as const).find((mode) => mode === text),
    reverse: () => undefined,
  }),
  asOverride: row({
    scopes: ['BGPPeer'],
    syntax: 'true or false',
    default: 'false',
    description:
      "Puts our AS in place of the peer's in paths that it is told, so that sites which share an AS number take one " +
      "another's routes in spite of loop detection (RFC 4271 §9.1.2).",
    parse: parseFlag,
    reverse: () => undefined,
  }),
  rejectAsSets: row({
    scopes: SESSION,
    syntax: 'true or false',
    default: 'false, as with BIRD and FRR: they are taken',
    description:
      'Routes with an AS_SET or AS_CONFED_SET in their path are treated as withdrawn (RFC 9774 §3). Ours never have one.',
    parse: parseFlag,
    reverse: () => undefined,
  }),
  defaultOriginate: row({
    scopes: ['BGPPeer'],
    syntax: 'ipv4, ipv6 or both',
    default: 'only what there is, if policy lets it go',
    description:
      'Tells the peer a default route by this node, whether or not there is one (as RFC 4271 §9.1.3 leaves to policy).',
    parse(text) {
      if (text === 'both') return [4, 6] as const;
      return text === 'ipv4' ? ([4] as const) : text === 'ipv6' ? ([6] as const) : undefined;
    },
    reverse: () => undefined,
  }),
  addPath: row({
    scopes: SESSION,
    syntax: 'receive, send [LIMIT] or both [LIMIT], such as both 4',
    default: 'one path to a prefix, each way; without a limit all are told',
    description:
      'Several paths to a prefix in one session (ADD-PATH, RFC 7911): takes them from the peer, tells it all that it may ' +
      'know or the best so many, or both.',
    parse: parseAddPath,
    reverse: ({ send, receive, ...rest }) => ({ send: receive, receive: send, ...rest }),
  }),
  llgr: row({
    scopes: SESSION,
    syntax: `${DURATION}, from 1s to 16777215s`,
    default: 'routes go when the restart time is over',
    description:
      'How long routes may outlive a session when the restart time is over (long-lived graceful restart, RFC 9494): they ' +
      'are marked LLGR_STALE, are the last resort, and go only to peers that know what that means. The lesser time of ' +
      'both sides counts. Routes marked NO_LLGR are not kept.',
    parse: seconds(1, 0xff_ffff),
  }),
  linkBandwidth: row({
    scopes: ['BGPPeer'],
    syntax: 'bits a second: a number with K, M, G or T, such as 10G',
    default: 'none',
    description:
      'What the link to the peer carries. Its routes are marked with it (draft-ietf-idr-link-bandwidth), and where all ' +
      'equal paths are marked, they share traffic by it.',
    parse: parseBandwidth,
    reverse: () => undefined,
  }),
  aigp: row({
    scopes: ['BGPPeer'],
    syntax: 'a cost from 0 to 4294967295',
    default: 'within our AS and confederation with cost 0, with other ASes not at all',
    description:
      'Exchanges accumulated metrics with the peer; the way to the peer adds this cost. Of paths with the same ' +
      'LOCAL_PREF the one with the lowest metric wins, before the length of AS paths counts (RFC 7311).',
    parse: (text) => parseCount(text, 0, 0xffff_ffff),
  }),
  gracefulShutdown: row({
    scopes: ['BGPPeer'],
    syntax: 'true or false',
    default: 'false',
    description:
      'Makes all routes of the session the last resort on both sides while others are found, before it is shut down: ' +
      'ours carry GRACEFUL_SHUTDOWN and those of a peer in another AS get LOCAL_PREF 0 (RFC 8326 §4).',
    parse: parseFlag,
  }),
  bfd: row({
    scopes: SESSION,
    syntax:
      'off, on (300ms x3), or INTERVAL[ xMULTIPLIER][ multihop|single-hop], such as "50ms x3"; from 10ms to 10s, x1 to x255',
    default: 'off',
    description:
      'Watches the path to the peer by BFD once the session is up, and ends the session as soon as the path is dead ' +
      '(RFC 5880, RFC 9384): after MULTIPLIER times INTERVAL of silence. The peer must have BFD too. Single-hop ' +
      '(RFC 5881) if the peer is on a link of ours, else multihop (RFC 5883), unless said otherwise.',
    parse: parseBfd,
  }),
  confederation: row({
    scopes: ['BGPConfiguration'],
    syntax: 'IDENTIFIER MEMBER [MEMBER ...]: AS numbers, such as 65000 64512 64513',
    default: 'none',
    description:
      'The confederation that the AS of nodes is a member of: the identifier is its AS number to the world, the members ' +
      'are the AS numbers within (RFC 5065).',
    parse: parseConfederation,
  }),
  aggregates: row({
    scopes: ['BGPConfiguration'],
    syntax:
      'CIDR [summary-only], …: prefixes with commas between them, such as "10.0.0.0/8 summary-only, fd00::/8"',
    default: 'none',
    description:
      'Prefixes that a node announces as its own while it has a route to a part of them, and that lead nowhere in its ' +
      'kernel but to their parts; with summary-only the parts are not announced beside them (RFC 4271 §9.2.2.2).',
    parse: parseAggregates,
  }),
  alwaysCompareMed: row({
    scopes: ['BGPConfiguration'],
    syntax: 'true or false',
    default: 'false',
    description:
      'Compares MULTI_EXIT_DISC also between paths of different neighbour ASes. (Between those of one it never depends ' +
      'on the order in which they come; RFC 4271 §9.1.2.2 c.)',
    parse: parseFlag,
  }),
  preferOlder: row({
    scopes: ['BGPConfiguration'],
    syntax: 'true or false',
    default: 'false: the lowest router ID decides, whatever came first',
    description:
      'Of paths from other ASes that only the tie-break tells apart, the one in use stays: fewer changes, but an outcome ' +
      'that depends on history (RFC 5004).',
    parse: parseFlag,
  }),
  multipathExternal: row({
    scopes: ['BGPConfiguration'],
    syntax: 'a number from 1 (no sharing) to 256',
    default: '16',
    description: 'How many equal paths from other ASes share traffic (Linux multipath route).',
    parse: (text) => parseCount(text, 1, 256),
  }),
  multipathInternal: row({
    scopes: ['BGPConfiguration'],
    syntax: 'a number from 1 (no sharing) to 256',
    default: '16',
    description: 'How many equal paths from our own AS share traffic (Linux multipath route).',
    parse: (text) => parseCount(text, 1, 256),
  }),
  multipathAsPath: row({
    scopes: ['BGPConfiguration'],
    syntax: 'length or neighbor',
    default: 'length',
    description:
      'What AS paths must have in common to share traffic: their length (RFC 4271 §9.1.2.2 a), or also the neighbour AS.',
    parse: (text) => (['length', 'neighbor'] as const).find((mode) => mode === text),
  }),
  bmp: row({
    scopes: ['BGPConfiguration'],
    syntax:
      'ADDRESS PORT [pre-policy | post-policy | both] [ADDRESS PORT ...], such as 192.0.2.9 11019, or 192.0.2.9 11019 both',
    default: 'none; of a station, pre-policy',
    description:
      'Stations that are told what peers tell us, as it comes, or as import policy lets it in, or both, in the BGP ' +
      'Monitoring Protocol (RFC 7854 §5).',
    parse: parseBmpStations,
  }),
  mrtUpdates: row({
    scopes: ['BGPConfiguration'],
    syntax: 'an absolute path, such as /var/log/margay/updates.mrt',
    default: 'none',
    description:
      'File that every UPDATE is appended to as it came, in the MRT format (RFC 6396, BGP4MP_ET). It is opened anew for ' +
      'every write, so it may be moved away at any time.',
    parse: (text) => (text.startsWith('/') && !text.endsWith('/') ? text : undefined),
  }),
  deferralTime: row({
    scopes: ['BGPConfiguration'],
    syntax: `${DURATION}, from 1s to 1h`,
    default: '2m',
    description:
      'How long a restarted node waits at most for the end-of-RIB of its peers before it selects routes and sweeps ' +
      'those left in the kernel (RFC 4724 §4.1, Selection_Deferral_Timer).',
    parse: seconds(1, 3600),
  }),
} satisfies Record<string, BgpOptionRow<unknown, readonly Scope[]>>;

type AllOptions = typeof bgpOptions;
type Scoped<Wanted extends boolean> = {
  [
    Name in keyof AllOptions as 'BGPPeer' extends AllOptions[Name]['scopes'][number]
      ? Wanted extends true
        ? Name
        : never
      : Wanted extends true
        ? never
        : Name
  ]: AllOptions[Name];
};

/** Options of a session, where they are set. */
export type SessionOptions = OptionValues<Scoped<true>>;
/** Options of the whole speaker, where they are set. */
export type SpeakerOptions = OptionValues<Scoped<false>>;

function tableOf<Rows>(choose: (scopes: readonly Scope[]) => boolean) {
  const rows = Object.entries(bgpOptions).filter(([, { scopes }]) => choose(scopes));
  return { domain: 'bgp.margay.io', rows: Object.fromEntries(rows) as Rows };
}

/** What a BGPPeer takes. */
export const bgpPeerOptions = tableOf<Scoped<true>>((scopes) => scopes.includes('BGPPeer'));
/** What a BGPConfiguration takes: the defaults of sessions, and what is for the whole speaker. */
export const bgpConfigurationOptions: OptionTable = tableOf<AllOptions>((scopes) =>
  scopes.includes('BGPConfiguration'),
);
/** Of those, the defaults of sessions. */
export const sessionDefaultOptions = tableOf<Scoped<true>>(
  (scopes) => scopes.includes('BGPPeer') && scopes.includes('BGPConfiguration'),
);
/** Of those, what is for the whole speaker. */
export const speakerOptions = tableOf<Scoped<false>>((scopes) => !scopes.includes('BGPPeer'));

/** The options of the other end of a session, which another node has to a BGPPeer's. */
export function reverseOptions(options: SessionOptions): SessionOptions {
  const rows = bgpPeerOptions.rows as Readonly<Record<string, BgpOptionRow<unknown, readonly Scope[]>>>;
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]) => {
      const reversed = rows[name]!.reverse === undefined ? value : rows[name]!.reverse(value);
      return reversed === undefined ? [] : [[name, reversed]];
    }),
  );
}
