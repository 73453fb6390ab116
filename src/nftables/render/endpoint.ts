/** Workload endpoints and the tiers that apply to them as chains. */
import type { Direction, EndpointTier, LocalEndpoint } from '../../calc/output.ts';
import { commentText, objectName, shortHash } from '../names.ts';
import type { ChainValue, Element, MaskedMark, Rule, Statement } from '../ruleset.ts';
import type { Footprint } from './footprint.ts';
import type { RenderOptions } from './options.ts';
import { policyChainName } from './policy.ts';
import { connectionLimitRules } from './qos.ts';
import { INTERFACE_FIELDS, PROFILE_VERDICT_SETS, groupSet, reference } from './set-names.ts';
import {
  DISPATCH_LIMITS,
  type DispatchLimits,
  type DispatchedPolicy,
  type DispatchedTier,
  type PortDispatch,
  dispatchByPort,
} from './port-dispatch.ts';

/** What an endpoint's profiles come to, if that is the same for every packet. */
export type ProfileVerdict = Omit<Element, 'key'>;

const ENDPOINT_PREFIXES: Readonly<Record<Direction, string>> = { egress: 'fw-', ingress: 'tw-' };
const TIER_PREFIXES: Readonly<Record<Direction, string>> = { egress: 'te-', ingress: 'ti-' };

/** `fw-cali1`: from the workload; `tw-cali1`: to it. */
export function endpointChainName(direction: Direction, interfaceName: string): string {
  return objectName(ENDPOINT_PREFIXES[direction], interfaceName);
}

/** The calculation gives endpoints with the same policies the same values; hashing a long list takes its time. */
const tierChainNames: Readonly<Record<Direction, WeakMap<EndpointTier, string>>> = {
  egress: new WeakMap(),
  ingress: new WeakMap(),
};

/** Equal policies in equal order with an equal end are one chain, whoever they apply to. */
export function tierChainName(direction: Direction, tier: EndpointTier): string {
  let name = tierChainNames[direction].get(tier);
  if (name === undefined) {
    name = nameTierChain(direction, tier);
    tierChainNames[direction].set(tier, name);
  }
  return name;
}

function nameTierChain(direction: Direction, tier: EndpointTier): string {
  const staged = tier.staged?.[direction] ?? [];
  const content = [tier.name, tier.defaultAction, ...tier[direction], ...(staged.length > 0 ? [staged] : [])];
  const hash = shortHash(JSON.stringify(content));
  return objectName(TIER_PREFIXES[direction], `${tier.name}-${hash}`);
}

/** The id, as rules have, of what happens when no policy of a tier decides. */
function endOfTierId(tier: string, direction: Direction): string {
  return `${tier}/${direction}/end-of-tier`;
}

function jump(target: string): Rule {
  return { expr: [{ jump: { target } }] };
}

function countedDrop(comment: string): Rule {
  return { comment: commentText(comment), expr: [{ counter: null }, { drop: null }] };
}

/** A tier as chains: its own first. */
export interface RenderedTier extends DispatchedTier {
  /** Of a tier that is no plain list: takes changes of its policies. */
  readonly dispatch?: PortDispatch;
}

/** What a tier must know of a policy. */
export interface PolicyInTier {
  /** Whether it has a Pass rule. */
  readonly passes: boolean;
  readonly footprint: Footprint;
}

/** A tier: its policies in order, by destination port where that saves asking many, then its default action. */
export function renderTier(
  direction: Direction,
  tier: EndpointTier,
  known: (policyId: string) => PolicyInTier,
  options: RenderOptions,
  limits: DispatchLimits = DISPATCH_LIMITS,
): RenderedTier {
  const comment = commentText(`tier ${tier.name}, ${direction}`);
  const plain = { name: tierChainName(direction, tier), comment };
  const policies = policiesInOrder(direction, tier).map((id) =>
    dispatchedPolicy(direction, id, known(id), options),
  );
  const ends = tier[direction].length > 0 && tier.defaultAction === 'deny';
  const end = ends ? [countedDrop(endOfTierId(tier.name, direction))] : [];
  const dispatch = dispatchByPort(plain, policies, end, limits);
  if (dispatch !== undefined) return { ...dispatch.render(), dispatch };
  const rules = policies.flatMap(({ chain, after }) => [jump(chain), ...after]);
  return { chains: [{ ...plain, rules: [...rules, ...end] }], portMaps: [], sets: [] };
}

