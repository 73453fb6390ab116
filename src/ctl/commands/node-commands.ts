/** node status, node diags, node checksystem. */
import { type Command, Option } from 'commander';
import type { CtlContext } from '../context.ts';

const DEFAULT_RUN_DIR = '/run/margay';

interface AgentFlags {
  readonly node?: string;
  readonly runDir: string;
}

export function addNodeCommands(program: Command, context: CtlContext): void {
  const node = program.command('node').description('Ask about the node that this command runs on.');
  addStatus(node, context);
}

function addAgentFlags(command: Command, { environment: { variables } }: CtlContext): Command {
  return command
    .option(
      '--node <name>',
      'node name, when several agents run on this machine (default: NODENAME)',
      variables['NODENAME'],
    )
    .option(
      '--run-dir <directory>',
      "directory of the agent's socket",
      variables['MARGAY_RUN_DIR'] ?? DEFAULT_RUN_DIR,
    );
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
