/** Kubernetes' ServiceAccount (v1). It is stored as the Profile `ksa.NAMESPACE.NAME`: see convert/service-account.ts. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

export const serviceAccount = defineKind({
  kind: 'ServiceAccount',
  apiVersion: 'v1',
  plural: 'serviceaccounts',
  aliases: ['sa'],
  namespaced: true,
  description: 'An identity that pods run as; its labels reach the selectors of policies.',
  layout: 'flat',
  storedAs: 'Profile',
  // Only its labels matter to the network.
  spec: () => z.looseObject({}),
});

export type ServiceAccount = ResourceOf<typeof serviceAccount>;
