/** From a peer's configuration and the speaker's to what its session, the import and the export of its routes go by. */
import { type Address, type Family, familyOf, isLinkLocal } from '../net/address.ts';
import { DEFAULT_HOLD_TIME, type PeerConfig, type SpeakerConfig } from './config.ts';
import type { Fib } from './fib.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { SessionConfig } from './fsm/session.ts';
import type { Policies } from './policies.ts';
import type { ExportContext } from './policy/export.ts';
import type { ImportContext } from './policy/import.ts';
import { localPrefOfMetric } from './policy/preference.ts';
import type { Source } from './rib/route.ts';

/**
 * Milliseconds; Calico's `connect retry 5` and `error wait 5,30`, but for faster first tries: of two nodes that start
 * together one is late by moments.
 */
const CONNECT_TIMEOUT = 5000;
const CONNECT_RETRY_TIMES = [250, 500, 1000, 2000, 5000] as const;
const IDLE_HOLD_TIME = { initial: 1000, maximum: 30_000 };
/** RFC 4724 §3: twelve bits. */
const MAXIMUM_RESTART_TIME = 4095;
const FAMILIES: readonly Family[] = [4, 6];

/** What of the speaker the settings of all its peers go by. */
export interface SettingsEnvironment {
  readonly fib: Fib;
  readonly config: () => SpeakerConfig;
  readonly policies: () => Policies;
  /** We have come back with our forwarding state intact; `waiting`: and routes are not selected yet. */
  readonly restart: () => { readonly restarted: boolean; readonly waiting: boolean };
  /** Our routes are about to go away (RFC 8326). */
  readonly draining: () => boolean;
}

/** Our end of a session. */
interface SessionEnd {
  readonly config: PeerConfig;
  /** While the session is up. */
  readonly localAddress: Address | undefined;
}

/** What the session with a peer is opened with; `known`: it has been up, so our forwarding state is what the peer knows. */
export function sessionConfig(
  peer: PeerConfig,
  known: boolean,
  environment: SettingsEnvironment,
): SessionConfig {
  const { routerId, gracefulRestart, confederation } = environment.config();
  const { restarted, waiting } = environment.restart();
  return {
    localAs: peer.localAsNumber,
    confederation,
    routerId,
    peerAs: peer.asNumber,
    families: peer.families,
    // Those that come by themselves are never connected to.
    passive: peer.template !== undefined || peer.type === 'workload' ? 'always' : peer.passive,
    holdTime: peer.holdTime ?? DEFAULT_HOLD_TIME,
    keepaliveTime: peer.keepaliveTime,
    connectTimeout: CONNECT_TIMEOUT,
    connectRetryTimes:
      peer.connectRetryTime === undefined ? CONNECT_RETRY_TIMES : [peer.connectRetryTime * 1000],
    delayOpenTime: (peer.delayOpen ?? 0) * 1000,
    idleHoldTime:
      peer.idleHoldTime === undefined
        ? IDLE_HOLD_TIME
        : { initial: peer.idleHoldTime.initial * 1000, maximum: peer.idleHoldTime.maximum * 1000 },
    role: peer.role,
    addPath: peer.addPath,
    longLivedStaleTime: peer.llgr,
    extendedMessages: true,
    extendedNextHop: true,
    gracefulRestart: gracefulRestart.enabled
      ? {
          restartTime: Math.min(peer.restartTime, MAXIMUM_RESTART_TIME),
          restarting: waiting,
          forwarding: restarted || known ? FAMILIES : [],
        }
      : undefined,
  };
}

/** What of the configuration is known of all routes of a peer, and may change with it while the session is up. */
export function sourceSettings({
  name,
  type,
  reflectorClient,
  aigp: metricCost,
}: PeerConfig): Pick<Source, 'name' | 'reflectorClient' | 'metricCost' | 'workload'> {
  return { name, reflectorClient, metricCost, workload: type === 'workload' };
}

/** What decides how a route of a peer is taken in. */
export function importContext(
  { config, localAddress }: SessionEnd,
  { external, confederation: fromMember }: Source,
  environment: SettingsEnvironment,
): ImportContext {
  const { routerId, clusterId, confederation } = environment.config();
  return {
    external,
    fromMember,
    confederationId: confederation?.identifier,
    localAs: config.localAsNumber,
    peerAs: config.asNumber,
    role: external ? config.role?.name : undefined,
    routerId,
    clusterId,
    allowedOwnAs: config.allowedOwnAs,
    rejectsAsSets: config.rejectAsSets === true,
    ownAddresses: Object.values(ownAddresses(localAddress, environment)),
    filters: environment.policies().importFilters(config),
    leaving: config.gracefulShutdown === true,
    onLink: config.interface !== undefined,
    accumulatesMetric: config.aigp !== undefined,
    linkBandwidth: config.linkBandwidth,
    longLivedTime: config.llgr,
  };
}

/** What decides what a peer is told, and how. */
export function exportContext(
  { config, localAddress }: SessionEnd,
  source: Source,
  { wire, knowsLongLived }: Negotiated,
  environment: SettingsEnvironment,
): ExportContext {
  const { clusterId, kernel } = environment.config();
  return {
    peer: {
      external: source.external,
      confederation: source.confederation,
      reflectorClient: source.reflectorClient,
    },
    localAs: config.localAsNumber,
    role: source.external ? config.role?.name : undefined,
    accumulatesMetric: config.aigp !== undefined,
    knowsLongLived,
    defaultFamilies: config.defaultOriginate,
    pathLimit: config.addPath?.limit,
    asPathEdit: asPathEdit(config),
    clusterId,
    nextHopMode: config.nextHopMode,
    ownAddresses: ownAddresses(localAddress, environment),
    extendedNextHop: wire.extendedNextHop,
    sharedNetworks: config.interface === undefined ? environment.fib.networksOf(config.address) : [],
    ownLocalPref: { 4: localPrefOfMetric(kernel.metric[4]), 6: localPrefOfMetric(kernel.metric[6]) },
    policy: environment.policies().exportPolicy(config),
    leaving: environment.draining() || config.gracefulShutdown === true,
  };
}

/** Undefined if there is nothing to edit, so that peers may share what they are told. */
function asPathEdit({
  removePrivateAs,
  asOverride,
  asNumber,
  localAsNumber,
}: PeerConfig): ExportContext['asPathEdit'] {
  if (removePrivateAs === undefined && asOverride !== true) return undefined;
  return { localAs: localAsNumber, peerAs: asNumber, removePrivateAs, asOverride };
}

/**
 * Our next hops towards the peer: the session's own address, the node's address in the other family, to which a link
 * that knows only link-local addresses may not lead.
 */
function ownAddresses(
  local: Address | undefined,
  environment: SettingsEnvironment,
): Partial<Record<Family, Address>> {
  if (local !== undefined && isLinkLocal(local)) return { 6: local };
  return {
    ...environment.config().nodeAddresses,
    ...(local === undefined ? {} : { [familyOf(local)]: local }),
  };
}
