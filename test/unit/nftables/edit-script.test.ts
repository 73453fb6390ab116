import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestCommonSubsequence } from '../../../src/nftables/edit-script.ts';

/** The textbook table, for its length. */
function naiveLength(before: readonly string[], after: readonly string[]): number {
  const table = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  for (let i = 1; i <= before.length; i++) {
    for (let j = 1; j <= after.length; j++) {
      table[i]![j] =
        before[i - 1] === after[j - 1]
          ? table[i - 1]![j - 1]! + 1
          : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
    }
  }
  return table[before.length]![after.length]!;
}

describe('the longest common subsequence', () => {
  const list = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 20 });

  it('pairs equal keys, ascends in both lists and is as long as can be', () => {
    fc.assert(
      fc.property(list, list, (before, after) => {
        const kept = longestCommonSubsequence(before, after);
        for (const [index, pair] of kept.entries()) {
          expect(before[pair.before]).toBe(after[pair.after]);
          if (index === 0) continue;
          expect(pair.before).toBeGreaterThan(kept[index - 1]!.before);
          expect(pair.after).toBeGreaterThan(kept[index - 1]!.after);
        }
        expect(kept.length).toBe(naiveLength(before, after));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps all but one of ten thousand rules when one moves', () => {
    const before = Array.from({ length: 10_000 }, (_, index) => `rule ${index}`);
    const after = [...before.slice(1), before[0]!];
    expect(longestCommonSubsequence(before, after).length).toBe(9999);
  });
});
