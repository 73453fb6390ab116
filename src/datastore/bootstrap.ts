/** What every datastore holds from the first start on (design: `default` tier, default-allow profile, ClusterInformation). */
import { randomBytes } from 'node:crypto';
import { VERSION } from '../base/version.ts';
import { initialResources } from '../model/defaults.ts';
import { AlreadyExistsError, type Datastore } from './datastore.ts';

/** Creates what is missing. Several agents may start at once: whoever comes second finds it done. */
export async function ensureDefaults(datastore: Datastore): Promise<void> {
  const identity = {
    clusterGUID: randomBytes(16).toString('hex'),
    version: `v${VERSION}`,
    clusterType: 'margay,bgp',
  };
  for (const resource of initialResources(identity)) {
    try {
      await datastore.create(resource);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
  }
}
