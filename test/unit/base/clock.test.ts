import { describe, expect, it } from 'vitest';
import { ManualClock, systemClock } from '../../../src/base/clock.ts';

describe('the manual clock', () => {
  it('fires in order of time, then of making, also what callbacks add on the way', () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const note = (name: string) => (): void => void fired.push(`${name}@${clock.now()}`);
    clock.after(20, note('late'));
    clock.after(10, () => {
      note('first')();
      clock.after(5, note('added'));
      clock.after(50, note('beyond'));
    });
    clock.after(10, note('second'));
    clock.after(15, note('cancelled')).cancel();
    clock.advance(30);
    expect(fired).toEqual(['first@10', 'second@10', 'added@15', 'late@20']);
    expect([clock.now(), clock.wall()]).toEqual([30, 30]);
    clock.advance(30);
    expect(fired.at(-1)).toBe('beyond@60');
  });
});

describe('the system clock', () => {
  it('moves on, calls back once, and not when cancelled', async () => {
    const start = systemClock.now();
    let cancelled = 0;
    const hold = setInterval(() => undefined, 1000); // its timers keep no process alive
    systemClock.after(0, () => cancelled++).cancel();
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
    clearInterval(hold);
    expect(systemClock.now() - start).toBeGreaterThanOrEqual(1);
    expect(Math.abs(systemClock.wall() - Date.now())).toBeLessThan(1000);
    expect(cancelled).toBe(0);
  });
});
