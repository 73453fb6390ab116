import { describe, expect, it } from 'vitest';
import { Backoff } from '../../../src/base/backoff.ts';

describe('the backoff', () => {
  it('doubles to its maximum, jittered down to a half, and starts over after a success', () => {
    const draws = [0, 0.999, 0.5];
    const backoff = new Backoff({ initial: 100, maximum: 300, random: () => draws.shift() ?? 0 });
    expect([backoff.delay(), Math.round(backoff.delay()), backoff.delay(), backoff.delay()]).toEqual([
      50, 200, 225, 150,
    ]);
    backoff.reset();
    expect(backoff.delay()).toBe(50);
  });
});
