/**
 * Answers etcd's Range as etcd does, and nothing else. The build runs margayctl against it, so that its code for etcd
 * is compiled too where no etcd is installed. No test uses it: they have real ones.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(createRequire(import.meta.url).resolve('etcd3'));
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

/** Serves the keys and values on a free port of the loopback until `end` is called. */
export async function startEtcdStandIn(stored) {
  const proto = join(dirname(require.resolve('etcd3/package.json')), 'proto', 'rpc.proto');
  const { etcdserverpb } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true }));
  const header = { cluster_id: 1, member_id: 1, revision: 1, raft_term: 1 };
  const server = new grpc.Server();
  server.addService(etcdserverpb.KV.service, {
    Range({ request }, answer) {
      const [key, end] = [request.key, request.range_end].map((bytes) => Buffer.from(bytes ?? []).toString());
      const kvs = [...stored]
        .filter(([name]) => (end === '' ? name === key : name >= key && name < end))
        .map(([name, value]) => ({
          key: Buffer.from(name),
          value: Buffer.from(value),
          create_revision: 1,
          mod_revision: 1,
          version: 1,
        }));
      answer(null, { header, kvs, more: false, count: kvs.length });
    },
  });
  const port = await new Promise((resolve, reject) => {
    const done = (error, bound) => (error === null ? resolve(bound) : reject(error));
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), done);
  });
  return { endpoint: `http://127.0.0.1:${port}`, end: async () => server.forceShutdown() };
}
