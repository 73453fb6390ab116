/** The policies of an endpoint, tier by tier, then its profiles. */
import type { Rule } from '../../src/model/rule.ts';
import { KubernetesRules } from './kubernetes.ts';
import type { Direction, OraclePacket, Outcome } from './packet.ts';
import { type Policy, byOrder, isKubernetes, tierOf, typesOf } from './policies.ts';
import { CalicoRules } from './rules.ts';
import type { Host, Workload, World } from './world.ts';

/**
 * Where policy is asked: `workload` and `normal` end with profiles, `forward` with its tiers; before connection tracking
 * and translation the end of a tier decides nothing.
 */
export type Stage = 'workload' | 'normal' | 'forward' | 'preDNAT' | 'untracked';

export class TierWalk {
  private readonly policies: readonly Policy[];
  private readonly kubernetes: KubernetesRules;
  private readonly calico: CalicoRules;

  constructor(private readonly world: World) {
    this.policies = [
      ...world.of('NetworkPolicy'),
      ...world.of('KubernetesNetworkPolicy'),
      ...world.of('KubernetesClusterNetworkPolicy'),
      ...world.of('GlobalNetworkPolicy'),
    ];
    this.kubernetes = new KubernetesRules(world);
    this.calico = new CalicoRules(world);
  }

  /** What an endpoint's policy says about a packet; `none` if it has nothing to say. */
  decide(endpoint: Workload | Host, stage: Stage, direction: Direction, packet: OraclePacket): Outcome {
    const type = direction === 'ingress' ? 'Ingress' : 'Egress';
    const applying = this.policies.filter(
      (policy) =>
        isOfStage(policy, stage) && this.appliesTo(policy, endpoint) && typesOf(policy).includes(type),
    );
    const place = (name: string): number => this.tier(name)?.order ?? -1;
    const inOrder = (a: string, b: string): number => place(a) - place(b) || (a < b ? -1 : 1);
    for (const name of [...new Set(applying.map(tierOf))].toSorted(inOrder)) {
      const tier = this.tier(name);
      if (tier === undefined) return 'deny';
      const policies = applying.filter((policy) => tierOf(policy) === name).toSorted(byOrder);
      const outcome = this.throughTier(policies, direction, packet);
      if (outcome === 'allow' || outcome === 'deny') return outcome;
      const ends = stage !== 'preDNAT' && stage !== 'untracked' && tier.defaultAction !== 'Pass';
      if (outcome === 'none' && ends) return 'deny';
    }
    for (const name of stage === 'workload' || stage === 'normal' ? (endpoint.spec.profiles ?? []) : []) {
      const rules = this.profileRules(name, direction);
      if (rules === undefined) return 'deny';
      const outcome = this.calico.decide(rules, undefined, packet);
      if (outcome === 'allow' || outcome === 'deny') return outcome;
    }
    return 'none';
  }

  private throughTier(policies: readonly Policy[], direction: Direction, packet: OraclePacket): Outcome {
    for (const policy of policies) {
      const outcome = isKubernetes(policy)
        ? this.kubernetes.decide(policy, direction, packet)
        : this.calico.decide(policy.spec[direction] ?? [], policy.metadata.namespace, packet);
      if (outcome !== 'none') return outcome;
    }
    return 'none';
  }

  private tier(name: string): { readonly order: number; readonly defaultAction: string } | undefined {
    const tier = this.world.of('Tier').find(({ metadata }) => metadata.name === name);
    if (tier !== undefined) return tier.spec;
    if (name === 'default') return { order: 1_000_000, defaultAction: 'Deny' };
    if (name === 'kube-admin') return { order: 1_000, defaultAction: 'Pass' };
    return name === 'kube-baseline' ? { order: 10_000_000, defaultAction: 'Pass' } : undefined;
  }

  private appliesTo(policy: Policy, endpoint: Workload | Host): boolean {
    const { world } = this;
    const home = endpoint.metadata.namespace;
    const { namespace } = policy.metadata;
    if (namespace !== undefined && home !== namespace) return false;
    if (isKubernetes(policy)) {
      const subject = policy.kind === 'KubernetesNetworkPolicy' ? policy.spec : policy.spec.subject;
      return endpoint.kind === 'WorkloadEndpoint' && this.kubernetes.isPod(subject, namespace, endpoint);
    }
    const { selector, serviceAccountSelector } = policy.spec;
    const namespaces = policy.kind === 'GlobalNetworkPolicy' ? policy.spec.namespaceSelector : undefined;
    return (
      world.selects(selector, endpoint) &&
      world.selects(namespaces, endpoint, 'pcns.', home !== undefined) &&
      world.selects(serviceAccountSelector, endpoint, 'pcsa.')
    );
  }

  private profileRules(name: string, direction: Direction): readonly Rule[] | undefined {
    const written = this.world.of('Profile').find(({ metadata }) => metadata.name === name);
    if (written !== undefined) return written.spec[direction] ?? [];
    const open = name === 'projectcalico-default-allow' || this.world.namespaceOf(name) !== undefined;
    return open ? [{ action: 'Allow' }] : undefined;
  }
}

function isOfStage(policy: Policy, stage: Stage): boolean {
  if (policy.kind !== 'GlobalNetworkPolicy') return stage === 'workload';
  const { doNotTrack, preDNAT, applyOnForward } = policy.spec;
  if (stage === 'untracked') return doNotTrack === true;
  if (stage === 'preDNAT') return preDNAT === true;
  return doNotTrack !== true && preDNAT !== true && (stage !== 'forward' || applyOnForward === true);
}
