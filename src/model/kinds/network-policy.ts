/** Calico's NetworkPolicy (projectcalico.org/v3). Kubernetes' kind of this name is in kubernetes-network-policy.ts. */
import * as z from 'zod';
import { isNetworkPolicyName } from '../names.ts';
import { policyOptions } from '../policy-options.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { checkPolicyRules, policyFields, withPolicyTypes, withTierLabel } from './policy-spec.ts';

export const networkPolicy = defineKind({
  kind: 'NetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'networkpolicies',
  aliases: ['np'],
  namespaced: true,
  description: 'Ordered rules for the endpoints of one namespace that a selector names.',
  options: policyOptions,
  spec: () => z.strictObject(policyFields()).transform(withPolicyTypes),
  names: {
    valid: isNetworkPolicyName,
    allowed: 'NAME or TIER.NAME, of lower-case letters, digits and "-", or knp.default.NAME',
  },
  check: ({ spec }) => checkPolicyRules(spec, true),
  completeMetadata: withTierLabel,
});

export type NetworkPolicy = ResourceOf<typeof networkPolicy>;
