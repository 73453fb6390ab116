/**
 * BFD in a thread of its own, as the BGP thread sees it: sessions must answer every few tens of milliseconds whatever
 * the BGP thread does with a large table (its memory is its own too, so that no collection of garbage stops them).
 */
import { Worker } from 'node:worker_threads';
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { BfdHandle, BfdReport, BfdService, BfdTarget } from './bfd-service.ts';
import type { BfdWorkerData, BfdWorkerEvent, BfdWorkerRequest } from './bfd-worker.ts';
import type { BfdParameters } from './bfd/session.ts';
import type { SpeakerEnvironment } from './config.ts';

export interface BfdThreadOptions {
  /** JavaScript that calls `runWorker` when it is loaded in a worker: the program's own bundle, absolute path. */
  readonly filename: string;
  readonly environment: SpeakerEnvironment;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Watch {
  readonly target: BfdTarget;
  parameters: BfdParameters;
  readonly report: (report: BfdReport) => void;
  last: BfdReport | undefined;
}

export class BfdThread implements BfdService {
  private readonly watches = new Map<number, Watch>();
  private nextId = 1;
  private worker: Worker | undefined;
  private restartTimer: TimerHandle | undefined;
  private readonly backoff = new Backoff({ initial: 500, maximum: 30_000 });
  private stopping: (() => void) | undefined;

  constructor(private readonly options: BfdThreadOptions) {
    this.spawn();
  }

  open(target: BfdTarget, parameters: BfdParameters, report: (report: BfdReport) => void): BfdHandle {
    const id = this.nextId++;
    const watch: Watch = { target, parameters, report, last: undefined };
    this.watches.set(id, watch);
    this.ask({ type: 'open', id, target, parameters });
    return {
      change: (next) => {
        watch.parameters = next;
        this.ask({ type: 'change', id, parameters: next });
      },
      confirm: () => this.ask({ type: 'confirm', id }),
      close: () => {
        this.watches.delete(id);
        this.ask({ type: 'close', id });
      },
    };
  }

  async stop(): Promise<void> {
    this.restartTimer?.cancel();
    this.watches.clear();
    const { worker } = this;
    if (worker === undefined) return;
    await new Promise<void>((resolve) => {
      this.stopping = resolve;
      this.ask({ type: 'stop' });
    });
    this.worker = undefined;
    await worker.terminate();
  }

  private ask(request: BfdWorkerRequest): void {
    this.worker?.postMessage(request);
  }

  private spawn(): void {
    const { filename, environment } = this.options;
    const data: BfdWorkerData = { role: 'bfd', environment };
    const worker = new Worker(filename, { workerData: data });
    this.worker = worker;
    let reason: unknown;
    worker.on('message', (event: BfdWorkerEvent) => this.hear(event));
    worker.on('error', (error) => {
      reason = error;
    });
    worker.on('exit', (code) => this.ended(worker, reason ?? `exit code ${code}`));
    for (const [id, { target, parameters }] of this.watches) {
      this.ask({ type: 'open', id, target, parameters });
    }
  }

  private hear(event: BfdWorkerEvent): void {
    if (event.type === 'stopped') {
      this.stopping?.();
      return;
    }
    this.backoff.reset();
    const watch = this.watches.get(event.id);
    if (watch === undefined) return;
    watch.last = event.report;
    watch.report(event.report);
  }

  private ended(worker: Worker, reason: unknown): void {
    this.stopping?.();
    if (this.worker !== worker) return;
    this.worker = undefined;
    const { clock, log } = this.options;
    const problem = `the BFD thread ended: ${describeError(reason)}`;
    log.error({ problem }, 'bfd thread ended, starting another');
    // Nobody watches now, which is no fault of the paths.
    for (const { last, report, target } of this.watches.values()) {
      report({
        status: {
          state: 'Down',
          diagnostic: '',
          remoteDiagnostic: '',
          multihop: target.multihop,
          since: last?.status.since ?? new Date(clock.wall()).toISOString(),
          problem,
        },
        verdict: 'unwatched',
        controlPlaneIndependent: false,
      });
    }
    this.restartTimer = clock.after(this.backoff.delay(), () => this.spawn());
  }
}
