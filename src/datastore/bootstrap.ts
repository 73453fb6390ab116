/** The first start on an empty datastore. */
import { randomBytes } from 'node:crypto';
import { VERSION } from '../base/version.ts';
import { initialResources } from '../model/defaults.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { AlreadyExistsError, type Datastore } from './datastore.ts';

/**
 * Makes what every datastore holds (built-in tiers, the profile projectcalico-default-allow, ClusterInformation), as
 * far as it is missing. What is there stays as it is, and racing starters are fine. Rejects as
 * {@link Datastore.create} does; the next call goes on.
 */
export async function ensureDefaults(datastore: Datastore): Promise<void> {
  const wanted = initialResources({
    clusterGUID: randomBytes(16).toString('hex'),
    version: VERSION,
    clusterType: 'bgp',
  });
  const kinds = [...new Set(wanted.map(({ kind }) => kind))];
  const lists = await Promise.all(kinds.map((kind) => datastore.list({ kind })));
  const present = new Set(
    lists.flatMap(({ resources, invalid }) => [
      ...resources.map((resource) => keyText(keyOf(resource))),
      ...invalid.map(({ key }) => keyText(key)),
    ]),
  );
  for (const resource of wanted) {
    if (present.has(keyText(keyOf(resource)))) continue;
    try {
      await datastore.create(resource);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
  }
}
