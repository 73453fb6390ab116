/**
 * `margayctl datastore migrate`: every resource of one datastore into a file or into another datastore. Writing is
 * repeatable: what is there already and equal is passed over, so that an import that was interrupted is resumed by
 * running it again. uid, creationTimestamp and resourceVersion are each datastore's own and are made anew.
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError, describeError } from '../base/errors.ts';
import { type Datastore, InvalidValueError, NotFoundError } from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { formatProblem } from '../model/problem.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { type ParsedResource, formatYaml } from '../model/yaml.ts';
import { type Outcome, errorLines } from './outcome.ts';
import { portable } from './portable.ts';

const CLUSTER = { kind: 'ClusterInformation', name: 'default' } as const;

/** Kinds that others refer to go first; those that are not named follow, and ClusterInformation ends the import. */
const FIRST_KINDS = ['Tier', 'Node', 'FelixConfiguration', 'BGPConfiguration', 'IPPool', 'Profile'];

/** What a migration moves, in the order of writing. */
export interface Cargo {
  readonly resources: readonly KnownResource[];
  /** What could not be read; a migration that would lose it is refused. */
  readonly errors: readonly string[];
}

/** Everything that a datastore holds. */
export async function cargoOf(datastore: Datastore): Promise<Cargo> {
  const { resources, invalid } = await datastore.list();
  return {
    resources: inOrder(resources.filter(isKnown)),
    errors: invalid.map(({ key, error }) => `${keyText(key)} is stored but invalid: ${describeError(error)}`),
  };
}

/** Everything that files hold. */
export function cargoOfDocuments(documents: readonly ParsedResource[]): Cargo {
  return {
    resources: inOrder(
      documents.flatMap(({ resource }) =>
        resource === undefined ? [] : [storedForm(resource) as KnownResource],
      ),
    ),
    errors: documents.flatMap(({ problems }) => (problems ?? []).map(formatProblem)),
  };
}

