/** What NetworkPolicy and GlobalNetworkPolicy share. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type PolicyType, policyTypes, rule } from '../rule.ts';

const maximumRules = 1024;

/** The tier that policies belong to when they name none. */
export const defaultTierName = 'default';

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
    .exactOptional()
    .describe('Hints to the calculation; they never change what is enforced.'),
});

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
