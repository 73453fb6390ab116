/** What an agent makes of a datastore when it starts, the very first on an empty one. */
import { randomBytes } from 'node:crypto';
import { VERSION } from '../base/version.ts';
import { type ClusterIdentity, clusterInformationResource, initialResources } from '../model/defaults.ts';
import { isKnown } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { AlreadyExistsError, ConflictError, type Datastore } from './datastore.ts';

/**
 * Makes what every datastore holds (built-in tiers, the profile projectcalico-default-allow, ClusterInformation), as
 * far as it is missing, and completes ClusterInformation. All else that is there stays as it is, and racing starters
 * are fine. Rejects as {@link Datastore.create} does; the next call goes on.
 */
export async function ensureDefaults(datastore: Datastore, version: string = VERSION): Promise<void> {
  const identity = { clusterGUID: randomBytes(16).toString('hex'), version, clusterType: 'bgp' };
  const wanted = initialResources(identity);
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
  for (let raced = true; raced;) raced = await updateInformation(datastore, identity);
}

/**
 * Completes ClusterInformation as calico-node does when it starts: an identity, readiness where nothing is said of it,
 * and the newest version that ran. A version of Calico's own stays: its calicoctl works only with its own. Gives whether
 * somebody else wrote meanwhile.
 */
async function updateInformation(datastore: Datastore, identity: ClusterIdentity): Promise<boolean> {
  const { resources } = await datastore.list({ kind: 'ClusterInformation' });
  const current = resources.filter(isKnown).find(({ kind }) => kind === 'ClusterInformation');
  // None: stored but invalid, which whoever reads it reports.
  if (current?.kind !== 'ClusterInformation') return false;
  const { calicoVersion } = current.spec;
  const complete = { ...clusterInformationResource(identity).spec, ...current.spec };
  const spec =
    calicoVersion !== undefined && isOlder(calicoVersion, identity.version)
      ? { ...complete, calicoVersion: identity.version }
      : complete;
  const names = Object.keys(spec) as (keyof typeof spec)[];
  if (names.every((name) => spec[name] === current.spec[name])) return false;
  try {
    await datastore.update({ ...current, spec });
    return false;
  } catch (error) {
    if (error instanceof ConflictError) return true;
    throw error;
  }
}

/** Whether a version of ours (three numbers) is older than another. */
function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number));
  if (a === undefined || b === undefined) return false;
  const at = a.findIndex((number, index) => number !== b[index]);
  return at >= 0 && a[at]! < b[at]!;
}
