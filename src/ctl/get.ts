/** `margayctl get`: resources as tables, YAML, JSON or by a template. */
import { ConfigError, describeError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { STRAY_KIND } from '../datastore/stamp.ts';
import type { KindDefinition } from '../model/kinds/definition.ts';
import { formatProblem, nearest } from '../model/problem.ts';
import { type KnownKind, type KnownResource, isKnown, kindDefinition } from '../model/registry.ts';
import { type ResourceKey, keyOf, keyText } from '../model/resource.ts';
import { type ParsedResource, formatYaml, toDocument } from '../model/yaml.ts';
import { type ColumnContext, type ResourceTable, resourceTable } from './columns.ts';
import { type Outcome, errorLines } from './outcome.ts';
import type { CustomColumn } from './output/custom-columns.ts';
import type { OutputFormat } from './output/format.ts';
import { portable } from './portable.ts';
import { plainTable } from './table.ts';
import { askedForm, keyNamed, read, storedKind, userKind } from './target.ts';

export interface ShowOptions {
  readonly format: OutputFormat;
  /** Whether tables begin with the namespace. */
  readonly withNamespace: boolean;
  /** `--export`: without what belongs to this datastore alone. */
  readonly portable: boolean;
}

export interface GetOptions extends ShowOptions {
  readonly names: readonly string[];
  readonly namespace: string;
  readonly allNamespaces: boolean;
}

/** Calico's AS number of nodes that name none, unless BGPConfiguration `default` says otherwise. */
const DEFAULT_AS_NUMBER = 64512;

/** Reads and formats. Names that do not exist are errors, each on its own; the others are printed. */
export async function get(
  datastore: Datastore,
  definition: KindDefinition,
  options: GetOptions,
): Promise<Outcome> {
  const found =
    options.names.length === 0
      ? await listed(datastore, definition, options)
      : await readAll(
          datastore,
          options.names.map((name) => keyNamed(definition, name, options.namespace)),
        );
  return outcomeOf(datastore, [definition.kind], found, options.names.length === 1, options);
}

/** `get -f`: what is stored of the resources that the documents name. */
export async function getDocuments(
  datastore: Datastore,
  documents: readonly ParsedResource[],
  options: ShowOptions,
): Promise<Outcome> {
  if (documents.length === 0) return { output: 'No resources specified\n', errors: '', exitCode: 1 };
  const keys = documents.flatMap(({ resource }) => (resource === undefined ? [] : [keyOf(resource)]));
  const found = await readAll(datastore, keys);
  const problems = documents.flatMap((document) => (document.problems ?? []).map(formatProblem));
  const kinds = [...new Set(keys.map(({ kind }) => kind))];
  const all = { resources: found.resources, errors: [...problems, ...found.errors] };
  return outcomeOf(datastore, kinds, all, documents.length === 1, options);
}

interface Found {
  readonly resources: readonly KnownResource[];
  readonly errors: readonly string[];
  /** What may be of interest and is no error. */
  readonly notes?: readonly string[];
}

/** What a list or watch asks the datastore for; {@link asked} picks from what comes. */
export function listOptions(
  definition: KindDefinition,
  options: { readonly namespace: string; readonly allNamespaces: boolean },
): { kind: string; namespace?: string } {
  const kind = storedKind(definition.kind);
  const oneNamespace = kind === definition.kind && definition.namespaced && !options.allNamespaces;
  return { kind, ...(oneNamespace ? { namespace: options.namespace } : {}) };
}

/** The listed or watched resource as it was asked for, if it is one that was. */
export function asked(
  resource: KnownResource,
  definition: KindDefinition,
  options: Pick<GetOptions, 'namespace' | 'allNamespaces'>,
): KnownResource | undefined {
  const found = askedForm(resource, definition.kind);
  const elsewhere = definition.namespaced && found?.metadata.namespace !== options.namespace;
  return elsewhere && !options.allNamespaces ? undefined : found;
}

async function listed(datastore: Datastore, definition: KindDefinition, options: GetOptions): Promise<Found> {
  const list = await datastore.list(listOptions(definition, options));
  const resources = list.resources
    .filter(isKnown)
    .flatMap((resource) => asked(resource, definition, options) ?? [])
    .toSorted((a, b) => (keyText(keyOf(a)) < keyText(keyOf(b)) ? -1 : 1));
  return {
    resources,
    notes: resources.length === 0 ? await strays(datastore) : [],
    errors: list.invalid.map(
      (entry) => `${keyText(entry.key)} is stored but invalid: ${entry.error.message}`,
    ),
  };
}

/** Files of a directory that are not read, for who finds nothing and wonders why. */
async function strays(datastore: Datastore): Promise<string[]> {
  if (datastore.type !== 'directory') return [];
  const { invalid } = await datastore.list();
  return invalid
    .filter(({ key }) => key.kind === STRAY_KIND)
    .map(({ error }) => `note: ${describeError(error)}`);
}

async function readAll(datastore: Datastore, keys: readonly ResourceKey[]): Promise<Found> {
  const resources: KnownResource[] = [];
  const errors: string[] = [];
  for (const key of keys) {
    try {
      resources.push(await read(datastore, key));
    } catch (error) {
      errors.push(describeError(error));
    }
  }
  return { resources, errors };
}

async function outcomeOf(
  datastore: Datastore,
  kinds: readonly string[],
  { resources, errors, notes = [] }: Found,
  single: boolean,
  options: ShowOptions,
): Promise<Outcome> {
  const context = await columnContext(datastore, kinds);
  const shown = options.portable ? resources.map(portable) : resources;
  const output = await show(kinds, shown, single && resources.length === 1, options, context);
  return { output, errors: errorLines([...errors, ...notes]), exitCode: errors.length === 0 ? 0 : 1 };
}

/** The text of resources of some kinds; `single` for the one resource that was asked for by name. */
export async function show(
  kinds: readonly string[],
  resources: readonly KnownResource[],
  single: boolean,
  options: ShowOptions,
  context: ColumnContext,
): Promise<string> {
  const { format } = options;
  switch (format.type) {
    case 'yaml':
      return resources.map((resource) => formatYaml(resource)).join('---\n');
    case 'json':
      return `${JSON.stringify(wholeDocument(kinds, resources, single), null, 2)}\n`;
    case 'name':
      return resources.map((resource) => `${resourceName(resource)}\n`).join('');
    case 'jsonpath': {
      const { parseJsonPathTemplate } = await import('./output/json-path.ts');
      return parseJsonPathTemplate(format.template)(wholeDocument(kinds, resources, single));
    }
    case 'go-template': {
      const { parseGoTemplate } = await import('./output/go-template.ts');
      return parseGoTemplate(format.template)(wholeDocument(kinds, resources, single));
    }
    case 'ps':
    case 'wide':
    case 'custom-columns': {
      const tables = await Promise.all(kinds.map((kind) => tableOf(kind, resources, options, context)));
      return tables.map(({ headings, rows }) => plainTable(headings, rows)).join('');
    }
  }
}

/** The table of one kind's share of the resources, in the columns that the format asks for. */
export async function tableOf(
  kind: string,
  resources: readonly KnownResource[],
  options: ShowOptions,
  context: ColumnContext,
): Promise<ResourceTable> {
  const { format, withNamespace } = options;
  const own = resources.filter((resource) => resource.kind === kind);
  if (format.type !== 'custom-columns') {
    return resourceTable(kind as KnownKind, own, { wide: format.type === 'wide', withNamespace, context });
  }
  const { customCell, parseCustomColumns } = await import('./output/custom-columns.ts');
  const columns = parseCustomColumns(format.template);
  const tables = columns.every(({ path }) => path !== undefined)
    ? []
    : [true, false].map((wide) =>
        resourceTable(kind as KnownKind, own, { wide, withNamespace: true, context }),
      );
  const documents = own.map(toDocument);
  const cells = columns.map(({ heading, path }) =>
    path === undefined
      ? ownColumn(tables, heading, kind)
      : documents.map((document) => customCell(path, document)),
  );
  return {
    headings: columns.map(({ heading }: CustomColumn) => heading),
    rows: own.map((_, row) => cells.map((column) => column[row]!)),
  };
}

/** The cells of a column that the kind's own tables have. */
function ownColumn(tables: readonly ResourceTable[], heading: string, kind: string): string[] {
  for (const { headings, rows } of tables) {
    const at = headings.indexOf(heading.toUpperCase());
    if (at >= 0) return rows.map((row) => row[at]!);
  }
  const known = [...new Set(tables.flatMap(({ headings }) => headings))];
  const near = nearest(heading, known);
  throw new ConfigError('ctl.output', `custom-columns: ${userKind(kind)} has no column ${heading}`, {
    fix: `use ${near ?? known.join(', ')}, or ${heading}:PATH such as ${heading}:.metadata.name`,
  });
}

function wholeDocument(
  kinds: readonly string[],
  resources: readonly KnownResource[],
  single: boolean,
): unknown {
  const documents = resources.map(toDocument);
  if (single) return documents[0];
  const definition = kinds.length === 1 ? kindDefinition(kinds[0]!) : undefined;
  return {
    apiVersion: definition?.apiVersion ?? 'v1',
    kind: definition === undefined ? 'List' : `${userKind(definition.kind)}List`,
    items: documents,
  };
}

/** `networkpolicy/frontend`, which get, delete, label and patch take as KIND/NAME. */
export function resourceName({ kind, metadata }: KnownResource): string {
  return `${kind.toLowerCase()}/${metadata.name}`;
}

/** What columns need besides the resources. */
export async function columnContext(datastore: Datastore, kinds: readonly string[]): Promise<ColumnContext> {
  if (!kinds.includes('Node')) return { defaultAsNumber: DEFAULT_AS_NUMBER };
  const { resources } = await datastore.list({ kind: 'BGPConfiguration' });
  const configuration = resources.filter(isKnown).find(({ metadata }) => metadata.name === 'default');
  return {
    defaultAsNumber:
      configuration?.kind === 'BGPConfiguration'
        ? Number(configuration.spec.asNumber ?? DEFAULT_AS_NUMBER)
        : DEFAULT_AS_NUMBER,
  };
}
