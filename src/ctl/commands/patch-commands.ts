/** patch and label. */
import { type Command, Option } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';
import type { Datastore } from '../../datastore/datastore.ts';
import type { DryRun } from '../modify.ts';
import type { Outcome } from '../outcome.ts';
import type { PatchType } from '../patch.ts';
import type { Json } from '../patch/json.ts';
import { dryRunOption, ignoredContext, strictOption } from './resource-flags.ts';

interface PatchFlags {
  readonly patch?: string;
  readonly patchFile?: string;
  readonly type: PatchType;
  readonly namespace: string;
  readonly dryRun?: DryRun;
  readonly strict?: boolean;
}

export function addPatchCommands(program: Command, context: CtlContext): void {
  addPatch(program, context);
  addLabel(program, context);
}

function addPatch(program: Command, context: CtlContext): void {
  program
    .command('patch')
    .description('Change fields of one resource.')
    .argument('<kind>', 'kind, plural or alias; or KIND/NAME')
    .argument('[name]', 'which one')
    .option('-p, --patch <patch>', 'the patch, as JSON or YAML')
    .option('--patch-file <file>', 'a file with the patch')
    .addOption(
      new Option('-t, --type <type>', 'what the patch is')
        .choices(['strategic', 'json', 'merge'] satisfies PatchType[])
        .default('strategic'),
    )
    .option('-n, --namespace <namespace>', 'namespace of the resource', DEFAULT_NAMESPACE)
    .addOption(dryRunOption())
    .addOption(strictOption('change'))
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
Types:
  strategic   maps are merged, null removes a field, lists are replaced; metadata.ownerReferences is merged by uid and
              metadata.finalizers as a set; $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList work
  merge       JSON merge patch (RFC 7396): maps are merged, null removes a field, lists are replaced
  json        JSON patch (RFC 6902): a list of add, remove, replace, move, copy and test

The result is checked as if it came from a file, and written only if nobody changed the resource meanwhile (then the
patch is applied to the new state). A patch that sets metadata.resourceVersion changes that version or nothing.

Where host endpoints would begin to refuse your own SSH connection, connections of nodes to etcd, or BGP between nodes,
a warning says so; with --strict nothing is changed then.

Exit code: 0 when the resource was changed, else 1.

Examples:
  margayctl patch ippool pool-1 -p '{"spec": {"natOutgoing": true}}'
  margayctl patch np/frontend -n shop -t merge -p 'spec: {order: null}'
  margayctl patch node n1 -t json -p '[{"op": "replace", "path": "/spec/bgp/asNumber", "value": 64600}]'
  margayctl patch ippool pool-1 --patch-file patch.yaml --dry-run=server`,
    )
    .action(async (word: string, name: string | undefined, flags: PatchFlags) => {
      const [{ patch }, { splitKind }] = await Promise.all([import('../patch.ts'), import('../target.ts')]);
      const { kind, names } = splitKind(word, name === undefined ? [] : [name]);
      if (names.length !== 1) {
        throw new ConfigError('ctl.usage', `one name of a ${kind} is needed, not ${names.length}`, {
          fix: `margayctl patch ${kind} NAME -p PATCH`,
        });
      }
      const parsed = await readPatch(flags);
      const { type, namespace } = flags;
      const options = { kind, name: names[0]!, namespace, type, patch: parsed };
      await change(context, kind, flags, (datastore, trial) => patch(datastore, { ...options, ...trial }));
    });
}

/** Changes a resource of a kind as the user calls it, with a warning of what that cuts. */
async function change(
  context: CtlContext,
  kind: string,
  { dryRun, strict = false }: { readonly dryRun?: DryRun; readonly strict?: boolean },
  make: (datastore: Datastore, trial: { readonly dryRun?: DryRun }) => Promise<Outcome>,
): Promise<void> {
  const [{ changeGuarded, surroundingsOf }, { kindNamed }] = await Promise.all([
    import('../lockout.ts'),
    import('../target.ts'),
  ]);
  await context.withDatastore((datastore, config) =>
    changeGuarded(
      datastore,
      {
        kinds: [kindNamed(kind).kind],
        make: (target) => make(target, dryRun === undefined ? {} : { dryRun }),
        rehearse: (target) => make(target, {}),
        strict,
      },
      surroundingsOf(context.environment.variables, config),
    ),
  );
}

async function readPatch({ patch, patchFile }: PatchFlags): Promise<Json> {
  if ((patch === undefined) === (patchFile === undefined)) {
    throw new ConfigError('ctl.usage', patch === undefined ? 'no patch is given' : 'two patches are given', {
      fix: 'use either -p \'{"spec": …}\' or --patch-file FILE',
    });
  }
  const [{ readText }, { parsePatchText }] = await Promise.all([
    import('../files.ts'),
    import('../patch/parse-patch.ts'),
  ]);
  return parsePatchText(patch ?? readText(patchFile!));
}

interface LabelFlags {
  readonly overwrite?: boolean;
  readonly remove?: boolean;
  readonly namespace: string;
  readonly dryRun?: DryRun;
  readonly strict?: boolean;
}

function addLabel(program: Command, context: CtlContext): void {
  program
    .command('label')
    .description('Set or remove labels of one resource.')
    .argument('<kind>', 'kind, plural or alias; or KIND/NAME')
    .argument('<words...>', 'the name, then KEY=VALUE to set, KEY- or KEY with --remove to remove')
    .option('--overwrite', 'change labels that have another value already')
    .option('--remove', 'remove the labels whose keys are given')
    .option('-n, --namespace <namespace>', 'namespace of the resource', DEFAULT_NAMESPACE)
    .addOption(dryRunOption())
    .addOption(strictOption('change'))
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
Several labels are set and removed in one write: all of them or, on an error, none. Setting a label to the value that it
has is no error.

Where host endpoints would begin to refuse your own SSH connection, connections of nodes to etcd, or BGP between nodes,
a warning says so; with --strict nothing is changed then.

Exit code: 0 when the labels are as asked, else 1.

Examples:
  margayctl label node n1 rack=r1 zone=east
  margayctl label node n1 rack=r2 --overwrite
  margayctl label node n1 rack --remove
  margayctl label wep/n1-cni-web-eth0 -n shop role=frontend old-`,
    )
    .action(async (word: string, words: string[], flags: LabelFlags) => {
      const [{ label, parseLabelChange }, { splitKind }] = await Promise.all([
        import('../patch.ts'),
        import('../target.ts'),
      ]);
      const slash = word.includes('/');
      const { kind, names } = splitKind(word, slash ? [] : words.slice(0, 1));
      const changes = slash ? words : words.slice(1);
      if (changes.length === 0) {
        throw new ConfigError('ctl.usage', 'no label is given', {
          fix: `margayctl label ${kind} ${names[0]!} KEY=VALUE, or KEY --remove`,
        });
      }
      const parsed = changes.map((change) => parseLabelChange(change, flags.remove === true));
      const { namespace, overwrite = false } = flags;
      const options = { kind, name: names[0]!, namespace, changes: parsed, overwrite };
      await change(context, kind, flags, (datastore, trial) => label(datastore, { ...options, ...trial }));
    });
}
