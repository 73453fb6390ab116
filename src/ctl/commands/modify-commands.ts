/** create, apply, replace, delete, validate, diff. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import type { ParsedResource } from '../../model/yaml.ts';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';
import type { Action, DryRun } from '../modify.ts';
import { type FileFlags, addFileFlags, documentsOf, dryRunOption, strictOption } from './resource-flags.ts';

interface ModifyFlags extends FileFlags {
  readonly skipExists?: boolean;
  readonly skipNotExists?: boolean;
  readonly dryRun?: DryRun;
  readonly atomic?: boolean;
  readonly strict?: boolean;
}

const ABOUT: Readonly<Record<Exclude<Action, 'delete'>, { readonly about: string; readonly more: string }>> =
  {
    create: {
      about: 'Create resources; one that exists already is an error.',
      more: 'With --skip-exists, resources that exist are left as they are and count as success.',
    },
    apply: {
      about: 'Create resources, or change those that exist to what the file says.',
      more:
        'The file replaces the whole resource: a field that it leaves out goes back to its default. `margayctl diff` shows\n' +
        'beforehand what would change. With metadata.resourceVersion in the file, only that version is changed.',
    },
    replace: {
      about: 'Change resources that exist; one that does not is an error.',
      more: 'With metadata.resourceVersion in the file, only that version is changed: another writer is not overwritten.',
    },
  };

export function addModifyCommands(program: Command, context: CtlContext): void {
  for (const action of ['create', 'apply', 'replace'] as const) addModify(program, context, action);
  addDelete(program, context);
  addValidate(program, context);
  addDiff(program, context);
}

function addModify(program: Command, context: CtlContext, action: Exclude<Action, 'delete'>): void {
  const { about, more } = ABOUT[action];
  const command = addFileFlags(program.command(action).description(about))
    .addOption(dryRunOption())
    .option('--atomic', 'all or nothing: one error anywhere, and nothing is changed')
    .addOption(strictOption('change'));
  if (action === 'create') command.option('--skip-exists', 'leave resources alone that exist already');
  command
    .addHelpText(
      'after',
      `
Every problem of a document is reported with file, line and column. A document with errors changes nothing; the others
of the file are worked on all the same, unless --atomic.
${more}

Where host endpoints would begin to refuse your own SSH connection (SSH_CONNECTION), connections of nodes to an etcd
that is given by address, or BGP between nodes, a warning says so; with --strict nothing is changed then.

Exit code: 0 when everything succeeded, else 1.

Examples:
  margayctl ${action} -f policy.yaml
  margayctl ${action} -f pools.yaml -f policies/ -R
  cat policy.yaml | margayctl ${action} -f - --namespace shop
  margayctl ${action} -f policies/ --atomic --dry-run=server`,
    )
    .action(async (flags: ModifyFlags) => {
      await run(context, action, await documentsOf(flags), flags);
    });
}

async function run(
  context: CtlContext,
  action: Action,
  documents: readonly ParsedResource[],
  flags: ModifyFlags,
): Promise<void> {
  const { dryRunOnClient, modify } = await import('../modify.ts');
  if (flags.dryRun === 'client' && documents.length > 0) {
    context.report(dryRunOnClient(action, documents, flags.atomic === true));
    return;
  }
  await context.withDatastore(async (datastore, config) => {
    const { changeGuarded, surroundingsOf } = await import('../lockout.ts');
    const { dryRun: _, atomic: __, ...inFull } = flags;
    return changeGuarded(
      datastore,
      {
        kinds: documents.flatMap(({ resource }) => resource?.kind ?? []),
        make: (target) => modify(target, action, documents, flags),
        rehearse: (target) => modify(target, action, documents, inFull),
        strict: flags.strict === true,
      },
      surroundingsOf(context.environment.variables, config),
    );
  });
}

function addDelete(program: Command, context: CtlContext): void {
  addFileFlags(program.command('delete').description('Delete resources, by file or by kind and name.'))
    .argument('[kind]', 'kind, plural or alias: networkpolicy, np, ippools, …; or KIND/NAME')
    .argument('[name...]', 'names of that kind')
    .option('-s, --skip-not-exists', 'pass over resources that do not exist')
    .addOption(dryRunOption())
    .option('--atomic', 'all or nothing: one error anywhere, and nothing is deleted')
    .addOption(strictOption('delete'))
    .addHelpText(
      'after',
      `
Built-in tiers and the profile projectcalico-default-allow cannot be deleted.

Exit code: 0 when everything succeeded, else 1.

Examples:
  margayctl delete -f policy.yaml
  margayctl delete -f policies/ -R --skip-not-exists
  margayctl delete np -n shop frontend backend
  margayctl delete ippool/old --dry-run=server`,
    )
    .action(async (kind: string | undefined, names: string[], flags: ModifyFlags) => {
      if (kind !== undefined && flags.filename !== undefined) {
        throw new ConfigError('ctl.usage', 'both a kind and a file are given', {
          fix: 'use one: margayctl delete KIND NAME, or margayctl delete -f FILE',
        });
      }
      const documents =
        kind === undefined
          ? await documentsOf(flags)
          : await namedResources(kind, names, flags.namespace ?? DEFAULT_NAMESPACE);
      await run(context, 'delete', documents, flags);
    });
}

/** Stand-ins that carry no more than their keys: all that a deletion needs. */
async function namedResources(
  word: string,
  words: readonly string[],
  namespace: string,
): Promise<ParsedResource[]> {
  const [{ keyNamed, kindNamed, splitKind, userKind }, { isKnown }] = await Promise.all([
    import('../target.ts'),
    import('../../model/registry.ts'),
  ]);
  const { kind, names } = splitKind(word, words);
  const definition = kindNamed(kind);
  if (names.length === 0) {
    throw new ConfigError('ctl.usage', `no name of a ${userKind(definition.kind)} is given`, {
      fix: `margayctl delete ${kind} NAME, or margayctl delete -f FILE`,
    });
  }
  return names.flatMap((name) => {
    const { kind: _, ...metadata } = keyNamed(definition, name, namespace);
    const resource = { apiVersion: definition.apiVersion, kind: definition.kind, metadata, spec: {} };
    return isKnown(resource) ? [{ line: 1, resource }] : [];
  });
}

