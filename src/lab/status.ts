/** How a lab is: what of it runs, and what its agents say. */
import { describeError } from '../base/errors.ts';
import type { AgentStatus } from '../model/agent-status.ts';
import type { Lab } from './lab.ts';

export interface LabStatus {
  readonly name: string;
  readonly path: string;
  /** Everything that should be there is, and every agent is in sync with all its sessions established. */
  readonly healthy: boolean;
  /** By name: whether it still is the lab's own. */
  readonly namespaces: Readonly<Record<string, boolean>>;
  /** By name: the process id, or null if it does not run. */
  readonly processes: Readonly<Record<string, number | null>>;
  readonly agents: readonly NodeSummary[];
  readonly workloads: readonly {
    readonly name: string;
    readonly host: string;
    readonly addresses: readonly string[];
  }[];
}

export interface NodeSummary {
  readonly node: string;
  readonly error?: string;
  readonly status?: AgentStatus;
}

/** Asks every agent. */
export async function labStatus(lab: Lab): Promise<LabStatus> {
  const { namespaces, processes } = lab.inventory();
  const agents = await Promise.all(lab.nodes.map((node) => summary(lab, node)));
  return {
    name: lab.name,
    path: lab.path,
    healthy:
      Object.values(namespaces).every(Boolean) &&
      Object.values(processes).every((pid) => pid !== undefined) &&
      agents.every(({ status }) => status !== undefined && isHealthy(status)),
    namespaces,
    processes: Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, pid ?? null])),
    agents,
    workloads: lab.plan.workloads.map(({ name, host, addresses }) => ({ name, host, addresses })),
  };
}

async function summary(lab: Lab, node: string): Promise<NodeSummary> {
  try {
    return { node, status: await lab.agentStatus(node) };
  } catch (error) {
    return { node, error: describeError(error).split('\n')[0]! };
  }
}

function isHealthy({ datastore, dataplane, bgp }: AgentStatus): boolean {
  return (
    datastore.inSync &&
    datastore.error === undefined &&
    dataplane.problems.length === 0 &&
    bgp.state !== 'failed' &&
    bgp.peers.every((peer) => peer.state === 'Established')
  );
}

/** The same for people. */
export function formatLabStatus(status: LabStatus): string {
  const lost = Object.keys(status.namespaces).filter((name) => !status.namespaces[name]);
  const dead = Object.keys(status.processes).filter((name) => status.processes[name] === null);
  const lines = [
    `lab ${status.name}: ${status.healthy ? 'healthy' : 'not healthy'} (${status.path})`,
    `  namespaces  ${Object.keys(status.namespaces).length}${lost.length === 0 ? '' : `, lost: ${lost.join(', ')}`}`,
    `  processes   ${Object.keys(status.processes).length}${dead.length === 0 ? '' : `, not running: ${dead.join(', ')}`}`,
  ];
  for (const { node, error, status: agent } of status.agents) {
    if (agent === undefined) {
      lines.push(`  ${node.padEnd(10)}  ${error}`);
      continue;
    }
    const established = agent.bgp.peers.filter(({ state }) => state === 'Established').length;
    lines.push(
      `  ${node.padEnd(10)}  revision ${agent.dataplane.revisionInForce}/${agent.datastore.revision} in force, ` +
        `${agent.dataplane.endpoints} endpoints, ${agent.dataplane.policies} policies, ` +
        `BGP ${agent.bgp.state} ${established}/${agent.bgp.peers.length}`,
      ...agent.dataplane.problems.map((problem) => `  ${''.padEnd(10)}  problem: ${problem}`),
    );
  }
  for (const { name, host, addresses } of status.workloads) {
    lines.push(`  ${name.padEnd(16)}  on ${host}  ${addresses.join('  ')}`);
  }
  return `${lines.join('\n')}\n`;
}
