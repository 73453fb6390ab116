/** Writes through everything that can happen to an etcd, and judges what a watcher made of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Datastore } from '../../src/datastore/datastore.ts';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { Syncer } from '../../src/datastore/syncer.ts';
import { networkSet, networkSetKey } from '../datastore-contract.ts';
import type { EtcdServer } from './etcd-server.ts';

const NAMES = 50;

/** What happens to etcd; resolves when it is back. */
export interface Disturbance {
  readonly name: string;
  readonly happen: (server: EtcdServer) => Promise<void>;
}

export const killed: Disturbance = {
  name: 'killed and started',
  happen: async (server) => {
    await server.kill();
    await server.restart();
  },
};

export const stopped: Disturbance = {
  name: 'stopped for two seconds',
  happen: async (server) => {
    await server.stop();
    await sleep(2_000);
    await server.restart();
  },
};

export const compacted: Disturbance = { name: 'compacted', happen: (server) => server.compact() };

/** The watcher is away while history is forgotten: only a list can tell it what it missed. */
export const compactedBehind: Disturbance = {
  name: 'killed, started and compacted',
  happen: async (server) => {
    await killed.happen(server);
    await server.compact();
  },
};

export function paused(milliseconds: number): Disturbance {
  return {
    name: `paused for ${milliseconds / 1_000} s`,
    happen: async (server) => {
      server.pause();
      await sleep(milliseconds);
      server.resume();
    },
  };
}

export function partitioned(milliseconds: number): Disturbance {
  return {
    name: `cut off for ${milliseconds / 1_000} s`,
    happen: async (server) => {
      await server.cutOff();
      await sleep(milliseconds);
      await server.heal();
    },
  };
}

/**
 * Makes `writes` changes while the disturbances happen, evenly spread, and follows them with a syncer on another
 * connection. Expects its state to end as a fresh list, and that it never goes back. Prints how long it took after each
 * disturbance until the syncer had something new.
 */
export async function writeThroughFaults(
  server: EtcdServer,
  writes: number,
  disturbances: readonly Disturbance[],
): Promise<void> {
  const config = { type: 'etcdv3', endpoints: [server.endpoint] } as const;
  const [writer, follower] = await Promise.all([
    EtcdDatastore.open(config, { timeouts: { request: 60_000 } }),
    EtcdDatastore.open(config),
  ]);
  const state = new Map<string, string>();
  const revisions = new Map<string, number>();
  let newest = 0;
  let onNews = (): void => {};
  const controller = new AbortController();
  const running = new Syncer(follower, {
    updates: (batch, revision) => {
      for (const event of batch) {
        const { name } = event.key;
        expect(event.revision).toBeGreaterThan(revisions.get(name) ?? 0);
        revisions.set(name, event.revision);
        if (event.type === 'put') state.set(name, JSON.stringify(event.resource));
        else state.delete(name);
      }
      newest = Math.max(newest, revision);
      onNews();
    },
    inSync: () => {},
    problem: () => {},
  }).run(controller.signal);

  /** Milliseconds from now until the follower has a change that was made after now. */
  async function recovery(): Promise<number> {
    const start = performance.now();
    const { revision } = await writer.list({ kind: 'Tier' });
    await new Promise<void>((resolve) => {
      onNews = () => {
        if (newest > revision) resolve();
      };
      onNews();
    });
    return performance.now() - start;
  }

  const recovered: string[] = [];
  const present = new Set<string>();
  let disturbing: Promise<void> | undefined;
  let quiet = false;
  async function disturb(): Promise<void> {
    for (const { name, happen } of disturbances) {
      await sleep(200);
      await happen(server);
      recovered.push(`${name}: ${(await recovery()).toFixed(0)} ms`);
    }
    quiet = true;
  }

  let done = 0;
  // Goes on until all disturbances are over, however fast the writes are.
  for (; done < writes || !quiet; done++) {
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
    disturbing ??= disturb();
  }
  await disturbing;

  const { resources } = await writer.list();
  const expected = new Map(resources.map((resource) => [resource.metadata.name, JSON.stringify(resource)]));
  const last = await writer.create(networkSet('last'));
  expected.set('last', JSON.stringify(last));
  const deadline = performance.now() + 60_000;
  while (!state.has('last') && performance.now() < deadline) await sleep(20);
  controller.abort();
  await running;
  expect(Object.fromEntries(state)).toEqual(Object.fromEntries(expected));
  await Promise.all([writer.close(), follower.close()]);
  console.log(`${done} writes; until the watcher had news after etcd was back: ${recovered.join(', ')}`);
}

/**
 * Makes a change while etcd is cut off for so short that it is repeated on a new connection before TCP repeats it on the
 * old one, undoes it, and expects it to stay undone.
 */
export async function expectNoGhost(
  server: EtcdServer,
  datastore: Datastore,
  change: 'create' | 'delete',
): Promise<void> {
  const create = (): Promise<unknown> => datastore.create(networkSet('ghost'));
  const remove = (): Promise<unknown> => datastore.delete(networkSetKey('ghost'));
  const [apply, undo] = change === 'create' ? [create, remove] : [remove, create];
  if (change === 'delete') await create();
  await datastore.list();
  await server.cutOff();
  const applied = apply();
  await sleep(2_000);
  await server.heal();
  await applied;
  await undo();
  // TCP repeats 1.4, 3 and 6.2 s after it sent: it is the absence of an event that is waited for.
  await sleep(6_000);
  const { resources } = await datastore.list({ kind: 'NetworkSet' });
  expect(resources.some(({ metadata }) => metadata.name === 'ghost')).toBe(change === 'delete');
}
