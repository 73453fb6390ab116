/** datastore migrate export, import, check, lock, unlock; datastore migrate-policy-names. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import type { CtlContext } from '../context.ts';
import { DEFAULT_NAMESPACE } from '../context.ts';
import type { Cargo } from '../migrate.ts';

interface MigrateFlags {
  readonly filename?: string;
  readonly from?: string;
  readonly to?: string;
  readonly with?: string;
  readonly dryRun?: boolean;
  readonly overwrite?: boolean;
  readonly force?: boolean;
}

const STEPS = `
A migration, from the datastore of the environment to a directory:
  margayctl datastore migrate lock
  margayctl datastore migrate export -f backup.yaml
  margayctl --datastore file:///var/lib/margay datastore migrate import -f backup.yaml --dry-run
  margayctl --datastore file:///var/lib/margay datastore migrate import -f backup.yaml
  margayctl --datastore file:///var/lib/margay datastore migrate check -f backup.yaml
  margayctl --datastore file:///var/lib/margay datastore migrate unlock`;

export function addDatastoreCommands(program: Command, context: CtlContext): void {
  const datastore = program.command('datastore').description('Work on the datastore as a whole.');
  const migrate = datastore
    .command('migrate')
    .description('Move all resources from one datastore to another.')
    .addHelpText('after', STEPS);
  addExport(migrate, context);
  addImport(migrate, context);
  addCheck(migrate, context);
  addLock(migrate, context);
  addPolicyNames(datastore, context);
}

function addPolicyNames(parent: Command, context: CtlContext): void {
  parent
    .command('migrate-policy-names')
    .description('Take the `default.` of old versions from the names of policies.')
    .option('--dry-run', 'say which policies would be renamed, and write nothing')
    .addHelpText(
      'after',
      `
Calico before v3.32 stored policies of the default tier as \`default.NAME\`. An etcd that was made then and upgraded in
place still holds these names. Each policy is written under its new name before the old one is deleted, so what is
enforced does not change, and a run that was interrupted is resumed by running it again. Where both names are taken by
different policies, both stay and are named.

Exit code: 0 when no old name is left, else 1.

Examples:
  margayctl datastore migrate-policy-names --dry-run
  margayctl --datastore etcd://10.0.0.1:2379 datastore migrate-policy-names`,
    )
    .action(async (flags: MigrateFlags) => {
      const { migratePolicyNames } = await import('../policy-names.ts');
      await context.withDatastore((datastore) =>
        migratePolicyNames(datastore, { dryRun: flags.dryRun === true }),
      );
    });
}

function addExport(migrate: Command, context: CtlContext): void {
  migrate
    .command('export')
    .description('Write all resources as YAML, to standard output, a file or another datastore.')
    .option('-f, --filename <file>', 'a file instead of standard output; replaced as a whole')
    .option('--to <url>', 'another datastore: file:///path or etcd://host:2379')
    .option('--dry-run', 'with --to: say what would happen, and write nothing')
    .option('--overwrite', 'with --to: change resources that are there with another content')
    .option('--force', 'even if the datastore is not locked')
    .addHelpText(
      'after',
      `
The datastore must be locked, so that the copy is of one moment. A stored resource that is invalid stops the export.
uid, creationTimestamp and resourceVersion are left out: each datastore makes its own.

Exit code: 0 when everything was exported, else 1.

Examples:
  margayctl datastore migrate export > backup.yaml
  margayctl datastore migrate export -f backup.yaml
  margayctl datastore migrate export --to file:///var/lib/margay --dry-run`,
    )
    .action(async (flags: MigrateFlags) => {
      const { cargoOf, exportText, requireLocked } = await import('../migrate.ts');
      await context.withDatastore(async (datastore) => {
        await requireLocked(datastore, flags.force === true);
        const cargo = await cargoOf(datastore);
        if (flags.to !== undefined) {
          await transferTo(context, flags.to, cargo, flags);
          return undefined;
        }
        if (cargo.errors.length > 0) {
          throw new ConfigError('ctl.migrate', cargo.errors.join('\n'), {
            fix: 'mend or delete what is invalid, then export again; nothing was written',
          });
        }
        const text = exportText(cargo);
        if (flags.filename === undefined) return { output: text, errors: '', exitCode: 0 };
        const { writeWhole } = await import('../files.ts');
        writeWhole(flags.filename, text);
        const output = `Exported ${cargo.resources.length} resources to ${flags.filename}\n`;
        return { output, errors: '', exitCode: 0 };
      });
    });
}

function addImport(migrate: Command, context: CtlContext): void {
  migrate
    .command('import')
    .description('Write all resources of an export, or of another datastore, into this datastore.')
    .option('-f, --filename <file>', 'what export wrote, or - for standard input')
    .option('--from <url>', 'another datastore instead: file:///path or etcd://host:2379')
    .option('--dry-run', 'say what would happen, and write nothing')
    .option('--overwrite', 'change resources that are there with another content')
    .option('--force', 'with --from: even if that datastore is not locked')
    .addHelpText(
      'after',
      `
What is there already and the same is passed over: an import that was interrupted is resumed by running it again.
ClusterInformation is written last; the datastore stays locked until \`margayctl datastore migrate unlock\`.

Exit code: 0 when everything is there, else 1.

Examples:
  margayctl datastore migrate import -f backup.yaml --dry-run
  margayctl --datastore file:///var/lib/margay datastore migrate import --from etcd://10.0.0.1:2379`,
    )
    .action(async (flags: MigrateFlags) => {
      const url = context.program.opts<{ readonly datastore?: string }>().datastore;
      await transferTo(context, url, await cargoFrom(context, flags.from, '--from', flags), flags);
    });
}

function addCheck(migrate: Command, context: CtlContext): void {
  migrate
    .command('check')
    .description('Compare this datastore with an export or with another datastore.')
    .option('-f, --filename <file>', 'what export wrote, or - for standard input')
    .option('--with <url>', 'another datastore instead: file:///path or etcd://host:2379')
    .addHelpText(
      'after',
      `
Prints a line for each resource that is missing here, different, or extra. Whether a datastore is locked, and what each
makes itself (uid, creationTimestamp, resourceVersion), is no difference.

Exit code: 0 when both hold the same, else 1.

Examples:
  margayctl datastore migrate check -f backup.yaml
  margayctl --datastore file:///var/lib/margay datastore migrate check --with etcd://10.0.0.1:2379`,
    )
    .action(async (flags: MigrateFlags) => {
      const { check } = await import('../migrate.ts');
      const cargo = await cargoFrom(context, flags.with, '--with', { ...flags, force: true });
      await context.withDatastore((datastore) => check(datastore, cargo));
    });
}

function addLock(migrate: Command, context: CtlContext): void {
  for (const [word, about, why] of [
    ['lock', 'Lock the datastore: no workload is set up until it is unlocked.', 'before a migration'],
    ['unlock', 'Unlock the datastore.', 'after a migration'],
  ] as const) {
    migrate
      .command(word)
      .description(about)
      .addHelpText(
        'after',
        `
Sets datastoreReady of ClusterInformation \`default\`, ${why}.

Exit code: 0 when the datastore is ${word}ed, else 1.

Examples:
  margayctl datastore migrate ${word}`,
      )
      .action(async () => {
        const { setLocked } = await import('../migrate.ts');
        await context.withDatastore((datastore) => setLocked(datastore, word === 'lock'));
      });
  }
}

/** What a file or another datastore holds. */
async function cargoFrom(
  context: CtlContext,
  url: string | undefined,
  flag: string,
  flags: MigrateFlags,
): Promise<Cargo> {
  if ((url === undefined) === (flags.filename === undefined)) {
    throw new ConfigError('ctl.usage', `give either a file or another datastore`, {
      fix: `use -f FILE, or ${flag} URL`,
    });
  }
  const { cargoOf, cargoOfDocuments, requireLocked } = await import('../migrate.ts');
  if (url === undefined) {
    const { readSources } = await import('../files.ts');
    return cargoOfDocuments(
      readSources([flags.filename!], { recursive: true, namespace: DEFAULT_NAMESPACE, skipEmpty: false }),
    );
  }
  let cargo: Cargo | undefined;
  await context.withDatastoreAt(url, async (datastore) => {
    await requireLocked(datastore, flags.force === true);
    cargo = await cargoOf(datastore);
  });
  return cargo!;
}

async function transferTo(
  context: CtlContext,
  url: string | undefined,
  cargo: Cargo,
  flags: MigrateFlags,
): Promise<void> {
  const { transfer } = await import('../migrate.ts');
  const { errorTerminal, writeError } = context.environment;
  await context.withDatastoreAt(
    url,
    async (datastore) => {
      context.report(
        await transfer(datastore, cargo, {
          dryRun: flags.dryRun === true,
          overwrite: flags.overwrite === true,
          ...(errorTerminal === true
            ? {
                onProgress: (done: number, total: number) =>
                  writeError(done === total ? '\r\u001B[K' : `\r${done}/${total}`),
              }
            : {}),
        }),
      );
    },
    { missing: flags.dryRun === true ? 'empty' : 'create' },
  );
}
