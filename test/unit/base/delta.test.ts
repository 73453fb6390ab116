import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeltaTracker } from '../../../src/base/delta.ts';

describe('the delta tracker', () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const value = fc.integer({ min: 0, max: 2 });
  const step = fc.oneof(
    fc.record({
      side: fc.constantFrom('desired', 'actual'),
      key,
      value: fc.option(value, { nil: undefined }),
    }),
    fc.record({ replacement: fc.array(fc.tuple(key, value), { maxLength: 3 }) }),
  );

  it('always lists exactly what differs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const tracker = new DeltaTracker<string, number>((a, b) => a === b);
        for (const each of steps) {
          if ('replacement' in each) tracker.replaceActual(each.replacement);
          else if (each.side === 'desired') {
            if (each.value === undefined) tracker.deleteDesired(each.key);
            else tracker.setDesired(each.key, each.value);
          } else if (each.value === undefined) tracker.deleteActual(each.key);
          else tracker.setActual(each.key, each.value);
        }
        const { desired, actual } = tracker;
        const updates = [...tracker.updates()]
          .map((entry) => entry.key)
          .toSorted((a, b) => a.localeCompare(b));
        const deletions = [...tracker.deletions()]
          .map((entry) => entry.key)
          .toSorted((a, b) => a.localeCompare(b));
        const keys = ['a', 'b', 'c'];
        expect(updates).toEqual(keys.filter((k) => desired.has(k) && desired.get(k) !== actual.get(k)));
        expect(deletions).toEqual(keys.filter((k) => actual.has(k) && !desired.has(k)));
        expect(tracker.pending).toBe(updates.length + deletions.length);
      }),
    );
  });
});
