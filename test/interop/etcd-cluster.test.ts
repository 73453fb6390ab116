import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { WatchEvent } from '../../src/datastore/datastore.ts';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { collect, networkSet } from '../datastore-contract.ts';
import { compactedBehind, killed, partitioned, paused, writeThroughFaults } from './etcd-faults.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

describeEtcd('a cluster of three etcd members', () => {
  useOwnNetwork();
  let members: EtcdServer[];
  const opened: EtcdDatastore[] = [];
  const open = async (endpoints: readonly string[], request = 20_000): Promise<EtcdDatastore> => {
    const made = await EtcdDatastore.open({ type: 'etcdv3', endpoints }, { timeouts: { request } });
    opened.push(made);
    return made;
  };

  beforeAll(async () => {
    const ports = [2381, 2383, 2385];
    const cluster = ports.map((port) => `m${port}=http://127.0.0.1:${port}`).join(',');
    // None serves before there are two.
    members = await Promise.all(
      ports.map((peerPort) =>
        EtcdServer.start({
          clientPort: peerPort + 1_000,
          peerPort,
          flags: [`--name=m${peerPort}`, `--initial-cluster=${cluster}`],
        }),
      ),
    );
  });
  afterEach(async () => {
    for (const made of opened.splice(0)) await made.close();
  });
  afterAll(() => Promise.all(members.map((member) => member.dispose())));

  it('is written and watched through the loss of each member in turn: nothing lost, nothing repeated', async () => {
    const endpoints = members.map(({ endpoint }) => endpoint);
    // Each uses one member, drawn by lot; as all members are lost in turn, it is that one too.
    const watching = await Promise.all(
      [0, 1, 2].map((first) => open([...endpoints.slice(first), ...endpoints.slice(0, first)])),
    );
    const writer = await open(endpoints);
    const { revision } = await writer.list();
    const WRITES = 600;
    const seen = watching.map((client) =>
      collect(client, revision, (events) => events.length >= WRITES, { milliseconds: 120_000 }),
    );
    let current = await writer.create(networkSet('written'));
    let lost: Promise<void> = Promise.resolve();
    for (let done = 1; done < WRITES; done++) {
      const member = members[Math.floor(done / 150) - 1];
      if (done % 150 === 0 && member !== undefined) {
        // One at a time: two of three must be there.
        await lost;
        lost = member.kill().then(() => member.restart());
      }
      current = await writer.update({ ...current, spec: { nets: [`10.0.${done >> 8}.${done & 255}/32`] } });
    }
    await lost;
    const expected = Array.from({ length: WRITES }, (_, index) => revision + 1 + index);
    const revisionsOf = (events: readonly WatchEvent[]): number[] => events.map((event) => event.revision);
    for (const events of await Promise.all(seen)) expect(revisionsOf(events)).toEqual(expected);
  });

  it('says within the time of a request that no member can be reached, and goes on when two are back', async () => {
    const datastore = await open(
      members.map(({ endpoint }) => endpoint),
      2_000,
    );
    await datastore.list();
    await Promise.all(members.map((member) => member.kill()));
    await expect(datastore.list()).rejects.toThrow(
      'cannot reach etcd at http://127.0.0.1:3381, http://127.0.0.1:3383, http://127.0.0.1:3385: connection refused',
    );
    await Promise.all(members.slice(1).map((member) => member.restart()));
    await expect.poll(() => datastore.list(), { timeout: 20_000 }).toBeDefined();
    await members[0]!.restart();
  });
});

describeEtcd('an etcd', () => {
  useOwnNetwork();
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(() => server.dispose());

  it('is followed through 1,000 writes, a kill, a pause, a partition and a compaction: the state ends as a fresh list', async () => {
    await writeThroughFaults(server, 1_000, [killed, paused(2_000), partitioned(2_000), compactedBehind]);
  });

  it('is given up after the time of a request when it hangs, and when it is cut off', async () => {
    const datastore = await EtcdDatastore.open(
      { type: 'etcdv3', endpoints: [server.endpoint] },
      { timeouts: { request: 700 } },
    );
    await datastore.list();
    server.pause();
    await expect(datastore.list()).rejects.toThrow(
      `cannot reach etcd at ${server.endpoint}: no answer in time`,
    );
    server.resume();
    await expect.poll(() => datastore.list(), { timeout: 20_000 }).toBeDefined();
    await server.cutOff();
    await expect(datastore.list()).rejects.toThrow(`cannot reach etcd at ${server.endpoint}`);
    await server.heal();
    await expect.poll(() => datastore.list(), { timeout: 20_000 }).toBeDefined();
    await datastore.close();
  });

  it('is shared by clusters under prefixes, which do not see one another', async () => {
    const clusters = await Promise.all(
      ['/prod', '/prod/east', undefined].map((keyPrefix) =>
        EtcdDatastore.open({
          type: 'etcdv3',
          endpoints: [server.endpoint],
          ...(keyPrefix === undefined ? {} : { keyPrefix }),
        }),
      ),
    );
    const [prod, east] = clusters;
    const { revision } = await prod!.list();
    const seen = collect(prod!, revision, (events) => events.some(({ key }) => key.name === 'last'));
    await east!.create(networkSet('hers'));
    await prod!.create(networkSet('mine'));
    await prod!.update(networkSet('mine', '10.1.0.0/16'));
    await prod!.create(networkSet('last'));
    expect((await seen).map(({ key }) => key.name)).toEqual(['mine', 'mine', 'last']);
    expect((await prod!.list({ kind: 'NetworkSet' })).resources.map(({ metadata }) => metadata.name)).toEqual(
      ['last', 'mine'],
    );
    expect((await east!.list()).resources.map(({ metadata }) => metadata.name)).toEqual(['hers']);
    expect((await server.control('get', '--prefix', '/prod/east', '--keys-only')).trim()).toBe(
      '/prod/east/calico/resources/v3/projectcalico.org/networksets/blue/hers',
    );
    for (const cluster of clusters) await cluster.close();
  });
});
