/** Values (from JSON or YAML) into validated resources with defaults applied. */
import * as z from 'zod';
import { type Fault, choice, faultsOf, shown, unknownField } from './fault-report.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { isDnsLabel, isSubdomain, metadataSchema } from './metadata.ts';
import { ValidationError } from './problem.ts';
import { type KnownResource, kindDefinition, kindOfDocument, kindOfName, kinds } from './registry.ts';
import type { ObjectMeta, Resource } from './resource.ts';
import { isPlainObject, withoutEmpty } from './schema-walk.ts';

/** Either the resource, or everything that is wrong. */
export type Decoded =
  | { readonly resource: KnownResource; readonly faults?: undefined }
  | { readonly resource?: undefined; readonly faults: readonly Fault[] };

export interface EntryOptions {
  /** Namespace of resources of namespaced kinds that state none; without it they are refused. */
  readonly defaultNamespace?: string;
}

/**
 * Decodes a stored value of a kind (as our resources name kinds). Throws {@link ValidationError}. An unknown field
 * makes the value invalid: it may mean something that must not be ignored.
 */
export function decodeResource(kind: string, value: unknown): KnownResource {
  const definition = kindDefinition(kind);
  if (definition === undefined) {
    throw new ValidationError([{ path: ['kind'], message: `unknown kind "${kind}"` }]);
  }
  const decoded = decodeKind(definition, value, 'stored', {});
  if (decoded.faults !== undefined) throw new ValidationError(decoded.faults);
  return decoded.resource;
}

/** Decodes what a user wrote: the kind is what the document says, and the rules for new resources apply. */
export function decodeEntry(value: unknown, options: EntryOptions = {}): Decoded {
  if (!isPlainObject(value)) {
    return {
      faults: [{ path: [], message: 'expected a resource: a map with apiVersion, kind, metadata and spec' }],
    };
  }
  const { apiVersion, kind } = value;
  const missing = (['apiVersion', 'kind'] as const).filter((field) => typeof value[field] !== 'string');
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    return { faults: missing.map((field) => ({ path: [field], message: 'required field is missing' })) };
  }
  const definition = kindOfDocument(apiVersion, kind);
  return definition === undefined
    ? { faults: [unknownKind(apiVersion, kind)] }
    : decodeKind(definition, value, 'entry', options);
}

/** Checks a resource that a program made, as {@link decodeEntry} checks what a user wrote. Throws {@link ValidationError}. */
export function validateResource(resource: Resource): KnownResource {
  const definition = kindDefinition(resource.kind);
  if (definition === undefined) {
    throw new ValidationError([{ path: ['kind'], message: `unknown kind "${resource.kind}"` }]);
  }
  const decoded = decodeKind(definition, resource, 'entry', {});
  if (decoded.faults !== undefined) throw new ValidationError(decoded.faults);
  return decoded.resource;
}

function unknownKind(apiVersion: string, kind: string): Fault {
  const sameKind = kinds.filter((known) => known.kind === kind || known.externalKind === kind);
  if (sameKind.length > 0) {
    const versions = sameKind.map((known) => known.apiVersion);
    const message = `kind ${kind} is not in this apiVersion`;
    return {
      path: ['apiVersion'],
      message,
      found: JSON.stringify(apiVersion),
      ...choice(apiVersion, versions),
    };
  }
  const names = kinds
    .filter((known) => known.apiVersion === apiVersion)
    .map((known) => known.externalKind ?? known.kind);
  const all = names.length > 0 ? names : kinds.map((known) => known.externalKind ?? known.kind);
  const meant = kindOfName(kind);
  return {
    path: ['kind'],
    message: 'unknown kind',
    found: JSON.stringify(kind),
    ...choice(kind, all),
    ...(meant === undefined ? {} : { suggestion: meant.externalKind ?? meant.kind }),
  };
}

