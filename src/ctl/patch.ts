/** `margayctl patch` and `margayctl label`: changes to one resource as it is stored. */
import { ConfigError, describeError } from '../base/errors.ts';
import { ConflictError, type Datastore } from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { decodeEntry } from '../model/decode.ts';
import { ValidationError, formatProblem } from '../model/problem.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import { type ResourceKey, keyText } from '../model/resource.ts';
import { toDocument } from '../model/yaml.ts';
import type { DryRun } from './modify.ts';
import type { Outcome } from './outcome.ts';
import { type Json, isJsonObject } from './patch/json.ts';
import { jsonPatch } from './patch/json-patch.ts';
import { mergePatch } from './patch/merge-patch.ts';
import { strategicPatch } from './patch/strategic-patch.ts';
import { Rehearsal } from './rehearsal.ts';
import { requireChangeable } from './rules.ts';
import { keyNamed, kindNamed, read, userKind } from './target.ts';

export type PatchType = 'strategic' | 'json' | 'merge';

const PATCHES: Readonly<Record<PatchType, (document: Json, patch: Json) => Json>> = {
  strategic: strategicPatch,
  json: jsonPatch,
  merge: mergePatch,
};

/** Tries this often when others write the resource at the same time. */
const CONFLICT_TRIES = 10;

export interface TargetOptions {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly dryRun?: DryRun;
}

export interface PatchOptions extends TargetOptions {
  readonly type: PatchType;
  /** The patch, already parsed. */
  readonly patch: Json;
}

/** Applies the patch to what is stored, checks the result as a document of a user, and writes it. */
export async function patch(datastore: Datastore, options: PatchOptions): Promise<Outcome> {
  const key = keyNamed(kindNamed(options.kind), options.name, options.namespace);
  const kind = userKind(key.kind);
  try {
    await change(datastore, key, options.dryRun, (document) =>
      PATCHES[options.type](document, options.patch),
    );
  } catch (error) {
    return failed(`failed to patch '${kind}' resource: ${messageOf(error)}`);
  }
  const output =
    options.dryRun === undefined
      ? `Successfully patched 1 '${kind}' resource\n`
      : `Would have patched 1 '${kind}' resource (${options.dryRun} dry run)\n`;
  return { output, errors: '', exitCode: 0 };
}

/** What to do with one label: set it to a value, or remove it. */
export interface LabelChange {
  readonly key: string;
  /** Undefined to remove it. */
  readonly value: string | undefined;
}

export interface LabelOptions extends TargetOptions {
  readonly changes: readonly LabelChange[];
  readonly overwrite: boolean;
}

/** Reads `key=value`, `key` with `--remove`, and kubectl's `key-`. Throws a ConfigError for anything else. */
export function parseLabelChange(text: string, remove: boolean): LabelChange {
  const equals = text.indexOf('=');
  const wrong = (problem: string, fix: string): ConfigError =>
    new ConfigError('ctl.usage', `label "${text}": ${problem}`, { fix });
  if (remove) {
    if (equals >= 0)
      throw wrong('a value cannot be given with --remove', `write ${text.slice(0, equals)} --remove`);
    return { key: text, value: undefined };
  }
  if (equals > 0) return { key: text.slice(0, equals), value: text.slice(equals + 1) };
  if (equals < 0 && text.length > 1 && text.endsWith('-'))
    return { key: text.slice(0, -1), value: undefined };
  throw wrong(
    'it has no value',
    `write ${equals === 0 ? 'KEY' : text}=VALUE, or ${equals === 0 ? 'KEY' : text} --remove`,
  );
}

