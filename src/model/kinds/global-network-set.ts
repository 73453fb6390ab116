/** GlobalNetworkSet (projectcalico.org/v3). */
import { type ResourceOf, defineKind } from './definition.ts';
import { checkNetworkSet, networkSetSpec } from './network-set.ts';

export const globalNetworkSet = defineKind({
  kind: 'GlobalNetworkSet',
  apiVersion: 'projectcalico.org/v3',
  plural: 'globalnetworksets',
  aliases: ['gns'],
  namespaced: false,
  description: 'Addresses outside the cluster, with labels, seen from everywhere.',
  spec: networkSetSpec,
  check: checkNetworkSet,
});

export type GlobalNetworkSet = ResourceOf<typeof globalNetworkSet>;
