/** `margayctl create|apply|replace|delete`: changes to resources, reported in calicoctl's own sentences. */
import { describeError } from '../base/errors.ts';
import { applyResource } from '../datastore/apply.ts';
import { AlreadyExistsError, type Datastore, NotFoundError } from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/namespace.ts';
import { formatProblem } from '../model/problem.ts';
import { kindDefinition } from '../model/registry.ts';
import { type Resource, keyOf } from '../model/resource.ts';
import type { ParsedResource } from '../model/yaml.ts';

export type Action = 'create' | 'apply' | 'replace' | 'delete';

export interface ModifyOptions {
  /** `create --skip-exists`. */
  readonly skipExists: boolean;
  /** `delete --skip-not-exists`. */
  readonly skipNotExists: boolean;
}

/** What a command prints and how it ends. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number;
}

const PAST: Readonly<Record<Action, string>> = {
  create: 'created',
  apply: 'applied',
  replace: 'replaced',
  delete: 'deleted',
};

/**
 * Carries out the action for each document that is valid, in order; a document with errors changes nothing, and the
 * others are worked on all the same. The exit code is 0 only if everything succeeded.
 */
export async function modify(
  datastore: Datastore,
  action: Action,
  documents: readonly ParsedResource[],
  options: ModifyOptions,
): Promise<Outcome> {
  if (documents.length === 0) return { output: 'No resources specified\n', errors: '', exitCode: 1 };
  const errors: string[] = [];
  const done: Resource[] = [];
  for (const document of documents) {
    if (document.problems !== undefined) {
      errors.push(...document.problems.map(formatProblem));
      continue;
    }
    try {
      // A Namespace is stored as the profile that it means (design D19).
      await ACTIONS[action](datastore, storedForm(document.resource), options);
      done.push(document.resource);
    } catch (error) {
      errors.push(
        `failed to ${action} '${userKind(document.resource.kind)}' resource: ${describeError(error)}`,
      );
    }
  }
  return {
    output: summary(action, done, documents.length),
    errors: errors.map((error) => `${error}\n`).join(''),
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

function summary(action: Action, done: readonly Resource[], total: number): string {
  if (done.length === 0) return '';
  const kinds = new Set(done.map(({ kind }) => userKind(kind)));
  const kind = kinds.size === 1 ? `'${[...kinds][0]}' ` : '';
  return done.length === total
    ? `Successfully ${PAST[action]} ${done.length} ${kind}resource(s)\n`
    : `Partial success: ${PAST[action]} ${done.length} out of ${total} ${kind}resources\n`;
}

const ACTIONS: Readonly<
  Record<Action, (datastore: Datastore, resource: Resource, options: ModifyOptions) => Promise<void>>
> = {
  async create(datastore, resource, { skipExists }) {
    try {
      await datastore.create(resource);
    } catch (error) {
      if (!(skipExists && error instanceof AlreadyExistsError)) throw error;
    }
  },
  async apply(datastore, resource) {
    await applyResource(datastore, resource);
  },
  async replace(datastore, resource) {
    await datastore.update(resource);
  },
  async delete(datastore, resource, { skipNotExists }) {
    try {
      await datastore.delete(keyOf(resource));
    } catch (error) {
      if (!(skipNotExists && error instanceof NotFoundError)) throw error;
    }
  },
};

/** A kind as users write it. */
export function userKind(kind: string): string {
  return kindDefinition(kind)?.externalKind ?? kind;
}
