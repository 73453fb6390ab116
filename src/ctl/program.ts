/** The command line of margayctl: calicoctl's commands, flags and habits. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { requestLocal } from '../base/local-api.ts';
import { ConfigError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { CONFIG_FILE, datastoreConfig } from '../datastore/config.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { openDatastore } from '../datastore/open.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import { isKnown } from '../model/registry.ts';
import { readSources } from './files.ts';
import { GET_FORMATS, type GetFormat, get, kindNamed } from './get.ts';
import { type Action, type Outcome, modify, userKind } from './modify.ts';
import { formatNodeStatus } from './node-status.ts';

/** Where output goes, and what surrounds a run; tests give their own. */
export interface CtlEnvironment {
  readonly variables: NodeJS.ProcessEnv;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

interface GlobalFlags {
  readonly datastore?: string;
  readonly config?: string;
}

const DEFAULT_NAMESPACE = 'default';
const DEFAULT_RUN_DIR = '/run/margay';

/** Runs a command line (without `node` and the script) and returns the exit code. Rejects with typed errors. */
export async function runCtl(args: readonly string[], environment: CtlEnvironment): Promise<number> {
  const context = new CtlContext(environment);
  const program = new Command('margayctl')
    .description(
      'Reads and changes the resources of a Margay or Calico datastore, and asks the agent of this node.',
    )
    .configureOutput({ writeOut: environment.write, writeErr: environment.writeError })
    .exitOverride()
    .option('--datastore <url>', 'file:///path, etcd://host:2379[,host2:2379] or https://host:2379')
    .option('-c, --config <file>', `calicoctl's configuration file (default: ${CONFIG_FILE} if it exists)`)
    .addOption(
      new Option(
        '--allow-version-mismatch',
        'accepted for calicoctl scripts; versions are not compared',
      ).hideHelp(),
    )
    .addHelpText('after', HELP_ENVIRONMENT);
  for (const action of ['create', 'apply', 'replace'] as const) addModify(program, context, action);
  addDelete(program, context);
  addGet(program, context);
  addNode(program, context);
  addVersion(program, context);
  await program.parseAsync([...args], { from: 'user' });
  return context.exitCode;
}

const HELP_ENVIRONMENT = `
Environment:
  DATASTORE_TYPE      directory or etcdv3 (default: directory, or etcdv3 if ETCD_ENDPOINTS is set)
  DATASTORE_PATH      the directory of YAML files (default: /var/lib/margay)
  ETCD_ENDPOINTS      http://10.0.0.1:2379,http://10.0.0.2:2379
  ETCD_CA_CERT_FILE, ETCD_CERT_FILE, ETCD_KEY_FILE, ETCD_USERNAME, ETCD_PASSWORD

Examples:
  margayctl apply -f policies/default-deny.yaml
  margayctl get networkpolicy -A
  margayctl get node -o wide
  ETCD_ENDPOINTS=http://10.0.0.1:2379 margayctl get workloadendpoints -n shop -o yaml
  margayctl node status`;

class CtlContext {
  exitCode = 0;

  constructor(readonly environment: CtlEnvironment) {}

  /** Opens the datastore that flags and environment name, and closes it afterwards. */
  async withDatastore(flags: GlobalFlags, work: (datastore: Datastore) => Promise<Outcome>): Promise<void> {
    const config = datastoreConfig({
      datastore: flags.datastore,
      configFile: flags.config,
      environment: this.environment.variables,
    });
    if (config.type === 'directory' && !existsSync(config.path)) {
      throw new ConfigError('ctl.datastore', `there is no datastore in ${config.path}`, {
        fix: 'start the agent once, create the directory, or name another datastore with --datastore or DATASTORE_TYPE',
      });
    }
    const datastore = await openDatastore(config);
    try {
      this.report(await work(datastore));
    } finally {
      await datastore.close();
    }
  }

