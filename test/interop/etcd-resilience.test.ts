import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  CompactedError,
  ConflictError,
  type Datastore,
  DatastoreError,
  type WatchEvent,
} from '../../src/datastore/datastore.ts';
import { EtcdDatastore, type EtcdOptions } from '../../src/datastore/etcd/etcd.ts';
import { Syncer } from '../../src/datastore/syncer.ts';
import type { Resource } from '../../src/model/resource.ts';
import { etcdKey } from '../../src/model/keys.ts';
import { collect, networkSet, networkSetKey, tier } from '../datastore-contract.ts';
import { expectNoGhost } from './etcd-faults.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

/** The shortest probes that etcd allows. */
const impatient: EtcdOptions = { timeouts: { keepalive: 5_000, keepaliveAnswer: 1_000 } };

describeEtcd('the etcd datastore', () => {
  useOwnNetwork();
  let server: EtcdServer;
  const opened: Datastore[] = [];
  const open = async (options: EtcdOptions = impatient, endpoints?: string[]): Promise<EtcdDatastore> => {
    const made = await EtcdDatastore.open(
      { type: 'etcdv3', endpoints: endpoints ?? [server.endpoint] },
      options,
    );
    opened.push(made);
    return made;
  };

  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  beforeEach(async () => {
    await server.control('del', '--prefix', '/calico/');
  });
  afterEach(async () => {
    for (const made of opened.splice(0)) await made.close();
  });
  afterAll(() => server.dispose());

  /** Writes `count` revisions, through anything that happens to etcd meanwhile; the revision of each, in order. */
  async function writeThrough(count: number, onWritten: (done: number) => void): Promise<number[]> {
    const datastore = await open({ timeouts: { request: 20_000 } });
    const revisions: number[] = [];
    let current = await datastore.create(networkSet('written'));
    revisions.push(Number(current.metadata.resourceVersion));
    for (let done = 1; done < count; done++) {
      current = await datastore.update({
        ...current,
        spec: { nets: [`10.0.${done >> 8}.${done & 255}/32`] },
      });
      revisions.push(Number(current.metadata.resourceVersion));
      onWritten(done);
    }
    return revisions;
  }

  const revisionsOf = (events: readonly WatchEvent[]): number[] => events.map(({ revision }) => revision);

  it('watches through kill and restart in the middle of 2,000 writes: nothing lost, nothing repeated', async () => {
    const watching = await open();
    const { revision } = await watching.list();
    const seen = collect(watching, revision, (events) => events.length >= 2_000, { milliseconds: 120_000 });
    const disturbances: Promise<void>[] = [];
    const written = await writeThrough(2_000, (done) => {
      if (done !== 500 && done !== 1_200) return;
      disturbances.push(server.kill().then(() => server.restart()));
    });
    await Promise.all(disturbances);
    expect(disturbances).toHaveLength(2);
    expect(revisionsOf(await seen)).toEqual(written);
    expect(written).toEqual(Array.from({ length: 2_000 }, (_, index) => written[0]! + index));
  });

  it('watches through an etcd that hangs and comes back', async () => {
    const watching = await open();
    const problems: (string | undefined)[] = [];
    const { revision } = await watching.list();
    const controller = new AbortController();
    const events: WatchEvent[] = [];
    const following = (async () => {
      const onProblem = (problem: DatastoreError | undefined): void => void problems.push(problem?.message);
      for await (const batch of watching.watch({ from: revision, signal: controller.signal, onProblem })) {
        events.push(...batch);
      }
    })();
    const written = await writeThrough(50, (done) => {
      if (done !== 25) return;
      server.pause();
      void sleep(9_000).then(() => server.resume());
    });
    await until(() => events.length >= 50 && problems.at(-1) === undefined);
    controller.abort();
    await following;
    expect(revisionsOf(events)).toEqual(written);
    expect(problems.filter((problem) => problem !== undefined).join()).toContain('cannot reach etcd at');
  });

  it('says compacted when history was forgotten behind the back of a watch that was cut off', async () => {
    const [watching, other] = [await open(), await open()];
    await other.create(networkSet('a'));
    const { revision } = await watching.list();
    const events = watching
      .watch({ from: revision, signal: new AbortController().signal })
      [Symbol.asyncIterator]();
    const first = events.next();
    await other.update(networkSet('a', '10.1.0.0/16'));
    expect((await first).value).toHaveLength(1);
    await server.kill();
    await server.restart();
    await other.update(networkSet('a', '10.2.0.0/16'));
    await other.delete(networkSetKey('a'));
    await server.compact();
    // What the watch had not got before the cut is either still delivered whole, or reported as forgotten.
    const outcome = await collectRest(events);
    expect(outcome === 'compacted' || outcome.length === 2).toBe(true);
  });

  it('says compacted to a watch on a cluster that was replaced by another', async () => {
    const watching = await open();
    for (let round = 0; round < 5; round++) await watching.create(networkSet(`a${round}`));
    const { revision } = await watching.list();
    const seen = collect(watching, revision, () => true, { milliseconds: 60_000 });
    const outcome = expect(seen).rejects.toThrow(CompactedError);
    await server.kill();
    await server.wipe();
    await server.restart();
    await outcome;
  });

  it('gives a syncer the differences after a restart with a compaction, deletions included', async () => {
    const [followed, other] = [await open(), await open()];
    for (const name of ['stays', 'changes', 'goes']) await other.create(networkSet(name));
    const state = new Map<string, unknown>();
    const events: string[] = [];
    let synced = 0;
    const controller = new AbortController();
    const running = new Syncer(followed, {
      updates: (batch) => {
        for (const event of batch) {
          events.push(`${event.type} ${event.key.name}`);
          if (event.type === 'put') state.set(event.key.name, event.resource.spec);
          else state.delete(event.key.name);
        }
      },
      inSync: () => synced++,
      problem: () => {},
    }).run(controller.signal);
    await until(() => synced === 1);
    events.length = 0;
    await server.kill();
    await server.restart();
    await other.update(networkSet('changes', '10.1.0.0/16'));
    await other.delete(networkSetKey('goes'));
    await other.create(networkSet('comes'));
    await server.compact();
    await until(() => state.has('comes') && !state.has('goes'));
    controller.abort();
    await running;
    expect(events.toSorted()).toEqual(['delete goes', 'put changes', 'put comes']);
    expect(state.get('changes')).toEqual({ nets: ['10.1.0.0/16'] });
  });

  it('repeats a write whose answer got lost without doing it twice', async () => {
    const datastore = await open({ timeouts: { request: 20_000 } });
    const created = await datastore.create(networkSet('a'));
    for (let round = 0; round < 3; round++) {
      const writes = Array.from({ length: 20 }, (_, index) =>
        datastore.create(networkSet(`r${round}-${index}`)),
      );
      const restarted = server.kill().then(() => server.restart());
      await Promise.all([...writes, restarted]);
    }
    await datastore.update(created);
    await expect(datastore.update(created)).rejects.toThrow(ConflictError);
    expect((await datastore.list()).resources).toHaveLength(61);
  });

  it.each(['create', 'delete'] as const)('never gets a %s late that was repeated before', async (change) => {
    await expectNoGhost(server, await open({ timeouts: { request: 20_000 } }), change);
  });

  it('says where it cannot be reached, and what to do, within its time', async () => {
    const datastore = await open({ timeouts: { request: 500 } }, [
      'http://127.0.0.1:2',
      'http://127.0.0.1:3',
    ]);
    const started = performance.now();
    const error = await datastore.list().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(error).toBeInstanceOf(DatastoreError);
    const { message, fix, retryable } = error as DatastoreError;
    expect(message).toBe('cannot reach etcd at http://127.0.0.1:2, http://127.0.0.1:3: connection refused');
    expect(fix).toContain('ETCD_ENDPOINTS');
    expect(retryable).toBe(true);
  });

  it('gives up on an etcd that does not answer', async () => {
    const datastore = await open({ timeouts: { request: 500 } });
    await datastore.list();
    server.pause();
    try {
      await expect(datastore.list()).rejects.toThrow('no answer in time');
    } finally {
      server.resume();
    }
    await datastore.list();
  });

  it('uses the members that answer', async () => {
    const datastore = await open(impatient, ['http://127.0.0.1:2', server.endpoint, 'http://127.0.0.1:3']);
    const { revision } = await datastore.list();
    const seen = collect(datastore, revision, (events) => events.length >= 10);
    for (let index = 0; index < 10; index++) await datastore.create(networkSet(`a${index}`));
    expect(await seen).toHaveLength(10);
  });

  it('stores where and what calicoctl reads, and leaves what it does not know alone', async () => {
    const datastore = await open();
    const created = await datastore.create(tier('t', 7));
    const path = '/calico/resources/v3/projectcalico.org/tiers/t';
    const stored = JSON.parse(await server.control('get', '--print-value-only', path)) as unknown;
    const { resourceVersion: _, ...metadata } = created.metadata;
    expect(stored).toEqual({ ...created, metadata });
    await server.control('put', '/calico/resources/v3/projectcalico.org/futurethings/x', '{}');
    await server.control('put', '/calico/felix/v2/no-region/host/h/status', '{}');
    const { resources, invalid } = await datastore.list();
    expect(resources).toEqual([created]);
    expect(invalid).toEqual([]);
  });

  it('reads block affinities where Calico keeps them', async () => {
    const datastore = await open();
    const { revision } = await datastore.list();
    const path = '/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.0-26';
    await server.control('put', path, '{"state":"confirmed","deleted":false}');
    const [event] = await collect(datastore, revision, (events) => events.length >= 1);
    expect(event).toMatchObject({
      type: 'put',
      resource: { kind: 'BlockAffinity', spec: { state: 'confirmed', node: 'node-1', cidr: '10.0.0.0/26' } },
    });
    expect((await datastore.list({ kind: 'BlockAffinity' })).resources).toHaveLength(1);
  });

  it('catches up with more than fits in a message, and sees a transaction whole', async () => {
    const datastore = await open();
    const { revision } = await datastore.list();
    const big = (index: number): Resource => {
      const resource = networkSet(`big-${index}`);
      return { ...resource, metadata: { ...resource.metadata, annotations: { text: 'x'.repeat(12_000) } } };
    };
    // In one revision, and then in many that etcd hands to a late watch in one response, in fragments.
    const puts = Array.from({ length: 100 }, (_, index) => {
      const value = JSON.stringify(JSON.stringify(big(index)));
      return `put ${etcdKey(networkSetKey(`big-${index}`))} ${value}`;
    });
    await server.transaction(puts);
    for (let start = 100; start < 400; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => datastore.create(big(start + index))));
    }
    const events = await collect(datastore, revision, (all) => all.length >= 400);
    const expected = [...Array<number>(100).fill(0), ...Array.from({ length: 300 }, (_, index) => index + 1)];
    expect(revisionsOf(events).map((seen) => seen - revision - 1)).toEqual(expected);
    expect(new Set(events.map(({ key }) => key.name)).size).toBe(400);
  });

  it('lists more than a page at one revision', async () => {
    const datastore = await open();
    const small = Array.from({ length: 2_400 }, (_, index) => index);
    for (let start = 0; start < small.length; start += 200) {
      await Promise.all(
        small.slice(start, start + 200).map((index) => datastore.create(networkSet(`s${index}`))),
      );
    }
    const list = await datastore.list();
    expect(list.resources).toHaveLength(2_400);
    expect(new Set(list.resources.map(({ metadata }) => metadata.name)).size).toBe(2_400);
  });
});

async function collectRest(
  events: AsyncIterator<readonly WatchEvent[]>,
): Promise<'compacted' | readonly WatchEvent[]> {
  const all: WatchEvent[] = [];
  try {
    while (all.length < 2) {
      const next = await events.next();
      if (next.done === true) break;
      all.push(...next.value);
    }
    return all;
  } catch (error) {
    if (error instanceof CompactedError) return 'compacted';
    throw error;
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition never came true');
    await sleep(10);
  }
}
