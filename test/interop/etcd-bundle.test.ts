import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Plugin, build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runChecked } from '../../src/sys/process.ts';
import { EtcdServer } from './etcd-server.ts';
import { describeEtcd, useOwnNetwork } from './fixture-etcd.ts';

const PROGRAM = `
  import { openDatastore } from ${JSON.stringify(new URL('../../src/datastore/open.ts', import.meta.url).pathname)};
  const datastore = await openDatastore({ type: 'etcdv3', endpoints: [process.argv[2]] });
  const { revision } = await datastore.list();
  const events = datastore.watch({ from: revision, signal: new AbortController().signal })[Symbol.asyncIterator]();
  const next = events.next();
  const created = await datastore.create({
    apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata: { name: 'bundled' }, spec: { order: 7, defaultAction: 'Deny' },
  });
  const [event] = (await next).value;
  console.log(event.type, event.key.name, event.resource.spec.order, event.revision === Number(created.metadata.resourceVersion));
  await datastore.close();
`;

describeEtcd('the etcd client', () => {
  useOwnNetwork();
  let server: EtcdServer;
  let folder: string;
  beforeAll(async () => {
    server = await EtcdServer.start();
    folder = await mkdtemp(join(tmpdir(), 'margay-bundle-'));
  });
  afterAll(async () => {
    await server.dispose();
    await rm(folder, { recursive: true });
  });

  it('works from one bundled file alone in an empty folder', async () => {
    // By a path that TypeScript does not follow: the plugin is JavaScript, as the build is.
    const plugin = new URL('../../deploy/etcd3-protos.mjs', import.meta.url).pathname;
    const { etcd3Protos } = (await import(plugin)) as { etcd3Protos: () => Plugin };
    const result = await build({
      stdin: {
        contents: `(async () => {${PROGRAM.replace(/import (\{.*\}) from (.*);/, 'const $1 = await import($2);')}})();`,
        resolveDir: '/',
        loader: 'ts',
      },
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      write: false,
      plugins: [etcd3Protos()],
      logLevel: 'silent',
    });
    expect(result.warnings).toEqual([]);
    await writeFile(join(folder, 'program.cjs'), result.outputFiles[0]!.contents);
    expect(await readdir(folder)).toEqual(['program.cjs']);
    const output = await runChecked(process.execPath, ['program.cjs', server.endpoint], {
      cwd: folder,
      timeout: 30_000,
    });
    expect(output).toBe('put bundled 7 true\n');
  });
});
