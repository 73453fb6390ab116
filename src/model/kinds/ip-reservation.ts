/** IPReservation (projectcalico.org/v3): addresses that are not assigned unless asked for by name. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

export const ipReservation = defineKind({
  kind: 'IPReservation',
  apiVersion: 'projectcalico.org/v3',
  plural: 'ipreservations',
  aliases: ['ipr', 'iprs'],
  namespaced: false,
  description: 'Addresses that are never assigned automatically.',
  spec: () =>
    z.strictObject({
      reservedCIDRs: z
        .array(field.maskedNet())
        .exactOptional()
        .describe('Addresses and CIDRs; who asks for one of them by address still gets it.'),
    }),
});

export type IPReservation = ResourceOf<typeof ipReservation>;
