/** Colours of terminals (ECMA-48 SGR). */

const RED = '\u001B[31m';
const GREEN = '\u001B[32m';
const CYAN = '\u001B[36m';
const BOLD = '\u001B[1m';
const RESET = '\u001B[0m';

/** First characters of a diff's lines, longest first. */
const DIFF_COLOURS: readonly (readonly [string, string])[] = [
  ['--- ', BOLD],
  ['+++ ', BOLD],
  ['@@', CYAN],
  ['-', RED],
  ['+', GREEN],
];

/** A unified diff in the colours of `diff --color`. */
export function paintDiff(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const colour = DIFF_COLOURS.find(([start]) => line.startsWith(start))?.[1];
      return colour === undefined ? line : `${colour}${line}${RESET}`;
    })
    .join('\n');
}
