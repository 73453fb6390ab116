import { describe, expect, it } from 'vitest';
import { type Cell, agrees, formatComparison, formatMatrix } from '../../../src/lab/matrix.ts';

const NAMES = ['x/a', 'y/b'];
const matrix = new Map([
  ['x/a', new Map<string, Cell>([['y/b', { seen: 'open', expected: 'closed' }]])],
  ['y/b', new Map<string, Cell>([['x/a', { seen: 'refused', expected: 'closed' }]])],
]);

describe('the table of who reaches whom', () => {
  it('takes a refusal for closed and nothing but an answer for open', () => {
    expect(agrees({ seen: 'refused', expected: 'closed' })).toBe(true);
    expect(agrees({ seen: 'refused', expected: 'open' })).toBe(false);
    expect(agrees({ seen: 'closed', expected: 'open' })).toBe(false);
    expect(agrees({ seen: 'open', expected: 'closed' })).toBe(false);
  });

  it('takes an error for neither', () => {
    expect(agrees({ seen: 'error', expected: 'closed' })).toBe(false);
    expect(agrees({ seen: 'error', expected: 'open' })).toBe(false);
  });

  it('shows expected against seen and names what differs', () => {
    expect(formatComparison(NAMES, matrix)).toBe(
      ['  from    expected  seen', '  x/a     -X        -.        ! y/b', '  y/b     X-        r-'].join(
        '\n',
      ),
    );
  });

  it('shows what was seen with numbered columns', () => {
    expect(formatMatrix(NAMES, matrix)).toBe(['        1 2', '1 x/a   - .', '2 y/b   r -'].join('\n'));
  });
});
