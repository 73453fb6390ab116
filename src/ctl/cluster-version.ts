/** `margayctl version`: what the cluster says of itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, describeError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import type { CtlEnvironment } from './context.ts';
import type { Outcome } from './outcome.ts';

/** Reads ClusterInformation; with `poll` (seconds) again until it is there. */
export async function clusterVersion(
  datastore: Datastore,
  poll: string | undefined,
  { writeError, signal }: Pick<CtlEnvironment, 'writeError' | 'signal'>,
): Promise<Outcome> {
  const seconds = poll === undefined ? undefined : Number(poll);
  if (seconds !== undefined && !(seconds > 0)) {
    throw new ConfigError('ctl.usage', `--poll=${poll}: not a number of seconds`, { fix: 'write --poll=2' });
  }
  for (;;) {
    try {
      const found = await datastore.get({ kind: 'ClusterInformation', name: 'default' });
      return outcomeOf(isKnown(found) ? found : undefined);
    } catch (error) {
      if (seconds === undefined || signal?.aborted === true) throw error;
      writeError(`${describeError(error)}\n`);
      await sleep(seconds * 1000);
    }
  }
}

function outcomeOf(information: KnownResource | undefined): Outcome {
  if (information?.kind !== 'ClusterInformation') {
    return { output: '', errors: 'ClusterInformation cannot be read\n', exitCode: 1 };
  }
  const { calicoVersion, clusterType, clusterGUID } = information.spec;
  const rows = [
    ['Cluster Version:', calicoVersion],
    ['Cluster Type:', clusterType],
    ['Cluster GUID:', clusterGUID],
  ] as const;
  return {
    output: rows.map(([title, value]) => `${title.padEnd(19)}${value ?? 'unknown'}\n`).join(''),
    errors: '',
    exitCode: 0,
  };
}
