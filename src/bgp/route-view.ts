/** One path for people: every attribute in its usual spelling. */
import type { BgpRouteView } from '../base/bgp-view.ts';
import type { Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { Route } from './rib/route.ts';
import type { AsPathSegment, LargeCommunity } from './wire/message.ts';

const BRACKETS: Readonly<Record<AsPathSegment['type'], (asNumbers: readonly number[]) => string>> = {
  sequence: (asNumbers) => asNumbers.join(' '),
  set: (asNumbers) => `{${asNumbers.join(',')}}`,
  'confederation-sequence': (asNumbers) => `(${asNumbers.join(' ')})`,
  'confederation-set': (asNumbers) => `[${asNumbers.join(',')}]`,
};

/** AS numbers with blanks between; sets in braces, confederations in parentheses and brackets. */
export function asPathText(asPath: readonly AsPathSegment[]): string {
  return asPath.map(({ type, asNumbers }) => BRACKETS[type](asNumbers)).join(' ');
}

/** `65000:1` (RFC 1997). */
export function communityText(community: number): string {
  return `${community >>> 16}:${community & 0xffff}`;
}

/** `65000:1:2` (RFC 8092). */
export function largeCommunityText({ global, local1, local2 }: LargeCommunity): string {
  return `${global}:${local1}:${local2}`;
}

export interface RouteOfPrefix {
  readonly prefix: Prefix;
  readonly family: Family;
  readonly peer: string | undefined;
  readonly route: Pick<Route, 'attributes' | 'nextHop'> & { readonly localPreference: number };
  readonly best: boolean;
  readonly stale: boolean;
}

/** The view of one path; what it does not carry is left out. */
export function routeView({ prefix, family, peer, route, best, stale }: RouteOfPrefix): BgpRouteView {
  const { attributes, nextHop, localPreference } = route;
  const { aggregator, communities, largeCommunities, extendedCommunities, ipv6ExtendedCommunities, unknown } =
    attributes;
  return {
    prefix,
    family,
    ...defined('peer', peer),
    ...defined('nextHop', nextHop?.address),
    ...defined('linkLocalNextHop', nextHop?.linkLocal),
    origin: attributes.origin,
    asPath: asPathText(attributes.asPath),
    localPreference,
    ...defined('multiExitDisc', attributes.multiExitDisc),
    ...defined('communities', communities?.map(communityText)),
    ...defined('largeCommunities', largeCommunities?.map(largeCommunityText)),
    ...defined(
      'extendedCommunities',
      extendedCommunities?.map((value) => value.toString(16).padStart(16, '0')),
    ),
    ...defined(
      'ipv6ExtendedCommunities',
      ipv6ExtendedCommunities?.map((octets) => Buffer.from(octets).toString('hex')),
    ),
    ...defined('originatorId', attributes.originatorId),
    ...defined('clusterList', attributes.clusterList),
    ...defined('aigp', attributes.aigp?.toString()),
    ...defined('onlyToCustomer', attributes.onlyToCustomer),
    ...(attributes.atomicAggregate === true ? { atomicAggregate: true } : {}),
    ...defined('aggregator', aggregator && `${aggregator.asNumber} ${aggregator.address}`),
    ...defined(
      'unknownAttributes',
      unknown?.map(({ code }) => code),
    ),
    best,
    stale,
  };
}

function defined<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}
