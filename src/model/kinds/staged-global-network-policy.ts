/** StagedGlobalNetworkPolicy (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import { isGlobalNetworkPolicyName } from '../names.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { checkStages, globalPolicyFields } from './global-network-policy.ts';
import { checkPolicyRules, withTierLabel } from './policy-spec.ts';
import { checkDeletion, stagedAction, withStagedTypes } from './staged-policy.ts';

const keptByDeletion = new Set(['tier']);

export const stagedGlobalNetworkPolicy = defineKind({
  kind: 'StagedGlobalNetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'stagedglobalnetworkpolicies',
  aliases: ['sgnp'],
  namespaced: false,
  description: 'A GlobalNetworkPolicy to be looked at before it is enforced.',
  spec: () =>
    field
      .across(z.strictObject({ stagedAction: stagedAction(), ...globalPolicyFields() }), checkStages)
      .transform(withStagedTypes),
  status: () => z.looseObject({}),
  names: {
    valid: isGlobalNetworkPolicyName,
    allowed: 'NAME or TIER.NAME, of lower-case letters, digits and "-"',
  },
  check: ({ spec }) => [...checkDeletion(spec, keptByDeletion), ...checkPolicyRules(spec, false)],
  completeMetadata: withTierLabel,
});

export type StagedGlobalNetworkPolicy = ResourceOf<typeof stagedGlobalNetworkPolicy>;
