/** IPAMHandle: which blocks hold addresses of one owner. Written by IPAM, read-only for users. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

export const ipamHandle = defineKind({
  kind: 'IPAMHandle',
  apiVersion: 'projectcalico.org/v3',
  plural: 'ipamhandles',
  aliases: [],
  namespaced: false,
  description: 'How many addresses an owner has in which blocks.',
  spec: () =>
    z.strictObject({
      handleID: z
        .string()
        .describe('The owner, such as `k8s-pod-network.CONTAINERID`; the name of the object.'),
      block: z.record(z.string(), z.int().min(0)).default({}).describe('Number of addresses by block.'),
      deleted: z.boolean().default(false).describe('Whether the handle is being deleted.'),
      id: z.string().exactOptional().describe('The owner again, where the stored value states it.'),
    }),
  names: {
    valid: (name) => /^[^/\s]{1,253}$/.test(name),
    allowed: 'up to 253 characters without "/" and white space',
  },
  check: ({ metadata, spec }) =>
    (['handleID', 'id'] as const)
      .filter((name) => spec[name] !== undefined && spec[name] !== metadata.name)
      .map((name) => ({
        path: ['spec', name],
        message: 'not the name of the object',
        allowed: metadata.name,
      })),
});

export type IPAMHandle = ResourceOf<typeof ipamHandle>;
