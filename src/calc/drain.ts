import type { DeltaTracker } from '../base/delta.ts';

/** What differs from the last time, which then counts as known; `undefined` means gone. */
export function drain<Value>(tracker: DeltaTracker<string, Value>): Map<string, Value | undefined> {
  const changes = new Map<string, Value | undefined>();
  for (const { key, desired } of tracker.updates()) changes.set(key, desired);
  for (const { key } of tracker.deletions()) changes.set(key, undefined);
  for (const [key, value] of changes) {
    if (value === undefined) tracker.deleteActual(key);
    else tracker.setActual(key, value);
  }
  return changes;
}
