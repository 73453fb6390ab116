/** How often rules with each match field hit and missed: what a run of fuzzing has looked at. */
import type { EndpointWalk } from '../../src/explain/evaluate.ts';
import type { Document } from './policy-world.ts';

interface Count {
  hits: number;
  misses: number;
}

export class FieldCounts {
  private readonly counts = new Map<string, Count>();

  /** Takes in the walks of one packet in a world. */
  add(documents: readonly Document[], walks: readonly EndpointWalk[]): void {
    for (const { tiers, profiles, stage, direction, verdict, decidedBy } of walks) {
      if (stage !== undefined) this.count(`${stage} ${direction}: ${verdict}`, decidedBy.length > 0);
      if (decidedBy[0]?.startsWith('failsafe') === true) this.count(decidedBy[0], true);
      for (const { ended, defaultAction } of tiers) {
        if (ended) this.count(`end of tier: ${defaultAction}`, true);
      }
      for (const { rules, id, failClosed } of [...tiers.flatMap((tier) => tier.policies), ...profiles]) {
        if (failClosed !== undefined) this.count('fails closed', true);
        for (const rule of rules) {
          const hit = rule.outcome === 'hit';
          this.count(`action ${rule.action}`, hit);
          for (const field of fieldsOf(documents, id, rule.id)) this.count(field, hit);
        }
      }
    }
  }

  /** Fields with hits and misses, by name. */
  entries(): [field: string, count: Readonly<Count>][] {
    return [...this.counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  private count(field: string, hit: boolean): void {
    const count = this.counts.get(field) ?? { hits: 0, misses: 0 };
    this.counts.set(field, count);
    if (hit) count.hits++;
    else count.misses++;
  }
}

/** The match fields of the rule as it is written; those of Kubernetes' policies by their kind alone. */
function fieldsOf(documents: readonly Document[], policyId: string, ruleId: string): string[] {
  const [, kind, namespace, ...name] = policyId.split('/');
  if (kind === 'KubernetesNetworkPolicy') return ['a rule of Kubernetes'];
  if (kind === 'KubernetesClusterNetworkPolicy') return ['a rule of ClusterNetworkPolicy'];
  const document = documents.find(
    (one) =>
      one.kind === kind &&
      (one.metadata.namespace ?? '') === namespace &&
      one.metadata.name === name.join('/'),
  );
  const [direction, index] = ruleId.split('/').slice(-2);
  const rules = document?.spec[direction!] as Record<string, unknown>[] | undefined;
  const rule = rules?.[Number(index)];
  if (rule === undefined) return [];
  return Object.entries(rule).flatMap(([field, value]) => {
    if (field === 'action') return [];
    if (field === 'icmp' || field === 'notICMP')
      return [`${field} ${Object.keys(value as object).join(' and ')}`];
    if (field !== 'source' && field !== 'destination') return [field];
    return Object.entries(value as Record<string, unknown>).flatMap(([name2, content]) => {
      if (name2 === 'serviceAccounts')
        return Object.keys(content as object).map((part) => `${field}.${name2}.${part}`);
      if (name2 !== 'ports' && name2 !== 'notPorts') return [`${field}.${name2}`];
      const kinds = (content as unknown[]).map((port) =>
        /^[0-9]+$/.test(String(port)) ? 'number' : /^[0-9]+:/.test(String(port)) ? 'range' : 'name',
      );
      return [...new Set(kinds)].map((portKind) => `${field}.${name2} (${portKind})`);
    });
  });
}
