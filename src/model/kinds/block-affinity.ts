/** BlockAffinity: which node a block of addresses belongs to. Written by IPAM, read-only for users. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { parseBlockAffinityName } from '../block-affinity-name.ts';
import { type ResourceOf, defineKind } from './definition.ts';

export const blockAffinity = defineKind({
  kind: 'BlockAffinity',
  apiVersion: 'projectcalico.org/v3',
  plural: 'blockaffinities',
  aliases: [],
  namespaced: false,
  description: 'The claim of a node on a block of addresses.',
  spec: () =>
    z.strictObject({
      state: z
        .enum(['confirmed', 'pending', 'pendingDeletion'])
        .default('confirmed')
        .describe('How far the claim, or its release, has come.'),
      node: z.string().describe('The node, or the name of the virtual holder.'),
      type: z.enum(['host', 'virtual']).default('host').describe('What kind of holder `node` names.'),
      cidr: field.maskedPrefix().describe('The block.'),
      deleted: z.boolean().default(false).describe('Whether the claim is being deleted.'),
    }),
  names: {
    valid: (name) => parseBlockAffinityName(name) !== undefined,
    allowed: 'NODE-CIDR with "-" for ".", ":" and "/"',
  },
  // Only IPAM marks an affinity so, on its way to deleting it.
  checkEntry: ({ spec }) =>
    spec.deleted ? [{ path: ['spec', 'deleted'], message: 'cannot be set', allowed: 'false' }] : [],
});

export type BlockAffinity = ResourceOf<typeof blockAffinity>;
