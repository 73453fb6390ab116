/** The running agent, over its local socket (design D20). */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import { requestLocal } from '../base/local-api.ts';
import type { AgentStatus } from '../model/agent-status.ts';

export interface AgentPlace {
  /** The node's name; the only agent that runs here when left out. */
  readonly node?: string;
  /** Directory of the sockets. */
  readonly runDir: string;
}

/** Rejects with a ConfigError when no agent runs, or several of which none is named. */
export async function agentStatus(place: AgentPlace): Promise<AgentStatus> {
  return (await requestLocal(agentSocket(place), '/status')) as AgentStatus;
}

/** The socket of the one agent that runs here, or of the one that is named. */
export function agentSocket({ node, runDir }: AgentPlace): string {
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
