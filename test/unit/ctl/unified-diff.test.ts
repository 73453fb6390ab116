import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unifiedDiff } from '../../../src/ctl/output/unified-diff.ts';

const NAMES = { before: 'a', after: 'b' };

/** Applies a diff as patch(1) does. */
function applied(before: string, diff: string): string {
  const lines = before.split('\n');
  const result: string[] = [];
  let at = 0;
  for (const line of diff.split('\n').slice(2, -1)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line);
    if (hunk !== null) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1);
      while (at < start) result.push(lines[at++]!);
    } else if (line.startsWith('+')) result.push(line.slice(1));
    else {
      expect(lines[at]).toBe(line.slice(1));
      if (line.startsWith(' ')) result.push(line.slice(1));
      at += 1;
    }
  }
  return [...result, ...lines.slice(at)].join('\n');
}

describe('a unified diff', () => {
  it('is empty for equal texts', () => {
    expect(unifiedDiff('a\nb\n', 'a\nb\n', NAMES)).toBe('');
  });

  it('joins changes that are near and parts those that are far', () => {
    const before = Array.from({ length: 30 }, (_, line) => `${line}`);
    const after = before.map((line) => ({ 2: 'x', 8: 'y', 25: 'z' })[line] ?? line);
    const diff = unifiedDiff(`${before.join('\n')}\n`, `${after.join('\n')}\n`, NAMES);
    expect(diff.match(/^@@.*@@$/gm)).toEqual(['@@ -1,12 +1,12 @@', '@@ -23,7 +23,7 @@']);
  });

  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 })
    .map((lines) => lines.map((line) => `${line}\n`).join(''));

  it('turns one text into the other', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = unifiedDiff(before, after, NAMES);
        expect(diff === '' ? before : applied(before, diff)).toBe(after);
      }),
    );
  });
});
