/** Turns zod's issues into {@link Problem}s in our words, with what was found, what is allowed, and a suggestion. */
import type * as z from 'zod';
import type { FaultParams } from './fields.ts';
import { type Path, type Problem, formatPath, nearest } from './problem.ts';
import { fieldsAt, placesOf } from './schema-walk.ts';

/** A problem before it has a place in a text: where within the node at `path` the fault lies. */
export interface Fault extends Problem {
  /** `key`: the field's name is at fault, not its value. */
  readonly at?: 'key';
  /** Characters from the start of the scalar. */
  readonly offset?: number;
}

/** What is wrong with `value`, which lies at `base` in its document, according to `schema`. */
export function faultsOf(
  issues: readonly z.core.$ZodIssue[],
  schema: z.core.$ZodType,
  value: unknown,
  base: Path,
): Fault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, schema, value, base));
}

function faultsOfIssue(
  issue: z.core.$ZodIssue,
  schema: z.core.$ZodType,
  value: unknown,
  base: Path,
): Fault[] {
  const inner = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const path = [...base, ...inner];
  const input = valueAt(value, inner);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownField(schema, inner, key, base));
  }
  const found = input === undefined ? {} : { found: shown(input) };
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return [{ path, message: 'required field is missing' }];
      return [
        { path, message: `expected ${typeName(issue.expected)}`, ...found, ...quoteHint(issue, input) },
      ];
    case 'invalid_value': {
      if (input === undefined) return [{ path, message: 'required field is missing' }];
      return [
        { path, message: 'not an allowed value', ...found, ...choice(input, issue.values.map(String)) },
      ];
    }
    case 'invalid_union':
      if (input === undefined) return [{ path, message: 'required field is missing' }];
      return [{ path, message: 'expected a number or text', ...found }];
    case 'too_big':
      return [{ path, message: `${sizeName(issue.origin)} at most ${issue.maximum}`, ...size(input) }];
    case 'too_small':
      return [{ path, message: `${sizeName(issue.origin)} at least ${issue.minimum}`, ...size(input) }];
    case 'custom': {
      const { allowed, options, offset } = (issue.params ?? {}) as FaultParams;
      return [
        {
          path,
          message: issue.message,
          ...(isScalar(input) && offset === undefined ? found : {}),
          ...(options === undefined ? {} : choice(input, options)),
          ...(allowed === undefined ? {} : { allowed }),
          ...(offset === undefined ? {} : { offset }),
        },
      ];
    }
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_key':
    case 'invalid_element':
      return [{ path, message: issue.message, ...found }];
  }
}

/** A field that does not exist here: where it does, or what it may have been meant to be. */
export function unknownField(schema: z.core.$ZodType, inner: Path, key: string, base: Path): Fault {
  const fields = fieldsAt(schema, inner) ?? [];
  const fault: Fault = { path: [...base, ...inner, key], at: 'key', message: 'unknown field' };
  const suggestion = nearest(key, fields);
  if (suggestion !== undefined) return { ...fault, suggestion, allowed: fields.join(', ') };
  const elsewhere = placesOf(schema, key)[0];
  if (elsewhere !== undefined) {
    return { ...fault, message: `unknown field here, it belongs at ${formatPath([...base, ...elsewhere])}` };
  }
  return { ...fault, ...(fields.length === 0 ? {} : { allowed: fields.join(', ') }) };
}

/** The allowed values, and the nearest of them. */
export function choice(found: unknown, options: readonly string[]): Pick<Fault, 'allowed' | 'suggestion'> {
  const suggestion = typeof found === 'string' ? nearest(found, options) : undefined;
  return { allowed: options.join(', '), ...(suggestion === undefined ? {} : { suggestion }) };
}

/** A value as short JSON. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function typeName(expected: string): string {
  return typeNames[expected] ?? expected;
}

/** YAML reads `1` and `true` as what they look like; where text is wanted they need quotes. */
function quoteHint(issue: { readonly expected: string }, input: unknown): Pick<Fault, 'allowed'> {
  const scalar = typeof input === 'number' || typeof input === 'boolean';
  return issue.expected === 'string' && scalar ? { allowed: `"${String(input)}" in quotes` } : {};
}

function sizeName(origin: string): string {
  if (origin === 'array') return 'number of entries must be';
  return origin === 'string' ? 'length must be' : 'must be';
}

function size(input: unknown): Pick<Fault, 'found'> {
  if (Array.isArray(input)) return { found: String(input.length) };
  return typeof input === 'number' ? { found: String(input) } : {};
}
