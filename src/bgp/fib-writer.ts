/**
 * Takes the kernel from what it has to what it should have: differences in batches, each change standing or falling
 * alone. What the kernel refuses is tried again later, after it was read anew.
 */
import { Backoff } from '../base/backoff.ts';
import type { TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Family } from '../net/address.ts';
import type { ChangeFailure, RouteChange } from '../netlink/kernel.ts';
import type { FibReader, FibReaderOptions } from './fib-reader.ts';
import { type FibRoute, isWritten } from './fib-routes.ts';

/** Changes per batch: some 2 ms to make, so that sessions are served in between. The kernel writes it meanwhile. */
const BATCH = 2048;

/** A change of a batch, and what it is about. */
interface Change {
  readonly route: FibRoute;
  readonly change: RouteChange;
}

export interface FibWriterOptions extends Omit<FibReaderOptions, 'changed'> {
  readonly reader: FibReader;
}

export class FibWriter {
  /** What is being written. */
  private round: readonly FibRoute[] = [];
  private roundPosition = 0;
  /** Families whose routes from before the restart are not swept yet. */
  private readonly held = new Set<Family>();
  private readonly backoff = new Backoff({ initial: 1000, maximum: 30_000 });
  private retryTimer: TimerHandle | undefined;
  private working: Promise<void> | undefined;
  /** Something was asked for while working. */
  private again = false;
  /** A whole batch failed: nothing is tried before the retry timer. */
  private paused = false;
  private stopped = false;

  constructor(private readonly options: FibWriterOptions) {}

  /** Keeps everything of a family that is in the kernel, wanted or not, until it is released. */
  hold(family: Family): void {
    this.held.add(family);
  }

  release(...families: readonly Family[]): void {
    for (const family of families) this.held.delete(family);
    this.options.routes.touchDifferences();
    this.schedule();
  }

  /** Whether there is a family that is not released. */
  get isHolding(): boolean {
    return this.held.size > 0;
  }

  /** Whether a route stays in the kernel though nobody wants it. */
  isHeld(route: FibRoute): boolean {
    return this.held.has(route.family);
  }

  /** Resolves when the kernel has all that it will take. */
  async settled(): Promise<void> {
    while (this.working !== undefined) await this.working;
  }

  /** Writes nothing more once the batch under way is settled. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.retryTimer?.cancel();
    await this.settled();
  }

  /** Something may have to be written, or read. */
  schedule(): void {
    if (this.stopped || this.paused) return;
    if (this.working !== undefined) {
      this.again = true;
      return;
    }
    this.again = false;
    this.working = this.work().finally(() => {
      this.working = undefined;
      if (this.again) this.schedule();
    });
  }

  private async work(): Promise<void> {
    const { reader } = this.options;
    for (;;) {
      // Lets a burst gather, and the sockets of the sessions be served.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.stopped) return;
      try {
        if (reader.isDue) await reader.read();
        const batch = this.nextBatch();
        if (batch.length === 0) {
          if (!reader.resume()) return;
          continue;
        }
        const { failures } = await this.options.kernel.changeRoutes(batch.map(({ change }) => change));
        this.settle(batch, failures);
      } catch (error) {
        this.options.log.warn({ reason: describeError(error) }, 'bgp routes not written to the kernel');
        this.paused = true;
        this.retryLater();
        return;
      }
    }
  }

  /** The next changes; none when the kernel has all that it will take. */
  private nextBatch(): Change[] {
    const batch = this.takeFromRound();
    if (batch.length > 0) return batch;
    this.round = this.options.routes.takeTouched();
    this.roundPosition = 0;
    return this.takeFromRound();
  }

  private takeFromRound(): Change[] {
    const batch: Change[] = [];
    while (this.roundPosition < this.round.length && batch.length < BATCH) {
      const route = this.round[this.roundPosition++]!;
      const change = this.changeOf(route);
      if (change === undefined) this.options.routes.prune(route);
      else batch.push({ route, change });
    }
    return batch;
  }

  /** What to do about a route now; it may have changed since its round began. */
  private changeOf(own: FibRoute): RouteChange | undefined {
    const { destination, metric, desired, actual } = own;
    if (this.options.routes.refusal(own) !== undefined) return undefined;
    const { protocol, table } = this.options.config;
    if (desired === undefined) {
      if (actual === undefined || this.isHeld(own)) return undefined;
      return { operation: 'delete', route: { destination, metric, protocol, table } };
    }
    if (isWritten(own)) return undefined;
    if (this.options.nextHops.table.holds(destination, metric)) {
      this.refuse(own, 'a route of another program has the same metric');
      return undefined;
    }
    const type = desired.length === 0 ? 'blackhole' : 'unicast';
    return {
      operation: actual === undefined ? 'add' : 'replace',
      route: { destination, metric, nextHops: desired, type, protocol, table },
    };
  }

  private settle(batch: readonly Change[], failures: readonly ChangeFailure<RouteChange>[]): void {
    const failed = new Map(failures.map(({ change, error }) => [change, error]));
    for (const { route, change } of batch) {
      const error = failed.get(change);
      // ESRCH: it is gone already, with its link perhaps.
      if (change.operation === 'delete' && (error === undefined || error.errno === 'ESRCH')) {
        this.options.routes.setActual(route, undefined);
        this.options.routes.prune(route);
      } else if (error !== undefined) {
        this.refuse(route, describeError(error));
      } else if (change.operation !== 'delete') {
        this.options.routes.setActual(route, change.route.nextHops ?? []);
      }
    }
    if (failures.length === 0) this.backoff.reset();
  }

  private refuse(route: FibRoute, reason: string): void {
    const { destination } = route;
    this.options.routes.refuse(route, `${destination}: ${reason}`);
    this.options.log.debug({ destination, reason }, 'bgp route refused by the kernel');
    this.retryLater();
  }

  /** The kernel is read again first: what we believed of it may be why it refused. */
  private retryLater(): void {
    if (this.stopped) return;
    this.retryTimer ??= this.options.clock.after(this.backoff.delay(), () => {
      this.retryTimer = undefined;
      this.paused = false;
      this.options.reader.makeDue();
      this.schedule();
    });
  }
}
