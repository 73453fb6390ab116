/** `margayctl create|apply|replace|delete`: changes to resources, reported in calicoctl's own sentences. */
import { ConfigError, describeError } from '../base/errors.ts';
import {
  AlreadyExistsError,
  ConflictError,
  type Datastore,
  InvalidValueError,
  NotFoundError,
} from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { formatProblem } from '../model/problem.ts';
import { type Resource, keyOf } from '../model/resource.ts';
import type { ParsedResource } from '../model/yaml.ts';
import { type Outcome, errorLines } from './outcome.ts';
import { Rehearsal } from './rehearsal.ts';
import { requireChangeable, requireCreatable, requireDeletable } from './rules.ts';
import { userKind } from './target.ts';

export type Action = 'create' | 'apply' | 'replace' | 'delete';

/** `client`: only what the documents say is checked. `server`: also against the datastore. Neither writes. */
export type DryRun = 'client' | 'server';

export interface ModifyOptions {
  /** `create --skip-exists`. */
  readonly skipExists?: boolean;
  /** `delete --skip-not-exists`. */
  readonly skipNotExists?: boolean;
  /** No resources at all are no error. */
  readonly skipEmpty?: boolean;
  readonly dryRun?: DryRun;
  /** All or nothing: one error anywhere, and nothing is changed. */
  readonly atomic?: boolean;
}

const PAST = {
  create: 'created',
  apply: 'applied',
  replace: 'replaced',
  delete: 'deleted',
  validate: 'validated',
} as const;

/** Tries this often when others write the same resource at the same time. */
const CONFLICT_TRIES = 10;

/**
 * Carries out the action for each document that is valid, in order; a document with errors changes nothing, and the
 * others are worked on all the same, unless `atomic`. The exit code is 0 only if everything succeeded.
 */
export async function modify(
  datastore: Datastore,
  action: Action,
  documents: readonly ParsedResource[],
  options: ModifyOptions,
): Promise<Outcome> {
  if (documents.length === 0) return nothingGiven(options.skipEmpty === true);
  if (options.dryRun === 'client') return dryRunOnClient(action, documents, options.atomic === true);
  if (options.dryRun === 'server') {
    const { done, errors } = await carryOut(new Rehearsal(datastore), action, documents, options);
    if (options.atomic === true && errors.length > 0) return nothingChanged(errors);
    return outcomeOf(action, done, documents.length, errors, 'server');
  }
  if (options.atomic === true) return modifyAtomically(datastore, action, documents, options);
  const { done, errors } = await carryOut(datastore, action, documents, options);
  return outcomeOf(action, done, documents.length, errors);
}

/** `--dry-run=client`: reads and checks the documents, and asks no datastore. */
export function dryRunOnClient(
  action: Action,
  documents: readonly ParsedResource[],
  atomic: boolean,
): Outcome {
  const { sound, errors } = soundDocuments(documents);
  if (atomic && errors.length > 0) return nothingChanged(errors);
  return outcomeOf(action, sound, documents.length, errors, 'client');
}

/** `margayctl validate`: checks documents without any datastore. */
export function validate(documents: readonly ParsedResource[], skipEmpty: boolean): Outcome {
  if (documents.length === 0) return nothingGiven(skipEmpty);
  const { sound, errors } = soundDocuments(documents);
  return outcomeOf('validate', sound, documents.length, errors);
}

function soundDocuments(documents: readonly ParsedResource[]): { sound: Resource[]; errors: string[] } {
  return {
    sound: documents.flatMap(({ resource }) => (resource === undefined ? [] : [resource])),
    errors: documents.flatMap(({ problems }) => (problems ?? []).map(formatProblem)),
  };
}

function nothingGiven(allowed: boolean): Outcome {
  return { output: 'No resources specified\n', errors: '', exitCode: allowed ? 0 : 1 };
}

function nothingChanged(errors: readonly string[]): Outcome {
  return { output: '', errors: errorLines([...errors, 'Nothing was changed (--atomic).']), exitCode: 1 };
}

interface Done {
  readonly done: readonly Resource[];
  readonly errors: readonly string[];
}

async function carryOut(
  datastore: Datastore,
  action: Action,
  documents: readonly ParsedResource[],
  options: ModifyOptions,
): Promise<Done> {
  const errors: string[] = [];
  const done: Resource[] = [];
  for (const { resource, problems } of documents) {
    if (problems !== undefined) {
      errors.push(...problems.map(formatProblem));
      continue;
    }
    try {
      // A Namespace is stored as the profile that it means (design D19).
      await ACTIONS[action](datastore, storedForm(resource), options);
      done.push(resource);
    } catch (error) {
      errors.push(failure(action, resource, error));
    }
  }
  return { done, errors };
}

function failure(action: Action, resource: Resource, error: unknown): string {
  return `failed to ${action} '${userKind(resource.kind)}' resource: ${describeError(error)}`;
}

