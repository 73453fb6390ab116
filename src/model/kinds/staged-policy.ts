/** What staged policies share: policies that are shown and counted but not enforced. */
import * as z from 'zod';
import type { Finding } from './definition.ts';
import { type PolicyType, withPolicyTypes } from './policy-spec.ts';

/** What to do with the policy of the same name, or where this one comes from. */
export const stagedAction = () =>
  z
    .enum(['Set', 'Delete', 'Learn', 'Ignore'])
    .default('Set')
    .describe(
      '`Set`: the policy as it would be. `Delete`: it would be gone. `Learn`, `Ignore`: for recommenders.',
    );

interface Staged {
  readonly stagedAction: string;
  readonly types?: readonly PolicyType[];
  readonly ingress?: readonly unknown[];
  readonly egress?: readonly unknown[];
}

/** Fills in `types` as for policies in force, but not for a deletion, which says nothing else. */
export function withStagedTypes<Spec extends Staged>(spec: Spec): Spec {
  return spec.stagedAction === 'Delete' ? spec : { ...spec, ...withPolicyTypes(spec) };
}

/** A finding for each field that a deletion states besides `kept`. Empty lists and false say nothing. */
export function checkDeletion(spec: Staged, kept: ReadonlySet<string>): Finding[] {
  if (spec.stagedAction !== 'Delete') return [];
  return Object.entries(spec)
    .filter(([name, value]) => name !== 'stagedAction' && !kept.has(name) && saysSomething(value))
    .map(([name]) => ({ path: ['spec', name], message: 'stagedAction Delete takes no other fields' }));
}

function saysSomething(value: unknown): boolean {
  if (value === false) return false;
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}
