/**
 * What becomes of a route on its way to a peer: whether it may go at all (RFC 4271 §9.1.3, RFC 4456 §6, RFC 1997),
 * and with which attributes (RFC 4271 §5.1, RFC 4456 §8). The prefix itself is judged in export-policy.ts.
 */
import { type Address, type Family, familyOf, isLinkLocal } from '../../net/address.ts';
import { type Prefix, prefixContains } from '../../net/prefix.ts';
import { DEFAULT_LOCAL_PREF, type Path, type Source } from '../rib/route.ts';
import type { NextHop, PathAttributes } from '../wire/message.ts';
import type { Role } from '../wire/role.ts';
import { type AsPathEdit, editAsPath } from './as-path-edit.ts';
import type { ExportPolicy } from './export-policy.ts';
import { markedOnExport, staysDown } from './only-to-customer.ts';
import { type RouteEdit, editAttributes, prependAs, prependMember } from './route-edit.ts';
import { GRACEFUL_SHUTDOWN, LLGR_STALE, NO_ADVERTISE, NO_EXPORT, NO_EXPORT_SUBCONFED } from './well-known.ts';

/** What a speaker does to routes that it is about to withdraw: the last resort, inside our AS and outside (RFC 8326 §4). */
const LEAVING: RouteEdit = {
  communities: [GRACEFUL_SHUTDOWN],
  largeCommunities: [],
  prepend: [],
  localPref: 0,
};

/**
 * What of a session and of this node decides. Peers for which all of it is the same are told the same, by one update
 * group; so it says nothing that is a peer's own.
 */
export interface ExportContext {
  readonly peer: Pick<Source, 'external' | 'confederation' | 'reflectorClient'>;
  /** The AS we present to the peer. */
  readonly localAs: number;
  /** What becomes of AS_PATH towards a peer in another AS; nothing if left out. */
  readonly asPathEdit?: AsPathEdit | undefined;
  /** A peer in another AS is told accumulated metrics (RFC 7311 §3.3). */
  readonly accumulatesMetric?: boolean | undefined;
  /** Our role towards a peer in another AS (RFC 9234). */
  readonly role?: Role | undefined;
  /** Present on a reflector. */
  readonly clusterId: Address | undefined;
  readonly nextHopMode: 'auto' | 'self' | 'keep';
  /** Our address as next hop, per family; a family without one is not advertised where that is needed. */
  readonly ownAddresses: Readonly<Partial<Record<Family, Address>>>;
  /** IPv4 prefixes may have an IPv6 next hop (RFC 8950): where we, or who told us, have no IPv4 address. */
  readonly extendedNextHop: boolean;
  /** Networks of the link that we share with the peer; empty if it is further away. */
  readonly sharedNetworks: readonly Prefix[];
  /** LOCAL_PREF of own routes towards our own AS. */
  readonly ownLocalPref: Readonly<Record<Family, number>>;
  /** Which prefixes may go, and what is changed in them. */
  readonly policy: ExportPolicy;
  /** Families whose default route the peer is told as ours, whatever there is. */
  readonly defaultFamilies?: readonly Family[] | undefined;
  /** How many paths to a prefix a peer is told that takes several (RFC 7911); all if left out. */
  readonly pathLimit?: number | undefined;
  /** The peer knows what a long-lived stale route is (RFC 9494). */
  readonly knowsLongLived?: boolean | undefined;
  /** This node is being drained: what it tells is about to go away. */
  readonly leaving: boolean;
}

/** A route as it is told. */
export interface ExportedRoute {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop;
}

/** The bit that makes an extended community non-transitive across AS borders (RFC 4360 §2). */
const NON_TRANSITIVE = 1n << 62n;

/** RFC 7311 §3: 64 bits. */
const LARGEST_METRIC = 2n ** 64n - 1n;

export type ExportRefusal =
  | 'no-advertise'
  | 'no-export'
  | 'only-to-customer'
  | 'long-lived-stale'
  | 'not-reflected'
  | 'no-next-hop'
  | 'attributes-too-long';

/** Why a path may not be told to a peer that is not its source, whatever its prefix; undefined if it may. */
export function exportRefusal(path: Path, context: ExportContext): ExportRefusal | undefined {
  const { source, route } = path;
  const { peer, clusterId } = context;
  const { communities = [] } = route.attributes;
  if (communities.includes(NO_ADVERTISE)) return 'no-advertise';
  // RFC 9494 §4.3: who does not know them would prefer them like any other.
  if (context.knowsLongLived !== true && communities.includes(LLGR_STALE)) return 'long-lived-stale';
  if (peer.external) {
    if (staysDown(route.attributes, context.role)) return 'only-to-customer';
    const kept = communities.includes(NO_EXPORT) || communities.includes(NO_EXPORT_SUBCONFED);
    return kept ? 'no-export' : undefined;
  }
  if (peer.confederation === true) {
    return communities.includes(NO_EXPORT_SUBCONFED) ? 'no-export' : undefined;
  }
  if (source === undefined || source.external || source.confederation === true) return undefined;
  // From our AS to our AS only by reflection, and never among non-clients (RFC 4456 §6).
  const reflected = clusterId !== undefined && (source.reflectorClient || peer.reflectorClient);
  return reflected ? undefined : 'not-reflected';
}

