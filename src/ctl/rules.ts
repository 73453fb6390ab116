/** What may not be created, and what may not be changed or deleted once it exists (model/changes.ts), as errors of a command. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import {
  changeFaults,
  creationFaults,
  creationPrecondition,
  deletionFaults,
  isReadOnlyKind,
} from '../model/changes.ts';
import { formatPath, formatProblem } from '../model/problem.ts';
import { isKnown, kinds } from '../model/registry.ts';
import type { Resource } from '../model/resource.ts';

/** Throws a ConfigError for kinds that only the software itself writes. */
function requireWritable(kind: string): void {
  if (!isReadOnlyKind(kind)) return;
  throw new ConfigError('ctl.read-only', `${kind} is written by IPAM alone`, {
    fix: 'use margayctl ipam, or pools and reservations (IPPool, IPReservation)',
  });
}

/** Throws a ConfigError if the kind is not for users to write, or if a field differs that cannot change. */
export function requireChangeable(before: Resource, after: Resource): void {
  requireWritable(after.kind);
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

/**
 * Rejects with a ConfigError for kinds that users do not write, and if what is stored forbids a new resource: a pool
 * that overlaps, a tier that is not there.
 */
export async function requireCreatable(datastore: Datastore, resource: Resource): Promise<void> {
  requireWritable(resource.kind);
  const kind = creationPrecondition(resource.kind);
  if (kind === undefined || !isKnown(resource)) return;
  const { resources } = await datastore.list({ kind });
  const [fault] = creationFaults(resource, resources.filter(isKnown));
  if (fault === undefined) return;
  throw new ConfigError('ctl.precondition', formatProblem(fault), { fix: fault.fix });
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
