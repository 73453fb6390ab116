/** What is wrong with a document, precisely enough to mend it without asking. */
import { MargayError } from '../base/errors.ts';

export type Path = readonly (string | number)[];

export interface Problem {
  /** File or other source, as the user named it. */
  readonly file?: string;
  /** From 1. Absent for values that came from no text. */
  readonly line?: number;
  readonly column?: number;
  /** Below the document; empty for the document itself. */
  readonly path: Path;
  /** What is wrong, e.g. `unknown field`. */
  readonly message: string;
  /** What was there instead, as JSON; shortened. */
  readonly found?: string;
  /** What may be there, in words or as a list. */
  readonly allowed?: string;
  /** The allowed thing that comes nearest to what was found. */
  readonly suggestion?: string;
}

/** A document or stored value that is refused, with all that is wrong with it. */
export class ValidationError extends MargayError {
  constructor(readonly problems: readonly Problem[]) {
    super('model.invalid', problems.map(formatProblem).join('\n'));
  }
}

/** `file.yaml:7:13: spec.ingress[0].action: not an allowed value, found "allow" (did you mean "Allow"?); allowed: …`. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const path = formatPath(problem.path);
  let text = problem.message;
  if (problem.found !== undefined) text += `, found ${problem.found}`;
  if (problem.suggestion !== undefined) text += ` (did you mean "${problem.suggestion}"?)`;
  if (problem.allowed !== undefined) text += `; allowed: ${problem.allowed}`;
  return [place, path, text].filter((part) => part !== '').join(': ');
}

/** `spec.ingress[0].action`; keys that are no plain names in brackets and quotes. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** The candidate that is nearest to `text`, if any is near enough to be what was meant. */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  const lower = text.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts; at most `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        previous[column]! + 1,
        current[column - 1]! + 1,
        previous[column - 1]! + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, beforePrevious[column - 2]! + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return Math.min(previous[b.length]!, limit);
}
