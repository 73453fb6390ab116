/** Workload endpoints and the tiers that apply to them as chains. */
import type { Direction, EndpointTier, LocalEndpoint } from '../../calc/output.ts';
import { commentText, objectName, shortHash } from '../names.ts';
import type { ChainValue, MaskedMark, Rule, Statement } from '../ruleset.ts';
import type { RenderOptions } from './options.ts';
import { policyChainName } from './policy.ts';

const ENDPOINT_PREFIXES: Readonly<Record<Direction, string>> = { egress: 'fw-', ingress: 'tw-' };
const TIER_PREFIXES: Readonly<Record<Direction, string>> = { egress: 'te-', ingress: 'ti-' };

/** `fw-cali1`: from the workload; `tw-cali1`: to it. */
export function endpointChainName(direction: Direction, interfaceName: string): string {
  return objectName(ENDPOINT_PREFIXES[direction], interfaceName);
}

/** Equal policies in equal order with an equal end are one chain, whoever they apply to. */
export function tierChainName(direction: Direction, tier: EndpointTier): string {
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

/** A tier: its policies in order, then its default action. `passes` says which policies have a Pass rule. */
export function renderTier(
  direction: Direction,
  tier: EndpointTier,
  passes: (policyId: string) => boolean,
  options: RenderOptions,
): ChainValue {
  const staged = (position: number): Rule[] =>
    (tier.staged?.[direction] ?? [])
      .filter((place) => place.position === position)
      .map(({ policy }) => jump(policyChainName('policy', direction, policy)));
  const enforced = tier[direction];
  const rules = enforced.flatMap((id, index) => [
    ...staged(index),
    jump(policyChainName('policy', direction, id)),
    ...(passes(id) ? [leaveIfPassed(options.passMark)] : []),
  ]);
  rules.push(...staged(enforced.length));
  if (enforced.length > 0 && tier.defaultAction === 'deny')
    rules.push(countedDrop(endOfTierId(tier.name, direction)));
  return {
    name: tierChainName(direction, tier),
    comment: commentText(`tier ${tier.name}, ${direction}`),
    rules,
  };
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
    rules: [...tiers, ...profiles, countedDrop(`${endpoint.key}/${direction}/no-profile-match`)],
  };
}

export function tiersIn(direction: Direction, endpoint: LocalEndpoint): EndpointTier[] {
  return endpoint.tiers.filter((tier) => policiesIn(direction, tier).length > 0);
}

/** Every policy of a tier in one direction, staged ones too. */
export function policiesIn(direction: Direction, tier: EndpointTier): string[] {
  return [...tier[direction], ...(tier.staged?.[direction] ?? []).map(({ policy }) => policy)];
}
