/** Time, injected so that tests need not wait. */

export interface TimerHandle {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds with a fraction. */
  now(): number;
  /** Wall-clock milliseconds since the epoch, for people. */
  wall(): number;
  /** Calls back once after `milliseconds`. A timer never keeps the process alive. */
  after(milliseconds: number, callback: () => void): TimerHandle;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Waits so many milliseconds, but no longer than until `signal` aborts. */
export function pause(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(milliseconds, done);
    signal.addEventListener('abort', done);
  });
}

/** A clock that moves only when told; callbacks fire in order of their due time, then of their making. */
export class ManualClock implements Clock {
  private time = 0;
  private sequence = 0;
  private pending: { due: number; sequence: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  wall(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): TimerHandle {
    const entry = { due: this.time + Math.max(0, milliseconds), sequence: this.sequence++, callback };
    this.pending.push(entry);
    return {
      cancel: () => {
        this.pending = this.pending.filter((other) => other !== entry);
      },
    };
  }

  /** Moves time forward, firing what falls due on the way, also what the callbacks themselves add. */
  advance(milliseconds: number): void {
    const target = this.time + milliseconds;
    for (;;) {
      const next = this.pending
        .filter((entry) => entry.due <= target)
        .toSorted((a, b) => a.due - b.due || a.sequence - b.sequence)[0];
      if (next === undefined) break;
      this.pending = this.pending.filter((entry) => entry !== next);
      this.time = Math.max(this.time, next.due);
      next.callback();
    }
    this.time = target;
  }
}
