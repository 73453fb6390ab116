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

/** Seconds beyond the delay until a drain is given up. */
const DRAIN_PATIENCE = 10;

/**
 * Takes the node out of routing: peers are told that its routes are about to go, and `delay` seconds later sessions
 * end with `communication` as the reason. Resolves when they have ended.
 */
export async function drainAgent(place: AgentPlace, delay: number, communication: string): Promise<void> {
  const query = new URLSearchParams({ delay: String(delay), communication });
  await requestLocal(agentSocket(place), `/drain?${query.toString()}`, {
    method: 'POST',
    timeout: (delay + DRAIN_PATIENCE) * 1000,
  });
}

/** Puts the node back into routing. */
export async function undrainAgent(place: AgentPlace): Promise<void> {
  await requestLocal(agentSocket(place), '/undrain', { method: 'POST' });
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
