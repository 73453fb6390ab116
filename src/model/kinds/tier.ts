/** Tier (projectcalico.org/v3). */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

/** The order of a tier that states none, and of the tier `default`. */
export const defaultTierOrder = 1_000_000;

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
});

export type Tier = ResourceOf<typeof tier>;
