import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { InternalError } from '../../../src/base/errors.ts';
import {
  CompactedError,
  type Datastore,
  DatastoreError,
  type WatchEvent,
  type WatchOptions,
} from '../../../src/datastore/datastore.ts';
import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import { State } from '../../../src/datastore/state.ts';
import { Syncer, type SyncerOptions } from '../../../src/datastore/syncer.ts';
import type { ResourceKey } from '../../../src/model/resource.ts';
import { networkSet, networkSetKey, tier } from '../../datastore-contract.ts';

const unreachable = new DatastoreError('datastore.unreachable', 'cannot reach it', true);

/** A memory datastore whose connection can be cut. */
class Cuttable implements Datastore {
  readonly type = 'memory';
  readonly inner: MemoryDatastore;
  lists = 0;
  private away: DatastoreError | undefined;
  private cut = new AbortController();

  constructor(readonly state = new State()) {
    this.inner = new MemoryDatastore(state);
  }

  /** Running watches fail with the error; with `andStayAway` lists do too until {@link mend}. */
  break(error: DatastoreError, andStayAway = true): void {
    if (andStayAway) this.away = error;
    this.cut.abort(error);
    this.cut = new AbortController();
  }

  mend(): void {
    this.away = undefined;
  }

  get(key: ResourceKey) {
    return this.inner.get(key);
  }

  async list() {
    this.lists++;
    if (this.away !== undefined) throw this.away;
    return this.inner.list();
  }

  create = (resource: Parameters<Datastore['create']>[0]) => this.inner.create(resource);
  update = (resource: Parameters<Datastore['update']>[0]) => this.inner.update(resource);
  delete = (key: ResourceKey) => this.inner.delete(key);

  async *watch(options: WatchOptions): AsyncGenerator<readonly WatchEvent[]> {
    const cut = this.cut.signal;
    yield* this.inner.watch({ ...options, signal: AbortSignal.any([options.signal, cut]) });
    if (cut.aborted) throw cut.reason;
  }

  close() {
    return this.inner.close();
  }
}

/** A syncer on a datastore, and what it has told so far. */
function follow(datastore: Datastore, options: SyncerOptions = {}) {
  const told: string[] = [];
  const clock = new ManualClock();
  const controller = new AbortController();
  const syncer = new Syncer(
    datastore,
    {
      updates: (batch, revision) => {
        told.push(`${batch.map(({ type, key }) => `${type} ${key.name}`).join(', ')} @${revision}`);
      },
      inSync: (revision) => told.push(`in sync @${revision}`),
      problem: (error) => told.push(error === undefined ? 'back' : `away: ${error.message}`),
    },
    { clock, ...options },
  );
  const running = syncer.run(controller.signal);
  return {
    syncer,
    told,
    /** Lets everything happen that needs no more time than `milliseconds`. */
    async settle(milliseconds = 0): Promise<string[]> {
      for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
      if (milliseconds > 0) {
        clock.advance(milliseconds);
        for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
      }
      return told.splice(0);
    },
    async stop(): Promise<void> {
      controller.abort();
      await running;
    },
  };
}

