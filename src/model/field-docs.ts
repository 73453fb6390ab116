/** What the definitions say about a field, as `kubectl explain` tells it. */
import { annotationOf } from './annotation-options.ts';
import { allowedKey, optionsKey } from './fields.ts';
import { type JsonSchema, allowedText, documentSchema } from './json-schema.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { nearest } from './problem.ts';
import { isPlainObject } from './schema-walk.ts';

/** A field among those of an object. */
export interface FieldSummary {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
}

export interface FieldDocs {
  /** As users write it. */
  readonly kind: string;
  readonly apiVersion: string;
  /** Below the resource; empty for the resource itself. Lists and maps add no step. */
  readonly path: readonly string[];
  /** `string`, `integer`, `[]Object`, `map[string]string`, … */
  readonly type: string;
  readonly description: string;
  readonly required: boolean;
  /** As JSON. */
  readonly default?: string;
  /** In words, or as a list. */
  readonly allowed?: string;
  /** Of the object, or of the entries of the list or map. */
  readonly fields: readonly FieldSummary[];
  /** Options that the kind takes as annotations: told with the kind itself and with its annotations. */
  readonly options: readonly OptionSummary[];
}

export interface OptionSummary {
  /** `bgp.margay.io/hold-time`. */
  readonly annotation: string;
  readonly allowed: string;
  readonly default: string;
  readonly description: string;
}

/** A path that leads nowhere. */
export interface UnknownField {
  /** The first step that does not exist, and what is before it. */
  readonly unknown: string;
  readonly parent: readonly string[];
  readonly suggestion?: string;
  readonly known: readonly string[];
}

/** The documentation of a kind, or of the field at a path such as `['spec', 'ingress', 'action']`. */
export function fieldDocs(
  definition: KindDefinition,
  path: readonly string[] = [],
): FieldDocs | UnknownField {
  let schema = documentSchema(definition);
  let required = true;
  for (const [index, step] of path.entries()) {
    const { properties, schema: holder } = fieldsOf(schema);
    const next = Object.hasOwn(properties, step) ? properties[step] : undefined;
    if (next === undefined) {
      const known = Object.keys(properties);
      const suggestion = nearest(step, known);
      const parent = path.slice(0, index);
      return { unknown: step, parent, known, ...(suggestion === undefined ? {} : { suggestion }) };
    }
    required = isRequired(holder, step);
    schema = next;
  }
  const { properties, schema: holder } = fieldsOf(schema);
  const allowed = allowedIn(schema);
  return {
    kind: definition.externalKind ?? definition.kind,
    apiVersion: definition.apiVersion,
    path,
    type: typeName(schema),
    description: descriptionOf(schema),
    required,
    ...(schema['default'] === undefined ? {} : { default: JSON.stringify(schema['default']) }),
    ...(allowed === undefined ? {} : { allowed }),
    fields: Object.entries(properties).map(([name, field]) => ({
      name,
      type: typeName(field),
      required: isRequired(holder, name),
      description: descriptionOf(field),
    })),
    options: path.length === 0 || path.join('.') === 'metadata.annotations' ? optionsOf(definition) : [],
  };
}

function optionsOf({ options: table }: KindDefinition): OptionSummary[] {
  if (table === undefined) return [];
  return Object.entries(table.rows).map(([name, row]) => ({
    annotation: annotationOf(table, name),
    allowed: row.syntax,
    default: row.default,
    description: row.description,
  }));
}

function isRequired(schema: JsonSchema, name: string): boolean {
  const required = schema['required'];
  return Array.isArray(required) && required.includes(name);
}

/** The object whose fields a path goes on to: through lists and maps to what they hold. */
function fieldsOf(schema: JsonSchema): {
  readonly schema: JsonSchema;
  readonly properties: Record<string, JsonSchema>;
} {
  const inner =
    schema['items'] ?? (isPlainObject(schema['properties']) ? undefined : schema['additionalProperties']);
  if (isPlainObject(inner) && Object.keys(inner).length > 0) return fieldsOf(inner);
  const { properties } = schema;
  return { schema, properties: isPlainObject(properties) ? (properties as Record<string, JsonSchema>) : {} };
}

/** Kubernetes' names of types. */
function typeName(schema: JsonSchema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'IntOrString';
  if (isPlainObject(schema['items'])) return `[]${typeName(schema['items'])}`;
  if (schema['type'] === 'object') {
    const values = schema['additionalProperties'];
    const isMap =
      !isPlainObject(schema['properties']) && isPlainObject(values) && Object.keys(values).length > 0;
    return isMap ? `map[string]${typeName(values)}` : 'Object';
  }
  if (schema['type'] === 'number' && Array.isArray(schema['enum'])) return 'integer';
  return typeof schema['type'] === 'string' ? schema['type'] : 'Object';
}

function descriptionOf(schema: JsonSchema): string {
  return typeof schema['description'] === 'string' ? schema['description'] : '';
}

const limitNames = [
  ['minimum', 'at least'],
  ['maximum', 'at most'],
  ['minItems', 'entries: at least'],
  ['maxItems', 'entries: at most'],
] as const;

/** What may be in the field: of a list, also what may be its entries. */
function allowedIn(schema: JsonSchema): string | undefined {
  const parts: string[] = [];
  for (const [name, words] of limitNames) {
    const limit = schema[name];
    if (typeof limit === 'number' && Math.abs(limit) !== Number.MAX_SAFE_INTEGER)
      parts.push(`${words} ${limit}`);
  }
  if (Array.isArray(schema['enum'])) parts.push(schema['enum'].join(', '));
  const words = allowedText(schema[optionsKey], schema[allowedKey]);
  if (words !== undefined) parts.push(words);
  const { items } = schema;
  if (isPlainObject(items) && items['type'] !== 'object') {
    const entry = allowedIn(items);
    if (entry !== undefined) parts.push(entry);
  }
  return parts.length === 0 ? undefined : parts.join('; ');
}

/** The documentation as text for a terminal of `width` columns. */
export function formatFieldDocs(docs: FieldDocs, width = 80): string {
  const lines = [`KIND:     ${docs.kind}`, `VERSION:  ${docs.apiVersion}`, ''];
  if (docs.path.length > 0) {
    const mark = docs.required ? ' -required-' : '';
    lines.push(`FIELD:    ${docs.path.join('.')} <${docs.type}>${mark}`, '');
  }
  lines.push('DESCRIPTION:', ...wrapped(docs.description, 4, width), '');
  if (docs.default !== undefined) lines.push(`DEFAULT:  ${docs.default}`, '');
  if (docs.allowed !== undefined) lines.push('ALLOWED:', ...wrapped(docs.allowed, 4, width), '');
  if (docs.fields.length > 0) {
    lines.push('FIELDS:');
    for (const { name, type, required, description } of docs.fields) {
      lines.push(
        `  ${name} <${type}>${required ? ' -required-' : ''}`,
        ...wrapped(description, 4, width),
        '',
      );
    }
  }
  if (docs.options.length > 0) {
    lines.push('OPTIONS (as metadata.annotations):');
    for (const option of docs.options) {
      lines.push(
        `  ${option.annotation}`,
        ...wrapped(option.description, 4, width),
        ...wrapped(`Allowed: ${option.allowed}.`, 4, width),
        ...wrapped(`Default: ${option.default}.`, 4, width),
        '',
      );
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Words in lines of at most `width` columns, each indented. */
function wrapped(text: string, indent: number, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '') lines.push(line);
  return lines.map((content) => ' '.repeat(indent) + content);
}
