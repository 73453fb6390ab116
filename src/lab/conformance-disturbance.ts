/** What a conformance run does to every host in the middle of a step: the step must come into force all the same. */
import { MargayError } from '../base/errors.ts';
import { runChecked } from '../sys/process.ts';
import type { Lab } from './lab.ts';
import { machineOf } from './plan.ts';
import { waitUntil } from './wait.ts';

export const DISTURBANCES = ['restart', 'flush'] as const;
export type Disturbance = (typeof DISTURBANCES)[number];

/** Milliseconds until a table that was flushed must be back. */
const REPAIR = 10_000;

/** Disturbs every host at once; resolves when the agents run and have repaired what they saw. */
export async function disturb(lab: Lab, disturbance: Disturbance): Promise<void> {
  await Promise.all(
    lab.nodes.map((node) => (disturbance === 'restart' ? restart(lab, node) : flush(lab, node))),
  );
}

async function restart(lab: Lab, node: string): Promise<void> {
  await lab.stopAgent(node, 'SIGKILL');
  await lab.startAgent(node);
}

/** A table with an owner is passed by; one without is gone, and must be repaired. */
async function flush(lab: Lab, node: string): Promise<void> {
  const { repairs } = (await lab.agentStatus(node)).dataplane;
  await runChecked('nft', ['flush', 'ruleset'], { namespace: machineOf(lab.plan, node).namespace });
  const whole = async (): Promise<boolean> => {
    const { dataplane } = await lab.agentStatus(node);
    return dataplane.ownsTable || dataplane.repairs > repairs;
  };
  if (await waitUntil(whole, REPAIR)) return;
  throw new MargayError(
    'lab.not-repaired',
    `the table of ${node} is not repaired ${REPAIR} ms after it was flushed`,
  );
}
