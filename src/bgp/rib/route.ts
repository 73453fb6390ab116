/**
 * Routes as the RIB holds them. Attributes and next hop together are one {@link Route}, interned: equal means same
 * object, so that tables compare by identity and updates pack by it. What the decision process ranks by is worked out
 * once per route, not once per prefix.
 */
import { type Address, addressToInteger } from '../../net/address.ts';
import type { AsPathSegment, NextHop, Origin, PathAttributes } from '../wire/message.ts';

/** Who told us. Own routes have none. */
export interface Source {
  /** The peer's configured name. */
  readonly name: string;
  readonly address: Address;
  /** BGP Identifier from its OPEN. */
  readonly identifier: Address;
  /** In another AS than the one we present to it. */
  readonly external: boolean;
  /** We reflect for it (RFC 4456). */
  readonly reflectorClient: boolean;
}

/** One attribute set with its next hop. Made only by {@link RouteTable.intern}. */
export interface Route {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
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
  readonly originatorId: bigint | undefined;
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

/** Length as the decision process counts it: a set is one, confederation segments none (RFC 5065 §5.3). */
export function asPathLength(asPath: readonly AsPathSegment[]): number {
  let length = 0;
  for (const { type, asNumbers } of asPath) {
    if (type === 'sequence') length += asNumbers.length;
    else if (type === 'set') length += 1;
  }
  return length;
}

/** The AS that told the one we are in: the first of the path, 0 if there is none or it is a set. */
function neighborAs(asPath: readonly AsPathSegment[]): number {
  const first = asPath.find(({ type }) => type === 'sequence' || type === 'set');
  return first?.type === 'sequence' ? (first.asNumbers[0] ?? 0) : 0;
}

function rank(attributes: PathAttributes): RouteRank {
  const { asPath, origin, localPref, multiExitDisc, originatorId, clusterList } = attributes;
  return {
    localPref: localPref ?? DEFAULT_LOCAL_PREF,
    asPathLength: asPathLength(asPath),
    origin: ORIGIN_RANK[origin],
    // Absent is the best possible value (RFC 4271 §9.1.2.2 c).
    multiExitDisc: multiExitDisc ?? 0,
    neighborAs: neighborAs(asPath),
    originatorId: originatorId === undefined ? undefined : addressToInteger(originatorId),
    clusterListLength: clusterList?.length ?? 0,
  };
}

/** Interns routes. A route that nobody holds any more is forgotten. */
export class RouteTable {
  private readonly routes = new Map<string, WeakRef<Route>>();
  private readonly forgotten = new FinalizationRegistry<string>((key) => {
    if (this.routes.get(key)?.deref() === undefined) this.routes.delete(key);
  });

  intern(attributes: PathAttributes, nextHop: NextHop | undefined): Route {
    const key = canonicalText(attributes, nextHop);
    const known = this.routes.get(key)?.deref();
    if (known !== undefined) return known;
    const route: Route = { attributes, nextHop, rank: rank(attributes) };
    this.routes.set(key, new WeakRef(route));
    this.forgotten.register(route, key);
    return route;
  }
}

/** Equal for equal attributes, whatever the order of their fields and whether the absent ones are there. */
function canonicalText(attributes: PathAttributes, nextHop: NextHop | undefined): string {
  const entries = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([entries, nextHop?.address, nextHop?.linkLocal], (_, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? [...value] : value;
  });
}
