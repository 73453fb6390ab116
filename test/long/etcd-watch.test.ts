import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { Syncer } from '../../src/datastore/syncer.ts';
import { networkSet, networkSetKey } from '../datastore-contract.ts';
import { EtcdServer } from '../interop/etcd-server.ts';
import { describeEtcd, useOwnNetwork } from '../interop/fixture-etcd.ts';

const WRITES = 10_000;
const NAMES = 50;

/** What happens to etcd after so many writes. */
const DISTURBANCES: readonly (readonly [number, (server: EtcdServer) => Promise<void>])[] = [
  [1_000, killAndRestart],
  [2_500, pauseFor(3_000)],
  [4_000, (server) => server.compact()],
  [5_500, pauseFor(9_000)],
  [
    7_000,
    async (server) => {
      await killAndRestart(server);
      await server.compact();
    },
  ],
  [
    8_500,
    async (server) => {
      await server.stop();
      await sleep(2_000);
      await server.restart();
    },
  ],
];

async function killAndRestart(server: EtcdServer): Promise<void> {
  await server.kill();
  await server.restart();
}

function pauseFor(milliseconds: number): (server: EtcdServer) => Promise<void> {
  return async (server) => {
    server.pause();
    await sleep(milliseconds);
    server.resume();
  };
}

describeEtcd('a syncer on etcd', () => {
  useOwnNetwork();
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(() => server.dispose());

  it('ends with the same state as etcd after kills, hangs, compactions and restarts during 10,000 writes', async () => {
    const open = (): Promise<EtcdDatastore> =>
      EtcdDatastore.open(
        { type: 'etcdv3', endpoints: [server.endpoint] },
        { timeouts: { request: 30_000, keepalive: 5_000, keepaliveAnswer: 1_000 } },
      );
    const [writer, follower] = [await open(), await open()];
    const state = new Map<string, string>();
    const revisions = new Map<string, number>();
    const controller = new AbortController();
    const running = new Syncer(follower, {
      updates: (batch) => {
        for (const event of batch) {
          const { name } = event.key;
          expect(event.revision).toBeGreaterThan(revisions.get(name) ?? 0);
          revisions.set(name, event.revision);
          if (event.type === 'put') state.set(name, JSON.stringify(event.resource));
          else state.delete(name);
        }
      },
      inSync: () => {},
      problem: () => {},
    }).run(controller.signal);

    const disturbed: Promise<void>[] = [];
    const present = new Set<string>();
    for (let done = 0; done < WRITES; done++) {
      const name = `set-${(done * 7) % NAMES}`;
      const set = networkSet(name, `10.${(done >> 8) & 255}.${done & 255}.0/24`);
      if (!present.has(name)) {
        await writer.create(set);
        present.add(name);
      } else if (done % 11 === 0) {
        await writer.delete(networkSetKey(name));
        present.delete(name);
      } else {
        await writer.update(set);
      }
      for (const [after, disturb] of DISTURBANCES) if (done === after) disturbed.push(disturb(server));
    }
    await Promise.all(disturbed);

    const { resources, revision } = await writer.list();
    const expected = new Map(resources.map((resource) => [resource.metadata.name, JSON.stringify(resource)]));
    const last = await writer.create(networkSet('last'));
    expect(Number(last.metadata.resourceVersion)).toBeGreaterThan(revision);
    expected.set('last', JSON.stringify(last));
    const deadline = performance.now() + 60_000;
    while (!state.has('last') && performance.now() < deadline) await sleep(20);
    controller.abort();
    await running;
    expect(Object.fromEntries(state)).toEqual(Object.fromEntries(expected));
    await Promise.all([writer.close(), follower.close()]);
  });
});
