/** What people and machines read of a conformance run. */
import type { CaseResult, SuiteResult } from './conformance.ts';
import type { CheckResult } from './conformance-check.ts';
import { formatComparison } from './matrix.ts';
import { serviceText } from './probe.ts';

/** One line for a case, and for one that failed what was expected against what was seen. */
export function formatCase(result: CaseResult): string {
  const probes = result.checks.reduce((count, check) => count + check.probes, 0);
  const slowest = Math.max(0, ...result.enforcement);
  const facts =
    result.outcome === 'skipped'
      ? result.reason!
      : `${probes} probes, in force after ${slowest.toFixed(1)} ms${refusals(result)}`;
  const mark = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' }[result.outcome];
  const lines = [`${mark} ${result.name} (${facts})`];
  if (result.outcome === 'failed') {
    if (result.reason !== undefined) lines.push(indent(result.reason));
    for (const check of result.checks.filter(({ wrong }) => wrong.length > 0)) {
      lines.push(indent(formatCheck(check)));
    }
  }
  return lines.join('\n');
}

function refusals({ checks }: CaseResult): string {
  const refused = checks.reduce((count, check) => count + check.refused, 0);
  return refused === 0 ? '' : `, ${refused} refused`;
}

function formatCheck(check: CheckResult): string {
  return [
    `step ${check.step}, IPv${check.family}, ${serviceText(check.service)}:`,
    formatComparison(check.pods, check.matrix),
    ...check.wrong.map((pair) => `  ${pair}`),
  ].join('\n');
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '     ');
}

/** Counts and times of a whole run. */
export interface SuiteTotals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly probes: number;
  readonly wrongProbes: number;
  readonly refused: number;
  /** Milliseconds from a write until all agents had it in force; undefined if no step changed anything. */
  readonly enforcement: { readonly median: number; readonly maximum: number } | undefined;
}

export function suiteTotals({ cases }: SuiteResult): SuiteTotals {
  const count = (outcome: CaseResult['outcome']): number =>
    cases.filter((result) => result.outcome === outcome).length;
  const checks = cases.flatMap((result) => result.checks);
  const sum = (of: (check: CheckResult) => number): number =>
    checks.reduce((total, check) => total + of(check), 0);
  const times = cases.flatMap(({ enforcement }) => enforcement).toSorted((a, b) => a - b);
  return {
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    probes: sum((check) => check.probes),
    wrongProbes: sum((check) => check.wrong.length),
    refused: sum((check) => check.refused),
    enforcement:
      times.length === 0
        ? undefined
        : { median: times[Math.floor(times.length / 2)]!, maximum: times.at(-1)! },
  };
}

/** Whether the run shows that everything is as the suite says: something was judged, and nothing was wrong. */
export function isConformant(result: SuiteResult): boolean {
  const { failed, probes } = suiteTotals(result);
  return failed === 0 && probes > 0;
}

/** The last lines of a run. */
export function formatTotals(result: SuiteResult): string {
  const totals = suiteTotals(result);
  const { enforcement } = totals;
  const lines = [
    `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped; ` +
      `${totals.probes} probes, ${totals.wrongProbes} not as expected, ${totals.refused} refused` +
      (enforcement === undefined
        ? ''
        : `; in force after ${enforcement.median.toFixed(1)} ms (median), ${enforcement.maximum.toFixed(1)} ms (longest)`),
  ];
  if (result.selfTest) {
    lines.push(
      totals.wrongProbes > 0
        ? `self-test: without policies ${totals.wrongProbes} probes were not as expected, as it must be`
        : 'self-test: without policies every probe was as expected, so this suite proves nothing',
    );
  }
  return lines.join('\n');
}

/** The whole run as a value that JSON can carry. */
export function suiteJson(result: SuiteResult): unknown {
  return {
    ...result,
    totals: suiteTotals(result),
    cases: result.cases.map(({ checks, ...rest }) => ({
      ...rest,
      checks: checks.map(({ matrix: _matrix, service, ...check }) => ({ ...service, ...check })),
    })),
  };
}
