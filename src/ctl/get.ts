/** `margayctl get`: resources as tables, YAML or JSON. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { nearest } from '../model/problem.ts';
import { type KnownKind, type KnownResource, isKnown, kindOfName, kinds } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import type { KindDefinition } from '../model/kinds/definition.ts';
import { formatYaml, toDocument } from '../model/yaml.ts';
import { resourceTable } from './columns.ts';
import type { Outcome } from './modify.ts';
import { plainTable } from './table.ts';

export const GET_FORMATS = ['ps', 'wide', 'yaml', 'json'] as const;
export type GetFormat = (typeof GET_FORMATS)[number];

export interface GetOptions {
  readonly names: readonly string[];
  readonly namespace: string;
  readonly allNamespaces: boolean;
  /** Whether the user named the namespace, which then gets a column. */
  readonly namespaceGiven: boolean;
  readonly format: GetFormat;
}

/** Calico's AS number of nodes that name none, unless BGPConfiguration `default` says otherwise. */
const DEFAULT_AS_NUMBER = 64512;

/** Finds the kind a user means by a word; throws a ConfigError with what is near. */
export function kindNamed(word: string): KindDefinition {
  const definition = kindOfName(word);
  if (definition !== undefined) return definition;
  const words = kinds.flatMap(({ kind, plural, aliases }) => [kind, plural, ...aliases]);
  const near = nearest(word, words);
  throw new ConfigError('ctl.kind', `resource type '${word}' is not supported`, {
    fix: `use ${near === undefined ? `one of ${kinds.map(({ kind }) => kind).join(', ')}` : `'${near}'`}`,
  });
}

/** Reads and formats. Names that do not exist are errors, each on its own; the others are printed. */
export async function get(
  datastore: Datastore,
  definition: KindDefinition,
  options: GetOptions,
): Promise<Outcome> {
  const { resources, errors } =
    options.names.length === 0
      ? await listed(datastore, definition, options)
      : await named(datastore, definition, options);
  const output = await format(datastore, definition, resources, options);
  return {
    output,
    errors: errors.map((error) => `${error}\n`).join(''),
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

interface Found {
  readonly resources: readonly KnownResource[];
  readonly errors: readonly string[];
}

async function listed(datastore: Datastore, definition: KindDefinition, options: GetOptions): Promise<Found> {
  const oneNamespace = definition.namespaced && !options.allNamespaces;
  const list = await datastore.list({
    kind: definition.kind,
    ...(oneNamespace ? { namespace: options.namespace } : {}),
  });
  return {
    resources: list.resources
      .filter(isKnown)
      .toSorted((a, b) => (keyText(keyOf(a)) < keyText(keyOf(b)) ? -1 : 1)),
    errors: list.invalid.map(
      (entry) => `${keyText(entry.key)} is stored but invalid: ${entry.error.message}`,
    ),
  };
}

async function named(datastore: Datastore, definition: KindDefinition, options: GetOptions): Promise<Found> {
  const resources: KnownResource[] = [];
  const errors: string[] = [];
  for (const name of options.names) {
    try {
      const resource = await datastore.get({
        kind: definition.kind,
        name,
        ...(definition.namespaced ? { namespace: options.namespace } : {}),
      });
      if (isKnown(resource)) resources.push(resource);
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { resources, errors };
}

async function format(
  datastore: Datastore,
  definition: KindDefinition,
  resources: readonly KnownResource[],
  options: GetOptions,
): Promise<string> {
  const single = options.names.length === 1 && resources.length === 1;
  switch (options.format) {
    case 'yaml':
      return single
        ? formatYaml(resources[0]!)
        : resources.map((resource) => formatYaml(resource)).join('---\n');
    case 'json': {
      const documents = resources.map(toDocument);
      const value = single
        ? documents[0]
        : {
            apiVersion: definition.apiVersion,
            kind: `${definition.externalKind ?? definition.kind}List`,
            items: documents,
          };
      return `${JSON.stringify(value, null, 2)}\n`;
    }
    case 'ps':
    case 'wide': {
      const table = resourceTable(definition.kind as KnownKind, resources, {
        wide: options.format === 'wide',
        withNamespace: options.allNamespaces || options.namespaceGiven,
        context: {
          defaultAsNumber: definition.kind === 'Node' ? await defaultAsNumber(datastore) : DEFAULT_AS_NUMBER,
        },
      });
      return plainTable(table.headings, table.rows);
    }
    default:
      return options.format satisfies never;
  }
}

async function defaultAsNumber(datastore: Datastore): Promise<number> {
  const { resources } = await datastore.list({ kind: 'BGPConfiguration' });
  const configuration = resources.filter(isKnown).find(({ metadata }) => metadata.name === 'default');
  return configuration?.kind === 'BGPConfiguration'
    ? Number(configuration.spec.asNumber ?? DEFAULT_AS_NUMBER)
    : DEFAULT_AS_NUMBER;
}
