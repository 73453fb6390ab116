/**
 * The longest common subsequence of two lists of keys (Hunt and Szymanski, 1977): O((r + n) log n) for r pairs of
 * equal keys, after equal ends are cut off, which is what most changes leave.
 */

/** Positions of one key in both lists. */
interface KeptPair {
  readonly before: number;
  readonly after: number;
}

interface Link extends KeptPair {
  readonly previous: Link | undefined;
}

/** A longest list of pairs of equal keys that ascends in both lists. */
export function longestCommonSubsequence(before: readonly string[], after: readonly string[]): KeptPair[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const room = Math.min(before.length, after.length) - start;
  while (end < room && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const kept: KeptPair[] = [];
  for (let index = 0; index < start; index++) kept.push({ before: index, after: index });
  kept.push(...middle(before, after, start, end));
  for (let index = end; index > 0; index--) {
    kept.push({ before: before.length - index, after: after.length - index });
  }
  return kept;
}

function middle(before: readonly string[], after: readonly string[], start: number, end: number): KeptPair[] {
  if (start + end === before.length || start + end === after.length) return [];
  const positions = new Map<string, number[]>();
  for (let index = after.length - end - 1; index >= start; index--) {
    const key = after[index]!;
    const known = positions.get(key);
    if (known === undefined) positions.set(key, [index]);
    else known.push(index);
  }
  // tails[k] ends the subsequence of length k + 1 that ends earliest in `after`.
  const tails: Link[] = [];
  for (let index = start; index < before.length - end; index++) {
    // Descending, so that one key of `before` extends no subsequence twice.
    for (const position of positions.get(before[index]!) ?? []) {
      const length = lowerBound(tails, position);
      if (tails[length]?.after === position) continue;
      tails[length] = { before: index, after: position, previous: tails[length - 1] };
    }
  }
  const kept: KeptPair[] = [];
  for (let link = tails.at(-1); link !== undefined; link = link.previous) {
    kept.push({ before: link.before, after: link.after });
  }
  return kept.toReversed();
}

/** The first index whose tail is at or past a position. */
function lowerBound(tails: readonly Link[], position: number): number {
  let low = 0;
  let high = tails.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (tails[mid]!.after < position) low = mid + 1;
    else high = mid;
  }
  return low;
}
