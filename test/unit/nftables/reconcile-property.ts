/** Whatever the table is and whatever is desired: three plans make it so. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { NftablesKernel } from '../../../src/nftables/kernel.ts';
import { Reconciler } from '../../../src/nftables/reconciler.ts';
import { arbitraryRuleset, comparable, desire } from './arbitrary-ruleset.ts';

/** What is new comes in a transaction before, and maps go in one after. */
async function apply(kernel: NftablesKernel, reconciler: Reconciler): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const plan = reconciler.plan();
    reconciler.committed(plan, await kernel.transaction(plan.operations));
  }
}

/** Runs the property; `withKernel` gives a kernel whose table is claimed and empty. */
export async function checkReconciliation(
  withKernel: (use: (kernel: NftablesKernel) => Promise<void>) => Promise<void>,
  numRuns: number,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryRuleset, { minLength: 2, maxLength: 4 }),
      fc.boolean(),
      (states, restart) =>
        withKernel(async (kernel) => {
          let reconciler = new Reconciler();
          reconciler.loadActual(await kernel.dumpTable());
          for (const [index, state] of states.entries()) {
            if (restart && index > 0) {
              // A restarted agent knows only what it reads back.
              reconciler = new Reconciler();
              reconciler.loadActual(await kernel.dumpTable());
              desire(reconciler, undefined, state);
            } else {
              desire(reconciler, states[index - 1], state);
            }
            await apply(kernel, reconciler);
            const dump = await kernel.dumpTable();
            expect(comparable(dump!)).toEqual(comparable(state));
            expect(reconciler.plan().operations).toEqual([]);
            const reader = new Reconciler();
            desire(reader, undefined, state);
            reader.loadActual(dump);
            expect(reader.plan().operations).toEqual([]);
          }
        }),
    ),
    { numRuns },
  );
}
