/** Entry of the agent and of the lab; a worker thread started from the same file runs the BGP speaker. */
import { isMainThread } from 'node:worker_threads';
import { Command, CommanderError } from 'commander';
import { type AgentFlags } from './agent/options.ts';
import { runAgent } from './agent/run.ts';
import { describeError } from './base/errors.ts';
import { VERSION } from './base/version.ts';
import { runWorker } from './bgp/worker.ts';
import { registerLabCommands } from './lab/commands.ts';
import { defineDemoCommand } from './lab/demo-command.ts';

async function main(): Promise<number> {
  let exitCode = 0;
  const program = new Command('margay')
    .description('Margay: a BGP-based layer-3 network with policy for containers, VMs and hosts.')
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride();
  program
    .command('agent')
    .description("Run this node's agent: routes, policy and BGP for its workloads.")
    .option('--node <name>', 'node name (default: NODENAME, else the host name)')
    .option('--datastore <url>', 'file:///path, etcd://host:2379[,host2:2379] or https://host:2379')
    .option('-c, --config <file>', "calicoctl's configuration file")
    .option(
      '--felix-config <file>',
      "Felix' parameters of this node (default: /etc/calico/felix.cfg, if there is one)",
    )
    .option(
      '--run-dir <directory>',
      'directory of the local socket (default: MARGAY_RUN_DIR, else /run/margay)',
    )
    .option(
      '--secrets-dir <directory>',
      'passwords of BGP peers, in files SECRET/KEY (default: MARGAY_SECRETS_DIR, else /etc/margay/secrets)',
    )
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent (default: info)')
    .option('--no-bgp', 'program routes and policy, but speak no BGP')
    .option('--no-graceful-restart', 'do not offer graceful restart to BGP peers')
    .option('--no-table-ownership', 'leave the nf_tables table open to others; repair what they change')
    .addHelpText(
      'after',
      `
The kernel keeps routes and policy when the agent stops or dies; a new agent adopts them.

Environment:
  DATASTORE_TYPE, DATASTORE_PATH, ETCD_ENDPOINTS, ETCD_CA_CERT_FILE, ETCD_CERT_FILE, ETCD_KEY_FILE, ETCD_USERNAME,
  ETCD_PASSWORD, NODENAME, MARGAY_RUN_DIR, MARGAY_SECRETS_DIR, FELIX_LOGSEVERITYSCREEN
  FELIX_NAME is the parameter NAME of FelixConfiguration, above the file and the datastore.

Examples:
  margay agent
  margay agent --node worker-1 --datastore etcd://10.0.0.1:2379,10.0.0.2:2379`,
    )
    .action(async (flags: AgentFlags) => {
      exitCode = await runAgent(flags, process.env, __filename);
    });
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  defineDemoCommand(registerLabCommands(program, setExitCode), __filename, setExitCode);
  try {
    await program.parseAsync(process.argv);
    return exitCode;
  } catch (error) {
    // commander has printed its own message already; its code is 0 after --help.
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`${describeError(error)}\n`);
    return 1;
  }
}

// What Node deprecates is for us to mend, and no message to users (DEP0123: an etcd over TLS by its address).
process.noDeprecation = true;

if (isMainThread) {
  void main().then((code) => {
    process.exitCode = code;
  });
} else {
  runWorker(__filename);
}
