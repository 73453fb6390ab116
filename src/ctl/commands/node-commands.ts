/** node status, node drain, node diags, node checksystem, cluster diags. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Datastore } from '../../datastore/datastore.ts';
import type { CtlContext, GlobalFlags } from '../context.ts';
import { type AgentFlags, addAgentFlags } from './agent-flags.ts';

const DEFAULT_LOG_DIR = '/var/log/margay';

export function addNodeCommands(program: Command, context: CtlContext): void {
  const node = program.command('node').description('Ask about the node that this command runs on.');
  addStatus(node, context);
  addDrain(node, context);
  addUndrain(node, context);
  addCheckSystem(node, context);
  addNodeDiags(node, context);
}

function addStatus(node: Command, context: CtlContext): void {
  addAgentFlags(
    node.command('status').description('Print the state of the agent and of its BGP sessions.'),
    context,
  )
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      `
Asks the agent over its local socket; that takes root.

Exit code: 0 when the agent answers, else 1.

Examples:
  margayctl node status
  margayctl node status -o json
  margayctl node status --node n1 --run-dir /run/margay`,
    )
    .action(async (flags: AgentFlags & { readonly output: 'text' | 'json' }) => {
      const [{ agentStatus }, { formatNodeStatus }] = await Promise.all([
        import('../agent-socket.ts'),
        import('../node-status.ts'),
      ]);
      const status = await agentStatus(flags);
      context.environment.write(
        flags.output === 'json'
          ? `${JSON.stringify(status, null, 2)}\n`
          : formatNodeStatus(status, Date.now()),
      );
    });
}

const DEFAULT_DRAIN_DELAY = 5;

function addDrain(node: Command, context: CtlContext): void {
  addAgentFlags(
    node.command('drain').description('Take this node out of BGP routing without losing packets.'),
    context,
  )
    .option(
      '--delay <seconds>',
      'time that peers have to find other ways',
      (text) => {
        const delay = Number(text);
        if (text.trim() === '' || !(delay >= 0)) throw new InvalidArgumentError('not a number of seconds');
        return delay;
      },
      DEFAULT_DRAIN_DELAY,
    )
    .option('--reason <text>', 'what peers are told, at most 255 octets', '')
    .addHelpText(
      'after',
      `
Tells all peers that the routes of this node are about to go (RFC 8326), waits, and ends the sessions as an
administrative shutdown with the reason (RFC 9003). Workloads keep running and keep reaching one another on this node.
Lasts until \`node undrain\` or until the agent starts again.

Exit code: 0 when the sessions have ended, else 1.

Examples:
  margayctl node drain
  margayctl node drain --delay 30 --reason 'kernel update, back at 10:00'`,
    )
    .action(async (flags: AgentFlags & { readonly delay: number; readonly reason: string }) => {
      const { drainAgent } = await import('../agent-socket.ts');
      await drainAgent(flags, flags.delay, flags.reason);
      context.environment.write('Drained: BGP sessions have ended.\n');
    });
}

function addUndrain(node: Command, context: CtlContext): void {
  addAgentFlags(node.command('undrain').description('Put a drained node back into BGP routing.'), context)
    .addHelpText(
      'after',
      `
Exit code: 0 when the agent opens its sessions again, else 1.

Example:
  margayctl node undrain`,
    )
    .action(async (flags: AgentFlags) => {
      const { undrainAgent } = await import('../agent-socket.ts');
      await undrainAgent(flags);
      context.environment.write('BGP sessions are being opened.\n');
    });
}

function addCheckSystem(node: Command, context: CtlContext): void {
  node
    .command('checksystem')
    .description('Check that this kernel can do what the agent needs.')
    .option('-f, --kernel-config <file>', "the running kernel's configuration, instead of the usual places")
    .addHelpText(
      'after',
      `
Looks at the kernel's version, at nf_tables and its parts (loaded, built in or loadable), at table ownership and at
forwarding. Reads files only: /proc/modules, /proc/config.gz or /boot/config-*, /lib/modules.

Exit code: 0 when everything that is needed is there, else 1.

Examples:
  margayctl node checksystem
  margayctl node checksystem -f /boot/config-6.1.0-18-amd64`,
    )
    .action(async (flags: { readonly kernelConfig?: string }) => {
      const { checkSystem, readSystem } = await import('../check-system.ts');
      context.report(checkSystem(readSystem('/', flags.kernelConfig)));
    });
}

function addNodeDiags(node: Command, context: CtlContext): void {
  addAgentFlags(
    node.command('diags').description('Collect what helps to find a fault of this node, in one archive.'),
    context,
  )
    .option('--log-dir <directory>', 'logs to take along', DEFAULT_LOG_DIR)
    .option('-o, --output <file>', 'the archive to write (default: margay-diags-HOST-TIME.tar.gz)')
    .addHelpText(
      'after',
      `
Takes the checks of \`node checksystem\`, the kernel's view of links, routes, connections and counters, the agent's state
and routes, its logs, and all resources. No program is run and nothing is changed. What cannot be read is listed in
problems.txt and does not stop the rest. The archive holds addresses and policies, no passwords: look before you share.

Exit code: 0 when the archive was written, else 1.

Examples:
  margayctl node diags
  margayctl node diags --log-dir /var/log/margay -o /tmp/diags.tar.gz`,
    )
    .action(async (flags: AgentFlags & DiagsFlags & { readonly logDir: string }) => {
      const { nodeDiags } = await import('../diags.ts');
      context.report(await nodeDiags({ ...flags, now: new Date() }, datastoreOf(context)));
    });
}

interface DiagsFlags {
  readonly output?: string;
}

export function addClusterCommands(program: Command, context: CtlContext): void {
  program
    .command('cluster')
    .description('Ask about the cluster as a whole.')
    .command('diags')
    .description('Collect what helps to find a fault of the cluster, in one archive.')
    .option('-o, --output <file>', 'the archive to write (default: margay-cluster-diags-TIME.tar.gz)')
    .addHelpText(
      'after',
      `
Takes all resources of the datastore, invalid ones with what is wrong with them. What only a node knows (kernel, agent,
logs) is collected there: \`margayctl node diags\`. calicoctl's flags for pods and their logs have no meaning here.

Exit code: 0 when the archive was written, else 1.

Examples:
  margayctl cluster diags
  ETCD_ENDPOINTS=http://10.0.0.1:2379 margayctl cluster diags -o /tmp/cluster.tar.gz`,
    )
    .action(async (flags: DiagsFlags) => {
      const { clusterDiags } = await import('../diags.ts');
      context.report(await clusterDiags({ ...flags, now: new Date() }, datastoreOf(context)));
    });
}

/** Diagnostics are wanted most where versions differ: no guard. */
function datastoreOf(context: CtlContext) {
  const { datastore: url } = context.program.opts<GlobalFlags>();
  return (work: (datastore: Datastore) => Promise<void>) => context.withDatastoreAt(url, work);
}
