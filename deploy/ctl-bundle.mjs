/** Bundles margayctl into one file that starts fast, with the code compiled that people and scripts run most. */
import { chmod } from 'node:fs/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { addCodeCache } from './code-cache.mjs';
import { etcd3Lazy } from './etcd3-lazy.mjs';
import { lazyImports } from './lazy-imports.mjs';
import { startEtcdStandIn } from './etcd-stand-in.mjs';

const ENTRY = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'margayctl.ts');

const POLICY = {
  kind: 'NetworkPolicy',
  apiVersion: 'projectcalico.org/v3',
  metadata: { name: 'default.frontend', namespace: 'shop', labels: { app: 'shop' } },
  spec: {
    tier: 'default',
    order: 200,
    selector: 'app == "frontend"',
    types: ['Ingress'],
    ingress: [{ action: 'Allow', protocol: 'TCP', source: {}, destination: { ports: [80] } }],
  },
};
const INFORMATION = {
  kind: 'ClusterInformation',
  apiVersion: 'projectcalico.org/v3',
  metadata: { name: 'default' },
  spec: { clusterGUID: 'abc', datastoreReady: true },
};

/** A resource's key below Calico's prefix, as etcd has it. */
const STORED = new Map([
  ['networkpolicies/shop/default.frontend', POLICY],
  ['clusterinformations/default', INFORMATION],
]);

const COMMANDS = [
  ['--datastore', 'file://{folder}/datastore', 'apply', '-f', '{folder}/resources.yaml'],
  ['--datastore', 'file://{folder}/datastore', 'get', 'np', '-A'],
  ['--datastore', 'file://{folder}/datastore', 'get', 'np', '-n', 'shop', 'default.frontend', '-o', 'yaml'],
  ['--datastore', '{etcd}', 'get', 'np', '-n', 'shop'],
  ['--datastore', '{etcd}', 'get', 'clusterinformation', 'default', '-o', 'yaml'],
];

/** What most commands import and do not use. */
const LAZY = ['node:child_process', 'node:crypto', 'node:fs/promises', 'node:net', 'node:zlib', 'yaml'];

/** Builds the bundle; gives what esbuild says of it. */
export async function bundleCtl(outfile) {
  const sections = new Map();
  const result = await build({
    entryPoints: [ENTRY],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // See code-cache.mjs; and what is not there need not be read.
    charset: 'ascii',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    banner: { js: '#!/usr/bin/env node' },
    plugins: [lazyImports(LAZY), etcd3Lazy(sections)],
    logLevel: 'warning',
  });
  await addCodeCache(outfile, {
    sections,
    async prepare(folder) {
      mkdirSync(join(folder, 'datastore'));
      const documents = [POLICY, INFORMATION].map((resource) => JSON.stringify(resource));
      writeFileSync(join(folder, 'resources.yaml'), documents.join('\n---\n'));
      const etcd = await startEtcdStandIn(
        new Map(
          [...STORED].map(([key, resource]) => [
            `/calico/resources/v3/projectcalico.org/${key}`,
            JSON.stringify(resource),
          ]),
        ),
      );
      return { values: { folder, etcd: etcd.endpoint }, end: etcd.end };
    },
    commands: COMMANDS,
  });
  await chmod(outfile, 0o755);
  return result;
}
