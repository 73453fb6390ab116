import { afterAll, beforeAll, it } from 'vitest';
import {
  compacted,
  compactedBehind,
  killed,
  partitioned,
  paused,
  stopped,
  writeThroughFaults,
} from '../interop/etcd-faults.ts';
import { EtcdServer } from '../interop/etcd-server.ts';
import { describeEtcd, useOwnNetwork } from '../interop/fixture-etcd.ts';

describeEtcd('a syncer on etcd', () => {
  useOwnNetwork();
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(() => server.dispose());

  it('ends as a fresh list after 10,000 writes through stops, kills, pauses, partitions and compactions', async () => {
    await writeThroughFaults(server, 10_000, [
      killed,
      paused(10_000),
      compacted,
      partitioned(4_000),
      stopped,
      partitioned(15_000),
      compactedBehind,
      paused(3_000),
    ]);
  });
});
