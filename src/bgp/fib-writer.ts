/**
 * Takes the kernel from what it has to what it should have: differences in batches, each change standing or falling
 * alone. While the kernel works one batch off, on a thread of its own, the next one is written. What the kernel refuses
 * is tried again later, after it was read anew.
 */
import { Backoff } from '../base/backoff.ts';
import type { TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Family } from '../net/address.ts';
import { formatPrefixBits } from '../net/prefix-bits.ts';
import type { NextHop, RouteBatch, RouteBatchFailure, RouteMake, RouteSelector } from '../netlink/kernel.ts';
import type { FibReader, FibReaderOptions } from './fib-reader.ts';
import type { FibRound, FibTable } from './fib-routes.ts';
import type { PrefixId } from './rib/prefix-table.ts';

export interface FibWriterOptions extends Omit<FibReaderOptions, 'changed'> {
  readonly reader: FibReader;
}

/** A batch, and what its changes are about, by their position: columns that are used again, as far as `count`. */
interface Batch {
  readonly changes: RouteBatch;
  count: number;
  readonly tables: FibTable[];
  readonly ids: PrefixId[];
  /** What the kernel will have; undefined: no route. */
  readonly ways: (readonly NextHop[] | undefined)[];
}

export class FibWriter {
  /** What is to be written. */
  private rounds: readonly FibRound[] = [];
  private roundsPosition = 0;
  private position = 0;
  /** What is being written, while the kernel works off the other. */
  private next: Batch;
  private other: Batch;
  private sending = false;
  /** Changed while they were being written: their turn comes after that. */
  private readonly late: { readonly table: FibTable; readonly id: PrefixId }[] = [];
  /** By metric, how routes by the same next hops are written. */
  private readonly makes = new Map<number, WeakMap<readonly NextHop[], RouteMake>>();
  private selector: RouteSelector | undefined;
  /** Families whose routes from before the restart are not swept yet. */
  private readonly held = new Set<Family>();
  private readonly backoff = new Backoff({ initial: 1000, maximum: 30_000 });
  private retryTimer: TimerHandle | undefined;
  private soon: NodeJS.Immediate | undefined;
  private reading = false;
  private readonly waiting: (() => void)[] = [];
  /** A whole batch failed: nothing is tried before the retry timer. */
  private paused = false;
  private stopped = false;

  constructor(private readonly options: FibWriterOptions) {
    const batch = (): Batch => ({
      changes: options.kernel.routeBatch(),
      count: 0,
      tables: [],
      ids: [],
      ways: [],
    });
    this.next = batch();
    this.other = batch();
  }

  /** Keeps everything of a family that is in the kernel, wanted or not, until it is released. */
  hold(family: Family): void {
    this.held.add(family);
  }

  release(...families: readonly Family[]): void {
    for (const family of families) this.held.delete(family);
    this.options.routes.touchDifferences();
    this.schedule();
  }

  /** Whether a route stays in the kernel though nobody wants it. */
  isHeld(family: Family): boolean {
    return this.held.has(family);
  }

  /** Resolves when the kernel has all that it will take. */
  settled(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Writes nothing more once the batch under way is settled. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.retryTimer?.cancel();
    clearImmediate(this.soon);
    this.soon = undefined;
    await this.settled();
  }

  /** Something may have to be written, or read. */
  schedule(): void {
    if (this.stopped || this.paused) return;
    // Lets a burst gather, and the sockets of the sessions be served.
    this.soon ??= setImmediate(this.turn);
  }

  private get isIdle(): boolean {
    return this.soon === undefined && !this.sending && !this.reading;
  }

  /** A field, for one is asked for with every route. */
  private readonly turn = (): void => {
    this.soon = undefined;
    if (this.reading) return;
    const { reader } = this.options;
    if (!reader.isDue) this.fill();
    this.flush();
    // With nothing on its way, all that there was is written.
    if (!this.sending && (reader.isDue || reader.resume())) void this.read();
    this.rest();
  };

