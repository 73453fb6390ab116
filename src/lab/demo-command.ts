/** The command `margay lab demo`. */
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../base/errors.ts';
import { runDemo } from './demo.ts';
import { printedProgress } from './progress.ts';

/** Adds the command to `margay lab`; `program` is the bundle that runs. */
export function defineDemoCommand(lab: Command, bundle: string, setExitCode: (code: number) => void): void {
  lab
    .command('demo')
    .description('Three hosts, real BGP, real policy: the main job, step by step (npm run demo).')
    .option('--keep', 'leave the lab up and say what to try next')
    .option('--files <directory>', 'folder with examples/ and policies/', join(dirname(bundle), '..'))
    .action(async ({ keep, files }: { readonly keep?: boolean; readonly files: string }) => {
      if (process.getuid?.() !== 0) {
        throw new ConfigError('lab.root', 'the demo makes network namespaces', { fix: 'run it as root' });
      }
      const differences = await runDemo({
        files,
        margayctl: join(dirname(bundle), 'margayctl.cjs'),
        keep: keep === true,
        progress: printedProgress(process.stdout),
        write: (text) => void process.stdout.write(text),
      });
      const verdict =
        differences.length === 0
          ? 'Everything was as said.'
          : `${differences.length} things were not as said:\n  ${differences.join('\n  ')}`;
      process.stdout.write(`\n${verdict}\n`);
      setExitCode(differences.length === 0 ? 0 : 1);
    });
}
