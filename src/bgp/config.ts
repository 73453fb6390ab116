/**
 * What a speaker is told to be: plain data that survives a structured clone, because it crosses to the worker thread
 * (design D10). The agent makes it from the calculation's RoutingPlan; everything is explicit, nothing is looked up.
 */
import type { LogLevel } from '../base/log.ts';
import type { Address, Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { PrivateAsRemoval } from './policy/as-path-edit.ts';
import type { AggregateConfig } from './aggregates.ts';
import type { BgpFilter } from './policy/bgp-filter.ts';
import type { MaxPrefix } from './policy/max-prefix.ts';
import type { PrefixAdvertisement, ServiceRange } from './policy/prefix-filter.ts';
import type { DecisionOptions } from './rib/decision.ts';
import type { Confederation } from './wire/confederation.ts';
import type { Role } from './wire/role.ts';

export type PeerType = 'mesh' | 'global' | 'node' | 'workload' | 'dynamic';

/** One session to keep (the fields of the calculation's PeerPlan, and what that leaves to the agent). */
export interface PeerConfig {
  /** Unique per speaker; the identity of the peer over {@link SpeakerConfig} changes. */
  readonly name: string;
  readonly type: PeerType;
  /** Of a template the start of its first prefix. */
  readonly address: Address;
  readonly port: number;
  readonly asNumber: number;
  /** The AS number we present to this peer. */
  readonly localAsNumber: number;
  /** The kernel chooses if left out. */
  readonly sourceAddress?: Address;
  /** The interface that the peer is on, where its address is link-local; with `::` it is found there (unnumbered.ts). */
  readonly interface?: string;
  /** The gateway that the peer is reached by, if routing is not to be asked: a static host route. */
  readonly reachableBy?: Address;
  /** Address families carried in the one session (design D10). */
  readonly families: readonly Family[];
  /** Seconds in Idle after the first and after many errors (RFC 4271 §8.1.1, DampPeerOscillations). */
  readonly idleHoldTime?: { readonly initial: number; readonly maximum: number };
  /** How many prefixes of a family the peer may tell. */
  readonly maxPrefix?: MaxPrefix;
  /** Present: no session, and what the peer is told as the reason (RFC 9003), which may be empty. */
  readonly shutdown?: string;
  /** Families whose default route the peer is told as ours, whatever there is. */
  readonly defaultOriginate?: readonly Family[];
  /** Several paths to a prefix (RFC 7911), each way; `limit`: that many at most are told. */
  readonly addPath?: { readonly send: boolean; readonly receive: boolean; readonly limit?: number };
  /** Seconds that routes may outlive a session for long (RFC 9494), at most 24 bits; not at all if left out. */
  readonly llgr?: number;
  /** Octets a second that the link to the peer carries: equal paths share traffic by it. */
  readonly linkBandwidth?: number;
  /**
   * Accumulated metrics are exchanged (RFC 7311), and the way to the peer adds this much; if left out, they are
   * exchanged within our AS or confederation only.
   */
  readonly aigp?: number;
  /** What becomes of private AS numbers towards a peer in another AS. */
  readonly removePrivateAs?: PrivateAsRemoval;
  /** Our AS stands for the peer's in paths that it is told. */
  readonly asOverride?: boolean;
  /** What we tell the peer, and what it tells us, is about to go away (RFC 8326 §4). */
  readonly gracefulShutdown?: boolean;
  /** Seconds between attempts to connect (RFC 4271 §8.2.2); first tries are closer together if left out. */
  readonly connectRetryTime?: number;
  /** Seconds that a new connection waits for the peer's OPEN before ours is sent (RFC 4271 §8.1.1, DelayOpenTime). */
  readonly delayOpen?: number;
  /** Seconds between two tellings of changes (RFC 4271 §9.2.1.1); none if left out. */
  readonly advertisementInterval?: number;
  /** Our role towards a peer in another AS (RFC 9234); `strict`: it must tell its own. */
  readonly role?: { readonly name: Role; readonly strict: boolean };
  /** Present: no peer itself, but what peers are made of that connect from these prefixes, up to `limit`. */
  readonly dynamicNeighbors?: { readonly prefixes: readonly Prefix[]; readonly limit: number };
  /** Name of the template that the peer was made of when it connected. */
  readonly template?: string;
  /** Wait for the peer to connect, but for one attempt at the start. */
  readonly passive: boolean;
  /** Whether we reflect to this peer as a client (RFC 4456). */
  readonly reflectorClient: boolean;
  readonly nextHopMode: 'auto' | 'self' | 'keep';
  /** Seconds the peer shall keep our routes after our death (RFC 4724 §3); at most 4095. */
  readonly restartTime: number;
  /** Seconds; a third of the hold time if left out. */
  readonly keepaliveTime?: number;
  /** Seconds: 0 or at least 3 (RFC 4271 §4.2); {@link DEFAULT_HOLD_TIME} if left out. */
  readonly holdTime?: number;
  /** Largest number of hops to the peer (RFC 5082); no check if left out. */
  readonly ttlSecurity?: number;
  /** TCP MD5 signature key (RFC 2385), at most 80 octets. A change keeps the session if the peer changes it soon, too. */
  readonly password?: string;
  /** AS_PATH may hold our own AS this many times. */
  readonly allowedOwnAs: number;
  /** Routes with an AS_SET or AS_CONFED_SET in their path are treated as withdrawn (RFC 9774 §3). */
  readonly rejectAsSets?: boolean;
  /** Watches the path to the peer (RFC 5880); false or left out: does not. */
  readonly bfd?: BfdConfig | false;
  /** Names in {@link SpeakerConfig.filters}, in order. One that is not there lets no route pass, either way. */
  readonly filters: readonly string[];
}

export interface BfdConfig {
  /** Milliseconds between packets, in both directions, if the peer keeps up. */
  readonly interval: number;
  /** Packets that may be missing in a row: 1 to 255. */
  readonly multiplier: number;
  /** Whether routers are between us and the peer (RFC 5883); by whether it is on a link of ours if left out. */
  readonly multihop?: boolean;
}

export interface PoolConfig {
  readonly cidr: Prefix;
  /** IPPool `disableBGPExport` negated. */
  readonly exported: boolean;
  /** False: learned routes within it stay out of the kernel. */
  readonly programmed?: boolean;
}

/** Where learned routes go in the kernel. */
export interface KernelConfig {
  /** rtm_protocol that marks our routes (design D20: 81). */
  readonly protocol: number;
  /** Routing table; 254 is main. */
  readonly table: number;
  /** Priority of learned routes, which is also what LOCAL_PREF is derived from. */
  readonly metric: Readonly<Record<Family, number>>;
  /** False: learned routes stay out of it, as on a reflector that no traffic passes. */
  readonly install?: boolean;
}

export interface GracefulRestartConfig {
  /** Offer graceful restart to peers, and keep their routes when they restart. */
  readonly enabled: boolean;
  /**
   * Whether this start follows a death that left forwarding intact, so that R and F are set (RFC 4724 §4.1).
   * `undefined`: yes exactly if the kernel still holds routes of our protocol.
   */
  readonly restarting?: boolean;
  /** Seconds that route selection waits at most for end-of-RIB from every peer (Selection_Deferral_Timer). */
  readonly deferralTime: number;
  /** Seconds after which a peer that has not come up is no longer waited for. */
  readonly peerWaitTime: number;
}

export interface SpeakerConfig {
  readonly asNumber: number;
  /** Written as an IPv4 address, never needs to be one (design D15). */
  readonly routerId: Address;
  readonly listen: {
    readonly port: number;
    /** All addresses of both families if empty. */
    readonly addresses: readonly Address[];
  };
  /** This node's own addresses: next hop of what we originate, where the session's own address has not the family. */
  readonly nodeAddresses: Readonly<Partial<Record<Family, Address>>>;
  /** Announced while there is a route to a part of them. */
  readonly aggregates: readonly AggregateConfig[];
  /** How the best path is chosen. */
  readonly decision: DecisionOptions;
  /** The confederation that our AS is a member of (RFC 5065). */
  readonly confederation?: Confederation;
  /** Present on a route reflector (RFC 4456). */
  readonly clusterId?: Address;
  readonly peers: readonly PeerConfig[];
  /** Own blocks, advertised whole. */
  readonly blocks: readonly Prefix[];
  /** Host prefixes of local workloads outside the own blocks. */
  readonly outsideWorkloads: readonly Prefix[];
  readonly pools: readonly PoolConfig[];
  /** Ranges of service addresses. */
  readonly services: readonly ServiceRange[];
  /** Host prefixes within them that this node announces. */
  readonly serviceAddresses: readonly Prefix[];
  /** Communities for what is advertised, by range. */
  readonly advertisements: readonly PrefixAdvertisement[];
  /** By name; only those that a peer names. */
  readonly filters: Readonly<Record<string, BgpFilter>>;
  readonly kernel: KernelConfig;
  readonly gracefulRestart: GracefulRestartConfig;
  /** Who is told what peers tell us. */
  readonly monitoring?: MonitoringConfig;
  /** Present: no traffic for this node any more. */
  readonly drain?: DrainConfig;
}

export interface MonitoringConfig {
  /** Stations that speak BMP (RFC 7854). */
  readonly bmp?: readonly BmpStation[];
  /** Absolute path of the file that UPDATEs are appended to as MRT records (RFC 6396). */
  readonly mrtUpdates?: string;
}

export interface BmpStation {
  readonly address: Address;
  readonly port: number;
  /** What it is told of a peer's routes: as they came (if left out), as policy has let them in, or both. */
  readonly routes?: 'pre-policy' | 'post-policy' | 'both';
}

/** Graceful shutdown of all sessions (RFC 8326), until it is no longer configured. */
export interface DrainConfig {
  /** Seconds between telling peers that our routes are about to go and the end of the sessions. */
  readonly delay: number;
  /** What peers are told as the reason, at most 255 octets (RFC 9003). */
  readonly communication: string;
}

/** What a speaker is started with and keeps for its life. */
export interface SpeakerEnvironment {
  /** Network namespace by name or path; the process's own if left out. */
  readonly namespace?: string;
  readonly logLevel: LogLevel;
}

/** Calico runs BIRD's default of 240 s; RFC 4271 §10 suggests 90 s, which finds a dead peer sooner. */
export const DEFAULT_HOLD_TIME = 90;

/** Bounds that suit a cluster of any size: RFC 4724 names no value, Calico's is 240 s. */
export const DEFAULT_GRACEFUL_RESTART: GracefulRestartConfig = {
  enabled: true,
  deferralTime: 120,
  peerWaitTime: 15,
};

/** What a change of a peer's field means for its session. */
type ChangeEffect = 'reset' | 'reopen' | 'export' | 'none';

const FIELD_EFFECTS: Readonly<Record<keyof PeerConfig, ChangeEffect>> = {
  name: 'export',
  type: 'none',
  address: 'reset',
  port: 'none',
  asNumber: 'reset',
  localAsNumber: 'reset',
  sourceAddress: 'reopen',
  reachableBy: 'none',
  interface: 'reset',
  families: 'reopen',
  idleHoldTime: 'none',
  maxPrefix: 'none',
  shutdown: 'none',
  defaultOriginate: 'export',
  addPath: 'reopen',
  llgr: 'reopen',
  linkBandwidth: 'none',
  aigp: 'export',
  removePrivateAs: 'export',
  asOverride: 'export',
  gracefulShutdown: 'export',
  connectRetryTime: 'none',
  delayOpen: 'none',
  advertisementInterval: 'none',
  role: 'reopen',
  passive: 'none',
  dynamicNeighbors: 'none',
  template: 'none',
  reflectorClient: 'export',
  nextHopMode: 'export',
  restartTime: 'reopen',
  keepaliveTime: 'none',
  holdTime: 'reopen',
  ttlSecurity: 'reopen',
  password: 'none',
  allowedOwnAs: 'none',
  rejectAsSets: 'none',
  bfd: 'none',
  filters: 'export',
};

/** What asks for less comes first. */
const EFFECTS: readonly ChangeEffect[] = ['none', 'export', 'reopen', 'reset'];

/**
 * What it takes to go from one configuration of a peer to the next: `reset` the session, for another peer that is; open
 * it anew while its routes stay in use (RFC 4724); `export` again in the standing session; or `none` (used now, or at
 * the next connection, if at all). What is about import is for `Policies.importText` to say.
 */
export function peerChangeEffect(before: PeerConfig, after: PeerConfig): ChangeEffect {
  let effect = 0;
  for (const field of Object.keys(FIELD_EFFECTS) as (keyof PeerConfig)[]) {
    if (JSON.stringify(before[field]) === JSON.stringify(after[field])) continue;
    effect = Math.max(effect, EFFECTS.indexOf(FIELD_EFFECTS[field]));
  }
  return EFFECTS[effect]!;
}
