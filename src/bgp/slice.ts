/**
 * A few milliseconds in each turn of the event loop, shared by all that work through a backlog: however many peers have
 * something to be read, timers and sockets wait no longer than for one. Whoever has work does at least one piece of it
 * in a turn, and leaves the rest for the next when the slice is over.
 */
import type { Clock } from '../base/clock.ts';

/** Milliseconds. */
const LENGTH = 4;

export class Slice {
  private end: number | undefined;

  constructor(private readonly clock: Clock) {}

  /** Whether no more should be begun in this turn. The first question in a turn begins the slice. */
  get isOver(): boolean {
    if (this.end === undefined) {
      this.end = this.clock.now() + LENGTH;
      setImmediate(() => {
        this.end = undefined;
      });
      return false;
    }
    return this.clock.now() >= this.end;
  }
}
