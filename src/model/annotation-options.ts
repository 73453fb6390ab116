/**
 * What Margay can do beyond the fields of Calico's kinds: options as annotations, `AREA.margay.io/NAME`, so that the
 * kinds stay exactly Calico's. Each area has one table (bgp-options.ts); a row is all there is to know of an option,
 * and what reads, checks and documents options reads nothing else. To add an option, add a row.
 */
import type { Fault } from './fault-report.ts';
import { nearest } from './problem.ts';

/** One option. */
export interface OptionRow<Value> {
  /** What may be written, in words. */
  readonly syntax: string;
  /** What holds without it, in words. */
  readonly default: string;
  /** What it does, and the RFC or manual that says so. */
  readonly description: string;
  /** Undefined if the text is none of what `syntax` says. */
  readonly parse: (text: string) => Value | undefined;
}

/** Options that a kind takes; the names of rows are those of the fields that they become. */
export interface OptionTable {
  /** `bgp.margay.io`. */
  readonly domain: string;
  readonly rows: Readonly<Record<string, OptionRow<unknown>>>;
}

/** What rows are read as. */
export type OptionValues<Rows extends Readonly<Record<string, OptionRow<unknown>>>> = {
  readonly [Name in keyof Rows]?: NonNullable<ReturnType<Rows[Name]['parse']>>;
};

type Annotations = Readonly<Record<string, string>> | undefined;

const DOMAIN = '.margay.io';

/** The annotation of a row: `maxPrefix` is `bgp.margay.io/max-prefix`. */
export function annotationOf(table: Pick<OptionTable, 'domain'>, name: string): string {
  return `${table.domain}/${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What is wrong with the options of a resource. Every annotation in a domain of ours must be one that its kind takes. */
export function optionFaults(table: OptionTable | undefined, annotations: Annotations): Fault[] {
  const faults: Fault[] = [];
  const rows = rowsByAnnotation(table);
  for (const [annotation, text] of Object.entries(annotations ?? {})) {
    const [domain = '', ...rest] = annotation.split('/');
    if (rest.length === 0 || !domain.endsWith(DOMAIN)) continue;
    const path = ['metadata', 'annotations', annotation];
    const row = rows.get(annotation);
    if (row === undefined) {
      const suggestion = nearest(annotation, [...rows.keys()]);
      faults.push({
        path,
        at: 'key',
        message: rows.size === 0 ? 'this kind has no such options' : 'unknown option',
        ...(suggestion === undefined ? {} : { suggestion }),
        ...(rows.size === 0 ? {} : { allowed: [...rows.keys()].join(', ') }),
      });
    } else if (row.parse(text) === undefined) {
      faults.push({
        path,
        message: 'not a value of this option',
        found: JSON.stringify(text),
        allowed: row.syntax,
      });
    }
  }
  return faults;
}

/** The options of a resource that {@link optionFaults} finds nothing wrong with. */
export function readOptions<Rows extends Readonly<Record<string, OptionRow<unknown>>>>(
  table: { readonly domain: string; readonly rows: Rows },
  annotations: Annotations,
): OptionValues<Rows> {
  const values: Record<string, unknown> = {};
  if (annotations === undefined) return values as OptionValues<Rows>;
  for (const [name, row] of Object.entries(table.rows)) {
    const text = annotations[annotationOf(table, name)];
    const value = text === undefined ? undefined : row.parse(text);
    if (value !== undefined) values[name] = value;
  }
  return values as OptionValues<Rows>;
}

function rowsByAnnotation(table: OptionTable | undefined): ReadonlyMap<string, OptionRow<unknown>> {
  if (table === undefined) return new Map();
  return new Map(Object.entries(table.rows).map(([name, row]) => [annotationOf(table, name), row]));
}

/** Reads `true` and `false`. */
export function parseFlag(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** Reads a whole number within bounds. */
export function parseCount(text: string, least: number, most: number): number | undefined {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}
