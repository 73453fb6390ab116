/**
 * An esbuild plugin that lets the package etcd3 live in a bundle: it reads its .proto files by path when it is
 * loaded, and a bundle has no such path. Here they are parsed at build time, and the package is given the result.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

/** What the package says, and what it says in the bundle. Another version that says it otherwise fails the build. */
const CALL = '(0, proto_loader_1.loadSync)(`${__dirname}/../proto/rpc.proto`, {';

export function etcd3Protos() {
  return {
    name: 'etcd3-protos',
    setup(builder) {
      builder.onLoad({ filter: /[\\/]etcd3[\\/]lib[\\/]connection-pool\.js$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        if (source.split(CALL).length !== 2) {
          return { errors: [{ text: `${path} does not load its protos as expected; see etcd3-protos.mjs` }] };
        }
        const require = createRequire(path);
        const loader = createRequire(require.resolve('@grpc/proto-loader'));
        const { Root } = loader('protobufjs');
        const protos = join(dirname(path), '..', 'proto');
        // keepCase: as the package itself asks for, and no change of names can be made after parsing.
        const root = new Root().loadSync(join(protos, 'rpc.proto'), { keepCase: true }).resolveAll();
        const json = JSON.stringify(root.toJSON({ keepComments: false }));
        return {
          contents: source.replace(CALL, () => `(0, proto_loader_1.fromJSON)(${json}, {`),
          loader: 'js',
          watchFiles: ['rpc.proto', 'kv.proto', 'auth.proto'].map((name) => join(protos, name)),
        };
      });
    },
  };
}
