/** GlobalNetworkPolicy (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import { isGlobalNetworkPolicyName } from '../names.ts';
import { policyOptions } from '../policy-options.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { checkPolicyRules, policyFields, withPolicyTypes, withTierLabel } from './policy-spec.ts';

/** Fields of policies that are not in a namespace. */
export const globalPolicyFields = () => ({
  ...policyFields(),
  namespaceSelector: field
    .selector()
    .exactOptional()
    .describe('Narrows the policy to endpoints of namespaces with these labels.'),
  doNotTrack: z
    .boolean()
    .exactOptional()
    .describe('Apply before connection tracking, and do not track what is allowed (host endpoints).'),
  preDNAT: z.boolean().exactOptional().describe('Apply before destination NAT (host endpoints, ingress).'),
  applyOnForward: z
    .boolean()
    .exactOptional()
    .describe('Apply also to traffic that a host endpoint forwards.'),
});

export const globalNetworkPolicy = defineKind({
  kind: 'GlobalNetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'globalnetworkpolicies',
  aliases: ['gnp'],
  namespaced: false,
  description: 'Ordered rules for the endpoints of all namespaces, and of hosts, that a selector names.',
  options: policyOptions,
  spec: () => field.across(z.strictObject(globalPolicyFields()), checkStages).transform(withPolicyTypes),
  names: {
    valid: isGlobalNetworkPolicyName,
    allowed: 'NAME or TIER.NAME, of lower-case letters, digits and "-"',
  },
  check: ({ spec }) => checkPolicyRules(spec, false),
  completeMetadata: withTierLabel,
});

export type GlobalNetworkPolicy = ResourceOf<typeof globalNetworkPolicy>;

interface Stages {
  readonly doNotTrack?: boolean;
  readonly preDNAT?: boolean;
  readonly applyOnForward?: boolean;
  readonly types?: readonly string[];
  readonly egress?: readonly unknown[];
}

/** Which stages of a packet's way exclude or need each other. */
export function checkStages(spec: Stages, context: z.RefinementCtx): void {
  if (spec.doNotTrack === true && spec.preDNAT === true) {
    field.fault(context, 'doNotTrack and preDNAT exclude each other', {}, ['preDNAT']);
  }
  for (const stage of ['doNotTrack', 'preDNAT'] as const) {
    if (spec[stage] === true && spec.applyOnForward !== true) {
      field.fault(context, `${stage} needs applyOnForward: true`, {}, [stage]);
    }
  }
  if (spec.preDNAT !== true) return;
  if ((spec.egress?.length ?? 0) > 0)
    field.fault(context, 'preDNAT policies have no egress rules', {}, ['egress']);
  const egress = spec.types?.indexOf('Egress') ?? -1;
  if (egress >= 0) field.fault(context, 'preDNAT policies have no type Egress', {}, ['types', egress]);
}
