/**
 * What BFD has to do with one peer's session (RFC 5882): it begins when the session is first up, and so with the
 * addresses that the two really use; when it finds the path dead, the session ends at once and is held back until the
 * path has proved itself.
 *
 * A peer that restarts takes its BFD down with it (RFC 5882 §4.3.2), so a dead path and a restart are told apart by what
 * goes first. The kernel of a restarting peer closes the TCP connection at once: then BGP's own graceful restart is at
 * work when BFD finds out, and goes on. A dead path closes nothing: then the session is still up when BFD finds out.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { BfdHandle, BfdReport, BfdService, BfdStatus, BfdTarget } from './bfd-service.ts';
import type { BfdConfig } from './config.ts';

/** Milliseconds that a session is held back at most: the peer may have given up BFD for good, and not BGP. */
const HOLD_BACK = 30_000;
const MICROSECONDS = 1000;

export interface LivenessOptions {
  readonly service: () => BfdService;
  readonly clock: Clock;
  /** Names the peer, whose name may change. */
  readonly log: () => Logger;
  /** The path is dead: end the session, and open none until {@link LivenessOptions.release}. */
  readonly drop: () => void;
  readonly release: () => void;
  /** The path is dead while a restart of the peer is waited for, and its restart cannot be why. */
  readonly abandon: () => void;
}

export class Liveness {
  private handle: BfdHandle | undefined;
  private target: BfdTarget | undefined;
  private last: BfdReport | undefined;
  private sessionUp = false;
  /** BFD has heard the peer since the session came up, so that its silence means something. */
  private watched = false;
  private holding: TimerHandle | undefined;

  constructor(private readonly options: LivenessOptions) {}

  get status(): BfdStatus | undefined {
    return this.last?.status;
  }

  /** The session is up between these addresses, as it may have been before. */
  established(target: BfdTarget, config: BfdConfig): void {
    const isNew = !this.sessionUp;
    this.sessionUp = true;
    this.endHolding();
    if (JSON.stringify(target) === JSON.stringify(this.target)) {
      this.handle?.change(parametersOf(config));
      if (isNew) this.handle?.confirm();
      return;
    }
    this.end();
    this.target = target;
    this.handle = this.options.service().open(target, parametersOf(config), (report) => this.hear(report));
  }

  /** The session has ended, by whatever cause. */
  disconnected(): void {
    this.sessionUp = false;
    this.watched = false;
  }

  change(config: BfdConfig): void {
    this.handle?.change(parametersOf(config));
  }

  /** Watches no longer. A session that was held back may come. */
  close(): void {
    this.end();
    if (this.endHolding()) this.options.release();
  }

  private end(): void {
    this.handle?.close();
    this.handle = undefined;
    this.target = undefined;
    this.last = undefined;
    this.watched = false;
  }

  private hear(report: BfdReport): void {
    this.last = report;
    const { drop, release, abandon, clock, log } = this.options;
    switch (report.verdict) {
      case undefined:
        break;
      case 'alive':
        this.watched = this.sessionUp;
        if (this.endHolding()) release();
        break;
      case 'unwatched':
        this.watched = false;
        if (this.endHolding()) release();
        break;
      case 'lost':
        if (this.watched) {
          this.watched = false;
          this.holding = clock.after(HOLD_BACK, () => {
            this.holding = undefined;
            log().info('bgp session no longer held back: bfd is not up');
            release();
          });
          drop();
        } else if (!this.sessionUp && report.controlPlaneIndependent) {
          abandon();
        }
        break;
    }
  }

  private endHolding(): boolean {
    const { holding } = this;
    this.holding = undefined;
    holding?.cancel();
    return holding !== undefined;
  }
}

function parametersOf({ interval, multiplier }: BfdConfig) {
  const microseconds = interval * MICROSECONDS;
  return { desiredMinTx: microseconds, requiredMinRx: microseconds, multiplier };
}
