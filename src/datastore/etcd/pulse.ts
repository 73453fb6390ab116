/**
 * Whether a silent watch stream is still connected, in less time than TCP or gRPC take to say so. etcd forbids gRPC's
 * own probes more often than every 5 s, and a connection that lost packets for some seconds repeats them seconds
 * later; but a stream may ask for a progress notification at any time (WatchProgressRequest, etcd's rpc.proto).
 */

/** Milliseconds of silence until etcd is asked. */
const SILENCE = 1_000;

/** Milliseconds until an answer is missed: at first, and at most after answers were missed in vain. */
const ANSWER_TIMEOUT = { initial: 1_500, maximum: 12_000 } as const;

/** How long answers are waited for; outlives the streams of one watch, so that a slow etcd is not left ever again. */
export class AnswerPatience {
  private current: number = ANSWER_TIMEOUT.initial;

  get milliseconds(): number {
    return this.current;
  }

  answered(): void {
    this.current = ANSWER_TIMEOUT.initial;
  }

  missed(): void {
    this.current = Math.min(this.current * 2, ANSWER_TIMEOUT.maximum);
  }
}

export interface PulseOptions {
  readonly patience: AnswerPatience;
  /** Sends the question. */
  ask(): void;
  /** Whether what arrives is read; a stream that is paused for a slow reader is silent without being lost. */
  isReading(): boolean;
  /** Called once when an answer is missed. */
  onLost(): void;
}

/**
 * Watches over one stream. It asks at once, to learn whether the server answers at all: one that does not (etcd before
 * 3.4, some proxies) is not asked again, and for it the probes of gRPC have to do.
 */
export class Pulse {
  private timer: NodeJS.Timeout | undefined;
  private answers = false;
  private awaiting = false;
  private heardMeanwhile = false;
  private stopped = false;

  constructor(private readonly options: PulseOptions) {
    options.ask();
    this.listen();
  }

  /** Call for whatever arrives on the stream; `isAnswer` if it is the answer to a question. */
  heard(isAnswer: boolean): void {
    if (this.stopped) return;
    this.heardMeanwhile = true;
    if (isAnswer) {
      this.answers = true;
      this.options.patience.answered();
    }
    if (this.awaiting) this.listen();
    else this.timer?.refresh();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Waits for silence that lasts. */
  private listen(): void {
    this.awaiting = false;
    this.after(SILENCE, () => {
      if (!this.answers || !this.options.isReading()) return this.listen();
      this.options.ask();
      this.awaitAnswer();
    });
  }

  private awaitAnswer(): void {
    this.awaiting = true;
    this.after(this.options.patience.milliseconds, () => {
      if (!this.options.isReading()) return this.listen();
      this.options.patience.missed();
      this.stop();
      this.options.onLost();
    });
  }

  /** Does something after a time in which nothing was heard. */
  private after(milliseconds: number, then: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.heardMeanwhile = false;
      // A busy event loop runs its timers before it reads what has long arrived.
      setImmediate(() => {
        if (!this.stopped && !this.heardMeanwhile) then();
      });
    }, milliseconds);
  }
}
