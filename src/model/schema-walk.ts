/** Walks a zod schema beside a value or along a path, for what zod itself does not say. */
import type * as z from 'zod';
import type { Path } from './problem.ts';

type Schema = z.core.$ZodType;
type Definition = z.core.$ZodTypes['_zod']['def'];

/** Whether a schema takes null for a value of its own, as opposed to an absent one. */
function takesNull(schema: Schema | undefined): boolean {
  const definition = schema?._zod.def as Definition | undefined;
  if (definition === undefined) return false;
  if (definition.type === 'nullable') return true;
  return 'innerType' in definition && takesNull(definition.innerType as Schema);
}

/** Through optionality, defaults and transformations to the schema of what is written. */
function written(schema: Schema): Definition {
  const definition = schema._zod.def as Definition;
  if ('innerType' in definition) return written(definition.innerType as Schema);
  return definition.type === 'pipe' ? written(definition.in) : definition;
}

/** A field of an object's schema; names such as `toString` are not inherited. */
function fieldOf(shape: z.core.$ZodShape, name: string | number): Schema | undefined {
  return Object.hasOwn(shape, name) ? shape[name] : undefined;
}

function child(definition: Definition, step: string | number): Schema | undefined {
  if (definition.type === 'object') return fieldOf(definition.shape, step);
  if (definition.type === 'array') return definition.element;
  return definition.type === 'record' ? definition.valueType : undefined;
}

/** The fields that an object may have at `path`, in the order of their definition; undefined if it is no object. */
export function fieldsAt(schema: Schema, path: Path): readonly string[] | undefined {
  let definition = written(schema);
  for (const step of path) {
    const next = child(definition, step);
    if (next === undefined) return undefined;
    definition = written(next);
  }
  return definition.type === 'object' ? Object.keys(definition.shape) : undefined;
}

/** Every path at which an object may have a field of this name; array indices are left out. */
export function placesOf(
  schema: Schema,
  name: string,
  at: readonly string[] = [],
): readonly (readonly string[])[] {
  const definition = written(schema);
  if (definition.type === 'array') return placesOf(definition.element, name, at);
  if (definition.type !== 'object') return [];
  const places: (readonly string[])[] = Object.hasOwn(definition.shape, name) ? [[...at, name]] : [];
  for (const [key, value] of Object.entries(definition.shape))
    places.push(...placesOf(value, name, [...at, key]));
  return places;
}

/**
 * Leaves out fields whose value is null or empty text: to Calico's decoder both are the same as absent. Null stays
 * where the schema gives it a meaning. Entries of
 * maps (labels) and of lists mean what they say and stay. Gives the value itself when nothing had to be left out.
 */
export function withoutEmpty(schema: Schema, value: unknown): unknown {
  return hasEmpty(value) ? pruned(schema, value) : value;
}

/** Whether there is anything to leave out, perhaps: most values have no null and no empty text at all. */
function hasEmpty(value: unknown): boolean {
  if (typeof value !== 'object') return value === '';
  if (value === null) return true;
  for (const key in value) if (hasEmpty((value as Record<string, unknown>)[key])) return true;
  return false;
}

function pruned(schema: Schema, value: unknown): unknown {
  const definition = written(schema);
  if (Array.isArray(value)) {
    if (definition.type !== 'array') return value;
    const elements = value.map((element) => pruned(definition.element, element));
    return elements.some((element, index) => element !== value[index]) ? elements : value;
  }
  if (definition.type !== 'object' || !isPlainObject(value)) return value;
  let changed = false;
  const kept: [string, unknown][] = [];
  for (const [key, entry] of Object.entries(value)) {
    const entrySchema = fieldOf(definition.shape, key);
    const empty = entry === null ? !takesNull(entrySchema) : entry === '' && entrySchema !== undefined;
    if (empty) {
      changed = true;
      continue;
    }
    const rest = entrySchema === undefined ? entry : pruned(entrySchema, entry);
    changed ||= rest !== entry;
    kept.push([key, rest]);
  }
  return changed ? Object.fromEntries(kept) : value;
}

/** The value with its fields in the order of the schema and its maps sorted by key. */
export function inSchemaOrder(schema: Schema | undefined, value: unknown): unknown {
  const definition = schema === undefined ? undefined : written(schema);
  if (Array.isArray(value)) {
    const element = definition?.type === 'array' ? definition.element : undefined;
    return value.map((entry) => inSchemaOrder(element, entry));
  }
  if (!isPlainObject(value)) return value;
  const shape: z.core.$ZodShape = definition?.type === 'object' ? definition.shape : {};
  const known = Object.keys(shape).filter((key) => Object.hasOwn(value, key));
  const others = Object.keys(value)
    .filter((key) => !Object.hasOwn(shape, key))
    .sort();
  const entry = definition?.type === 'record' ? definition.valueType : undefined;
  return Object.fromEntries(
    [...known, ...others].map((key) => [key, inSchemaOrder(fieldOf(shape, key) ?? entry, value[key])]),
  );
}

/** Whether the value is an object of fields, as opposed to a scalar, list or null. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
