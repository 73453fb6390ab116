/** version. */
import type { Command } from 'commander';
import { VERSION } from '../../base/version.ts';
import type { CtlContext } from '../context.ts';

interface VersionFlags {
  readonly client?: boolean;
  readonly poll?: string;
}

export function addVersionCommand(program: Command, context: CtlContext): void {
  program
    .command('version')
    .description('Print the versions of this client and of the cluster.')
    .option('--client', 'only the client; no datastore is asked')
    .option('--poll <seconds>', 'try again every so many seconds until the datastore answers')
    .addHelpText(
      'after',
      `
Exit code: 0 when the cluster's version could be read (or --client), else 1.

Examples:
  margayctl version --client
  margayctl version --poll=2`,
    )
    .action(async (flags: VersionFlags) => {
      context.environment.write(`Client Version:    ${VERSION}\n`);
      if (flags.client === true) return;
      const { clusterVersion } = await import('../cluster-version.ts');
      // Not guarded: telling versions apart is what this is for.
      const url = context.program.opts<{ readonly datastore?: string }>().datastore;
      await context.withDatastoreAt(url, async (datastore) => {
        context.report(await clusterVersion(datastore, flags.poll, context.environment));
      });
    });
}
