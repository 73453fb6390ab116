import { afterAll, beforeAll } from 'vitest';
import { EtcdDatastore } from '../../src/datastore/etcd/etcd.ts';
import { etcdKey } from '../../src/model/keys.ts';
import { networkSet, testDatastoreContract } from '../datastore-contract.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

describeEtcd('etcd', () => {
  useOwnNetwork();
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(() => server.dispose());

  testDatastoreContract('etcd', async () => ({
    open: () => EtcdDatastore.open({ type: 'etcdv3', endpoints: [server.endpoint] }),
    putInvalid: async (key) => {
      const value = JSON.stringify({ ...networkSet(key.name), spec: { nets: ['ten'] } });
      await server.control('put', etcdKey(key), value);
    },
    compact: () => server.compact(),
    dispose: async () => {
      await server.control('del', '--prefix', '/calico/');
    },
  }));
});
