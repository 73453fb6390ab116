/** margayctl as it is shipped, built from the sources as they are now. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { type Plugin, build } from 'esbuild';

/** Builds the bundle into a folder and gives its path; it runs by itself (`#!`), as root installs it. */
export async function buildCtl(folder: string): Promise<string> {
  // By paths that TypeScript does not follow: these are JavaScript, as the build is.
  const deploy = new URL('../../deploy/', import.meta.url).pathname;
  const { etcd3Lazy } = (await import(`${deploy}etcd3-lazy.mjs`)) as { etcd3Lazy: () => Plugin };
  const { cacheCtl } = (await import(`${deploy}ctl-code-cache.mjs`)) as { cacheCtl: (file: string) => void };
  const outfile = join(folder, 'margayctl');
  await build({
    entryPoints: [new URL('../../src/margayctl.ts', import.meta.url).pathname],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: '#!/usr/bin/env node' },
    plugins: [etcd3Lazy()],
    logLevel: 'silent',
  });
  cacheCtl(outfile);
  await chmod(outfile, 0o755);
  return outfile;
}
