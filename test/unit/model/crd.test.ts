import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { crdFileName, crdText, crds, crdsText } from '../../../src/model/crd.ts';
import { editorSchema } from '../../../src/model/json-schema.ts';
import { kinds } from '../../../src/model/registry.ts';

const folder = resolve(import.meta.dirname, '../../../deploy/crds');

type Node = Record<string, unknown>;

/** Fields that Kubernetes takes in a structural schema (apiextensions/v1 JSONSchemaProps) and that we use. */
const structuralFields = new Set([
  'type',
  'description',
  'properties',
  'required',
  'items',
  'additionalProperties',
  'enum',
  'default',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'pattern',
  'nullable',
  'anyOf',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
]);

/** What makes a schema not structural, by its path. */
function faults(node: Node, path: string): string[] {
  const found = Object.keys(node)
    .filter((field) => !structuralFields.has(field))
    .map((field) => `${path}: ${field}`);
  const isIntOrString = node['x-kubernetes-int-or-string'] === true;
  if (isIntOrString) {
    if (node['type'] !== undefined) found.push(`${path}: type beside int-or-string`);
    if (JSON.stringify(node['anyOf']) !== '[{"type":"integer"},{"type":"string"}]')
      found.push(`${path}: anyOf`);
  } else {
    if (node['anyOf'] !== undefined) found.push(`${path}: anyOf`);
    if (node['type'] === undefined && node['x-kubernetes-preserve-unknown-fields'] !== true)
      found.push(`${path}: no type`);
  }
  if (node['properties'] !== undefined && node['additionalProperties'] !== undefined) {
    found.push(`${path}: additionalProperties beside properties`);
  }
  if (node['type'] === 'array' && node['items'] === undefined) found.push(`${path}: no items`);
  for (const name of (node['required'] ?? []) as string[]) {
    if (!Object.hasOwn((node['properties'] ?? {}) as Node, name)) found.push(`${path}: requires ${name}`);
  }
  for (const [name, inner] of Object.entries((node['properties'] ?? {}) as Node)) {
    found.push(...faults(inner as Node, `${path}.${name}`));
  }
  for (const name of ['items', 'additionalProperties']) {
    if (node[name] !== undefined) found.push(...faults(node[name] as Node, `${path}[]`));
  }
  return found;
}

describe('CustomResourceDefinitions', () => {
  it('are what deploy/crds holds', async () => {
    for (const definition of crds()) {
      await expect(crdText(definition)).toMatchFileSnapshot(join(folder, crdFileName(definition)));
    }
    expect(readdirSync(folder).sort()).toEqual(crds().map(crdFileName).sort());
  });

  it('have structural schemas', () => {
    for (const { spec } of crds()) {
      const [version] = spec['versions'] as { schema: { openAPIV3Schema: Node } }[];
      expect(faults(version!.schema.openAPIV3Schema, '')).toEqual([]);
    }
  });

  it('are named as Kubernetes demands, and no name is given twice', () => {
    const names = crds().flatMap(({ metadata, spec }) => {
      const {
        plural,
        singular,
        shortNames = [],
      } = spec['names'] as Record<string, string> & { shortNames?: string[] };
      expect(metadata.name).toBe(`${plural}.projectcalico.org`);
      return [plural, singular, ...shortNames];
    });
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/);
  });

  it('are there for every kind of Calico, with the scope of the kind', () => {
    const calico = kinds.filter(({ apiVersion }) => apiVersion === 'projectcalico.org/v3');
    expect(crds().map(({ spec }) => [(spec['names'] as Node)['kind'], spec['scope']])).toEqual(
      calico.map(({ kind, namespaced }) => [kind, namespaced ? 'Namespaced' : 'Cluster']),
    );
  });

  it('are one text of YAML documents', () => {
    const documents = parseAllDocuments(crdsText());
    expect(Array.isArray(documents) ? documents.map((document) => document.toJS() as unknown) : []).toEqual(
      crds(),
    );
  });
});

describe('schemas for editors', () => {
  it('say of every kind which fields there are, and allow no others', () => {
    for (const definition of kinds) {
      const schema = editorSchema(definition);
      const text = JSON.stringify(schema);
      expect(text).not.toMatch(/"x-|"nullable"|"\$ref"/);
      const { kind } = schema['properties'] as Record<string, Node>;
      expect(kind!['enum']).toEqual([definition.externalKind ?? definition.kind]);
    }
    const tier = editorSchema(kinds.find(({ kind }) => kind === 'Tier')!);
    expect(tier).toMatchObject({
      additionalProperties: false,
      properties: { spec: { properties: { defaultAction: { enum: ['Deny', 'Pass'] } } } },
    });
  });
});
