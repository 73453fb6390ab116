/** IPPool (projectcalico.org/v3). */
import * as z from 'zod';
import { type Family, familyOf } from '../../net/address.ts';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

/** Prefix length of the blocks of a pool that states none. */
export const defaultBlockSize: Readonly<Record<Family, number>> = { 4: 26, 6: 122 };

const encapsulation = () => z.enum(['Always', 'CrossSubnet', 'Never']);

export const ipPool = defineKind({
  kind: 'IPPool',
  apiVersion: 'projectcalico.org/v3',
  plural: 'ippools',
  aliases: ['ipp', 'ipps', 'pool', 'pools'],
  namespaced: false,
  description: 'A range of addresses for workloads, and how they are reached.',
  spec: () =>
    z
      .strictObject({
        cidr: field.maskedPrefix().describe('The range. It cannot be changed later.'),
        blockSize: z
          .int()
          .exactOptional()
          .describe('Prefix length of the blocks that nodes claim: 26 (IPv4) or 122 (IPv6) by default.'),
        ipipMode: encapsulation().default('Never').describe('When to use IP-in-IP between nodes.'),
        vxlanMode: encapsulation().default('Never').describe('When to use VXLAN between nodes.'),
        natOutgoing: z
          .boolean()
          .exactOptional()
          .describe('Masquerade what leaves the pool for addresses outside all pools.'),
        disabled: z.boolean().exactOptional().describe('Assign no more addresses from the pool.'),
        disableBGPExport: z.boolean().exactOptional().describe('Advertise nothing of the pool over BGP.'),
        nodeSelector: field.selector().default('all()').describe('Nodes that may assign from the pool.'),
        namespaceSelector: field
          .selector()
          .exactOptional()
          .describe('Namespaces whose pods may be assigned from the pool.'),
        allowedUses: z
          .array(z.enum(['Workload', 'Tunnel', 'LoadBalancer']))
          .default(['Workload', 'Tunnel'])
          .describe('What the addresses may be used for.'),
        assignmentMode: z
          .enum(['Automatic', 'Manual'])
          .default('Automatic')
          .describe('`Manual`: only for those who ask for the pool by name.'),
      })
      .transform((spec) => ({ ...spec, blockSize: spec.blockSize ?? defaultBlockSize[familyOf(spec.cidr)] })),
  status: () => z.looseObject({}),
});

export type IPPool = ResourceOf<typeof ipPool>;
