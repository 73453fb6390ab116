/** Tier (projectcalico.org/v3). */
import * as z from 'zod';
import { isDnsLabel } from '../names.ts';
import { type ResourceOf, defineKind } from './definition.ts';

/** The order of a tier that states none, and of the tier `default`. */
export const defaultTierOrder = 1_000_000;

/** Tiers that always exist, cannot be deleted, and have a fixed place. */
export const builtInTiers: ReadonlyMap<
  string,
  { readonly order: number; readonly defaultAction: 'Deny' | 'Pass' }
> = new Map([
  ['default', { order: defaultTierOrder, defaultAction: 'Deny' }],
  ['kube-admin', { order: 1000, defaultAction: 'Pass' }],
  ['kube-baseline', { order: 10_000_000, defaultAction: 'Pass' }],
]);

export const tier = defineKind({
  kind: 'Tier',
  apiVersion: 'projectcalico.org/v3',
  plural: 'tiers',
  aliases: [],
  namespaced: false,
  description: 'A group of policies that is evaluated before or after other groups.',
  spec: () =>
    z.strictObject({
      order: z.number().default(defaultTierOrder).describe('Place among the tiers, lowest first.'),
      defaultAction: z
        .enum(['Deny', 'Pass'])
        .default('Deny')
        .describe('What happens to a packet of an endpoint that the tier applies to when no rule matches.'),
    }),
  status: () => z.looseObject({}),
  names: { valid: isDnsLabel, allowed: 'up to 63 of lower-case letters, digits and "-"' },
  check: ({ metadata, spec }) => {
    const fixed = builtInTiers.get(metadata.name);
    if (fixed === undefined) return [];
    return (['order', 'defaultAction'] as const)
      .filter((name) => spec[name] !== fixed[name])
      .map((name) => ({
        path: ['spec', name],
        message: `cannot be changed in the built-in tier "${metadata.name}"`,
        allowed: String(fixed[name]),
      }));
  },
});

export type Tier = ResourceOf<typeof tier>;