  report(outcome: Outcome): void {
    if (outcome.output !== '') this.environment.write(outcome.output);
    if (outcome.errors !== '') this.environment.writeError(outcome.errors);
    this.exitCode = Math.max(this.exitCode, outcome.exitCode);
  }
}

interface FileFlags {
  readonly filename?: string[];
  readonly recursive?: boolean;
  readonly namespace?: string;
  readonly skipExists?: boolean;
  readonly skipNotExists?: boolean;
}

function addFileFlags(command: Command): Command {
  return command
    .option('-f, --filename <file...>', 'file, directory or - for standard input')
    .option('-R, --recursive', 'descend into directories')
    .option('-n, --namespace <namespace>', 'namespace of resources that state none', DEFAULT_NAMESPACE);
}

const MODIFY_HELP: Readonly<Record<Exclude<Action, 'delete'>, string>> = {
  create: 'Create resources; one that exists already is an error.',
  apply: 'Create resources, or change those that exist to what the file says.',
  replace: 'Change resources that exist; one that does not is an error.',
};

function addModify(program: Command, context: CtlContext, action: Exclude<Action, 'delete'>): void {
  const command = addFileFlags(program.command(action).description(MODIFY_HELP[action]));
  if (action === 'create') command.option('--skip-exists', 'leave resources alone that exist already');
  command.addHelpText(
    'after',
    `\nA document with errors changes nothing; the others of the file are worked on, and the exit code is 1.\n\nExamples:\n  margayctl ${action} -f policy.yaml\n  cat policy.yaml | margayctl ${action} -f -`,
  );
  command.action(async (flags: FileFlags) => {
    const documents = readSources(requireFiles(flags), sourceOptions(flags));
    await context.withDatastore(program.opts(), (datastore) =>
      modify(datastore, action, documents, { skipExists: flags.skipExists === true, skipNotExists: false }),
    );
  });
}

function addDelete(program: Command, context: CtlContext): void {
  addFileFlags(program.command('delete').description('Delete resources, by file or by kind and name.'))
    .argument('[kind]', 'kind, plural or alias: networkpolicy, np, ippools, …')
    .argument('[name...]', 'names of that kind')
    .option('-s, --skip-not-exists', 'leave out resources that do not exist')
    .addHelpText(
      'after',
      '\nExamples:\n  margayctl delete -f policy.yaml\n  margayctl delete np -n shop frontend backend',
    )
    .action(async (kind: string | undefined, names: string[], flags: FileFlags) => {
      const documents =
        kind === undefined
          ? readSources(requireFiles(flags), sourceOptions(flags))
          : namedResources(kind, names, flags.namespace ?? DEFAULT_NAMESPACE);
      await context.withDatastore(program.opts(), (datastore) =>
        modify(datastore, 'delete', documents, {
          skipExists: false,
          skipNotExists: flags.skipNotExists === true,
        }),
      );
    });
}

/** Stand-ins that carry no more than their keys: all that a deletion needs. */
function namedResources(
  kind: string,
  names: readonly string[],
  namespace: string,
): ReturnType<typeof readSources> {
  const definition = kindNamed(kind);
  if (names.length === 0) {
    throw new ConfigError('ctl.usage', `no name of a ${userKind(definition.kind)} is given`, {
      fix: `margayctl delete ${kind} NAME, or margayctl delete -f FILE`,
    });
  }
  return names.flatMap((name) => {
    const metadata = { name, ...(definition.namespaced ? { namespace } : {}) };
    const resource = { apiVersion: definition.apiVersion, kind: definition.kind, metadata, spec: {} };
    return isKnown(resource) ? [{ line: 1, resource }] : [];
  });
}

interface GetFlags {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly output: GetFormat;
}

function addGet(program: Command, context: CtlContext): void {
  program
    .command('get')
    .description('Print resources.')
    .argument('<kind>', 'kind, plural or alias: networkpolicy, np, ippools, …')
    .argument('[name...]', 'only these')
    .option('-n, --namespace <namespace>', `namespace (default: "${DEFAULT_NAMESPACE}")`)
    .option('-A, --all-namespaces', 'all namespaces')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(GET_FORMATS).default('ps'))
    .addHelpText(
      'after',
      '\nExamples:\n  margayctl get nodes -o wide\n  margayctl get np -A\n  margayctl get np -n shop frontend -o yaml',
    )
    .action(async (kind: string, names: string[], flags: GetFlags) => {
      const definition = kindNamed(kind);
      await context.withDatastore(program.opts(), (datastore) =>
        get(datastore, definition, {
          names,
          namespace: flags.namespace ?? DEFAULT_NAMESPACE,
          namespaceGiven: flags.namespace !== undefined,
          allNamespaces: flags.allNamespaces === true,
          format: flags.output,
        }),
      );
    });
}

