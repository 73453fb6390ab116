/** BGPFilters as a speaker needs them: every condition in numbers, both families in one list. */
import type { Family } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';

/** RFC 8092. */
export interface LargeCommunityPlan {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}

/** Communities to add: standard ones as `asn << 16 | value` (RFC 1997), and large ones. */
export interface CommunitySet {
  readonly communities: readonly number[];
  readonly largeCommunities: readonly LargeCommunityPlan[];
}

/** One rule. All conditions that are there must hold. */
export interface FilterRulePlan {
  readonly action: 'accept' | 'reject';
  readonly family: Family;
  /** With `lengths` it stands for all prefixes within `prefix` of these lengths, bounds included. */
  readonly cidr?: {
    readonly prefix: Prefix;
    readonly operator: 'Equal' | 'NotEqual' | 'In' | 'NotIn';
    readonly lengths?: { readonly min: number; readonly max: number };
  };
  /** Only what was learned from a BGP peer. */
  readonly learned?: true;
  readonly peerType?: 'eBGP' | 'iBGP';
  readonly community?: number | LargeCommunityPlan;
  readonly asPathPrefix?: readonly number[];
  /** Kernel metric that the route stands for. */
  readonly metric?: number;
  /** What is done to a route that the rule accepts. */
  readonly edit?: CommunitySet & { readonly prepend: readonly number[]; readonly localPref?: number };
}

/** The rules of a BGPFilter in order. */
export interface FilterPlan {
  readonly import: readonly FilterRulePlan[];
  readonly export: readonly FilterRulePlan[];
}

/** Reads `A:B` or `A:B:C`, which the model has validated. */
export function parseCommunity(text: string): number | LargeCommunityPlan {
  const [first = 0, second = 0, third] = text.split(':').map(Number);
  if (third === undefined) return ((first << 16) | second) >>> 0;
  return { global: first, local1: second, local2: third };
}

/** The two kinds of communities apart. */
export function communitySet(texts: readonly string[]): CommunitySet {
  const values = texts.map(parseCommunity);
  return {
    communities: values.filter((value) => typeof value === 'number'),
    largeCommunities: values.filter((value) => typeof value !== 'number'),
  };
}
