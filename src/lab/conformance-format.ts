/**
 * Reads conformance suites, from two formats: `margay-conformance/v1`, and the truth tables of Kubernetes' own
 * network-policy tests. Pure.
 */
import type * as z from 'zod';
import { type Fault, faultsOf, valueAt } from '../model/fault-report.ts';
import { ValidationError, formatPath } from '../model/problem.ts';
import { isPlainObject } from '../model/schema-walk.ts';
import { kubernetesFormat, kubernetesSuite } from './conformance-kubernetes-format.ts';
import { ownFaults, ownFormat, ownSuite } from './conformance-own-format.ts';
import type { Suite } from './conformance-suite.ts';

/**
 * Reads a suite from parsed JSON. Throws a {@link ValidationError} that names what is wrong; `file` is what it calls
 * the text.
 */
export function parseSuite(value: unknown, file: string): Suite {
  const format = isPlainObject(value) ? value['format'] : undefined;
  const source = isPlainObject(value) ? value['source'] : undefined;
  if (format === 'margay-conformance/v1') {
    const { known, notes } = withoutRemarks(value);
    const document = checked(ownFormat(), known, file);
    const faults = ownFaults(document);
    if (faults.length > 0) throw invalid(file, faults);
    return { ...ownSuite(document), notes };
  }
  if (typeof source === 'string' && source.startsWith('kubernetes/kubernetes test/e2e/network/netpol')) {
    return kubernetesSuite(checked(kubernetesFormat(), value, file), source);
  }
  throw invalid(file, [
    {
      path: ['format'],
      message: 'unknown format',
      allowed:
        'margay-conformance/v1, or a file whose source is test/e2e/network/netpol of kubernetes/kubernetes',
    },
  ]);
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, file: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(file, faultsOf(parsed.error.issues, schema, value, []));
}

/**
 * Authors add remarks under names of their own. What is near the name of a field is a mistake and stays, to be refused:
 * a misspelt `probes` must not pass for a case that judges nothing.
 */
function withoutRemarks(value: unknown): { readonly known: unknown; readonly notes: string[] } {
  const schema = ownFormat();
  const parsed = schema.safeParse(value);
  const known: unknown = structuredClone(value);
  const notes: string[] = [];
  for (const { at, path, suggestion } of parsed.error === undefined
    ? []
    : faultsOf(parsed.error.issues, schema, value, [])) {
    const name = path.at(-1);
    const holder = valueAt(known, path.slice(0, -1));
    if (at !== 'key' || suggestion !== undefined || name === undefined || !isPlainObject(holder)) continue;
    delete holder[name];
    notes.push(`${formatPath(path)} is no field of the format and was left out`);
  }
  return { known, notes };
}

function invalid(file: string, faults: readonly Fault[]): ValidationError {
  return new ValidationError(
    faults.map(({ path, message, found, allowed, suggestion }) => ({
      file,
      path,
      message,
      ...(found === undefined ? {} : { found }),
      ...(allowed === undefined ? {} : { allowed }),
      ...(suggestion === undefined ? {} : { suggestion }),
    })),
  );
}
