import { describe, expect, it } from 'vitest';
import { type MaxPrefix, PrefixWatch } from '../../../../src/bgp/policy/max-prefix.ts';

const LIMIT: MaxPrefix = { limit: 10, warning: 75, beyond: 'warn' };

describe('the number of prefixes of a peer', () => {
  function levels(...counts: readonly number[]): (string | undefined)[] {
    const watch = new PrefixWatch();
    return counts.map((count) => watch.rise(4, count, LIMIT));
  }

  it('is told once when it comes near the limit and once when it passes it', () => {
    expect(levels(7, 8, 9, 10, 11, 12)).toEqual([
      undefined,
      'many',
      undefined,
      undefined,
      'too-many',
      undefined,
    ]);
    expect(levels(20)).toEqual(['too-many']);
  });

  it('is told again only after it was normal', () => {
    expect(levels(8, 3, 8)).toEqual(['many', undefined, 'many']);
    expect(levels(11, 9, 11)).toEqual(['too-many', undefined, 'too-many']);
  });

  it('counts by family, and anew in each session', () => {
    const watch = new PrefixWatch();
    expect(watch.rise(4, 11, LIMIT)).toBe('too-many');
    expect(watch.rise(6, 11, LIMIT)).toBe('too-many');
    watch.reset();
    expect(watch.rise(4, 11, LIMIT)).toBe('too-many');
  });
});
