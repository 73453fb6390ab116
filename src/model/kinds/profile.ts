/** Profile (projectcalico.org/v3). */
import * as z from 'zod';
import * as field from '../fields.ts';
import { checkDirection, rule } from '../rule.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

export const profile = defineKind({
  kind: 'Profile',
  apiVersion: 'projectcalico.org/v3',
  plural: 'profiles',
  aliases: ['pro'],
  namespaced: false,
  description: 'Rules and labels for the endpoints that list it; evaluated when no tier decided.',
  spec: () =>
    z.strictObject({
      ingress: z.array(rule()).exactOptional().describe('Rules for traffic to the endpoints, in order.'),
      egress: z.array(rule()).exactOptional().describe('Rules for traffic from the endpoints, in order.'),
      labelsToApply: field
        .labelMap()
        .exactOptional()
        .describe('Labels that the endpoints inherit; their own win.'),
    }),
  check: ({ spec }) => {
    const findings: Finding[] = [];
    for (const direction of ['ingress', 'egress'] as const) {
      for (const [index, profileRule] of (spec[direction] ?? []).entries()) {
        checkDirection(profileRule, direction, false, (message, path) =>
          findings.push({ path: ['spec', direction, index, ...path], message }),
        );
      }
    }
    return findings;
  },
});

export type Profile = ResourceOf<typeof profile>;