/**
 * The route as the peer gets it, or undefined if there is no next hop to give. The path has passed
 * {@link exportRefusal} and {@link ExportPolicy.judge}, which gave the edit.
 */
export function exportRoute(
  path: Path,
  edit: RouteEdit,
  family: Family,
  context: ExportContext,
): ExportedRoute | undefined {
  const nextHop = exportedNextHop(path.source, path.route.nextHop?.address, family, context);
  if (nextHop === undefined) return undefined;
  const wanted = withOurCost(editAttributes(path.route.attributes, edit), path, nextHop);
  const edited = context.leaving ? editAttributes(wanted, LEAVING) : wanted;
  const attributes = attributesFor(path, edited, family, context);
  return { attributes, nextHop };
}

/** Who is sent to us, and on from here, has our way before it, too (RFC 7311 §3.4.3). */
function withOurCost(attributes: PathAttributes, { source, route }: Path, nextHop: NextHop): PathAttributes {
  const { aigp } = attributes;
  const cost = source?.metricCost ?? 0;
  if (aigp === undefined || cost === 0 || nextHop.address === route.nextHop?.address) return attributes;
  const sum = aigp + BigInt(cost);
  return { ...attributes, aigp: sum > LARGEST_METRIC ? LARGEST_METRIC : sum };
}

function attributesFor(
  path: Path,
  attributes: PathAttributes,
  family: Family,
  context: ExportContext,
): PathAttributes {
  if (context.peer.external) return toExternal(path, attributes, context);
  const internal = toInternal(path, attributes, family, context);
  return context.peer.confederation === true ? toMember(internal, context) : internal;
}

/** Towards another member AS of our confederation: as within our AS, but for the path (RFC 5065 §4, §5). */
function toMember(attributes: PathAttributes, { localAs }: ExportContext): PathAttributes {
  const { originatorId: _originator, clusterList: _clusters, ...rest } = attributes;
  return { ...rest, asPath: prependMember(attributes.asPath, localAs) };
}

/** The next hop that a peer gets for a route learned with `learned` from `source`; undefined if there is none to give. */
export function exportedNextHop(
  source: Source | undefined,
  learned: Address | undefined,
  family: Family,
  context: ExportContext,
): NextHop | undefined {
  const { ownAddresses, extendedNextHop } = context;
  const understood =
    source !== undefined && learned !== undefined && (extendedNextHop || familyOf(learned) === family);
  if (understood && keepsNextHop(source, learned, context)) return { address: learned };
  const own = ownAddresses[family] ?? (extendedNextHop && family === 4 ? ownAddresses[6] : undefined);
  return own === undefined ? undefined : { address: own };
}

/**
 * Auto keeps the next hop inside our AS, and a third party's that the peer reaches without us (RFC 4271 §5.1.3); but
 * what a workload of this node leads to is reached by this node.
 */
function keepsNextHop(
  source: Source,
  learned: Address,
  { peer, nextHopMode, sharedNetworks }: ExportContext,
): boolean {
  // It leads nowhere but from here (RFC 2545 §3).
  if (isLinkLocal(learned)) return false;
  if (nextHopMode !== 'auto') return nextHopMode === 'keep';
  if (source.workload === true) return false;
  return !peer.external || sharedNetworks.some((network) => prefixContains(network, learned));
}

function toExternal(
  { source }: Path,
  attributes: PathAttributes,
  { localAs, role, asPathEdit, accumulatesMetric }: ExportContext,
): PathAttributes {
  const {
    localPref: _preference,
    originatorId: _originator,
    clusterList: _clusters,
    aigp,
    multiExitDisc,
    asPath,
    ...rest
  } = markedOnExport(attributes, role, localAs);
  const { extendedCommunities, ipv6ExtendedCommunities } = rest;
  return {
    ...rest,
    asPath: prependAs(asPathEdit === undefined ? asPath : editAsPath(asPath, asPathEdit), localAs),
    ...(accumulatesMetric === true && aigp !== undefined ? { aigp } : {}),
    // MED is for the AS next to the one that set it, and goes no further (RFC 4271 §5.1.4).
    ...(source === undefined && multiExitDisc !== undefined ? { multiExitDisc } : {}),
    ...(extendedCommunities === undefined
      ? {}
      : { extendedCommunities: extendedCommunities.filter((value) => (value & NON_TRANSITIVE) === 0n) }),
    ...(ipv6ExtendedCommunities === undefined
      ? {}
      : { ipv6ExtendedCommunities: ipv6ExtendedCommunities.filter(isTransitive) }),
  };
}

/** RFC 5701 §2: the same bit as in an extended community of eight octets. */
function isTransitive(community: Uint8Array): boolean {
  return (community[0]! & 0x40) === 0;
}

function toInternal(
  { source }: Path,
  attributes: PathAttributes,
  family: Family,
  context: ExportContext,
): PathAttributes {
  if (source === undefined) {
    return { ...attributes, localPref: attributes.localPref ?? context.ownLocalPref[family] };
  }
  const internal: PathAttributes = {
    ...attributes,
    localPref: attributes.localPref ?? DEFAULT_LOCAL_PREF,
  };
  const interior = !source.external && source.confederation !== true;
  if (!interior || context.clusterId === undefined) return internal;
  return {
    ...internal,
    originatorId: attributes.originatorId ?? source.identifier,
    clusterList: [context.clusterId, ...(attributes.clusterList ?? [])],
  };
}