function addValidate(program: Command, context: CtlContext): void {
  addFileFlags(program.command('validate').description('Check resources without any datastore.'))
    .addHelpText(
      'after',
      `
Reports every problem of every document in one go: file, line, column, field, what was found, what is allowed, and what
was probably meant. Nothing is contacted and nothing is changed.

Exit code: 0 when everything is valid, else 1.

Examples:
  margayctl validate -f policy.yaml
  margayctl validate -f policies/ -R --skip-empty`,
    )
    .action(async (flags: FileFlags) => {
      const [documents, { validate }] = await Promise.all([documentsOf(flags), import('../modify.ts')]);
      context.report(validate(documents, flags.skipEmpty === true));
    });
}

function addDiff(program: Command, context: CtlContext): void {
  addFileFlags(program.command('diff').description('Show what `apply` would change, as a unified diff.'))
    .addHelpText(
      'after',
      `
Compares each document, defaults filled in, with what is stored. What the datastore itself keeps (uid,
creationTimestamp, resourceVersion) and status are left out. Colours on a terminal, unless NO_COLOR is set.

Exit code: 0 when nothing would change, 1 when something would, 2 on an error.

Examples:
  margayctl diff -f policy.yaml
  margayctl diff -f policies/ -R && echo up to date`,
    )
    .action(async (flags: FileFlags) => {
      const [{ diff }, { paintDiff }] = await Promise.all([
        import('../diff.ts'),
        import('../output/colour.ts'),
      ]);
      try {
        const documents = await documentsOf(flags);
        await context.withDatastore(async (datastore) => {
          const outcome = await diff(datastore, documents, { skipEmpty: flags.skipEmpty === true });
          return context.colour ? { ...outcome, output: paintDiff(outcome.output) } : outcome;
        });
      } catch (error) {
        // 1 means that there are differences; trouble must not look like that.
        context.exitCode = 2;
        throw error;
      }
    });
}
