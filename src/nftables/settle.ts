/** Plan, transaction, plan: until the kernel's table is what is desired. */
import type { NftablesKernel, Operation } from './kernel.ts';
import type { Reconciler } from './reconciler.ts';

/**
 * Makes the table what is desired, in as many transactions as it takes; `done` is called with each that the kernel
 * acknowledged. The actual side must be loaded. Rejects with what {@link NftablesKernel.transaction} rejects with.
 */
export async function settle(
  kernel: NftablesKernel,
  reconciler: Reconciler,
  done: (operations: readonly Operation[]) => void = () => {},
): Promise<void> {
  for (let plan = reconciler.plan(); plan.operations.length > 0; plan = reconciler.plan()) {
    reconciler.committed(plan, await kernel.transaction(plan.operations));
    done(plan.operations);
  }
}
