/** `margayctl diff`: what `apply` would change, as a unified diff. */
import { describeError } from '../base/errors.ts';
import { type Datastore, InvalidValueError, NotFoundError } from '../datastore/datastore.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { formatProblem } from '../model/problem.ts';
import type { KnownResource } from '../model/registry.ts';
import { type ResourceKey, keyOf } from '../model/resource.ts';
import { type ParsedResource, formatYaml } from '../model/yaml.ts';
import { type Outcome, errorLines } from './outcome.ts';
import { unifiedDiff } from './output/unified-diff.ts';
import { portable } from './portable.ts';
import { askedForm, isReadBack, read, userKind } from './target.ts';

/** As diff(1): 0 for no difference, 1 for some, 2 for trouble. */
const EXIT = { same: 0, different: 1, trouble: 2 } as const;

/**
 * Compares each document with what is stored. Fields that the datastore itself keeps (uid, creationTimestamp,
 * resourceVersion) are left out; defaults are filled in on both sides, so that only what matters shows.
 */
export async function diff(
  datastore: Datastore,
  documents: readonly ParsedResource[],
  options: { readonly skipEmpty: boolean },
): Promise<Outcome> {
  if (documents.length === 0) {
    const exitCode = options.skipEmpty ? EXIT.same : EXIT.trouble;
    return { output: 'No resources specified\n', errors: '', exitCode };
  }
  const errors: string[] = [];
  let output = '';
  for (const { resource, problems } of documents) {
    if (problems !== undefined) {
      errors.push(...problems.map(formatProblem));
      continue;
    }
    try {
      output += await difference(datastore, resource);
    } catch (error) {
      errors.push(`failed to compare '${userKind(resource.kind)}' resource: ${describeError(error)}`);
    }
  }
  const exitCode = errors.length > 0 ? EXIT.trouble : output === '' ? EXIT.same : EXIT.different;
  return { output, errors: errorLines(errors), exitCode };
}

async function difference(datastore: Datastore, document: KnownResource): Promise<string> {
  const inStore = storedForm(document) as KnownResource;
  // A Pod can only be compared as the endpoint that is stored for it.
  const wanted = isReadBack(document.kind) ? document : inStore;
  const key = keyOf(wanted);
  const before = await stored(datastore, key);
  const name = fileName(key);
  // Through its stored form, which may add to what the document says (a Namespace's own labels).
  const normal = askedForm(inStore, wanted.kind) ?? wanted;
  return unifiedDiff(before ?? '', formatYaml(portable(normal)), {
    before: before === undefined ? '/dev/null' : `stored/${name}`,
    after: `wanted/${name}`,
  });
}

/** What is stored as text; undefined for nothing. What is invalid shows as the error that it is. */
async function stored(datastore: Datastore, key: ResourceKey): Promise<string | undefined> {
  try {
    return formatYaml(portable(await read(datastore, key)));
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    if (error instanceof InvalidValueError) {
      return `${describeError(error)
        .split('\n')
        .map((line) => `# ${line}`)
        .join('\n')}\n`;
    }
    throw error;
  }
}

function fileName({ kind, namespace, name }: ResourceKey): string {
  return [userKind(kind), ...(namespace === undefined ? [] : [namespace]), name].join('/');
}
