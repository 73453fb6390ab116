import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { Slice } from '../../../src/bgp/slice.ts';

describe('a slice of work', () => {
  it('begins with the first question of a turn, and is the same for all who ask in it', async () => {
    const clock = new ManualClock();
    const slice = new Slice(clock);
    expect(slice.isOver).toBe(false);
    clock.advance(3);
    expect(slice.isOver).toBe(false);
    clock.advance(1);
    expect([slice.isOver, slice.isOver]).toEqual([true, true]);
    await turn();
    expect(slice.isOver).toBe(false);
  });

  it('gives each of many who have a backlog at least one piece, and all of them together one slice a turn', async () => {
    const clock = new ManualClock();
    const slice = new Slice(clock);
    const left = Array.from({ length: 50 }, () => 20);
    const perTurn: number[] = [];
    while (left.some((count) => count > 0)) {
      let pieces = 0;
      for (const [reader, count] of left.entries()) {
        let mine = count;
        while (mine > 0) {
          mine--;
          pieces++;
          clock.advance(1);
          if (slice.isOver) break;
        }
        left[reader] = mine;
      }
      perTurn.push(pieces);
      await turn();
    }
    // One each, and what the slice of four milliseconds holds beyond.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(50 + 4);
  });
});
