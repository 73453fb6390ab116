/** Routes as policies and people see them: values, made on demand from the bytes and numbers that the RIB keeps. */
import { type Address, addressToInteger } from '../../net/address.ts';
import { asPathLength } from '../wire/as-path.ts';
import type { RouteValues } from '../wire/attribute-record.ts';
import type { AsPathSegment, Origin, PathAttributes } from '../wire/message.ts';

/** Who told us. Own routes have none. */
export interface Source {
  /** The peer's configured name. */
  readonly name: string;
  readonly address: Address;
  /** Index of the interface that the session is on, where the addresses are link-local. */
  readonly link?: number | undefined;
  /** BGP Identifier from its OPEN. */
  readonly identifier: Address;
  /** In another AS than the one we present to it. */
  readonly external: boolean;
  /** A workload of this node: its addresses lead here and nowhere else. */
  readonly workload?: boolean | undefined;
  /** In another member AS of our confederation, and not external (RFC 5065). */
  readonly confederation?: boolean | undefined;
  /** Cost of the way to it, which an accumulated metric grows by (RFC 7311 §3.4); none if left out. */
  readonly metricCost?: number | undefined;
  /** We reflect for it (RFC 4456). */
  readonly reflectorClient: boolean;
}

/** One attribute set with its next hop. */
export interface Route extends RouteValues {
  readonly rank: RouteRank;
}

/** What RFC 4271 §9.1.2 compares, as numbers. */
export interface RouteRank {
  readonly localPref: number;
  readonly asPathLength: number;
  readonly origin: number;
  readonly multiExitDisc: number;
  /** The AS that MEDs are comparable within; 0 for a path that began in our own AS. */
  readonly neighborAs: number;
  /** ORIGINATOR_ID as a number of 32 bits. */
  readonly originatorId: number | undefined;
  readonly clusterListLength: number;
}

/** One way to a prefix. */
export interface Path {
  readonly source: Source | undefined;
  readonly route: Route;
  /** Kept from before the peer's restart and not confirmed yet (RFC 4724 §4.2). */
  readonly stale: boolean;
}

/** Degree of preference of a route that carries none. */
export const DEFAULT_LOCAL_PREF = 100;

const ORIGIN_RANK: Readonly<Record<Origin, number>> = { igp: 0, egp: 1, incomplete: 2 };

/** The AS that told the one we are in: the first of the path, 0 if there is none or it is a set. */
function neighborAs(asPath: readonly AsPathSegment[]): number {
  const first = asPath.find(({ type }) => type === 'sequence' || type === 'set');
  return first?.type === 'sequence' ? (first.asNumbers[0] ?? 0) : 0;
}

/** What the decision process compares of a route. */
export function rankOf(attributes: PathAttributes): RouteRank {
  const { asPath, origin, localPref, multiExitDisc, originatorId, clusterList } = attributes;
  return {
    localPref: localPref ?? DEFAULT_LOCAL_PREF,
    asPathLength: asPathLength(asPath),
    origin: ORIGIN_RANK[origin],
    // Absent is the best possible value (RFC 4271 §9.1.2.2 c).
    multiExitDisc: multiExitDisc ?? 0,
    neighborAs: neighborAs(asPath),
    originatorId: originatorId === undefined ? undefined : Number(addressToInteger(originatorId)),
    clusterListLength: clusterList?.length ?? 0,
  };
}
