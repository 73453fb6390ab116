/** The functions of Go templates, and how Go prints values. */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../../base/errors.ts';

export interface TemplateFunction {
  readonly least: number;
  readonly most: number;
  readonly call: (args: readonly unknown[]) => unknown;
}

/** Whether Go takes a value for true: not false, zero, empty or missing. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** As `fmt.Print` writes values that came from JSON. */
export function goText(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value === 'object') {
    const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, entry]) => `${key}:${goText(entry)}`).join(' ')}]`;
  }
  return String(value as string | number | boolean);
}

function fail(problem: string, fix: string): ConfigError {
  return new ConfigError('ctl.go-template', `go-template: ${problem}`, { fix });
}

function order(name: string, holds: (comparison: number) => boolean): TemplateFunction {
  return {
    least: 2,
    most: 2,
    call: ([left, right]) => {
      const comparable =
        (typeof left === 'number' && typeof right === 'number') ||
        (typeof left === 'string' && typeof right === 'string');
      if (!comparable) {
        throw fail(
          `${name} cannot compare ${goText(left)} with ${goText(right)}`,
          'compare two numbers or texts',
        );
      }
      return holds(left < right ? -1 : left > right ? 1 : 0);
    },
  };
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length;
  throw fail(`len of ${goText(value)}`, 'give a list, a map or a text');
}

function indexed(value: unknown, key: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) {
    if (typeof key === 'number' && key >= 0 && key < value.length) return value[key] as unknown;
    throw fail(`index ${goText(key)} is out of range: ${value.length}`, 'guard it with {{if}}');
  }
  if (typeof value === 'object') {
    return Object.hasOwn(value, String(key)) ? (value as Record<string, unknown>)[String(key)] : undefined;
  }
  throw fail(`index of ${goText(value)}`, 'give a list or a map');
}

function sliced([value, first = 0, end]: readonly unknown[]): unknown {
  const bounds = [first, end].filter((bound) => bound !== undefined);
  if (
    !(typeof value === 'string' || Array.isArray(value)) ||
    bounds.some((bound) => typeof bound !== 'number')
  ) {
    throw fail(`slice of ${goText(value)}`, 'give a list or text and one or two numbers');
  }
  return value.slice(...(bounds as number[]));
}

/** As `fmt.Sprint`: spaces between two operands when neither is a text. */
function printed(values: readonly unknown[]): string {
  return values
    .map((value, index) => {
      const gap = index > 0 && typeof value !== 'string' && typeof values[index - 1] !== 'string';
      return (gap ? ' ' : '') + goText(value);
    })
    .join('');
}

/** `fmt.Sprintf` with the verbs v, s, q, d, t, f, x and %, a width, `-`, `0` and a precision. */
function formatted([format, ...values]: readonly unknown[]): string {
  if (typeof format !== 'string') throw fail('printf needs a text first', 'write printf "%s" .metadata.name');
  let next = 0;
  const text = format.replace(
    /%(-?)(0?)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (whole, left: string, zero: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const value = verbText(
        verb,
        values[next++],
        precision === undefined ? undefined : Number(precision),
        whole,
      );
      const size = Number(width || 0);
      return left === '-' ? value.padEnd(size) : value.padStart(size, zero === '0' ? '0' : ' ');
    },
  );
  return text;
}

function verbText(verb: string, value: unknown, precision: number | undefined, whole: string): string {
  switch (verb) {
    case 'v':
      return goText(value);
    case 's':
      return goText(value).slice(0, precision);
    case 'q':
      return JSON.stringify(goText(value));
    case 'd':
      return typeof value === 'number' ? String(Math.trunc(value)) : `%!d(${goText(value)})`;
    case 't':
      return String(value === true);
    case 'f':
      return typeof value === 'number' ? value.toFixed(precision ?? 6) : `%!f(${goText(value)})`;
    case 'x':
      return typeof value === 'number' ? value.toString(16) : Buffer.from(goText(value)).toString('hex');
    default:
      throw fail(`printf does not know ${whole}`, 'use %v, %s, %q, %d, %t, %f, %x or %%');
  }
}

/** `and` and `or` are evaluated where they stand, because they stop early; here is only their number of arguments. */
const stopsEarly: TemplateFunction = { least: 1, most: Infinity, call: (args) => args.at(-1) };

export const TEMPLATE_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ['and', stopsEarly],
  ['or', stopsEarly],
  ['not', { least: 1, most: 1, call: ([value]) => !isTrue(value) }],
  [
    'eq',
    {
      least: 2,
      most: Infinity,
      call: ([first, ...others]) => others.some((other) => isDeepStrictEqual(first, other)),
    },
  ],
  ['ne', { least: 2, most: 2, call: ([left, right]) => !isDeepStrictEqual(left, right) }],
  ['lt', order('lt', (comparison) => comparison < 0)],
  ['le', order('le', (comparison) => comparison <= 0)],
  ['gt', order('gt', (comparison) => comparison > 0)],
  ['ge', order('ge', (comparison) => comparison >= 0)],
  ['len', { least: 1, most: 1, call: ([value]) => lengthOf(value) }],
  ['index', { least: 1, most: Infinity, call: ([value, ...keys]) => keys.reduce(indexed, value) }],
  ['slice', { least: 1, most: 3, call: sliced }],
  ['print', { least: 0, most: Infinity, call: printed }],
  ['println', { least: 0, most: Infinity, call: (values) => `${values.map(goText).join(' ')}\n` }],
  ['printf', { least: 1, most: Infinity, call: formatted }],
  [
    'join',
    {
      least: 2,
      most: 2,
      // calicoctl's order: the list, then the separator.
      call: ([list, separator]) =>
        Array.isArray(list) ? list.map(goText).join(goText(separator)) : goText(list ?? ''),
    },
  ],
]);
