/**
 * Who reaches whom, as a table: rows send, columns answer.
 *
 *     .  open, as expected        X  closed, as expected
 *     o  open, should be closed   x  closed, should be open      (with ! in front of the row)
 *     r  refused, where closed was expected                      -  not judged
 */

export type CellState = 'open' | 'closed' | 'refused';

export interface Cell {
  readonly seen: CellState;
  /** Not judged when left out. */
  readonly expected?: 'open' | 'closed';
}

/** Cells by source, then by destination. */
export type Matrix = ReadonlyMap<string, ReadonlyMap<string, Cell>>;

/** Whether what was seen is what was expected. A refusal keeps traffic out, so it agrees with `closed`. */
export function agrees({ seen, expected }: Cell): boolean {
  return expected === undefined || (seen === 'open') === (expected === 'open');
}

function symbol(cell: Cell | undefined): string {
  if (cell === undefined) return '-';
  if (!agrees(cell)) return cell.seen === 'open' ? 'o' : 'x';
  if (cell.seen === 'refused') return 'r';
  return cell.seen === 'open' ? '.' : 'X';
}

/** The table as text, one line for each source; columns are numbered, and the numbers explained by the rows. */
export function formatMatrix(names: readonly string[], matrix: Matrix): string {
  const width = Math.max(4, ...names.map((name) => name.length));
  const digits = String(names.length - 1).length;
  const numbers = names.map((_, index) => String(index).padStart(digits));
  const header = `${' '.repeat(width + digits + 5)}${numbers.join(' ')}`;
  const rows = names.map((source, index) => {
    const row = matrix.get(source);
    const wrong = [...(row?.values() ?? [])].some((cell) => !agrees(cell));
    const cells = names.map((destination) => symbol(row?.get(destination)).padStart(digits));
    return `${wrong ? '!' : ' '} ${String(index).padStart(digits)} ${source.padEnd(width)}  ${cells.join(' ')}`;
  });
  return [header, ...rows].join('\n');
}

/** Expected and seen side by side, in the letters of the expectation (`.` and `X`). */
export function formatComparison(names: readonly string[], matrix: Matrix): string {
  const width = Math.max(6, ...names.map((name) => name.length));
  const letters = (row: ReadonlyMap<string, Cell> | undefined, side: 'expected' | 'seen'): string =>
    names
      .map((name) => {
        const cell = row?.get(name);
        if (cell === undefined || cell.expected === undefined) return '-';
        if (side === 'seen' && cell.seen === 'refused') return 'r';
        return cell[side] === 'open' ? '.' : 'X';
      })
      .join('');
  const column = Math.max(8, names.length);
  const lines = names.map((source) => {
    const row = matrix.get(source);
    const wrong = names.filter((name) => {
      const cell = row?.get(name);
      return cell !== undefined && !agrees(cell);
    });
    const mark = wrong.length === 0 ? '' : `  ! ${wrong.join(', ')}`;
    return `  ${source.padEnd(width)}  ${letters(row, 'expected').padEnd(column)}  ${letters(row, 'seen').padEnd(column)}${mark}`;
  });
  return [`  ${'from'.padEnd(width)}  ${'expected'.padEnd(column)}  seen`, ...lines].join('\n');
}
