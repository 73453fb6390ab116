/**
 * `npm run build`: bundles each entry into one CommonJS file in dist/ (CommonJS starts 5 ms sooner than ESM) with
 * koffi's native module beside it. A bundle copied alone into an empty folder with that one file runs.
 */
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleCtl } from './ctl-bundle.mjs';
import { etcd3Lazy } from './etcd3-lazy.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** Bundles in dist/, with the size in KiB that they may not pass without somebody noticing. */
const BUNDLES = [
  { bundle: 'margay.cjs', budget: 4096, make: bundleAgent },
  { bundle: 'margayctl.cjs', budget: 4096, make: bundleCtl },
];

/**
 * koffi's own loader looks for its native module in node_modules; ours is the file beside the bundle, loaded at the
 * first call into C and not before.
 */
const koffiBeside = {
  name: 'koffi-beside',
  setup(builder) {
    builder.onResolve({ filter: /^koffi$/ }, () => ({ path: 'koffi', namespace: 'koffi-beside' }));
    builder.onLoad({ filter: /.*/, namespace: 'koffi-beside' }, () => ({
      contents: `
        const { join } = require('node:path');
        let native;
        module.exports = new Proxy({}, { get: (_, name) => (native ??= require('node:module').createRequire(__filename)(join(__dirname, 'koffi.node')))[name] });`,
      loader: 'js',
      resolveDir: root,
    }));
  },
};

async function bundleAgent(outfile) {
  await build({
    entryPoints: [join(root, 'src', 'margay.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'linked',
    banner: { js: '#!/usr/bin/env node' },
    plugins: [koffiBeside, etcd3Lazy()],
    logLevel: 'warning',
  });
  await chmod(outfile, 0o755);
}

// Built aside and moved in file by file: agents and tests that run from dist/ keep the files they have open.
await mkdir(dist, { recursive: true });
const fresh = await mkdtemp(join(dist, '.fresh-'));
for (const { bundle, budget, make } of BUNDLES) {
  const file = join(fresh, bundle);
  await make(file);
  const size = Math.round((await stat(file)).size / 1024);
  if (size > budget) throw new Error(`${bundle} has ${size} KiB, more than its budget of ${budget} KiB`);
  console.log(`dist/${bundle}  ${size} KiB`);
}
const koffi = dirname(createRequire(import.meta.url).resolve('koffi'));
await copyFile(
  join(koffi, '..', '@koromix', `koffi-linux-${process.arch}`, `linux_${process.arch}`, 'koffi.node'),
  join(fresh, 'koffi.node'),
);
for (const name of await readdir(fresh)) await rename(join(fresh, name), join(dist, name));
await rm(fresh, { recursive: true });
console.log('dist/koffi.node');
