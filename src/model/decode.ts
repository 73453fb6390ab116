/** Values (from JSON or YAML) into validated resources with defaults applied. */
import * as z from 'zod';
import { optionFaults } from './annotation-options.ts';
import { type Fault, choice, faultsOf, shown, unknownField } from './fault-report.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { metadataSchema } from './metadata.ts';
import { isDnsLabel, isSubdomain } from './names.ts';
import { type Path, ValidationError } from './problem.ts';
import {
  type KnownResource,
  isKindOf,
  isVersionOf,
  kindDefinition,
  kindOfDocument,
  kindOfName,
  kinds,
} from './registry.ts';
import type { ObjectMeta, Resource } from './resource.ts';
import { isPlainObject, withoutEmpty } from './schema-walk.ts';

/** Either the resource, or everything that is wrong. */
export type Decoded =
  | { readonly resource: KnownResource; readonly faults?: undefined }
  | { readonly resource?: undefined; readonly faults: readonly Fault[] };

interface DecodeOptions extends EntryOptions {
  /** The value is a document as users write it, not one of our resources. */
  readonly document?: boolean;
}

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
    : decodeKind(definition, value, 'entry', { ...options, document: true });
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
  const sameKind = kinds.filter((known) => isKindOf(known, kind));
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
    .filter((known) => isVersionOf(known, apiVersion))
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
  options: DecodeOptions,
): Decoded {
  if (!isPlainObject(value)) return { faults: [{ path: [], message: 'expected a map' }] };
  const faults: Fault[] = [];
  const fields = new Set([
    'apiVersion',
    'kind',
    'metadata',
    ...(definition.status === undefined ? [] : ['status']),
  ]);
  const flat = isFlat(definition, value, options);
  for (const key of Object.keys(value)) {
    // In a flat document every other field belongs to the spec, which judges it, but none is called that.
    if (flat ? key === 'spec' : !fields.has(key) && key !== 'spec') {
      faults.push(unknownField(documentSchema(definition), [], key, []));
    }
  }
  if (flat) fields.add('spec');
  faults.push(...checkIdentity(definition, value));
  const metadata = parsePart(metadataSchema(), value['metadata'] ?? {}, ['metadata'], faults) as
    | ObjectMeta
    | undefined;
  const spec = flat
    ? parsePart(definition.spec(), without(value, fields), [], faults)
    : parsePart(definition.spec(), value['spec'] ?? {}, ['spec'], faults);
  const given = value['status'] ?? undefined;
  const status =
    given === undefined || definition.status === undefined
      ? undefined
      : parsePart(definition.status(), given, ['status'], faults);
  const placed = metadata === undefined ? undefined : place(definition, metadata, options, faults);
  if (placed === undefined || spec === undefined) return { faults };
  const resource = {
    apiVersion: definition.apiVersion,
    kind: definition.kind,
    metadata: definition.completeMetadata?.(placed, spec) ?? placed,
    spec,
    ...(status === undefined ? {} : { status }),
  };
  faults.push(...optionFaults(definition.options, placed.annotations));
  faults.push(...(definition.check?.(resource) ?? []));
  if (origin === 'entry') faults.push(...(definition.checkEntry?.(resource) ?? []));
  return faults.length > 0 ? { faults } : { resource: resource as KnownResource };
}

/** Whether the fields of the spec lie beside the metadata in this value. Our own resources have them under `spec`. */
function isFlat(definition: KindDefinition, value: Record<string, unknown>, options: DecodeOptions): boolean {
  return definition.layout === 'flat' && (options.document === true || !isPlainObject(value['spec']));
}

function without(value: Record<string, unknown>, names: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));
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
      ...(definition.layout === 'flat' ? {} : { spec: definition.spec() }),
      ...(definition.status === undefined ? {} : { status: definition.status() }),
    });
    documentSchemas.set(definition.kind, schema);
  }
  return schema;
}

function checkIdentity(definition: KindDefinition, value: Record<string, unknown>): Fault[] {
  const { apiVersion = definition.apiVersion, kind = definition.kind } = value;
  const faults: Fault[] = [];
  if (typeof apiVersion !== 'string' || !isVersionOf(definition, apiVersion)) {
    faults.push({
      path: ['apiVersion'],
      message: 'not the apiVersion of the kind',
      found: shown(apiVersion),
      allowed: definition.apiVersion,
    });
  }
  if (typeof kind !== 'string' || !isKindOf(definition, kind)) {
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
function parsePart(schema: z.ZodType, value: unknown, base: Path, faults: Fault[]): object | undefined {
  const pruned = withoutEmpty(schema, value);
  const result = schema.safeParse(pruned);
  if (result.success) return result.data as object;
  faults.push(...faultsOf(result.error.issues, schema, pruned, base));
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
