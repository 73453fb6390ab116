/** IPAMBlock: a block of addresses and who has which. Written by IPAM, read-only for users. */
import * as z from 'zod';
import { addressBits, familyOf } from '../../net/address.ts';
import { prefixLength } from '../../net/prefix.ts';
import * as field from '../fields.ts';
import { blockName, parseBlockName } from '../ipam-block-name.ts';
import { type Finding, type ResourceOf, defineKind, once } from './definition.ts';

/**
 * A counter of 64 bits. Calico starts it at the time in nanoseconds, which JavaScript's numbers cannot hold: values
 * beyond 2^53 are decimal text.
 */
export type SequenceNumber = number | string;

const sequenceNumber = once(() =>
  z
    .union([z.number(), z.string()])
    .meta({ 'x-kubernetes-int-or-string': true })
    .transform((value, context): SequenceNumber => {
      const text = String(value);
      const sound =
        typeof value === 'number'
          ? Number.isSafeInteger(value) && value >= 0
          : /^(0|[1-9][0-9]*)$/.test(text);
      if (sound && BigInt(text) < 1n << 64n) return shortest(BigInt(text));
      field.fault(context, 'not a sequence number', {
        allowed: 'a whole number; beyond 9007199254740991 as text, in quotes',
      });
      return z.NEVER;
    }),
);

function shortest(value: bigint): SequenceNumber {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}

const owner = () => z.record(z.string(), z.string()).nullable().exactOptional();

export const ipamBlock = defineKind({
  kind: 'IPAMBlock',
  apiVersion: 'projectcalico.org/v3',
  plural: 'ipamblocks',
  aliases: [],
  namespaced: false,
  description: 'A block of addresses, and who has which of them.',
  spec: () =>
    z.strictObject({
      cidr: field.maskedPrefix().describe('The addresses of the block.'),
      affinity: z
        .string()
        .superRefine((text, context) => {
          if (/^(host|virtual):[^\s/]+$/.test(text)) return;
          field.fault(context, 'not the holder of a block', { allowed: 'host:NODE or virtual:NAME' });
        })
        .nullable()
        .default(null)
        .describe('Who assigns from the block: `host:NODE` or `virtual:NAME`.'),
      affinityClaimTime: z.string().exactOptional().describe('When it was claimed (RFC 3339).'),
      allocations: z
        .array(z.int().min(0).nullable())
        .describe('For each address in order, its place in `attributes`, or null if it is free.'),
      unallocated: z
        .array(z.int().min(0))
        .nullable()
        .default([])
        .describe('Free addresses by their place in the block, the next to be assigned first.'),
      attributes: z
        .array(
          z.strictObject({
            handle_id: z.string().nullable().exactOptional().describe('Handle of the owner.'),
            secondary: owner().describe('Facts about the owner, such as pod, namespace and node.'),
            alternateOwnerAttrs: owner().describe('Facts about a second owner, during a live migration.'),
            releasedAt: z
              .string()
              .nullable()
              .exactOptional()
              .describe('When the address was released, while it cools down (RFC 3339).'),
          }),
        )
        .nullable()
        .default([])
        .describe('Owners.'),
      sequenceNumber: sequenceNumber().default(0).describe('Counts the writes of the block.'),
      sequenceNumberForAllocation: z
        .record(z.string().regex(/^[0-9]+$/), sequenceNumber())
        .nullable()
        .default({})
        .describe('The sequence number at which each address, by its place in the block, was assigned.'),
      deleted: z.boolean().default(false).describe('Whether the block is being deleted.'),
      hostAffinity: z.string().exactOptional().describe('Deprecated: affinity.'),
    }),
  names: {
    valid: (name) => parseBlockName(name) !== undefined,
    allowed: 'the CIDR with "-" for ".", ":" and "/"',
  },
  check: ({ metadata, spec }) => {
    const name = blockName(spec.cidr);
    if (metadata.name === name) return [];
    return [{ path: ['metadata', 'name'], message: 'does not follow from spec.cidr', allowed: name }];
  },
  // A stored block may be inconsistent: `margayctl ipam check` has to read it to say so.
  checkEntry: ({ spec }) => {
    const findings: Finding[] = [];
    const size = 2 ** (addressBits(familyOf(spec.cidr)) - prefixLength(spec.cidr));
    if (spec.allocations.length !== size) {
      const allowed = String(size);
      findings.push({ path: ['spec', 'allocations'], message: 'not one entry for each address', allowed });
    }
    for (const [index, place] of spec.allocations.entries()) {
      if (place === null || place < (spec.attributes ?? []).length) continue;
      findings.push({ path: ['spec', 'allocations', index], message: 'no such entry in attributes' });
    }
    for (const [index, place] of (spec.unallocated ?? []).entries()) {
      const path = ['spec', 'unallocated', index];
      if (place >= size) findings.push({ path, message: 'not an address of the block' });
      else if ((spec.allocations[place] ?? null) !== null) findings.push({ path, message: 'is assigned' });
    }
    return findings;
  },
});

export type IPAMBlock = ResourceOf<typeof ipamBlock>;