interface StatusFlags {
  readonly node?: string;
  readonly runDir: string;
  readonly output: 'text' | 'json';
}

function addNode(program: Command, context: CtlContext): void {
  const node = program.command('node').description('Ask about the node that this command runs on.');
  node
    .command('status')
    .description('Print the state of the agent and of its BGP sessions.')
    .option(
      '--node <name>',
      'node name, when several agents run on this machine (default: NODENAME)',
      context.environment.variables['NODENAME'],
    )
    .option(
      '--run-dir <directory>',
      "directory of the agent's socket",
      context.environment.variables['MARGAY_RUN_DIR'] ?? DEFAULT_RUN_DIR,
    )
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(async (flags: StatusFlags) => {
      const socket = agentSocket(flags);
      const status = (await requestLocal(socket, '/status')) as AgentStatus;
      context.environment.write(
        flags.output === 'json'
          ? `${JSON.stringify(status, null, 2)}\n`
          : formatNodeStatus(status, Date.now()),
      );
    });
}

/** The socket of the one agent that runs here, or of the one that is named. */
function agentSocket({ node, runDir }: StatusFlags): string {
  if (node !== undefined) return join(runDir, `${node}.sock`);
  const sockets = existsSync(runDir) ? readdirSync(runDir).filter((name) => name.endsWith('.sock')) : [];
  if (sockets.length === 0) {
    throw new ConfigError('ctl.no-agent', 'Margay process is not running.', {
      fix: `start the agent (margay agent), or name its run directory with --run-dir; looked in ${runDir}`,
    });
  }
  if (sockets.length > 1) {
    throw new ConfigError('ctl.several-agents', `several agents run here: ${sockets.join(', ')}`, {
      fix: 'name one with --node',
    });
  }
  return join(runDir, sockets[0]!);
}

function addVersion(program: Command, context: CtlContext): void {
  program
    .command('version')
    .description('Print the versions of this client and of the cluster.')
    .option('--client', 'only the client')
    .action(async (flags: { readonly client?: boolean }) => {
      context.environment.write(`Client Version:    ${VERSION}\n`);
      if (flags.client === true) return;
      await context.withDatastore(program.opts(), async (datastore) => {
        const information = await datastore.get({ kind: 'ClusterInformation', name: 'default' });
        if (!isKnown(information) || information.kind !== 'ClusterInformation') {
          return { output: '', errors: 'ClusterInformation cannot be read\n', exitCode: 1 };
        }
        const { calicoVersion, clusterType, clusterGUID } = information.spec;
        return {
          output: `Cluster Version:   ${calicoVersion ?? 'unknown'}\nCluster Type:      ${clusterType ?? 'unknown'}\nCluster GUID:      ${clusterGUID ?? 'unknown'}\n`,
          errors: '',
          exitCode: 0,
        };
      });
    });
}

function requireFiles(flags: FileFlags): readonly string[] {
  if (flags.filename === undefined || flags.filename.length === 0) {
    throw new ConfigError('ctl.usage', 'no file is given', {
      fix: 'name one with -f FILE, or - for standard input',
    });
  }
  return flags.filename;
}

function sourceOptions(flags: FileFlags): { recursive: boolean; namespace: string } {
  return { recursive: flags.recursive === true, namespace: flags.namespace ?? DEFAULT_NAMESPACE };
}
