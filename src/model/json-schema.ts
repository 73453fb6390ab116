/**
 * JSON Schemas from the definitions of kinds: as editors take them, and structural as Kubernetes wants them. What
 * only code can check (selectors, addresses, rules between fields) is not in them.
 */
import * as z from 'zod';
import { allowedKey, optionsKey } from './fields.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { metadataSchema } from './metadata.ts';
import { isPlainObject } from './schema-walk.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

const metadataDescription = 'Name, labels and other facts that all objects have.';

/** The JSON Schema of what users write for a part of a resource; marks of our own and all included. */
function writtenSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
  }) as Record<string, unknown>;
  return rest;
}

/** The whole document of a kind, with our own marks; `apiVersion` and `kind` are those that it must state. */
export function documentSchema(definition: KindDefinition): JsonSchema {
  const spec = writtenSchema(definition.spec());
  const properties: Record<string, unknown> = {
    apiVersion: { type: 'string', enum: [definition.apiVersion], description: 'Version of the API.' },
    kind: {
      type: 'string',
      enum: [definition.externalKind ?? definition.kind],
      description: 'Kind of the object.',
    },
    metadata: { ...writtenSchema(metadataSchema()), description: metadataDescription },
  };
  if (definition.layout === 'flat') Object.assign(properties, spec['properties']);
  else properties['spec'] = { ...spec, description: 'What is wanted.' };
  if (definition.status !== undefined) {
    properties['status'] = { ...writtenSchema(definition.status()), description: 'What is the case.' };
  }
  const required = ['apiVersion', 'kind', 'metadata'];
  if (definition.layout === 'flat') required.push(...((spec['required'] ?? []) as string[]));
  else if (((spec['required'] ?? []) as string[]).length > 0) required.push('spec');
  return {
    type: 'object',
    description: definition.description,
    properties,
    required,
    ...(definition.layout === 'flat'
      ? { additionalProperties: spec['additionalProperties'] }
      : { additionalProperties: false }),
  };
}

/** A JSON Schema (draft 7) of the documents of a kind, for editors. */
export function editorSchema(definition: KindDefinition): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: definition.externalKind ?? definition.kind,
    ...mapSchema(documentSchema(definition), (schema) => {
      const { nullable, [optionsKey]: _options, [allowedKey]: _allowed, ...rest } = schema;
      delete rest['x-kubernetes-int-or-string'];
      return nullable === true && typeof rest['type'] === 'string'
        ? { ...rest, type: [rest['type'], 'null'] }
        : rest;
    }),
  };
}

/** Numbers that only say that JavaScript could count no further. */
const bounds: Readonly<Record<string, number>> = {
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};

/**
 * A schema as Kubernetes accepts it in a CustomResourceDefinition (structural schemas): every value has a type, no
 * `$ref`, no `additionalProperties` beside `properties`, unknown fields only where they are kept on purpose.
 */
export function structuralSchema(schema: JsonSchema): JsonSchema {
  return mapSchema(schema, (node) => {
    const { [optionsKey]: options, [allowedKey]: allowed, propertyNames: _names, ...rest } = node;
    const result: Record<string, unknown> = { ...rest };
    for (const [name, bound] of Object.entries(bounds)) if (result[name] === bound) delete result[name];
    if (result['default'] === null) delete result['default'];
    if (isPlainObject(result['properties'])) {
      if (result['additionalProperties'] !== false) result['x-kubernetes-preserve-unknown-fields'] = true;
      delete result['additionalProperties'];
    }
    if (result['x-kubernetes-int-or-string'] === true) {
      delete result['type'];
      result['anyOf'] = [{ type: 'integer' }, { type: 'string' }];
    } else if (result['type'] === undefined) {
      result['x-kubernetes-preserve-unknown-fields'] = true;
    }
    const numbers = result['enum'];
    if (result['type'] === 'number' && Array.isArray(numbers) && numbers.every(Number.isInteger))
      result['type'] = 'integer';
    const hint = allowedText(options, allowed);
    if (hint !== undefined && typeof result['description'] === 'string') {
      result['description'] = `${result['description']} Allowed: ${hint}.`;
    }
    return result;
  });
}

/** What may stand in a field, in words; undefined if the schema does not say. */
export function allowedText(options: unknown, allowed: unknown): string | undefined {
  if (Array.isArray(options)) return options.join(', ');
  return typeof allowed === 'string' ? allowed : undefined;
}

/** Applies `change` to a schema and all schemas within it, the inner ones first. */
function mapSchema(
  schema: JsonSchema,
  change: (schema: Record<string, unknown>) => Record<string, unknown>,
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...schema };
  if (isPlainObject(result['properties'])) {
    result['properties'] = Object.fromEntries(
      Object.entries(result['properties']).map(([name, inner]) => [
        name,
        mapSchema(inner as JsonSchema, change),
      ]),
    );
  }
  for (const name of ['items', 'additionalProperties']) {
    const inner = result[name];
    if (isPlainObject(inner) && Object.keys(inner).length > 0) result[name] = mapSchema(inner, change);
  }
  return change(result);
}
