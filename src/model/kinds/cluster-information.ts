/** ClusterInformation (projectcalico.org/v3): the object `default`. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

export const clusterInformation = defineKind({
  kind: 'ClusterInformation',
  apiVersion: 'projectcalico.org/v3',
  plural: 'clusterinformations',
  aliases: ['clusterinfo', 'clusterinfos'],
  namespaced: false,
  description: 'Facts about the cluster, kept by the software itself.',
  spec: () =>
    z.strictObject({
      clusterGUID: z.string().exactOptional().describe('Random identity of the cluster.'),
      clusterType: z.string().exactOptional().describe('Comma-separated facts such as `k8s,bgp`.'),
      calicoVersion: z.string().exactOptional().describe('Newest version that ran in the cluster.'),
      datastoreReady: z
        .boolean()
        .exactOptional()
        .describe('False while the datastore is being migrated: no workload is set up then.'),
      variant: z.string().exactOptional().describe('Product variant.'),
    }),
  names: { valid: (name) => name === 'default', allowed: 'default' },
});

export type ClusterInformation = ResourceOf<typeof clusterInformation>;
