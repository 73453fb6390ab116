/**
 * IPAMConfiguration (projectcalico.org/v3), `IPAMConfig` in Calico's older API: the object `default`. It is stored
 * where Calico's IPAM reads it: see ipam-values.ts.
 */
import * as z from 'zod';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

export const ipamConfiguration = defineKind({
  kind: 'IPAMConfiguration',
  otherKinds: ['IPAMConfig'],
  apiVersion: 'projectcalico.org/v3',
  plural: 'ipamconfigurations',
  aliases: ['ipamconfig', 'ipamconfigs'],
  namespaced: false,
  description: 'How addresses are assigned in the whole cluster.',
  spec: () =>
    z.strictObject({
      strictAffinity: z
        .boolean()
        .default(false)
        .describe('Nodes assign only from their own blocks, and never borrow addresses of others.'),
      maxBlocksPerHost: z
        .int()
        .min(0)
        .max(1_000_000)
        .exactOptional()
        .describe('Most blocks of one node; needs strictAffinity. 0 is the default of 20.'),
      autoAllocateBlocks: z.boolean().default(true).describe('Nodes claim further blocks as they need them.'),
      ipCooldownSeconds: z
        .int()
        .min(0)
        .max(1200)
        .exactOptional()
        .describe('Seconds for which a released address is not assigned again (default 0).'),
      kubeVirtVMAddressPersistence: z
        .enum(['Enabled', 'Disabled'])
        .exactOptional()
        .describe(
          'Whether KubeVirt VMs keep their addresses when their pods are made anew (default Enabled).',
        ),
    }),
  checkEntry: ({ spec }) => {
    const findings: Finding[] = [];
    if (!spec.strictAffinity && !spec.autoAllocateBlocks) {
      const message = 'with strictAffinity false, blocks must be claimed automatically';
      findings.push({ path: ['spec', 'autoAllocateBlocks'], message, allowed: 'true' });
    }
    if ((spec.maxBlocksPerHost ?? 0) > 0 && !spec.strictAffinity) {
      findings.push({
        path: ['spec', 'maxBlocksPerHost'],
        message: 'maxBlocksPerHost needs strictAffinity: true',
      });
    }
    return findings;
  },
  names: { valid: (name) => name === 'default', allowed: 'default' },
});

export type IPAMConfiguration = ResourceOf<typeof ipamConfiguration>;
