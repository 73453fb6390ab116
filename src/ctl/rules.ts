/** What may not be changed or deleted once it exists (model/changes.ts), as errors of a command. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { changeFaults, deletionFaults } from '../model/changes.ts';
import { formatPath } from '../model/problem.ts';
import { isKnown, kinds } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';

/** Throws a ConfigError if a field differs that cannot change. */
export function requireChangeable(before: Resource, after: Resource): void {
  if (!isKnown(before) || !isKnown(after)) return;
  const [fault] = changeFaults(before, after);
  if (fault === undefined) return;
  const to = fault.found === undefined ? '' : ` to ${fault.found}`;
  throw new ConfigError(
    'ctl.fixed',
    `${before.kind}(${before.metadata.name}): ${formatPath(fault.path)} ${fault.message}${to}`,
    { fix: fault.fix },
  );
}

/** Rejects with a ConfigError for what always exists, and for a tier that has policies. */
export async function requireDeletable(datastore: Datastore, resource: Resource): Promise<void> {
  const [fault] = deletionFaults(resource, resource.kind === 'Tier' ? await policies(datastore) : []);
  if (fault !== undefined) throw new ConfigError('ctl.built-in', fault.message, { fix: fault.fix });
}

async function policies(datastore: Datastore): Promise<readonly Resource[]> {
  const kindsWithTier = kinds.filter(({ kind }) => /^(Staged)?(Global)?NetworkPolicy$/.test(kind));
  const lists = await Promise.all(kindsWithTier.map(({ kind }) => datastore.list({ kind })));
  return lists.flatMap(({ resources }) => resources);
}
