/** BGPFilters as a speaker needs them: every condition in numbers, both families in one list. */
import { type Family, addressBits } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import { netPrefix } from '../../model/fields.ts';
import type { BGPFilter, BGPFilterRule } from '../../model/kinds/bgp-filter.ts';

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

type Spec = BGPFilter['spec'];
type Edit = NonNullable<FilterRulePlan['edit']>;

const largestMetric = 2_147_483_647;

/** A BGPFilter as numbers. Rules for an interface are left out: see {@link unsupportedFilterFields}. */
export function filterPlan({ importV4 = [], importV6 = [], exportV4 = [], exportV6 = [] }: Spec): FilterPlan {
  const plans = (ipv4: readonly BGPFilterRule[], ipv6: readonly BGPFilterRule[]): FilterRulePlan[] =>
    [
      ...ipv4.map((rule) => ({ family: 4 as const, rule })),
      ...ipv6.map((rule) => ({ family: 6 as const, rule })),
    ]
      .filter(({ rule }) => rule.interface === undefined)
      .map(({ family, rule }) => rulePlan(family, rule));
  return { import: plans(importV4, importV6), export: plans(exportV4, exportV6) };
}

/**
 * What of a BGPFilter is not acted on; undefined if there is nothing of the kind. Calico's interface conditions are
 * about routes that BIRD took from the kernel, which are no part of BGP here.
 */
export function unsupportedFilterFields(spec: Spec): string | undefined {
  const lists = ['exportV4', 'exportV6', 'importV4', 'importV6'] as const;
  const rules = lists.flatMap((list) =>
    (spec[list] ?? []).flatMap((rule, index) => (rule.interface === undefined ? [] : [`${list}[${index}]`])),
  );
  if (rules.length === 0) return undefined;
  return `rules without effect, because no route in BGP has an interface: ${rules.join(', ')}`;
}

function rulePlan(family: Family, rule: BGPFilterRule): FilterRulePlan {
  const { cidr, matchOperator, prefixLength, communities, asPathPrefix = [], priority, operations } = rule;
  const community = communities?.values[0];
  return {
    action: rule.action === 'Accept' ? 'accept' : 'reject',
    family,
    ...(cidr === undefined || matchOperator === undefined
      ? {}
      : {
          cidr: {
            prefix: netPrefix(cidr),
            operator: matchOperator,
            ...(prefixLength === undefined
              ? {}
              : { lengths: { min: prefixLength.min ?? 0, max: prefixLength.max ?? addressBits(family) } }),
          },
        }),
    ...(rule.source === undefined ? {} : { learned: true as const }),
    ...(rule.peerType === undefined ? {} : { peerType: rule.peerType }),
    ...(community === undefined ? {} : { community: parseCommunity(community) }),
    ...(asPathPrefix.length === 0 ? {} : { asPathPrefix }),
    ...(priority === undefined ? {} : { metric: priority }),
    ...(operations === undefined ? {} : { edit: editOf(operations) }),
  };
}

/** All operations as one change: what is prepended later comes first in the path, and the last priority counts. */
function editOf(operations: NonNullable<BGPFilterRule['operations']>): Edit {
  let localPref: number | undefined;
  const communities: string[] = [];
  const prepend: number[] = [];
  for (const { addCommunity, prependASPath, setPriority } of operations) {
    if (addCommunity !== undefined) communities.push(addCommunity.value);
    if (prependASPath !== undefined) prepend.unshift(...prependASPath.prefix);
    if (setPriority !== undefined) localPref = largestMetric - setPriority.value;
  }
  return { ...communitySet(communities), prepend, ...(localPref === undefined ? {} : { localPref }) };
}

/** Reads `A:B` or `A:B:C`, which the model has validated. */
function parseCommunity(text: string): number | LargeCommunityPlan {
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
