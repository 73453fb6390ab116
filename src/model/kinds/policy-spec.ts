/** What NetworkPolicy and GlobalNetworkPolicy share. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { isDnsLabel } from '../names.ts';
import type { ObjectMeta } from '../resource.ts';
import { type Rule, checkDirection, rule } from '../rule.ts';
import { once, type Finding } from './definition.ts';

export type PolicyType = 'Ingress' | 'Egress';

const policyTypes = once(() =>
  z
    .array(z.enum(['Ingress', 'Egress']))
    .superRefine((types, context) => {
      for (const [index, type] of types.entries()) {
        if (types.indexOf(type) < index) field.fault(context, 'duplicate policy type', {}, [index]);
      }
    })
    .describe('The directions in which the policy applies; by default those that have rules, else Ingress.'),
);

const maximumRules = 1024;

/** The tier that policies belong to when they name none. */
export const defaultTierName = 'default';

/** Calico's client labels every policy with its tier. */
const tierLabel = 'projectcalico.org/tier';

/** Fields of both kinds. */
export const policyFields = () => ({
  tier: z.string().default(defaultTierName).describe('The tier that the policy belongs to; it must exist.'),
  order: z
    .number()
    .exactOptional()
    .describe('Place within the tier, lowest first; without one the policy comes last. Ties go by name.'),
  ingress: z
    .array(rule())
    .max(maximumRules)
    .exactOptional()
    .describe('Rules for traffic to the endpoints, in order.'),
  egress: z
    .array(rule())
    .max(maximumRules)
    .exactOptional()
    .describe('Rules for traffic from the endpoints, in order.'),
  selector: field.selector().exactOptional().describe('Endpoints by label; empty selects all.'),
  types: policyTypes().exactOptional(),
  serviceAccountSelector: field
    .selector()
    .exactOptional()
    .describe('Narrows the policy to pods whose service account has these labels.'),
  performanceHints: z
    .array(z.enum(['AssumeNeededOnEveryNode']))
    .max(1)
    .exactOptional()
    .describe('Hints to the calculation; they never change what is enforced.'),
});

/** What both kinds, and policies converted from Kubernetes, have in common. */
export interface PolicySpec {
  readonly tier: string;
  readonly order?: number;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
  readonly selector?: string;
  readonly types: readonly PolicyType[];
  readonly serviceAccountSelector?: string;
  readonly performanceHints?: readonly 'AssumeNeededOnEveryNode'[];
}

/** Fills in `types` as Calico does: the directions that have rules, else Ingress alone. */
export function withPolicyTypes<
  Spec extends {
    readonly types?: readonly PolicyType[];
    readonly ingress?: readonly unknown[];
    readonly egress?: readonly unknown[];
  },
>(spec: Spec): Omit<Spec, 'types'> & { types: readonly PolicyType[] } {
  if (spec.types !== undefined && spec.types.length > 0) return { ...spec, types: spec.types };
  const egress = (spec.egress?.length ?? 0) > 0;
  const ingress = (spec.ingress?.length ?? 0) > 0 || !egress;
  return {
    ...spec,
    types: [...(ingress ? (['Ingress'] as const) : []), ...(egress ? (['Egress'] as const) : [])],
  };
}

/** Faults of rules that depend on their direction, and of the name of the tier. */
export function checkPolicyRules(
  spec: { readonly tier: string; readonly ingress?: readonly Rule[]; readonly egress?: readonly Rule[] },
  namespaced: boolean,
): Finding[] {
  const findings: Finding[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    for (const [index, policyRule] of (spec[direction] ?? []).entries()) {
      checkDirection(policyRule, direction, namespaced, (message, path) =>
        findings.push({ path: ['spec', direction, index, ...path], message }),
      );
    }
  }
  if (!isDnsLabel(spec.tier)) {
    findings.push({ path: ['spec', 'tier'], message: 'not a valid name of a tier' });
  }
  return findings;
}

/** Adds the label by which policies of a tier are listed. */
export function withTierLabel(metadata: ObjectMeta, spec: { readonly tier: string }): ObjectMeta {
  if (metadata.labels?.[tierLabel] === spec.tier) return metadata;
  return { ...metadata, labels: { ...metadata.labels, [tierLabel]: spec.tier } };
}
