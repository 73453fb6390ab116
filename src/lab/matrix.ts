/** Who reaches whom, as a table: rows send, columns answer. Pure. */

/** `refused` keeps traffic out, but not silently; `error` is neither open nor closed. */
export type CellState = 'open' | 'closed' | 'refused' | 'error';

export interface Cell {
  readonly seen: CellState;
  /** Not judged when left out. */
  readonly expected?: 'open' | 'closed';
}

/** Cells by source, then by destination. */
export type Matrix = ReadonlyMap<string, ReadonlyMap<string, Cell>>;

/** Whether what was seen is what was expected. */
export function agrees({ seen, expected }: Cell): boolean {
  if (expected === undefined) return true;
  return expected === 'open' ? seen === 'open' : seen === 'closed' || seen === 'refused';
}

const LETTERS: Readonly<Record<CellState, string>> = { open: '.', closed: 'X', refused: 'r', error: '?' };

/** What was seen as text: `.` open, `X` silent, `r` refused, `?` error, `-` not probed; columns carry the rows' numbers. */
export function formatMatrix(names: readonly string[], matrix: Matrix): string {
  const width = Math.max(4, ...names.map((name) => name.length));
  const digits = String(names.length).length;
  const line = (number: string, name: string, cells: readonly string[]): string =>
    `${number.padStart(digits)} ${name.padEnd(width)}  ${cells.map((cell) => cell.padStart(digits)).join(' ')}`;
  const rows = names.map((source, index) => {
    const cells = names.map((destination) => {
      const cell = matrix.get(source)?.get(destination);
      return cell === undefined ? '-' : LETTERS[cell.seen];
    });
    return line(String(index + 1), source, cells);
  });
  return [
    line(
      '',
      '',
      names.map((_, index) => String(index + 1)),
    ),
    ...rows,
  ].join('\n');
}

/** Expected and seen side by side in the same letters; what differs is named at the end of its row. */
export function formatComparison(names: readonly string[], matrix: Matrix): string {
  const width = Math.max(6, ...names.map((name) => name.length));
  const letters = (row: ReadonlyMap<string, Cell> | undefined, side: 'expected' | 'seen'): string =>
    names
      .map((name) => {
        const cell = row?.get(name);
        if (cell === undefined || cell.expected === undefined) return '-';
        return LETTERS[cell[side] ?? 'closed'];
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
    const sides = [letters(row, 'expected'), letters(row, 'seen')].map((side) => side.padEnd(column));
    return `  ${source.padEnd(width)}  ${sides.join('  ')}${mark}`.trimEnd();
  });
  return [`  ${'from'.padEnd(width)}  ${'expected'.padEnd(column)}  seen`, ...lines].join('\n');
}
