/** Policies and profiles as chains: one for each direction. */
import type { ActivePolicy, CompiledRule, Direction } from '../../calc/output.ts';
import { commentText, objectName } from '../names.ts';
import type { ChainValue, MarkWithBits, Rule, SetValue, Statement } from '../ruleset.ts';
import type { RenderOptions } from './options.ts';
import { ANY_MEMBERS, type KnownSets, renderMatches } from './rule.ts';

const CHAIN_PREFIXES = {
  policy: { ingress: 'pi-', egress: 'po-' },
  profile: { ingress: 'pri-', egress: 'pro-' },
} as const;

export type PolicyRole = keyof typeof CHAIN_PREFIXES;

/** The chain of a policy or profile, by its id. */
export function policyChainName(role: PolicyRole, direction: Direction, id: string): string {
  return objectName(CHAIN_PREFIXES[role][direction], id);
}

export interface RenderedChain {
  readonly chain: ChainValue;
  /** Sets by content that it uses. */
  readonly sets: readonly SetValue[];
}

/** Whether the policy hands packets to the next tier. */
export function hasPass(policy: ActivePolicy | undefined, direction: Direction): boolean {
  return (
    policy !== undefined &&
    policy.staged === undefined &&
    policy.failClosed === undefined &&
    policy[direction].some((rule) => rule.action === 'pass')
  );
}

/** The chain of a policy in one direction, without rules of which a match is known to be vain. */
export function renderPolicy(
  policy: ActivePolicy,
  role: PolicyRole,
  direction: Direction,
  options: RenderOptions,
  known: KnownSets = ANY_MEMBERS,
): RenderedChain {
  const name = policyChainName(role, direction, policy.id);
  const comment = commentText(policy.id);
  if (policy.failClosed !== undefined) {
    if (policy.staged) return { chain: { name, comment, rules: [] }, sets: [] };
    return { chain: { name, comment, rules: [failClosedRule(policy.failClosed)] }, sets: [] };
  }
  const sets = new Map<string, SetValue>();
  const rules = policy[direction].flatMap((rule) => {
    const rendered = renderMatches(rule, rule.action === 'log', options.families, known);
    for (const set of rendered.sets) sets.set(set.name, set);
    const ending = [
      { counter: null },
      ...(policy.staged ? stagedStatements(rule) : actionStatements(rule, policy, role, options)),
    ] as const;
    return rendered.alternatives.map((matches): Rule => ({
      comment: commentText(rule.id),
      expr: [...matches.map((match): Statement => ({ match })), ...ending],
    }));
  });
  return { chain: { name, comment, rules }, sets: [...sets.values()] };
}

/** What stands for a policy that cannot be enforced as written. */
export function failClosedRule(reason: string): Rule {
  return { comment: commentText(`fail closed: ${reason}`), expr: [{ counter: null }, { drop: null }] };
}

/** Where a policy in force would decide, a staged one is left. */
function stagedStatements({ action }: CompiledRule): Statement[] {
  return action === 'log' ? [] : [{ return: null }];
}

function actionStatements(
  rule: CompiledRule,
  policy: ActivePolicy,
  role: PolicyRole,
  options: RenderOptions,
): Statement[] {
  switch (rule.action) {
    case 'allow':
      return [...beforeAccept(policy, options), { accept: null }];
    case 'deny':
      // Where stages before routing are, the kernel has no reject.
      return [
        policy.stage !== undefined || options.denyAction === 'drop'
          ? { drop: null }
          : { reject: { type: 'icmpx', expr: 'admin-prohibited' } },
      ];
    case 'pass': {
      // There is no tier to leave after the profiles: the next one decides.
      if (role === 'profile') return [{ return: null }];
      const value: MarkWithBits = { '|': [{ meta: { key: 'mark' } }, options.passMark] };
      return [{ mangle: { key: { meta: { key: 'mark' } }, value } }, { return: null }];
    }
    case 'log': {
      const limit: Statement[] = options.logLimit === undefined ? [] : [{ limit: options.logLimit }];
      return [...limit, { log: { prefix: logPrefix(options.logPrefix, policy), level: 'info' } }];
    }
    default:
      return rule.action satisfies never;
  }
}

/** Accepted before normal policy is accepted by it; and untracked it has to be said now. */
function beforeAccept({ stage }: ActivePolicy, { acceptMark }: RenderOptions): Statement[] {
  if (stage === undefined) return [];
  const mark = { meta: { key: 'mark' } } as const;
  return [
    { mangle: { key: mark, value: { '|': [mark, acceptMark] } } },
    ...(stage === 'untracked' ? [{ notrack: null }] : []),
  ];
}

/** Calico's short names of kinds, for %k. */
const SHORT_KINDS: ReadonlyMap<string, string> = new Map([
  ['NetworkPolicy', 'np'],
  ['GlobalNetworkPolicy', 'gnp'],
  ['KubernetesNetworkPolicy', 'knp'],
  ['KubernetesClusterNetworkPolicy', 'kcnp'],
  ['Profile', 'pro'],
]);
/** The kernel takes 127 characters. */
const LOG_PREFIX_LIMIT = 127;

function logPrefix(template: string, policy: ActivePolicy): string {
  const { namespace, name } = policy;
  const values: Readonly<Record<string, string>> = {
    t: policy.tier,
    k: SHORT_KINDS.get(policy.kind) ?? policy.kind,
    n: name,
    p: namespace === '' ? name : `${namespace}/${name}`,
  };
  const text = template.replace(/%([tknp])/g, (_, letter: string) => values[letter]!);
  return `${commentText(text).slice(0, LOG_PREFIX_LIMIT - 2)}: `;
}
