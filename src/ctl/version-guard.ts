/** Refuses to work on a cluster of another version, as calicoctl does. */
import { ConfigError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { type Datastore, NotFoundError } from '../datastore/datastore.ts';
import { isKnown } from '../model/registry.ts';

const OVERRIDE = 'Use --allow-version-mismatch to override';

/** Clusters that Calico v3 keeps have versions such as v3.30.1; their resources are ours (design D13). */
const CALICO_V3 = /^v3\./;

/**
 * Rejects with a ConfigError if ClusterInformation names a version whose first two numbers are not ours and which is
 * no Calico v3. A cluster that names none, or that has no ClusterInformation yet, is accepted.
 */
export async function requireSameVersion(datastore: Datastore, own: string = VERSION): Promise<void> {
  let cluster: string | undefined;
  try {
    const information = await datastore.get({ kind: 'ClusterInformation', name: 'default' });
    if (isKnown(information) && information.kind === 'ClusterInformation') {
      cluster = information.spec.calicoVersion;
    }
  } catch (error) {
    if (error instanceof NotFoundError) return;
    if (error instanceof Error && 'retryable' in error && error.retryable === true) throw error;
    throw new ConfigError(
      'ctl.version',
      `unable to get Cluster Information to verify version mismatch: ${error instanceof Error ? error.message : String(error)}\n${OVERRIDE}`,
      { cause: error },
    );
  }
  if (cluster === undefined || CALICO_V3.test(cluster) || release(cluster) === release(own)) return;
  throw new ConfigError(
    'ctl.version',
    `version mismatch.\nClient Version:   ${own}\nCluster Version:  ${cluster}\n${OVERRIDE}`,
  );
}

/** `1.2` of `1.2.3`: within it nothing that is stored changes its meaning. */
function release(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
