/** Tables for people: as calicoctl prints them, aligned also with wide (CJK) characters. */

/** Columns padded with spaces, three between them, as Go's tabwriter lays them out; a blank line follows. */
export function plainTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows];
  const widths = columnWidths(lines);
  return `${lines.map((line) => tableLine(line, widths)).join('')}\n`;
}

/** The width of each column of a plain table. */
export function columnWidths(lines: readonly (readonly string[])[]): number[] {
  return (lines[0] ?? []).map((_, column) =>
    Math.max(2, ...lines.map((line) => displayWidth(line[column] ?? ''))),
  );
}

/** One line of a plain table. */
export function tableLine(cells: readonly string[], widths: readonly number[]): string {
  return `${cells.map((cell, column) => pad(cell, (widths[column] ?? 0) + 3)).join('')}\n`;
}

/** A table in a box of `+`, `-` and `|`, as `calicoctl node status` prints its peers. */
export function boxedTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => displayWidth(line[column] ?? ''))),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const row = (line: readonly string[]): string =>
    `|${widths.map((width, column) => ` ${pad(line[column] ?? '', width)} `).join('|')}|`;
  return `${[rule, row(headings), rule, ...rows.map(row), rule].join('\n')}\n`;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/**
 * Ranges of code points that fill two cells of a terminal (Unicode UAX #11, wide and full-width), and of those that
 * fill none (combining marks, joiners, variation selectors).
 */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];
const ZERO = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many cells of a terminal a text fills. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x300) width += 1;
    else if (WIDE.some(([first, last]) => code >= first && code <= last)) width += 2;
    else if (!ZERO.test(character)) width += 1;
  }
  return width;
}