/** Tries everything on a rehearsal first; what still fails then (a race) is undone. */
async function modifyAtomically(
  datastore: Datastore,
  action: Action,
  documents: readonly ParsedResource[],
  options: ModifyOptions,
): Promise<Outcome> {
  const rehearsal = await carryOut(new Rehearsal(datastore), action, documents, options);
  if (rehearsal.errors.length > 0) return nothingChanged(rehearsal.errors);
  const undo: (() => Promise<unknown>)[] = [];
  for (const resource of rehearsal.done) {
    const wanted = storedForm(resource);
    try {
      const before = await find(datastore, wanted);
      if (before === 'invalid') throw notUndoable(wanted);
      await ACTIONS[action](datastore, wanted, options);
      undo.unshift(() => restore(datastore, wanted, before));
    } catch (error) {
      return nothingChanged([failure(action, resource, error), ...(await undone(undo))]);
    }
  }
  return outcomeOf(action, rehearsal.done, documents.length, []);
}

/** Carries out the steps back; gives the errors of those that failed. */
async function undone(steps: readonly (() => Promise<unknown>)[]): Promise<string[]> {
  const errors: string[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(`failed to undo a change: ${describeError(error)}`);
    }
  }
  return errors;
}

/** Makes a resource what it was; one that did not exist is deleted again. */
async function restore(datastore: Datastore, resource: Resource, before: Resource | 'none'): Promise<void> {
  const now = await find(datastore, resource);
  if (before === 'none') {
    if (now !== 'none') await datastore.delete(keyOf(resource));
    return;
  }
  const { resourceVersion: _, ...metadata } = before.metadata;
  const wanted = { ...before, metadata };
  if (now === 'none') await datastore.create(wanted);
  else await datastore.update(wanted);
}

function notUndoable(resource: Resource): ConfigError {
  return new ConfigError('ctl.atomic', 'what is stored now is invalid, so that it could not be put back', {
    fix: `change ${userKind(resource.kind)} ${resource.metadata.name} without --atomic first`,
  });
}

function outcomeOf(
  action: Action | 'validate',
  done: readonly Resource[],
  total: number,
  errors: readonly string[],
  dryRun?: DryRun,
): Outcome {
  return {
    output: summary(action, done, total, dryRun),
    errors: errorLines(errors),
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

function summary(
  action: Action | 'validate',
  done: readonly Resource[],
  total: number,
  dryRun: DryRun | undefined,
): string {
  if (done.length === 0) return '';
  const kinds = new Set(done.map(({ kind }) => userKind(kind)));
  const kind = kinds.size === 1 ? `'${[...kinds][0]}' ` : '';
  const past = PAST[action];
  if (dryRun !== undefined) {
    const share = done.length === total ? `${done.length}` : `${done.length} out of ${total}`;
    return `Would have ${past} ${share} ${kind}resource(s) (${dryRun} dry run)\n`;
  }
  return done.length === total
    ? `Successfully ${past} ${done.length} ${kind}resource(s)\n`
    : `Partial success: ${past} ${done.length} out of ${total} ${kind}resources\n`;
}

const ACTIONS: Readonly<
  Record<Action, (datastore: Datastore, resource: Resource, options: ModifyOptions) => Promise<void>>
> = {
  async create(datastore, resource, { skipExists }) {
    try {
      await created(datastore, resource);
    } catch (error) {
      if (!(skipExists === true && error instanceof AlreadyExistsError)) throw error;
    }
  },
  async apply(datastore, resource) {
    for (let tries = 1; ; tries++) {
      try {
        const before = await find(datastore, resource);
        if (before === 'none') await created(datastore, resource);
        else await replaced(datastore, before, resource);
        return;
      } catch (error) {
        const raced =
          (error instanceof ConflictError && resource.metadata.resourceVersion === undefined) ||
          error instanceof AlreadyExistsError ||
          error instanceof NotFoundError;
        if (!raced || tries === CONFLICT_TRIES) throw error;
      }
    }
  },
  async replace(datastore, resource) {
    const before = await find(datastore, resource);
    if (before === 'none') throw new NotFoundError(keyOf(resource));
    await replaced(datastore, before, resource);
  },
  async delete(datastore, resource, { skipNotExists }) {
    await requireDeletable(datastore, resource);
    try {
      await datastore.delete(keyOf(resource), versionOf(resource));
    } catch (error) {
      if (!(skipNotExists === true && error instanceof NotFoundError)) throw error;
    }
  },
};

/** What exists already is told first: a pool overlaps itself. */
async function created(datastore: Datastore, resource: Resource): Promise<void> {
  if ((await find(datastore, resource)) !== 'none') throw new AlreadyExistsError(keyOf(resource));
  await requireCreatable(datastore, resource);
  await datastore.create(resource);
}

async function replaced(
  datastore: Datastore,
  before: Resource | 'invalid',
  resource: Resource,
): Promise<void> {
  if (before !== 'invalid') requireChangeable(before, resource);
  await datastore.update(resource);
}

function versionOf({ metadata: { resourceVersion } }: Resource): { resourceVersion?: string } {
  return resourceVersion === undefined ? {} : { resourceVersion };
}

/** What is stored under the resource's key; `invalid` can be written over. */
async function find(datastore: Datastore, resource: Resource): Promise<Resource | 'none' | 'invalid'> {
  try {
    return await datastore.get(keyOf(resource));
  } catch (error) {
    if (error instanceof NotFoundError) return 'none';
    if (error instanceof InvalidValueError) return 'invalid';
    throw error;
  }
}
