/**
 * The table of Margay's own BGP options, `bgp.margay.io/NAME`. On a BGPPeer an option is for its sessions; on the
 * BGPConfiguration `default` (all nodes) or `node.NAME` (one node) it is the default of all sessions, the mesh's too, or
 * an option of the whole speaker. A row's name is the field of the calculation's PeerPlan and of the speaker's
 * PeerConfig (src/bgp/config.ts) that it becomes, and FIELD_EFFECTS there says what its change means for a session; a
 * row for the speaker alone becomes a field of RoutingPlan.options. To add an option, add a row and that field.
 */
import { type OptionRow, type OptionTable, type OptionValues, parseFlag } from './annotation-options.ts';
import { parseDuration } from './fields.ts';

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

const DURATION = 'a duration such as 5s or 1m30s';

const OPPOSITE_ROLES = {
  provider: 'customer',
  customer: 'provider',
  peer: 'peer',
  rs: 'rs-client',
  'rs-client': 'rs',
} as const;
const ROLES = Object.keys(OPPOSITE_ROLES) as (keyof typeof OPPOSITE_ROLES)[];

/** Reads a duration in seconds within bounds. */
function seconds(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    const milliseconds = parseDuration(text);
    const value = milliseconds === undefined ? undefined : milliseconds / 1000;
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
}

const bgpOptions = {
  holdTime: row({
    scopes: SESSION,
    syntax: '0 (never), or a duration in whole seconds from 3s to 65535s, such as 9s',
    default: '90s',
    description:
      'Hold time proposed to the peer; the lesser of both counts. Without a KEEPALIVE or UPDATE for so long the ' +
      'session ends (RFC 4271 §4.2).',
    parse(text) {
      const value = seconds(0, 65_535)(text);
      return value === 0 || (value !== undefined && value >= 3 && Number.isInteger(value))
        ? value
        : undefined;
    },
  }),
  connectRetryTime: row({
    scopes: SESSION,
    syntax: `${DURATION}, from 100ms to 1h`,
    default: '250ms at first, doubling up to 5s',
    description: 'Time before another attempt to connect (RFC 4271 §8.2.2, ConnectRetryTime).',
    parse: seconds(0.1, 3600),
  }),
  passive: row({
    scopes: ['BGPPeer'],
    syntax: 'true or false',
    default: 'of two nodes the one with the greater address text waits; other peers are connected to',
    description: 'Wait for the peer to connect (RFC 4271 §8.1.1, PassiveTcpEstablishment).',
    parse: parseFlag,
    reverse: (passive) => !passive,
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