function inOrder(resources: readonly KnownResource[]): KnownResource[] {
  const rank = ({ kind }: KnownResource): number => {
    if (kind === CLUSTER.kind) return FIRST_KINDS.length + 1;
    const at = FIRST_KINDS.indexOf(kind);
    return at < 0 ? FIRST_KINDS.length : at;
  };
  return resources
    .map((resource) => ({ resource, rank: rank(resource), id: keyText(keyOf(resource)) }))
    .toSorted((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
    .map(({ resource }) => resource);
}

/** Rejects with a ConfigError unless the datastore is locked. */
export async function requireLocked(datastore: Datastore, force: boolean): Promise<void> {
  if (force || (await isLocked(datastore))) return;
  throw new ConfigError(
    'ctl.migrate',
    'Datastore is not locked. Run the `margayctl datastore migrate lock` command in order to begin migration.',
    { fix: 'lock it, so that nothing changes meanwhile; or take a copy that may be torn with --force' },
  );
}

async function isLocked(datastore: Datastore): Promise<boolean> {
  const information = await clusterInformation(datastore);
  return information?.spec.datastoreReady === false;
}

/** `lock` and `unlock`: ClusterInformation's datastoreReady, which keeps agents from setting up workloads. */
export async function setLocked(datastore: Datastore, locked: boolean): Promise<Outcome> {
  const information = await clusterInformation(datastore);
  if (information === undefined) {
    throw new ConfigError('ctl.migrate', 'the datastore has no ClusterInformation that could be locked', {
      fix: 'start an agent on it once, or import into it first',
    });
  }
  const word = locked ? 'locked' : 'unlocked';
  if ((information.spec.datastoreReady === false) === locked) {
    return { output: `Datastore is ${word} already.\n`, errors: '', exitCode: 0 };
  }
  await datastore.update({ ...information, spec: { ...information.spec, datastoreReady: !locked } });
  return { output: `Datastore ${word}.\n`, errors: '', exitCode: 0 };
}

async function clusterInformation(datastore: Datastore) {
  try {
    const found = await datastore.get(CLUSTER);
    return isKnown(found) && found.kind === 'ClusterInformation' ? found : undefined;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** The YAML of a cargo, which import reads. */
export function exportText({ resources }: Cargo): string {
  return resources.map((resource) => formatYaml(portable(resource))).join('---\n');
}

export interface TransferOptions {
  /** Say what would happen, and write nothing. */
  readonly dryRun: boolean;
  /** Change resources that are there with another content. */
  readonly overwrite: boolean;
  /** Told after each resource. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Writes a cargo into a datastore, which stays locked afterwards. A resource that is there with another content is an
 * error unless `overwrite`; every resource is tried all the same. ClusterInformation is written last and always: it
 * makes the datastore that cluster's.
 */
export async function transfer(target: Datastore, cargo: Cargo, options: TransferOptions): Promise<Outcome> {
  if (cargo.errors.length > 0) return refusedCargo(cargo);
  const counts = { created: 0, updated: 0, unchanged: 0 };
  const errors: string[] = [];
  const total = cargo.resources.length;
  for (const [index, resource] of cargo.resources.entries()) {
    // The cluster's identity belongs there only when everything else does.
    if (resource.kind === CLUSTER.kind && errors.length > 0) continue;
    try {
      counts[await transferOne(target, resource, options)] += 1;
    } catch (error) {
      errors.push(`${keyText(keyOf(resource))}: ${describeError(error)}`);
    }
    options.onProgress?.(index + 1, total);
  }
  const would = options.dryRun ? 'Would have created' : 'Created';
  const summary = `${would} ${counts.created}, changed ${counts.updated}, left ${counts.unchanged} as they are, of ${total} resources.\n`;
  const end = options.dryRun
    ? 'Dry run: nothing was written.\n'
    : 'Datastore information successfully imported. It is locked: check it with `margayctl datastore migrate check`,\n' +
      'point the agents at it, and run `margayctl datastore migrate unlock`.\n';
  return {
    output: summary + (errors.length === 0 ? end : ''),
    errors: errorLines([
      ...errors,
      ...(errors.length === 0
        ? []
        : ['The import is not complete. Mend what is named above and run it again: it goes on where it is.']),
    ]),
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

function refusedCargo({ errors }: Cargo): Outcome {
  return {
    output: '',
    errors: errorLines([...errors, 'Nothing was written: mend or delete what is invalid first.']),
    exitCode: 1,
  };
}

async function transferOne(
  target: Datastore,
  resource: KnownResource,
  { dryRun, overwrite }: TransferOptions,
): Promise<'created' | 'updated' | 'unchanged'> {
  const wanted = arriving(resource);
  const current = await find(target, wanted);
  if (current === 'none') {
    if (!dryRun) await target.create(wanted);
    return 'created';
  }
  if (current !== 'invalid' && sameContent(current, wanted)) return 'unchanged';
  if (!overwrite && resource.kind !== CLUSTER.kind) {
    throw new ConfigError('ctl.migrate', 'it is there already with another content', {
      fix: 'see the difference with `margayctl diff`; use --overwrite to take the imported one',
    });
  }
  if (!dryRun) await target.update(wanted);
  return 'updated';
}

/** As it is written: the cluster arrives locked. */
function arriving(resource: KnownResource): KnownResource {
  const clean = portable(resource);
  return clean.kind === 'ClusterInformation'
    ? { ...clean, spec: { ...clean.spec, datastoreReady: false } }
    : clean;
}

async function find(target: Datastore, resource: KnownResource): Promise<KnownResource | 'none' | 'invalid'> {
  try {
    const found = await target.get(keyOf(resource));
    return isKnown(found) ? found : 'invalid';
  } catch (error) {
    if (error instanceof NotFoundError) return 'none';
    if (error instanceof InvalidValueError) return 'invalid';
    throw error;
  }
}

function sameContent(a: KnownResource, b: KnownResource): boolean {
  return isDeepStrictEqual(portable(a), portable(b));
}

/**
 * `check`: what of a cargo the datastore lacks or holds differently, and what it holds besides. Whether the two are
 * locked is no difference. Exit code 1 if there is any.
 */
export async function check(target: Datastore, cargo: Cargo): Promise<Outcome> {
  const there = await cargoOf(target);
  const held = new Map(there.resources.map((resource) => [keyText(keyOf(resource)), resource]));
  const lines: string[] = [];
  for (const resource of cargo.resources) {
    const id = keyText(keyOf(resource));
    const found = held.get(id);
    held.delete(id);
    if (found === undefined) lines.push(`missing    ${id}`);
    else if (!sameContent(arriving(found), arriving(resource))) lines.push(`different  ${id}`);
  }
  for (const id of held.keys()) lines.push(`extra      ${id}`);
  const errors = [...cargo.errors, ...there.errors];
  const same = lines.length === 0 && errors.length === 0;
  return {
    output: same
      ? `All ${cargo.resources.length} resources are the same.\n`
      : `${lines.map((line) => `${line}\n`).join('')}${lines.length} differences in ${cargo.resources.length} resources.\n`,
    errors: errorLines(errors),
    exitCode: same ? 0 : 1,
  };
}
