/**
 * The loop around plan and transaction: reads the table again when someone else changed it, and takes a policy out
 * that the kernel refuses, so that one bad rule never holds up the node (design D6, D9).
 */
import type { Logger } from '../base/log.ts';
import { type NftablesKernel, type Operation, RejectedError, StaleError } from './kernel.ts';
import type { Reconciler } from './reconciler.ts';
import type { PolicyRenderer } from './render/renderer.ts';
import { settle } from './settle.ts';

export interface TableSyncOptions {
  readonly kernel: NftablesKernel;
  readonly reconciler: Reconciler;
  readonly renderer: PolicyRenderer;
  readonly log: Logger;
}

export interface TableSyncResult {
  /** Operations that the kernel acknowledged; 0 if there was nothing to do. */
  readonly operations: number;
  /** Policies that were quarantined on the way. */
  readonly quarantined: readonly string[];
}

/** A change that keeps meeting foreign changes is given up after this many tries. */
const STALE_ATTEMPTS = 20;

export class TableSync {
  private actualKnown = false;

  constructor(private readonly options: TableSyncOptions) {}

  /** The next {@link apply} reads the table before it plans: after a foreign change, an overrun, or now and then. */
  invalidate(): void {
    this.actualKnown = false;
  }

  /**
   * Makes the kernel's table what is desired. Not to be called twice at a time. Rejects with the kernel's error if
   * it refuses something that is no policy's fault, and with a StaleError if strangers leave no gap.
   */
  async apply(): Promise<TableSyncResult> {
    const { kernel, reconciler } = this.options;
    const quarantined: string[] = [];
    let stale = 0;
    let operations = 0;
    let read = false;
    for (;;) {
      try {
        if (!this.actualKnown) {
          reconciler.loadActual(await kernel.dumpTable());
          this.actualKnown = true;
          read = true;
        }
        await settle(kernel, reconciler, ({ length }) => {
          operations += length;
        });
        return { operations, quarantined };
      } catch (error) {
        this.actualKnown &&= !(error instanceof StaleError);
        if (error instanceof StaleError && ++stale < STALE_ATTEMPTS) continue;
        if (!(error instanceof RejectedError)) throw error;
        const { culprits, changed } = this.quarantine(error);
        quarantined.push(...culprits);
        if (changed) continue;
        // The plan may have been made against a table that is not there any more: once, look.
        if (read) throw error;
        this.actualKnown = false;
      }
    }
  }

  /** Takes out the policies, and the set, that a refused operation came from, if they are not out already. */
  private quarantine(error: RejectedError): { readonly culprits: string[]; readonly changed: boolean } {
    const { renderer, log } = this.options;
    const object = error.rejected === undefined ? undefined : objectOf(error.rejected);
    if (object === undefined) return { culprits: [], changed: false };
    const culprits = renderer.policiesOf(object).filter((id) => !renderer.quarantines.has(id));
    for (const policy of culprits) {
      log.warn({ policy, err: error }, 'the kernel refuses a policy: its endpoints fail closed');
      renderer.quarantine(policy, error.message);
    }
    const refused = 'set' in object && renderer.refuseSet(object.set);
    return { culprits, changed: culprits.length > 0 || refused };
  }
}

/** What a policy's content can make the kernel refuse. */
function objectOf(operation: Operation): { readonly chain: string } | { readonly set: string } | undefined {
  if (operation.kind === 'add-rule') return { chain: operation.chain };
  if (operation.kind === 'add-chain') return { chain: operation.chain.name };
  if (operation.kind === 'add-set' || operation.kind === 'add-elements') return { set: operation.set.name };
  return undefined;
}
