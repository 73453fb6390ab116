/** StagedKubernetesNetworkPolicy (projectcalico.org/v3). */
import * as z from 'zod';
import { convertNetworkPolicy } from '../convert/network-policy.ts';
import { type ResourceOf, defineKind } from './definition.ts';
import { duplicates } from './duplicates.ts';
import { networkPolicyFields } from './kubernetes-network-policy.ts';
import { checkDeletion, stagedAction } from './staged-policy.ts';

const keptByDeletion = new Set<string>();

export const stagedKubernetesNetworkPolicy = defineKind({
  kind: 'StagedKubernetesNetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  plural: 'stagedkubernetesnetworkpolicies',
  aliases: ['sknp'],
  namespaced: true,
  description: "Kubernetes' own network policy, to be looked at before it is enforced.",
  spec: () => z.strictObject({ stagedAction: stagedAction(), ...networkPolicyFields() }),
  status: () => z.looseObject({}),
  check: ({ spec }) => checkDeletion(spec, keptByDeletion),
  checkEntry: (policy) => [
    ...convertNetworkPolicy(policy).faults,
    ...duplicates(['spec', 'policyTypes'], policy.spec.policyTypes),
  ],
});

export type StagedKubernetesNetworkPolicy = ResourceOf<typeof stagedKubernetesNetworkPolicy>;
