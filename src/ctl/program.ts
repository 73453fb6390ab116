/** The command line of margayctl: calicoctl's commands, flags and habits. */
import { Command, Option } from 'commander';
import { addExplainCommand } from './commands/explain-command.ts';
import { addBgpCommands, addRouteCommands } from './commands/bgp-commands.ts';
import { addCompletionCommand } from './commands/completion-command.ts';
import { addGetCommand } from './commands/get-command.ts';
import { addIpamCommands } from './commands/ipam-commands.ts';
import { addDatastoreCommands } from './commands/migrate-commands.ts';
import { addModelCommands } from './commands/model-commands.ts';
import { addModifyCommands } from './commands/modify-commands.ts';
import { addClusterCommands, addNodeCommands } from './commands/node-commands.ts';
import { addPatchCommands } from './commands/patch-commands.ts';
import { addReachCommands } from './commands/reach-commands.ts';
import { addSchemaCommand } from './commands/schema-command.ts';
import { addVersionCommand } from './commands/version-command.ts';
import { HIDDEN_COMMAND } from './completion.ts';
import { CtlContext, type CtlEnvironment } from './context.ts';

/** calicoctl's own file; see datastore/config.ts, which is loaded only by commands that need a datastore. */
const CONFIG_FILE = '/etc/calico/calicoctl.cfg';

/** Runs a command line (without `node` and the script) and returns the exit code. Rejects with typed errors. */
export async function runCtl(args: readonly string[], environment: CtlEnvironment): Promise<number> {
  const { program, context } = ctlProgram(args, environment);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    // A command that gives its errors another code than 1 has set it before.
    if (context.exitCode <= 1) throw error;
    const { describeError } = await import('../base/errors.ts');
    environment.writeError(`${describeError(error)}\n`);
  }
  return context.exitCode;
}

function ctlProgram(
  args: readonly string[],
  environment: CtlEnvironment,
): { program: Command; context: CtlContext } {
  const program = new Command('margayctl')
    .description(
      'Reads and changes the resources of a Margay or Calico datastore, and asks the agent of this node.',
    )
    .configureOutput({ writeOut: environment.write, writeErr: environment.writeError })
    .exitOverride()
    .showSuggestionAfterError()
    .option('--datastore <url>', 'file:///path, etcd://host:2379[,host2:2379] or https://host:2379')
    .option('-c, --config <file>', `calicoctl's configuration file (default: ${CONFIG_FILE} if it exists)`)
    .option('--allow-version-mismatch', 'work on a cluster of another version too')
    .addOption(new Option('-l, --log-level <level>', 'accepted for calicoctl scripts').hideHelp())
    .addHelpText('after', HELP);
  const context = new CtlContext(environment, program);
  // Making all commands takes longer than running most of them: only those that the line names, if it names any.
  const named = GROUPS.filter(({ names }) => names.some((name) => args.includes(name)));
  const all = named.length === 0 || WHOLE_TABLE.some((name) => args.includes(name));
  for (const { add } of all ? GROUPS : named) add(program, context);
  return { program, context };
}

/** Commands by the words that name them. */
const GROUPS: readonly {
  readonly names: readonly string[];
  readonly add: (program: Command, context: CtlContext) => void;
}[] = [
  { names: ['get'], add: addGetCommand },
  { names: ['create', 'apply', 'replace', 'delete', 'validate', 'diff'], add: addModifyCommands },
  { names: ['patch', 'label'], add: addPatchCommands },
  { names: ['datastore'], add: addDatastoreCommands },
  { names: ['explain'], add: addExplainCommand },
  { names: ['reach', 'policy', 'assert', 'lint'], add: addReachCommands },
  { names: ['schema'], add: addSchemaCommand },
  { names: ['ipam'], add: addIpamCommands },
  { names: ['node'], add: addNodeCommands },
  { names: ['bgp'], add: addBgpCommands },
  { names: ['route'], add: addRouteCommands },
  { names: ['cluster'], add: addClusterCommands },
  { names: ['fields', 'crds'], add: addModelCommands },
  { names: ['completion', HIDDEN_COMMAND], add: addCompletionCommand },
  { names: ['version'], add: addVersionCommand },
];

/** Commands that speak of all others. */
const WHOLE_TABLE: readonly string[] = ['help', HIDDEN_COMMAND];

const HELP = `
Environment:
  DATASTORE_TYPE      directory or etcdv3 (default: directory, or etcdv3 if ETCD_ENDPOINTS is set)
  DATASTORE_PATH      the directory of YAML files (default: /var/lib/margay)
  ETCD_ENDPOINTS      http://10.0.0.1:2379,http://10.0.0.2:2379
  ETCD_CA_CERT_FILE, ETCD_CERT_FILE, ETCD_KEY_FILE, ETCD_USERNAME, ETCD_PASSWORD
  ETCD_KEY_PREFIX     what comes before /calico/ in the keys, for clusters that share an etcd: /prod
  NO_COLOR            no colours, on a terminal either

Versions: commands stop if the cluster was set up by a Margay of another version (its first two numbers count), unless
--allow-version-mismatch is given. Clusters of Calico v3 are always accepted: the resources are the same.

Exit code: 0 for success, 1 for errors (diff: 1 for differences, 2 for errors).

Examples:
  margayctl apply -f policies/default-deny.yaml
  margayctl get networkpolicy -A
  margayctl get node -o wide
  ETCD_ENDPOINTS=http://10.0.0.1:2379 margayctl get workloadendpoints -n shop -o yaml
  margayctl node status`;
