/** NetworkSet (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

/** The spec of both kinds of network sets. */
export const networkSetSpec = () =>
  z.strictObject({
    nets: z
      .array(field.maskedNet())
      .exactOptional()
      .describe("Addresses and CIDRs that rules reach by the set's labels."),
  });

export const networkSet = defineKind({
  kind: 'NetworkSet',
  apiVersion: 'projectcalico.org/v3',
  plural: 'networksets',
  aliases: ['netsets', 'netset'],
  namespaced: true,
  description: 'Addresses outside the cluster, with labels, seen from one namespace.',
  spec: networkSetSpec,
});

export type NetworkSet = ResourceOf<typeof networkSet>;
