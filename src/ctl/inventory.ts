/** All resources of a cluster, for commands that answer from them alone. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { formatProblem } from '../model/problem.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import { keyText } from '../model/resource.ts';
import type { ParsedResource } from '../model/yaml.ts';

export interface Inventory {
  readonly resources: readonly KnownResource[];
  /** Of the datastore; undefined for files. */
  readonly revision: number | undefined;
  /** What could not be read. */
  readonly problems: readonly string[];
}

/** Everything that a datastore holds. */
export async function inventoryOf(datastore: Datastore): Promise<Inventory> {
  const { resources, invalid, revision } = await datastore.list();
  return {
    resources: resources.filter(isKnown),
    revision,
    problems: invalid.map(({ key, error }) => `${keyText(key)}: ${error.message}`),
  };
}

/**
 * The resources of files as a datastore would keep them: a Namespace as its Profile, a Pod as its WorkloadEndpoint.
 * Throws a ConfigError that names every faulty one: an answer without them would mislead.
 */
export function readResources(documents: readonly ParsedResource[]): KnownResource[] {
  const problems = documents.flatMap((document) => (document.problems ?? []).map(formatProblem));
  if (problems.length > 0) {
    throw new ConfigError('ctl.file', `resources are not valid:\n${problems.join('\n')}`);
  }
  return documents
    .flatMap(({ resource }) => (resource === undefined ? [] : [storedForm(resource)]))
    .filter(isKnown);
}
