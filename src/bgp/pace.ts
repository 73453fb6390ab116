/**
 * MinRouteAdvertisementInterval (RFC 4271 §9.2.1.1): between two rounds of changes a peer is left alone for a while.
 * Who rests lags behind as one that does not read (update-group.ts), but holds nobody up: what changes meanwhile is told once, and as it is
 * then. A round is all there is to tell: an interval within a table would only make it come late.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';

/** RFC 4271 §10: timers are drawn between three quarters and all of their value. */
const JITTER = 0.25;

export interface PaceOptions {
  readonly clock: Clock;
  /** Milliseconds; 0: none. */
  readonly interval: () => number;
  /** The rest is over: more may be told. */
  readonly over: () => void;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

export class Pace {
  private hasTold = false;
  private timer: TimerHandle | undefined;

  constructor(private readonly options: PaceOptions) {}

  /** Nothing is to be told now. */
  get isResting(): boolean {
    return this.timer !== undefined;
  }

  /** Something is being told. */
  tell(): void {
    this.hasTold = true;
  }

  /** All is told for now: the interval begins, if anything was. */
  rest(): void {
    const { clock, interval, over, random } = this.options;
    if (!this.hasTold) return;
    this.hasTold = false;
    const milliseconds = interval();
    if (milliseconds === 0) return;
    this.timer = clock.after(Math.round(milliseconds * (1 - JITTER * random())), () => {
      this.timer = undefined;
      over();
    });
  }

  /** Ends a rest before its time. */
  end(): void {
    if (!this.isResting) return;
    this.close();
    this.options.over();
  }

  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}
