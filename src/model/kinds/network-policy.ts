/** Calico's NetworkPolicy (projectcalico.org/v3). Kubernetes' kind of this name is in kubernetes-network-policy.ts. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';
import { policyFields, withPolicyTypes } from './policy-spec.ts';

export const networkPolicy = defineKind({
  kind: 'NetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'networkpolicies',
  aliases: ['np'],
  namespaced: true,
  description: 'Ordered rules for the endpoints of one namespace that a selector names.',
  spec: () => z.strictObject(policyFields()).transform(withPolicyTypes),
});

export type NetworkPolicy = ResourceOf<typeof networkPolicy>;