export function dispatchedPolicy(
  direction: Direction,
  id: string,
  { passes, footprint }: PolicyInTier,
  options: RenderOptions,
): DispatchedPolicy {
  const after = passes ? [leaveIfPassed(options.passMark)] : [];
  return { id, chain: policyChainName('policy', direction, id), footprint, after };
}

/** The policies of a tier in the order in which they are asked, each staged one at its place. */
export function policiesInOrder(direction: Direction, tier: EndpointTier): string[] {
  const enforced = tier[direction];
  const places = tier.staged?.[direction] ?? [];
  if (places.length === 0) return [...enforced];
  const staged = (position: number): string[] =>
    places.filter((place) => place.position === position).map(({ policy }) => policy);
  return [...enforced.flatMap((id, index) => [...staged(index), id]), ...staged(enforced.length)];
}

/** A policy passed the packet to the next tier: take the mark off again and leave. */
function leaveIfPassed(bit: number): Rule {
  const mark = { meta: { key: 'mark' } } as const;
  const marked: MaskedMark = { '&': [mark, bit] };
  const cleared: MaskedMark = { '&': [mark, ~bit >>> 0] };
  const expr: Statement[] = [
    { match: { op: '==', left: marked, right: bit } },
    { mangle: { key: mark, value: cleared } },
    { return: null },
  ];
  return { expr };
}

/** The tiers that have policies in the direction, then the profiles, then drop. */
export function renderEndpoint(direction: Direction, endpoint: LocalEndpoint): ChainValue {
  const tiers = tiersIn(direction, endpoint).map((tier) => jump(tierChainName(direction, tier)));
  const profiles = endpoint.profiles.map((id) => jump(policyChainName('profile', direction, id)));
  return {
    name: endpointChainName(direction, endpoint.interfaceName),
    comment: commentText(`${endpoint.workload}, ${direction}`),
    rules: [
      ...connectionLimitRules(direction, endpoint),
      ...tiers,
      ...profiles,
      countedDrop(noProfileId(direction, endpoint)),
    ],
  };
}

/** What a group of endpoints shares: the tiers; then each has its profiles' verdict in a map. */
export function renderGroup(direction: Direction, name: string, tiers: readonly EndpointTier[]): ChainValue {
  const key = INTERFACE_FIELDS[direction];
  const verdict: Rule = { expr: [{ vmap: { key, data: reference(PROFILE_VERDICT_SETS[direction]) } }] };
  return {
    name,
    comment: groupSet(direction, name, tiers).comment!,
    rules: [
      ...tiers.map((tier) => jump(tierChainName(direction, tier))),
      verdict,
      countedDrop('workload interface without profiles'),
    ],
  };
}

/**
 * What profiles, as nft rules, come to if it is the same for every packet. A workload without any that decides is
 * closed. Undefined also for an endpoint that has more to itself than profiles.
 */
export function profileVerdict(
  direction: Direction,
  endpoint: LocalEndpoint,
  rulesOf: (profileId: string) => readonly Rule[],
): ProfileVerdict | undefined {
  if (connectionLimitRules(direction, endpoint).length > 0) return undefined;
  const first = endpoint.profiles.flatMap((id) => rulesOf(id).slice(0, 1))[0];
  if (first === undefined) {
    return { verdict: { drop: null }, comment: commentText(noProfileId(direction, endpoint)) };
  }
  const [counter, verdict, more] = first.expr;
  if (counter === undefined || !('counter' in counter) || more !== undefined || first.comment === undefined) {
    return undefined;
  }
  if (verdict === undefined || !('accept' in verdict || 'drop' in verdict)) return undefined;
  return { verdict, comment: first.comment };
}

/** The id, as rules have, of what happens when no profile decides. */
function noProfileId(direction: Direction, { key }: LocalEndpoint): string {
  return `${key}/${direction}/no-profile-match`;
}

export function tiersIn(direction: Direction, endpoint: LocalEndpoint): EndpointTier[] {
  return endpoint.tiers.filter((tier) => policiesIn(direction, tier).length > 0);
}

/** Every policy of a tier in one direction, staged ones too. */
export function policiesIn(direction: Direction, tier: EndpointTier): string[] {
  return [...tier[direction], ...(tier.staged?.[direction] ?? []).map(({ policy }) => policy)];
}
