/** NetworkSet (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import type { ObjectMeta } from '../resource.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

/** The spec of both kinds of network sets. */
export const networkSetSpec = () =>
  z.strictObject({
    nets: z
      .array(field.maskedNet())
      .exactOptional()
      .describe("Addresses and CIDRs that rules reach by the set's labels."),
  });

/** The namespace of a set is where it lies, never what a label says. */
export function checkNetworkSet(resource: { readonly metadata: ObjectMeta }): Finding[] {
  const banned = 'projectcalico.org/namespace';
  if (resource.metadata.labels?.[banned] === undefined) return [];
  return [{ path: ['metadata', 'labels', banned], message: 'the label is given by Margay itself' }];
}

export const networkSet = defineKind({
  kind: 'NetworkSet',
  apiVersion: 'projectcalico.org/v3',
  plural: 'networksets',
  aliases: ['netsets', 'netset'],
  namespaced: true,
  description: 'Addresses outside the cluster, with labels, seen from one namespace.',
  spec: networkSetSpec,
  check: checkNetworkSet,
});

export type NetworkSet = ResourceOf<typeof networkSet>;
