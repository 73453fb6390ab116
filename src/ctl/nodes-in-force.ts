/** Which agents have a revision of the datastore in force, as far as they answer on this machine. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LocalApiUnreachableError, requestLocal } from '../base/local-api.ts';
import type { AgentStatus } from '../model/agent-status.ts';

export interface NodeInForce {
  readonly node: string;
  /** Datastore revision that its kernel enforces. */
  readonly revisionInForce: number;
  /** Whether that is the revision asked about, or a later one. */
  readonly inForce: boolean;
}

const SUFFIX = '.sock';
/** Milliseconds that an agent may take to answer. */
const PATIENCE = 1_000;

/** Asks every agent whose socket is in the directory. One that does not answer is left out. */
export async function nodesInForce(runDir: string, revision: number): Promise<NodeInForce[]> {
  const sockets = existsSync(runDir) ? readdirSync(runDir).filter((name) => name.endsWith(SUFFIX)) : [];
  const answers = await Promise.all(
    sockets.toSorted().map(async (socket): Promise<NodeInForce[]> => {
      try {
        const status = (await requestLocal(join(runDir, socket), '/status', {
          timeout: PATIENCE,
        })) as Partial<AgentStatus>;
        // Other programs have sockets there too.
        if (status.dataplane === undefined || status.node === undefined) return [];
        const { revisionInForce } = status.dataplane;
        return [{ node: status.node, revisionInForce, inForce: revisionInForce >= revision }];
      } catch (error) {
        if (error instanceof LocalApiUnreachableError) return [];
        throw error;
      }
    }),
  );
  return answers.flat();
}

/** For people: `in force on n1, n2; not yet on n3 (revision 41)`. */
export function describeNodes(nodes: readonly NodeInForce[]): string {
  const done = nodes.filter(({ inForce }) => inForce).map(({ node }) => node);
  const behind = nodes
    .filter(({ inForce }) => !inForce)
    .map(({ node, revisionInForce }) => `${node} (revision ${revisionInForce})`);
  const parts = [
    ...(done.length === 0 ? [] : [`in force on ${done.join(', ')}`]),
    ...(behind.length === 0 ? [] : [`not yet on ${behind.join(', ')}`]),
  ];
  return parts.length === 0 ? 'no agent answers here' : parts.join('; ');
}
