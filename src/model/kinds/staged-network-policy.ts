/** StagedNetworkPolicy (projectcalico.org/v3). */
import * as z from 'zod';
import { isNetworkPolicyName } from '../names.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { checkPolicyRules, policyFields, withTierLabel } from './policy-spec.ts';
import { checkDeletion, stagedAction, withStagedTypes } from './staged-policy.ts';

const keptByDeletion = new Set(['tier']);

export const stagedNetworkPolicy = defineKind({
  kind: 'StagedNetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'stagednetworkpolicies',
  aliases: ['snp'],
  namespaced: true,
  description: 'A NetworkPolicy to be looked at before it is enforced.',
  spec: () => z.strictObject({ stagedAction: stagedAction(), ...policyFields() }).transform(withStagedTypes),
  status: () => z.looseObject({}),
  names: {
    valid: isNetworkPolicyName,
    allowed: 'NAME or TIER.NAME, of lower-case letters, digits and "-", or knp.default.NAME',
  },
  check: ({ spec }) => [...checkDeletion(spec, keptByDeletion), ...checkPolicyRules(spec, true)],
  completeMetadata: withTierLabel,
});

export type StagedNetworkPolicy = ResourceOf<typeof stagedNetworkPolicy>;
