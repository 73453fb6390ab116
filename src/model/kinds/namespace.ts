/** Kubernetes' Namespace (v1). It is stored as the Profile `kns.NAME`: see convert/namespace.ts. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

export const namespace = defineKind({
  kind: 'Namespace',
  apiVersion: 'v1',
  plural: 'namespaces',
  aliases: ['ns'],
  namespaced: false,
  storedAs: 'Profile',
  description: 'A Kubernetes namespace; its labels reach the selectors of policies.',
  spec: () =>
    z.strictObject({ finalizers: z.array(z.string()).exactOptional().describe("Kubernetes' own.") }),
  status: () => z.looseObject({}),
});

export type Namespace = ResourceOf<typeof namespace>;
