/**
 * Our table as an earlier agent left it, held until the datastore says what it should be (design D7, D8): what somebody
 * else changes meanwhile is put back. A table that the kernel protects needs no holding, and one that does not exist
 * is not made.
 */
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { adoptRule } from './codec/rule.ts';
import { type NftablesEvents, type NftablesKernel, StaleError } from './kernel.ts';
import { Reconciler } from './reconciler.ts';
import { settle } from './settle.ts';

export interface HeldTableOptions {
  readonly open: (events: NftablesEvents) => NftablesKernel;
  readonly log: Logger;
  /** {@link HeldTable.repair} has something to do. */
  readonly disturbed: () => void;
}

/** Strangers who leave no gap are given up after this many tries, until their next change. */
const ATTEMPTS = 20;

export class HeldTable {
  private readonly reconciler = new Reconciler();
  private readonly kernel: NftablesKernel;
  private touched = false;
  private closed = false;

  private constructor(private readonly options: HeldTableOptions) {
    this.kernel = options.open({
      foreignChange: (change) => {
        if (!this.touched)
          options.log.warn({ ...change }, 'someone else changed our nf_tables table; repairing it');
        this.touched = true;
        options.disturbed();
      },
      closed: () => (this.closed = true),
    });
  }

  /** Takes hold of the table. Undefined where there is nothing to hold, or where it cannot be held yet. */
  static async take(options: HeldTableOptions): Promise<HeldTable | undefined> {
    const held = new HeldTable(options);
    try {
      if (await held.remember()) return held;
    } catch (error) {
      // Whoever applies the first state will meet it again, and knows how to wait for another agent to end.
      options.log.debug({ reason: describeError(error) }, 'the table of an earlier agent cannot be held');
    }
    held.close();
    return undefined;
  }

  /** Puts back what was changed since. Rejects with a KernelError. */
  async repair(): Promise<void> {
    for (let attempt = 0; this.touched && !this.closed && attempt < ATTEMPTS; attempt++) {
      this.touched = false;
      try {
        this.reconciler.loadActual(await this.kernel.dumpTable());
        let transactions = 0;
        await settle(this.kernel, this.reconciler, () => transactions++);
        if (transactions === 0) continue;
        this.options.log.info('nf_tables table repaired as it was; the datastore is still away');
      } catch (error) {
        if (!(error instanceof StaleError)) throw error;
        this.touched = true;
      }
    }
  }

  /** Lets go; the table stays. */
  close(): void {
    this.closed = true;
    this.kernel.close();
  }

  private async remember(): Promise<boolean> {
    const dump = await this.kernel.dumpTable();
    if (dump === undefined || (await this.kernel.claim()) === 'owned') return false;
    for (const { name, set, elements } of dump.sets) {
      if (set === undefined) continue;
      this.reconciler.setSet(set);
      this.reconciler.addElements(
        name,
        elements.map(({ element }) => element),
      );
    }
    for (const { chain, rules } of dump.chains) {
      this.reconciler.setChain({ ...chain, rules: rules.map(adoptRule) });
    }
    return true;
  }
}
