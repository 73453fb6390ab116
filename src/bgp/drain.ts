/**
 * Taking a node out of service (design D20): peers are told that it is about to go (RFC 8326), and after a delay its
 * sessions end.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { DrainConfig } from './config.ts';
import type { DrainState } from './status.ts';

export interface DrainOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The delay is over: the sessions end, with this for the peers' operators (RFC 9003). */
  readonly drained: (communication: string | undefined) => void;
}

export class Drain {
  private current: DrainState;
  private timer: TimerHandle | undefined;

  /** `config`: what a speaker starts with, which has nobody to tell. */
  constructor(
    private readonly options: DrainOptions,
    config: DrainConfig | undefined,
  ) {
    this.current = config === undefined ? 'serving' : 'drained';
  }

  get state(): DrainState {
    return this.current;
  }

  /** Begins to drain, with the sessions' end after its delay, or serves again. */
  turn(drain: DrainConfig | undefined): void {
    const { clock, log, drained } = this.options;
    this.timer?.cancel();
    if (drain === undefined) {
      log.info('bgp serves again');
      this.current = 'serving';
      return;
    }
    if (this.current === 'drained') return;
    log.info({ delay: drain.delay, communication: drain.communication }, 'bgp drains: peers are told');
    this.current = 'draining';
    this.timer = clock.after(drain.delay * 1000, () => {
      this.current = 'drained';
      drained(drain.communication);
      log.info('bgp drained: sessions have ended');
    });
  }

  stop(): void {
    this.timer?.cancel();
  }
}
