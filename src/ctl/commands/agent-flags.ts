/** Flags that say which agent is asked. */
import type { Command } from 'commander';
import type { CtlContext } from '../context.ts';

export const DEFAULT_RUN_DIR = '/run/margay';

export interface AgentFlags {
  readonly node?: string;
  readonly runDir: string;
}

export function addAgentFlags(command: Command, { environment: { variables } }: CtlContext): Command {
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
