/** Which tier a policy is of, which directions it isolates, and its place among others. */
import type { KubernetesPolicy } from './kubernetes.ts';
import type { Of } from './world.ts';

export type Policy = Of<'NetworkPolicy'> | Of<'GlobalNetworkPolicy'> | KubernetesPolicy;

export const isKubernetes = (policy: Policy): policy is KubernetesPolicy =>
  policy.kind === 'KubernetesNetworkPolicy' || policy.kind === 'KubernetesClusterNetworkPolicy';

export function tierOf({ kind, spec }: Policy): string {
  if (kind === 'KubernetesClusterNetworkPolicy') return `kube-${spec.tier.toLowerCase()}`;
  return kind === 'KubernetesNetworkPolicy' ? 'default' : spec.tier;
}

export function typesOf({ kind, spec }: Policy): readonly string[] {
  if (kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy') return spec.types;
  if (kind === 'KubernetesNetworkPolicy' && (spec.policyTypes ?? []).length > 0) return spec.policyTypes!;
  const isIngress = kind === 'KubernetesNetworkPolicy' || (spec.ingress ?? []).length > 0;
  return [...(isIngress ? ['Ingress'] : []), ...((spec.egress ?? []).length > 0 ? ['Egress'] : [])];
}

export function byOrder(a: Policy, b: Policy): number {
  const order = ({ kind, spec }: Policy): number => {
    if (kind === 'KubernetesClusterNetworkPolicy') return spec.priority;
    return kind === 'KubernetesNetworkPolicy' ? 1000 : (spec.order ?? Infinity);
  };
  const tie = ({ kind, metadata }: Policy): string => `${metadata.name}/${metadata.namespace ?? ''}/${kind}`;
  return order(a) - order(b) || (tie(a) < tie(b) ? -1 : 1);
}