describe('a syncer', () => {
  it('tells everything, then that it is in sync, then each change', async () => {
    const datastore = new MemoryDatastore();
    await datastore.create(networkSet('a'));
    await datastore.create(tier('t', 5));
    const consumer = follow(datastore);
    expect(await consumer.settle()).toEqual(['put a, put t @2', 'in sync @2']);
    await datastore.update(networkSet('a', '10.1.0.0/16'));
    await datastore.delete({ kind: 'Tier', name: 't' });
    expect((await consumer.settle()).join('; ')).toMatch(/^put a(, | @3; )delete t @4$/);
    await consumer.stop();
  });

  it('is in sync with nothing when nothing is stored', async () => {
    const consumer = follow(new MemoryDatastore());
    expect(await consumer.settle()).toEqual(['in sync @0']);
    await consumer.stop();
  });

  it('tells only of the kinds that are asked for', async () => {
    const datastore = new MemoryDatastore();
    await datastore.create(networkSet('a'));
    await datastore.create(tier('t', 5));
    const consumer = follow(datastore, { kinds: ['Tier'] });
    expect(await consumer.settle()).toEqual(['put t @2', 'in sync @2']);
    await datastore.delete(networkSetKey('a'));
    await datastore.create(tier('u', 6));
    expect(await consumer.settle()).toEqual(['put u @4']);
    await consumer.stop();
  });

  it('after a compaction lists again and tells only the differences, deletions included', async () => {
    const datastore = new Cuttable();
    for (const name of ['stays', 'changes', 'goes']) await datastore.create(networkSet(name));
    const consumer = follow(datastore);
    await consumer.settle();
    datastore.break(new CompactedError(3), false);
    await datastore.update(networkSet('changes', '10.1.0.0/16'));
    await datastore.delete(networkSetKey('goes'));
    await datastore.create(networkSet('comes'));
    expect(await consumer.settle(1_000)).toEqual(['put changes, put comes, delete goes @6', 'in sync @6']);
    expect(datastore.lists).toBe(2);
    await consumer.stop();
  });

  it('says that the datastore is away, once, keeps its state, and says when it is back', async () => {
    const datastore = new Cuttable();
    await datastore.create(networkSet('a'));
    const consumer = follow(datastore);
    await consumer.settle();
    datastore.break(unreachable);
    expect(await consumer.settle()).toEqual(['away: cannot reach it']);
    expect(await consumer.settle(1_000)).toEqual([]);
    expect(await consumer.settle(10_000)).toEqual([]);
    await datastore.create(networkSet('b'));
    datastore.mend();
    expect(await consumer.settle(10_000)).toEqual(['back', 'put b @2', 'in sync @2']);
    await consumer.stop();
  });

  it('waits for a datastore that is away from the start, and is not in sync meanwhile', async () => {
    const datastore = new Cuttable();
    datastore.break(unreachable);
    const consumer = follow(datastore);
    expect(await consumer.settle(100)).toEqual(['away: cannot reach it']);
    datastore.mend();
    expect(await consumer.settle(10_000)).toEqual(['back', 'in sync @0']);
    await consumer.stop();
  });

  it('tries less and less often while the datastore is away', async () => {
    const datastore = new Cuttable();
    datastore.break(unreachable);
    const consumer = follow(datastore, { backoff: { initial: 100, maximum: 1_000, random: () => 0.999 } });
    for (let time = 0; time < 10_000; time += 50) await consumer.settle(50);
    expect(datastore.lists).toBeGreaterThan(8);
    expect(datastore.lists).toBeLessThan(16);
    await consumer.stop();
  });

  it('hands on trouble that the watch mends by itself', async () => {
    const datastore = new Cuttable();
    let report: ((problem: DatastoreError | undefined) => void) | undefined;
    const inner = datastore.watch.bind(datastore);
    datastore.watch = (options) => {
      report = options.onProblem;
      return inner(options);
    };
    const consumer = follow(datastore);
    await consumer.settle();
    report!(unreachable);
    report!(unreachable);
    report!(undefined);
    expect(await consumer.settle()).toEqual(['away: cannot reach it', 'back']);
    await consumer.stop();
  });

  it('tells of an invalid value without a deletion, through lists and watches, and of its recovery', async () => {
    const state = new State();
    const datastore = new Cuttable(state);
    const bad = { ...networkSet('a'), spec: { nets: ['ten'] } };
    await datastore.create(networkSet('a'));
    const consumer = follow(datastore);
    await consumer.settle();
    datastore.inner.putRaw(networkSetKey('a'), bad);
    expect(await consumer.settle()).toEqual(['invalid a @2']);
    expect(consumer.syncer.invalid.map(({ key }) => key.name)).toEqual(['a']);
    datastore.break(new CompactedError(2), false);
    expect(await consumer.settle(1_000)).toEqual(['in sync @2']);
    expect(consumer.syncer.invalid).toHaveLength(1);
    await datastore.update(networkSet('a'));
    expect(await consumer.settle()).toEqual(['put a @3']);
    expect(consumer.syncer.invalid).toEqual([]);
    datastore.break(new CompactedError(3), false);
    datastore.inner.putRaw(networkSetKey('a'), bad);
    datastore.inner.putRaw(networkSetKey('b'), { ...networkSet('b'), spec: { nets: ['ten'] } });
    expect(await consumer.settle(1_000)).toEqual(['invalid a, invalid b @5', 'in sync @5']);
    await datastore.delete(networkSetKey('b'));
    expect(await consumer.settle()).toEqual(['delete b @6']);
    await consumer.stop();
  });

  it('notices a restored datastore that gives an old revision to new content', async () => {
    const state = new State();
    const datastore = new Cuttable(state);
    await datastore.create(networkSet('a'));
    const consumer = follow(datastore);
    await consumer.settle();
    const restored = new Cuttable();
    await restored.create(networkSet('a', '10.7.0.0/16'));
    datastore.list = () => restored.list();
    datastore.break(new CompactedError(1), false);
    expect(await consumer.settle(1_000)).toEqual(['put a @1', 'in sync @1']);
    await consumer.stop();
  });

  it('ends with the error that its consumer threw, and with defects, instead of trying again', async () => {
    const failing = new Syncer(new MemoryDatastore(), {
      updates: () => {},
      inSync: () => {
        throw new InternalError('consumer');
      },
      problem: () => {},
    });
    await expect(failing.run(new AbortController().signal)).rejects.toThrow('consumer');
    const datastore = new Cuttable();
    datastore.list = () => Promise.reject(new TypeError('defect'));
    const consumer = follow(datastore);
    await expect(consumer.stop()).resolves.toBeUndefined();
    const defective = new Syncer(datastore, { updates: () => {}, inSync: () => {}, problem: () => {} });
    await expect(defective.run(new AbortController().signal)).rejects.toThrow('defect');
  });
});
