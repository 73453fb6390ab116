/**
 * The table `inet margay` over the life of connections to the kernel: opens and claims it, sees foreign changes and
 * has them repaired (design D7), and keeps the counts that the status tells. Rendering, comparing and sending are the
 * nftables room's.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { CalcDelta } from '../calc/output.ts';
import type { ForeignChange, NftablesEvents, NftablesKernel } from '../nftables/kernel.ts';
import { Reconciler } from '../nftables/reconciler.ts';
import type { ActiveHostEndpoint } from '../nftables/render/host-endpoints.ts';
import type { RenderOptions } from '../nftables/render/options.ts';
import { PolicyRenderer } from '../nftables/render/renderer.ts';
import type { Ruleset } from '../nftables/ruleset.ts';
import { TableSync } from '../nftables/table-sync.ts';

export interface PolicyTableOptions {
  /** Opens the kernel's side; called again when the connection is lost. */
  readonly open: (events: NftablesEvents) => NftablesKernel;
  readonly render: RenderOptions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Something happened in the kernel that {@link PolicyTable.apply} should look at. */
  readonly disturbed: () => void;
}

export interface PolicyTableStatus {
  readonly ownsTable: boolean;
  readonly repairs: number;
  readonly lastRepairMilliseconds?: number;
  readonly retries: number;
  readonly problems: readonly string[];
}

/** What is open while the kernel can be reached. */
interface Opened {
  readonly kernel: NftablesKernel;
  readonly sync: TableSync;
}

export class PolicyTable {
  private readonly reconciler = new Reconciler();
  private readonly renderer: PolicyRenderer;
  private opened: Opened | undefined;
  /** When the first foreign change since the last repair was seen. */
  private disturbedAt: number | undefined;
  private repairs = 0;
  private lastRepair: number | undefined;
  /** Retries of connections that were closed since. */
  private earlierRetries = 0;

  constructor(private readonly options: PolicyTableOptions) {
    this.renderer = new PolicyRenderer(options.render, this.reconciler);
  }

  /** Takes a change of the desired state in; nothing is written before {@link apply}. */
  update(delta: CalcDelta): void {
    this.renderer.apply(delta);
  }

  /** Sets which host endpoints stand for which interfaces; after the policies that they have. */
  setHostEndpoints(active: readonly ActiveHostEndpoint[]): void {
    this.renderer.setHostEndpoints(active);
  }

  /** Renders everything again with other options. */
  setOptions(options: RenderOptions): void {
    this.renderer.setOptions(options);
  }

  /** Reads the table again at the next {@link apply}. */
  resync(): void {
    this.opened?.sync.invalidate();
  }

  /** Brings the kernel up to date; resolves when it has acknowledged. Rejects with what hinders it. */
  async apply(): Promise<void> {
    const { sync } = (this.opened ??= await this.open());
    const { operations } = await sync.apply();
    // Read afterwards: what was changed while we wrote has been repaired on the way.
    const since = this.disturbedAt;
    if (since === undefined) return;
    this.disturbedAt = undefined;
    if (operations === 0) return;
    this.repairs++;
    this.lastRepair = this.options.clock.now() - since;
    this.options.log.info({ milliseconds: this.lastRepair }, 'nf_tables table repaired');
  }

  /** What the table should hold, as a value. */
  ruleset(table: string): Ruleset {
    return this.reconciler.ruleset(table);
  }

  status(): PolicyTableStatus {
    return {
      ownsTable: this.opened?.kernel.ownership === 'owned',
      repairs: this.repairs,
      ...(this.lastRepair === undefined ? {} : { lastRepairMilliseconds: this.lastRepair }),
      retries: this.earlierRetries + (this.opened?.kernel.retries ?? 0),
      problems: [...this.renderer.quarantines].map(
        ([id, reason]) => `policy ${id} is quarantined, its endpoints are closed: ${reason}`,
      ),
    };
  }

  /** Lets go of the kernel; the table stays. */
  close(): void {
    const { opened } = this;
    this.opened = undefined;
    opened?.kernel.close();
  }

  private async open(): Promise<Opened> {
    const kernel = this.options.open({
      foreignChange: (change) => this.foreignChange(change),
      closed: (reason) => {
        if (this.opened?.kernel !== kernel) return;
        this.options.log.warn({ reason: reason?.message }, 'connection to nf_tables lost; opening it again');
        this.earlierRetries += kernel.retries;
        this.opened = undefined;
        this.options.disturbed();
      },
    });
    try {
      await kernel.claim();
    } catch (error) {
      kernel.close();
      throw error;
    }
    const { reconciler, renderer } = this;
    return { kernel, sync: new TableSync({ kernel, reconciler, renderer, log: this.options.log }) };
  }

  private foreignChange(change: ForeignChange): void {
    this.opened?.sync.invalidate();
    if (this.disturbedAt === undefined) {
      this.disturbedAt = this.options.clock.now();
      this.options.log.warn({ ...change }, 'someone else changed our nf_tables table; repairing it');
    }
    this.options.disturbed();
  }
}