function decodeKind(
  definition: KindDefinition,
  value: unknown,
  origin: 'entry' | 'stored',
  options: EntryOptions,
): Decoded {
  if (!isPlainObject(value)) return { faults: [{ path: [], message: 'expected a map' }] };
  const faults: Fault[] = [];
  const fields = new Set(['apiVersion', 'kind', 'metadata', 'spec']);
  if (definition.status !== undefined) fields.add('status');
  for (const key of Object.keys(value)) {
    if (!fields.has(key)) faults.push(unknownField(documentSchema(definition), [], key, []));
  }
  faults.push(...checkIdentity(definition, value));
  const metadata = parsePart(metadataSchema(), value['metadata'] ?? {}, 'metadata', faults) as
    | ObjectMeta
    | undefined;
  const spec = parsePart(definition.spec(), value['spec'] ?? {}, 'spec', faults);
  const given = value['status'] ?? undefined;
  const status =
    given === undefined || definition.status === undefined
      ? undefined
      : parsePart(definition.status(), given, 'status', faults);
  const placed = metadata === undefined ? undefined : place(definition, metadata, options, faults);
  if (placed === undefined || spec === undefined) return { faults };
  const resource = {
    apiVersion: definition.apiVersion,
    kind: definition.kind,
    metadata: definition.completeMetadata?.(placed, spec) ?? placed,
    spec,
    ...(status === undefined ? {} : { status }),
  };
  faults.push(...(definition.check?.(resource) ?? []));
  if (origin === 'entry') faults.push(...(definition.checkEntry?.(resource) ?? []));
  return faults.length > 0 ? { faults } : { resource: resource as KnownResource };
}

/** The whole document's schema: where fields may be at all. */
const documentSchemas = new Map<string, z.ZodType>();

function documentSchema(definition: KindDefinition): z.ZodType {
  let schema = documentSchemas.get(definition.kind);
  if (schema === undefined) {
    schema = z.strictObject({
      apiVersion: z.string(),
      kind: z.string(),
      metadata: metadataSchema(),
      spec: definition.spec(),
      ...(definition.status === undefined ? {} : { status: definition.status() }),
    });
    documentSchemas.set(definition.kind, schema);
  }
  return schema;
}

function checkIdentity(definition: KindDefinition, value: Record<string, unknown>): Fault[] {
  const { apiVersion = definition.apiVersion, kind = definition.kind } = value;
  const faults: Fault[] = [];
  if (apiVersion !== definition.apiVersion) {
    faults.push({
      path: ['apiVersion'],
      message: 'not the apiVersion of the kind',
      found: shown(apiVersion),
      allowed: definition.apiVersion,
    });
  }
  if (kind !== definition.kind && kind !== definition.externalKind) {
    faults.push({
      path: ['kind'],
      message: 'not the expected kind',
      found: shown(kind),
      allowed: definition.externalKind ?? definition.kind,
    });
  }
  return faults;
}

/** Parses one part of the document; undefined if it has faults, which are added to `faults`. */
function parsePart(schema: z.ZodType, value: unknown, name: string, faults: Fault[]): object | undefined {
  const pruned = withoutEmpty(schema, value);
  const result = schema.safeParse(pruned);
  if (result.success) return result.data as object;
  faults.push(...faultsOf(result.error.issues, schema, pruned, [name]));
  return undefined;
}

const subdomainNames = {
  valid: isSubdomain,
  allowed: 'lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part',
};

/** Checks name and namespace against the kind, and fills in the default namespace. */
function place(
  definition: KindDefinition,
  metadata: ObjectMeta,
  options: EntryOptions,
  faults: Fault[],
): ObjectMeta {
  const names = definition.names ?? subdomainNames;
  if (!names.valid(metadata.name)) {
    const found = shown(metadata.name);
    faults.push({ path: ['metadata', 'name'], message: 'not a valid name', found, allowed: names.allowed });
  }
  const path = ['metadata', 'namespace'];
  if (!definition.namespaced) {
    if (metadata.namespace !== undefined) {
      faults.push({ path, at: 'key', message: `${definition.kind} is not namespaced` });
    }
    return metadata;
  }
  const namespace = metadata.namespace ?? options.defaultNamespace;
  if (namespace === undefined) {
    faults.push({ path, message: 'required field is missing' });
    return metadata;
  }
  if (!isDnsLabel(namespace)) {
    const allowed = 'lower-case letters, digits and "-", with a letter or digit at both ends';
    faults.push({ path, message: 'not a valid namespace', found: shown(namespace), allowed });
  }
  return { ...metadata, namespace };
}