  /** Tells those who wait for it that there is nothing left to do. */
  private rest(): void {
    if (!this.isIdle) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async read(): Promise<void> {
    this.reading = true;
    try {
      await this.options.reader.read();
    } catch (error) {
      this.pause(error);
    }
    this.reading = false;
    this.schedule();
    this.rest();
  }

  /** Hands the kernel what is written, unless it is at work. */
  private flush(): void {
    if (this.sending || this.next.changes.length === 0) return;
    void this.send(this.next);
    [this.next, this.other] = [this.other, this.next];
  }

  private async send(batch: Batch): Promise<void> {
    this.sending = true;
    try {
      this.settle(batch, await batch.changes.send());
    } catch (error) {
      for (const each of [batch, this.next]) this.abandon(each);
      this.late.length = 0;
      this.pause(error);
    }
    batch.count = 0;
    this.sending = false;
    if (this.stopped) this.abandon(this.next);
    // What has been written meanwhile goes at once: the kernel should not have to wait for a turn.
    this.flush();
    this.schedule();
    this.rest();
  }

  private pause(error: unknown): void {
    this.options.log.warn({ reason: describeError(error) }, 'bgp routes not written to the kernel');
    this.paused = true;
    clearImmediate(this.soon);
    this.soon = undefined;
    this.retryLater();
  }

  /** What the kernel has made of it, if anything, is read before it is tried again. */
  private abandon(batch: Batch): void {
    batch.changes.clear();
    for (let index = 0; index < batch.count; index++) {
      const table = batch.tables[index]!;
      table.setWriting(batch.ids[index]!, false);
      table.touch(batch.ids[index]!);
    }
    batch.count = 0;
  }

  /** Writes what differs to the next batch, until that is full. */
  private fill(): void {
    const { next } = this;
    while (!next.changes.isFull) {
      const round = this.rounds[this.roundsPosition];
      if (round === undefined) {
        this.rounds = this.options.routes.takeTouched();
        this.roundsPosition = 0;
        this.position = 0;
        if (this.rounds.length === 0) return;
        continue;
      }
      const { table, ids } = round;
      while (this.position < ids.length && !next.changes.isFull) this.write(table, ids[this.position++]!);
      if (this.position < ids.length) return;
      this.roundsPosition++;
      this.position = 0;
    }
  }

  /** Writes what is to be done about a route now; it may have changed since its round began. */
  private write(table: FibTable, id: PrefixId): void {
    if (table.refusal(id) !== undefined) return;
    if (table.isWriting(id)) {
      this.late.push({ table, id });
      return;
    }
    const desired = table.desired(id);
    const actual = table.actual(id);
    const { changes } = this.next;
    if (desired === undefined) {
      if (actual === undefined) {
        table.prune(id);
        return;
      }
      if (this.isHeld(table.family)) return;
      changes.delete(table.destination(id), this.selectorOf(table));
    } else {
      if (table.isWritten(id)) return;
      const destination = table.destination(id);
      if (this.options.nextHops.table.holds(destination, table.metric)) {
        this.refuse(table, id, 'a route of another program has the same metric');
        return;
      }
      changes.set(actual === undefined ? 'add' : 'replace', destination, this.makeOf(table, desired));
    }
    table.setWriting(id, true);
    const at = this.next.count++;
    this.next.tables[at] = table;
    this.next.ids[at] = id;
    this.next.ways[at] = desired;
  }

  private settle(batch: Batch, failures: readonly RouteBatchFailure[]): void {
    // Before anything is forgotten that is to be looked at again.
    for (const { table, id } of this.late.splice(0)) table.touch(id);
    const failed = new Map(failures.map(({ index, error }) => [index, error]));
    const { tables, ids, ways, count } = batch;
    for (let index = 0; index < count; index++) {
      const table = tables[index]!;
      const id = ids[index]!;
      const error = failed.get(index);
      table.setWriting(id, false);
      // ESRCH: it is gone already, with its link perhaps.
      if (error === undefined || (ways[index] === undefined && error.errno === 'ESRCH')) {
        table.setActual(id, ways[index]);
        if (ways[index] === undefined) table.prune(id);
      } else if (table.desired(id) !== ways[index]) {
        // What is wanted now has not been tried, and its turn comes; what is believed of the kernel may be wrong.
        this.retryLater();
      } else {
        this.refuse(table, id, describeError(error));
      }
    }
    if (failures.length === 0) this.backoff.reset();
  }

  private makeOf({ metric }: FibTable, ways: readonly NextHop[]): RouteMake {
    let makes = this.makes.get(metric);
    if (makes === undefined) this.makes.set(metric, (makes = new WeakMap()));
    let make = makes.get(ways);
    if (make === undefined) {
      const { protocol, table } = this.options.config;
      const type = ways.length === 0 ? 'blackhole' : 'unicast';
      makes.set(ways, (make = { nextHops: ways, type, metric, protocol, table }));
    }
    return make;
  }

  private selectorOf({ metric }: FibTable): RouteSelector {
    const { protocol, table } = this.options.config;
    if (this.selector?.metric !== metric) this.selector = { metric, protocol, table };
    return this.selector;
  }

  private refuse(table: FibTable, id: PrefixId, reason: string): void {
    const destination = formatPrefixBits(table.destination(id));
    table.refuse(id, reason);
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
