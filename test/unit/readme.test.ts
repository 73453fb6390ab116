import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const MARK = 'examples/margayctl/walk-through.txt, which CI runs';

/** Commands with what they print: each begins with a prompt. */
function steps(text: string): string[] {
  return text.split(/^(?=\$ )/m).map((step) => step.trimEnd());
}

it('README shows what the walk through margayctl prints', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const block = /```\n(.*?)```/s.exec(readme.slice(readme.indexOf(MARK)))![1]!;
  const shown = steps(block);
  expect(shown.length).toBeGreaterThan(4);
  const printed = new Set(steps(readFileSync(join(ROOT, 'examples/margayctl/walk-through.txt'), 'utf8')));
  expect(shown.filter((step) => !printed.has(step))).toEqual([]);
});
