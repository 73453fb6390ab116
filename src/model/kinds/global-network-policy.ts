/** GlobalNetworkPolicy (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { policyFields, withPolicyTypes } from './policy-spec.ts';

export const globalNetworkPolicy = defineKind({
  kind: 'GlobalNetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'globalnetworkpolicies',
  aliases: ['gnp'],
  namespaced: false,
  description: 'Ordered rules for the endpoints of all namespaces, and of hosts, that a selector names.',
  spec: () =>
    z
      .strictObject({
        ...policyFields(),
        namespaceSelector: field
          .selector()
          .exactOptional()
          .describe('Narrows the policy to endpoints of namespaces with these labels.'),
        doNotTrack: z
          .boolean()
          .exactOptional()
          .describe('Apply before connection tracking, and do not track what is allowed (host endpoints).'),
        preDNAT: z
          .boolean()
          .exactOptional()
          .describe('Apply before destination NAT (host endpoints, ingress).'),
        applyOnForward: z
          .boolean()
          .exactOptional()
          .describe('Apply also to traffic that a host endpoint forwards.'),
      })
      .transform(withPolicyTypes),
});

export type GlobalNetworkPolicy = ResourceOf<typeof globalNetworkPolicy>;