/** Sets and removes labels of one resource: all of them or, on an error, none. */
export async function label(datastore: Datastore, options: LabelOptions): Promise<Outcome> {
  const key = keyNamed(kindNamed(options.kind), options.name, options.namespace);
  const target = `${options.kind} ${options.name}`;
  let messages: string[] = [];
  try {
    await change(datastore, key, options.dryRun, (document) => {
      messages = [];
      return relabelled(document, options, target, messages);
    });
  } catch (error) {
    const message = messageOf(error);
    return failed(
      error instanceof LabelError ? message : `failed to update ${target}, label not changed: ${message}`,
    );
  }
  const note = options.dryRun === undefined ? '' : ` (${options.dryRun} dry run)`;
  return { output: messages.map((message) => `${message}${note}\n`).join(''), errors: '', exitCode: 0 };
}

/** What is wrong with a change of labels, in calicoctl's words. */
class LabelError extends ConfigError {}

function relabelled(document: Json, options: LabelOptions, target: string, messages: string[]): Json {
  const metadata = isJsonObject(document) ? document['metadata'] : undefined;
  const current = isJsonObject(metadata) && isJsonObject(metadata['labels']) ? metadata['labels'] : {};
  const labels = new Map(Object.entries(current));
  for (const { key, value } of options.changes) {
    const had = labels.has(key);
    if (value === undefined) {
      if (!had) {
        throw new LabelError('ctl.label', `cannot remove label of ${target}, key ${key} does not exist`, {
          fix: labels.size === 0 ? 'it has no labels' : `its labels are ${[...labels.keys()].join(', ')}`,
        });
      }
      labels.delete(key);
      messages.push(`Successfully removed label ${key} from ${target}`);
      continue;
    }
    // Saying again what is so already is no change and needs no --overwrite.
    if (had && labels.get(key) !== value && !options.overwrite) {
      throw new LabelError(
        'ctl.label',
        `failed to update label of ${target}, key ${key} is already present. please use '--overwrite' to set a new value`,
      );
    }
    labels.set(key, value);
    messages.push(`Successfully ${had ? 'updated' : 'set'} label ${key} on ${target}`);
  }
  return mergePatch(document, {
    metadata: {
      labels: labels.size === 0 ? null : { ...nullsFor(current), ...Object.fromEntries(labels) },
    },
  });
}

function nullsFor(labels: Readonly<Record<string, Json>>): Record<string, Json> {
  return Object.fromEntries(Object.keys(labels).map((key) => [key, null]));
}

/** Reads, changes, checks and writes a resource, again when somebody else wrote it meanwhile. */
async function change(
  datastore: Datastore,
  key: ResourceKey,
  dryRun: DryRun | undefined,
  edit: (document: Json) => Json,
): Promise<void> {
  const target = dryRun === undefined ? datastore : new Rehearsal(datastore);
  for (let tries = 1; ; tries++) {
    const before = await read(target, key);
    const version = before.metadata.resourceVersion;
    const after = checked(before, edit(toDocument(before) as Json));
    requireChangeable(before, after);
    if (dryRun === 'client') return;
    try {
      await target.update(storedForm(after));
      return;
    } catch (error) {
      // A patch that states a version wants that one and no other.
      const retry = error instanceof ConflictError && after.metadata.resourceVersion === version;
      if (!retry || tries === CONFLICT_TRIES) throw error;
    }
  }
}

/** The changed document as a resource; throws what is wrong with it. */
function checked(before: KnownResource, document: Json): KnownResource {
  const decoded = decodeEntry(document);
  if (decoded.faults !== undefined) throw new ValidationError(decoded.faults);
  const { resource } = decoded;
  const [was, is] = [before, resource].map(({ kind, metadata: { name, namespace } }) =>
    keyText({ kind, name, ...(namespace === undefined ? {} : { namespace }) }),
  );
  if (was !== is || !isKnown(resource)) {
    throw new ConfigError('ctl.patch', `a patch cannot turn ${was} into ${is}`, {
      fix: 'leave kind, metadata.name and metadata.namespace as they are',
    });
  }
  return resource;
}

function messageOf(error: unknown): string {
  return error instanceof ValidationError
    ? `the result is not valid:\n${error.problems.map(formatProblem).join('\n')}`
    : describeError(error);
}

function failed(message: string): Outcome {
  return { output: '', errors: `${message}\n`, exitCode: 1 };
}
