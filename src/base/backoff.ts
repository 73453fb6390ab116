/** Jittered exponential backoff. */

export interface BackoffOptions {
  /** First delay in milliseconds. */
  readonly initial: number;
  /** Longest delay in milliseconds. */
  readonly maximum: number;
  /** A number in [0, 1); injected for tests. */
  readonly random?: () => number;
}

/** Delays double from `initial` to `maximum`; each is drawn between half of it and all of it. */
export class Backoff {
  private next: number;

  constructor(private readonly options: BackoffOptions) {
    this.next = options.initial;
  }

  /** The delay in milliseconds to wait before the next try. */
  delay(): number {
    const current = this.next;
    this.next = Math.min(this.options.maximum, current * 2);
    return current / 2 + (current / 2) * (this.options.random ?? Math.random)();
  }

  /** Call after a success. */
  reset(): void {
    this.next = this.options.initial;
  }
}
