/** IPPool (projectcalico.org/v3). */
import * as z from 'zod';
import { type Family, familyOf } from '../../net/address.ts';
import { type Prefix, prefix, prefixLength, prefixesOverlap } from '../../net/prefix.ts';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

/** Prefix length of the blocks of a pool that states none. */
export const defaultBlockSize: Readonly<Record<Family, number>> = { 4: 26, 6: 122 };

const encapsulation = () => z.enum(['Always', 'CrossSubnet', 'Never']);

/** Prefix lengths that blocks may have. */
const blockSizes: Readonly<Record<Family, { readonly least: number; readonly most: number }>> = {
  4: { least: 20, most: 32 },
  6: { least: 116, most: 128 },
};

const linkLocal: Readonly<Record<Family, Prefix>> = { 4: prefix('169.254.0.0/16'), 6: prefix('fe80::/10') };

interface PoolFields {
  readonly cidr?: Prefix;
  readonly blockSize?: number;
  readonly disabled?: boolean;
  readonly ipipMode?: string;
  readonly vxlanMode?: string;
  readonly nodeSelector?: string;
  readonly allowedUses?: readonly string[];
}

function checkPool(spec: PoolFields, context: z.RefinementCtx): void {
  const encapsulated = (['ipipMode', 'vxlanMode'] as const).filter(
    (mode) => (spec[mode] ?? 'Never') !== 'Never',
  );
  if (encapsulated.length > 1)
    field.fault(context, 'ipipMode and vxlanMode exclude each other', {}, ['vxlanMode']);
  if (spec.cidr !== undefined) checkCidr(spec, spec.cidr, context);
  if (spec.allowedUses?.includes('LoadBalancer') !== true) return;
  if (spec.allowedUses.length > 1) {
    field.fault(context, 'LoadBalancer cannot be combined with other uses', {}, ['allowedUses']);
  }
  if ((spec.nodeSelector ?? 'all()') !== 'all()') {
    field.fault(context, 'a pool for LoadBalancer is for all nodes', { allowed: 'all()' }, ['nodeSelector']);
  }
  for (const mode of encapsulated) {
    field.fault(context, 'a pool for LoadBalancer has no encapsulation', { allowed: 'Never' }, [mode]);
  }
}

function checkCidr(spec: PoolFields, cidr: Prefix, context: z.RefinementCtx): void {
  const family = familyOf(cidr);
  const { least, most } = blockSizes[family];
  const blockSize = spec.blockSize ?? defaultBlockSize[family];
  if (blockSize < least || blockSize > most) {
    field.fault(context, `not a block size for IPv${family}`, { allowed: `${least} to ${most}` }, [
      'blockSize',
    ]);
  } else if (prefixLength(cidr) > blockSize && spec.disabled !== true) {
    const message = `smaller than one block of size ${blockSize}`;
    field.fault(context, message, { allowed: `a CIDR of /${blockSize} or larger, or a larger blockSize` }, [
      'cidr',
    ]);
  }
  if (prefixesOverlap(linkLocal[family], cidr)) {
    field.fault(
      context,
      'overlaps the link-local range',
      { allowed: `a CIDR outside ${linkLocal[family]}` },
      ['cidr'],
    );
  }
  if (family === 6 && (spec.ipipMode ?? 'Never') !== 'Never') {
    field.fault(context, 'IP-in-IP is for IPv4 only', { allowed: 'Never, or vxlanMode' }, ['ipipMode']);
  }
}

export const ipPool = defineKind({
  kind: 'IPPool',
  apiVersion: 'projectcalico.org/v3',
  plural: 'ippools',
  aliases: ['ipp', 'ipps', 'pool', 'pools'],
  namespaced: false,
  description: 'A range of addresses for workloads, and how they are reached.',
  spec: () =>
    field
      .across(
        z.strictObject({
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
        }),
        checkPool,
      )
      .transform((spec) => ({ ...spec, blockSize: spec.blockSize ?? defaultBlockSize[familyOf(spec.cidr)] })),
  status: () => z.looseObject({}),
});

export type IPPool = ResourceOf<typeof ipPool>;
