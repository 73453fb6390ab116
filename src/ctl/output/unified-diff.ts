/** Differences of two texts as a unified diff (POSIX diff -u). */

type Edit = { readonly sign: ' ' | '-' | '+'; readonly line: string };

const CONTEXT = 3;

export interface DiffNames {
  readonly before: string;
  readonly after: string;
}

/** The diff with three lines of context; empty when the texts are equal. */
export function unifiedDiff(before: string, after: string, names: DiffNames): string {
  if (before === after) return '';
  const edits = lineEdits(linesOf(before), linesOf(after));
  const changed = edits.flatMap(({ sign }, index) => (sign === ' ' ? [] : [index]));
  let text = `--- ${names.before}\n+++ ${names.after}\n`;
  for (let at = 0; at < changed.length;) {
    let end = at;
    while (end + 1 < changed.length && changed[end + 1]! - changed[end]! <= 2 * CONTEXT + 1) end += 1;
    const first = Math.max(0, changed[at]! - CONTEXT);
    const last = Math.min(edits.length, changed[end]! + CONTEXT + 1);
    text += hunk(edits, first, last);
    at = end + 1;
  }
  return text;
}

function hunk(edits: readonly Edit[], first: number, last: number): string {
  const count = (sign: '-' | '+', from: number, to: number): number =>
    edits.slice(from, to).filter((edit) => edit.sign !== (sign === '-' ? '+' : '-')).length;
  const range = (sign: '-' | '+'): string => {
    const length = count(sign, first, last);
    const start = count(sign, 0, first) + (length === 0 ? 0 : 1);
    return length === 1 ? `${start}` : `${start},${length}`;
  };
  const lines = edits.slice(first, last).map(({ sign, line }) => `${sign}${line}\n`);
  return `@@ -${range('-')} +${range('+')} @@\n${lines.join('')}`;
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** A shortest script of edits (E. Myers, "An O(ND) Difference Algorithm", 1986). */
function lineEdits(before: readonly string[], after: readonly string[]): Edit[] {
  const most = before.length + after.length;
  // Furthest line of `before` reached on each diagonal, and that state before each step.
  let reached = new Map<number, number>([[1, 0]]);
  const history: Map<number, number>[] = [];
  for (let steps = 0; steps <= most; steps++) {
    history.push(new Map(reached));
    const next = new Map(reached);
    for (let diagonal = -steps; diagonal <= steps; diagonal += 2) {
      let x = startOf(next, diagonal, steps);
      let y = x - diagonal;
      while (x < before.length && y < after.length && before[x] === after[y]) {
        x += 1;
        y += 1;
      }
      next.set(diagonal, x);
      if (x >= before.length && y >= after.length) return walkBack(before, after, history);
    }
    reached = next;
  }
  return [];
}

/** Where a diagonal begins: one step down from the diagonal above, or right from the one below. */
function startOf(reached: ReadonlyMap<number, number>, diagonal: number, steps: number): number {
  const above = reached.get(diagonal + 1) ?? -1;
  const below = reached.get(diagonal - 1) ?? -1;
  const down = diagonal === -steps || (diagonal !== steps && below < above);
  return down ? above : below + 1;
}

function walkBack(
  before: readonly string[],
  after: readonly string[],
  history: readonly ReadonlyMap<number, number>[],
): Edit[] {
  const edits: Edit[] = [];
  let x = before.length;
  let y = after.length;
  for (let steps = history.length - 1; steps >= 0; steps--) {
    const reached = history[steps]!;
    const diagonal = x - y;
    const above = reached.get(diagonal + 1) ?? -1;
    const below = reached.get(diagonal - 1) ?? -1;
    const down = diagonal === -steps || (diagonal !== steps && below < above);
    const fromX = down ? above : below;
    const fromY = fromX - (down ? diagonal + 1 : diagonal - 1);
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      edits.unshift({ sign: ' ', line: before[--x]! });
      y -= 1;
    }
    if (steps === 0) break;
    if (down) edits.unshift({ sign: '+', line: after[--y]! });
    else edits.unshift({ sign: '-', line: before[--x]! });
  }
  return edits;
}
