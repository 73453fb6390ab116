/**
 * Calico's BGPFilter as the speaker gets it, and its rules compiled to closures. The rules of all filters of a peer run
 * in order; the first that matches accepts or rejects, and what matches none goes on to the built-in policy. A filter
 * that a peer names and nobody defined rejects everything: a typing error must not open what a filter was to close
 * (Calico renders nothing there, which leaves the peer unfiltered).
 */
import type { Family } from '../../net/address.ts';
import { type PrefixBits, prefixBits, prefixBitsContain, samePrefixBits } from '../../net/prefix-bits.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { LargeCommunity, PathAttributes } from '../wire/message.ts';
import { type RouteEdit, UNCHANGED, sameLarge } from './route-edit.ts';

/** A standard community as a number (RFC 1997), or a large one (RFC 8092). */
export type Community = number | LargeCommunity;

/** One rule: all conditions that are there must hold. Plain data. */
export interface FilterRule {
  readonly action: 'accept' | 'reject';
  readonly family: Family;
  readonly cidr?: CidrMatch;
  /** Only what was learned from a BGP peer. */
  readonly learned?: true;
  /** Only in sessions of this type. */
  readonly peerType?: 'eBGP' | 'iBGP';
  readonly community?: Community;
  /** AS_PATH begins with these. */
  readonly asPathPrefix?: readonly number[];
  /** The route has this kernel metric, which LOCAL_PREF stands for. */
  readonly metric?: number;
  /** What is done to a route that the rule accepts. */
  readonly edit?: RouteEdit;
}

export interface CidrMatch {
  readonly prefix: Prefix;
  readonly operator: MatchOperator;
  /** Inclusive: stands for all prefixes within `prefix` of these lengths, which the operator then asks about. */
  readonly lengths?: { readonly min: number; readonly max: number };
}

export type MatchOperator = 'Equal' | 'NotEqual' | 'In' | 'NotIn';

export type FilterDirection = 'import' | 'export';

/** The rules of one BGPFilter, both families, in order. */
export type BgpFilter = Readonly<Record<FilterDirection, readonly FilterRule[]>>;

/** What rules look at. */
export interface FilterSubject {
  readonly prefix: PrefixBits;
  readonly attributes: PathAttributes;
  /** Told by a peer, not our own. */
  readonly learned: boolean;
  /** Kernel metric (see `metricOfLocalPref`). */
  readonly metric: number;
}

/** The outcome of a policy. */
export interface Verdict<Rule extends string = string> {
  readonly accept: boolean;
  /** Which rule decided, for people. */
  readonly rule: Rule;
  readonly edit: RouteEdit;
}

/** The filters of a peer in one direction; undefined if no rule matches. */
export type FilterChain = (subject: FilterSubject) => Verdict | undefined;

type Condition = (subject: FilterSubject) => boolean;

/** A filter as a peer names it; `rules` is absent if there is none of the name. */
export interface NamedFilter {
  readonly name: string;
  readonly rules: BgpFilter | undefined;
}

/**
 * Compiles what a peer's filters do in one direction; undefined if they do nothing. `external`: the session is eBGP.
 */
export function compileFilters(
  filters: readonly NamedFilter[],
  direction: FilterDirection,
  external: boolean,
): FilterChain | undefined {
  if (filters.length === 0) return undefined;
  const byFamily: Readonly<Record<Family, FilterChain[]>> = { 4: [], 6: [] };
  for (const { name, rules } of filters) {
    if (rules === undefined) {
      const missing: Verdict = { accept: false, rule: `filter ${name} does not exist`, edit: UNCHANGED };
      for (const chain of Object.values(byFamily)) chain.push(() => missing);
      continue;
    }
    for (const [index, rule] of rules[direction].entries()) {
      if (rule.peerType !== undefined && (rule.peerType === 'eBGP') !== external) continue;
      const verdict: Verdict = {
        accept: rule.action === 'accept',
        rule: `filter ${name} ${direction} rule ${index + 1}`,
        edit: rule.edit ?? UNCHANGED,
      };
      const conditions = conditionsOf(rule);
      byFamily[rule.family].push((subject) => {
        for (const holds of conditions) if (!holds(subject)) return undefined;
        return verdict;
      });
    }
  }
  // Filters may be about the other direction only.
  if (Object.values(byFamily).every(({ length }) => length === 0)) return undefined;
  return (subject) => {
    for (const rule of byFamily[subject.prefix.family]) {
      const verdict = rule(subject);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };
}

function conditionsOf(rule: FilterRule): readonly Condition[] {
  const conditions: Condition[] = [];
  const { cidr, community, asPathPrefix, metric } = rule;
  if (cidr !== undefined) conditions.push(matchesCidr(cidr));
  if (rule.learned === true) conditions.push(({ learned }) => learned);
  if (community !== undefined) conditions.push(hasCommunity(community));
  if (asPathPrefix !== undefined) conditions.push(({ attributes }) => beginsWith(attributes, asPathPrefix));
  if (metric !== undefined) conditions.push((subject) => subject.metric === metric);
  return conditions;
}

function matchesCidr({ prefix: cidr, operator, lengths }: CidrMatch): Condition {
  const wanted = operator === 'Equal' || operator === 'In';
  const network = prefixBits(cidr);
  if (lengths !== undefined) {
    const { min, max } = lengths;
    return ({ prefix }) => {
      const { length } = prefix;
      return (length >= min && length <= max && prefixBitsContain(network, prefix)) === wanted;
    };
  }
  if (operator === 'In' || operator === 'NotIn') {
    return ({ prefix }) => prefixBitsContain(network, prefix) === wanted;
  }
  return ({ prefix }) => samePrefixBits(network, prefix) === wanted;
}

function hasCommunity(community: Community): Condition {
  if (typeof community === 'number') {
    return ({ attributes }) => attributes.communities?.includes(community) === true;
  }
  return ({ attributes }) =>
    attributes.largeCommunities?.some((value) => sameLarge(value, community)) === true;
}

/** An AS_SET has no order: it stands for no single AS of a prefix. */
function beginsWith({ asPath }: PathAttributes, wanted: readonly number[]): boolean {
  let position = 0;
  for (const { type, asNumbers } of asPath) {
    if (position === wanted.length) break;
    // What members of our confederation have added is no part of the path outside (RFC 5065 §4).
    if (type === 'confederation-sequence' || type === 'confederation-set') continue;
    if (type !== 'sequence') return false;
    for (const asNumber of asNumbers) {
      if (position === wanted.length) break;
      if (asNumber !== wanted[position++]) return false;
    }
  }
  return position === wanted.length;
}
