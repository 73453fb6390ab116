/** What a set of probes showed, beside what was expected. */
import type { Family } from '../net/address.ts';
import type { ProbeSet } from './conformance-suite.ts';
import { type PairResult, seen } from './connectivity.ts';
import { type Cell, type Matrix, agrees } from './matrix.ts';
import type { ProbeService } from './probe.ts';

/** One set of probes of a step, in one family. */
export interface CheckResult {
  readonly step: number;
  readonly family: Family;
  readonly service: ProbeService;
  readonly pods: readonly string[];
  readonly matrix: Matrix;
  readonly probes: number;
  /** Refused where silence was expected; they count as closed. */
  readonly refused: number;
  /** Pairs that were not as expected, in words. */
  readonly wrong: readonly string[];
}

/** Compares what was seen with what was expected. */
export function judge(
  step: number,
  family: Family,
  set: ProbeSet,
  results: readonly PairResult[],
): CheckResult {
  const matrix = new Map<string, Map<string, Cell>>();
  const wrong: string[] = [];
  let refused = 0;
  for (const result of results) {
    const { source, destination } = result;
    const expected = set.open.get(source)?.has(destination) === true ? 'open' : 'closed';
    const cell: Cell = { seen: seen(result), expected };
    const row = matrix.get(source) ?? new Map<string, Cell>();
    matrix.set(source, row);
    row.set(destination, cell);
    if (agrees(cell)) {
      if (cell.seen === 'refused') refused++;
    } else {
      wrong.push(`${source} → ${destination}: ${describe(result)}, expected ${expected}`);
    }
  }
  const { service, pods } = set;
  return { step, family, service, pods, matrix, probes: results.length, refused, wrong };
}

function describe({ result }: PairResult): string {
  const time = `${result.milliseconds.toFixed(1)} ms`;
  if (result.verdict === 'OPEN') return `OPEN, ${result.name ?? 'the kernel'} answered after ${time}`;
  return result.verdict === 'ERROR'
    ? `ERROR ${result.error} after ${time}`
    : `${result.verdict} after ${time}`;
}
