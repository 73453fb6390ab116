/**
 * Whether a received route is usable: loops (RFC 4271 §9.1.2, RFC 4456 §8), next hops that are ourselves (§5.1.3),
 * and what is set on entry. A route that is not usable counts as withdrawn (§9.1: excluded from the decision).
 */
import type { Address } from '../../net/address.ts';
import type { PrefixBits } from '../../net/prefix-bits.ts';
import { DEFAULT_LOCAL_PREF } from '../rib/route.ts';
import type { NextHop, PathAttributes } from '../wire/message.ts';
import type { Role } from '../wire/role.ts';
import type { FilterChain } from './bgp-filter.ts';
import { withBandwidth } from './link-bandwidth.ts';
import { isLeaked, markedOnImport } from './only-to-customer.ts';
import { metricOfLocalPref } from './preference.ts';
import { type RouteEdit, UNCHANGED } from './route-edit.ts';
import { GRACEFUL_SHUTDOWN } from './well-known.ts';

export interface ImportContext {
  readonly external: boolean;
  /** The peer is in another member AS of our confederation, and not external (RFC 5065). */
  readonly fromMember?: boolean | undefined;
  /** AS number of our confederation, if we are in one. */
  readonly confederationId?: number | undefined;
  readonly localAs: number;
  readonly peerAs: number;
  /** Our role towards a peer in another AS (RFC 9234). */
  readonly role?: Role | undefined;
  readonly routerId: Address;
  readonly clusterId: Address | undefined;
  /** How often our own AS may stand in AS_PATH. */
  readonly allowedOwnAs: number;
  /** Sets of AS numbers in AS_PATH are refused (RFC 9774 §3). */
  readonly rejectsAsSets?: boolean | undefined;
  /** Addresses of this node. */
  readonly ownAddresses: readonly Address[];
  /** Accumulated metrics from this peer count (RFC 7311 §3.3). */
  readonly accumulatesMetric?: boolean | undefined;
  /** Seconds that we let routes outlive the session for long, at most (RFC 9494 §4.2). */
  readonly longLivedTime?: number | undefined;
  /** Octets a second that the link to the peer carries, which its routes are marked with. */
  readonly linkBandwidth?: number | undefined;
  /** The session is between link-local addresses. */
  readonly onLink?: boolean | undefined;
  /** The session is about to be shut down (RFC 8326 §4). */
  readonly leaving?: boolean | undefined;
  /** The peer's BGPFilters; undefined if it has none. */
  readonly filters: FilterChain | undefined;
}

export type ImportRefusal =
  | 'AS_SET in AS_PATH'
  | 'own AS in AS_PATH'
  | 'own identifier in ORIGINATOR_ID'
  | 'own cluster in CLUSTER_LIST'
  | 'next hop is this node'
  | 'route leak';

/** Why the route cannot be used, or undefined if it can. */
export function importRefusal(
  attributes: PathAttributes,
  nextHop: NextHop,
  context: ImportContext,
): ImportRefusal | undefined {
  if (context.rejectsAsSets === true && hasSet(attributes)) return 'AS_SET in AS_PATH';
  if (ownAsCount(attributes, context) > context.allowedOwnAs) return 'own AS in AS_PATH';
  if (!context.external) {
    if (attributes.originatorId === context.routerId) return 'own identifier in ORIGINATOR_ID';
    if (context.clusterId !== undefined && attributes.clusterList?.includes(context.clusterId) === true) {
      return 'own cluster in CLUSTER_LIST';
    }
  }
  if (context.ownAddresses.includes(nextHop.address)) return 'next hop is this node';
  if (isLeaked(attributes, context.role, context.peerAs)) return 'route leak';
  return undefined;
}

function hasSet({ asPath }: PathAttributes): boolean {
  return asPath.some(({ type }) => type === 'set' || type === 'confederation-set');
}

/** RFC 2545 §3: on the link of the session the peer's link-local address is what leads there. */
export function importedNextHop(nextHop: NextHop, { onLink }: ImportContext): NextHop {
  return onLink === true && nextHop.linkLocal !== undefined ? { address: nextHop.linkLocal } : nextHop;
}

/**
 * How often our AS stands in the path (RFC 4271 §9.1.2): within a confederation as the member that it is, outside as the
 * whole (RFC 5065 §4). Where we show a peer another AS than our own, that is the one that counts, as in BIRD and so in
 * Calico: nodes that share an AS number learn one another's routes over such peers.
 */
function ownAsCount({ asPath }: PathAttributes, { localAs, confederationId }: ImportContext): number {
  let count = 0;
  for (const { type, asNumbers } of asPath) {
    const own = type === 'sequence' || type === 'set' ? (confederationId ?? localAs) : localAs;
    for (const asNumber of asNumbers) if (asNumber === own) count++;
  }
  return count;
}

/**
 * The attributes as they enter the RIB: preference is not the neighbour AS's to set (RFC 4271 §5.1.5), but for what it
 * is about to withdraw, or that comes over a session which is about to end (RFC 8326 §4).
 */
export function importedAttributes(attributes: PathAttributes, context: ImportContext): PathAttributes {
  const { linkBandwidth, peerAs } = context;
  const trusted = trustedAttributes(attributes, context);
  return linkBandwidth === undefined ? trusted : withBandwidth(trusted, peerAs, linkBandwidth);
}

/** Without what is not the peer's to say. */
function trustedAttributes(attributes: PathAttributes, context: ImportContext): PathAttributes {
  if (context.fromMember === true) {
    // A member keeps LOCAL_PREF (RFC 5065 §5) and knows nothing of another's reflectors.
    const { originatorId: _originator, clusterList: _clusters, ...rest } = attributes;
    return rest;
  }
  if (!context.external) return attributes;
  const { localPref: _preference, originatorId: _originator, clusterList: _clusters, ...rest } = attributes;
  // RFC 7311 §3.3: as if it were unknown, unless wanted.
  if (context.accumulatesMetric !== true) delete (rest as { aigp?: bigint | undefined }).aigp;
  const marked = markedOnImport(rest, context.role, context.peerAs);
  const leaving = context.leaving === true || marked.communities?.includes(GRACEFUL_SHUTDOWN) === true;
  return leaving ? { ...marked, localPref: 0 } : marked;
}

/**
 * What the peer's filters say of a prefix with these attributes, which are those from {@link importedAttributes}: how
 * it is changed, or undefined if it is refused. What no filter decides is taken as it is.
 */
export function importEdit(
  prefix: PrefixBits,
  attributes: PathAttributes,
  filters: FilterChain,
): RouteEdit | undefined {
  const verdict = filters({
    prefix,
    attributes,
    learned: true,
    metric: metricOfLocalPref(attributes.localPref ?? DEFAULT_LOCAL_PREF),
  });
  if (verdict === undefined) return UNCHANGED;
  return verdict.accept ? verdict.edit : undefined;
}
