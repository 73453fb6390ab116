/** margayctl as it is shipped, built from the sources as they are now. */
import { join } from 'node:path';

/** Builds the bundle into a folder and gives its path; it runs by itself (`#!`), as root installs it. */
export async function buildCtl(folder: string): Promise<string> {
  // By a path that TypeScript does not follow: it is JavaScript, as the build is.
  const script = new URL('../../deploy/ctl-bundle.mjs', import.meta.url).pathname;
  const { bundleCtl } = (await import(script)) as { bundleCtl: (file: string) => Promise<unknown> };
  const outfile = join(folder, 'margayctl');
  await bundleCtl(outfile);
  return outfile;
}
