/**
 * The agent's side of the BGP worker thread (design D10). If the thread dies, a new one is started with the last
 * configuration: the kernel still has its routes, so for peers and packets that is a graceful restart.
 */
import { Worker } from 'node:worker_threads';
import type { BgpQuestions } from '../base/bgp-view.ts';
import { Backoff } from '../base/backoff.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import { MargayError, describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { SpeakerConfig, SpeakerEnvironment } from './config.ts';
import type { RouteStatus, SpeakerStatus } from './status.ts';
import type { BgpWorkerCalls, BgpWorkerData, BgpWorkerReply, BgpWorkerRequest } from './worker.ts';

export interface BgpWorkerHostOptions {
  /** JavaScript that calls `runWorker` when it is loaded in a worker: the program's own bundle, absolute path. */
  readonly filename: string;
  readonly environment: SpeakerEnvironment;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly resolve: (result: BgpWorkerReply['result']) => void;
  readonly reject: (error: Error) => void;
}

export class BgpWorkerHost {
  private worker: Worker | undefined;
  private config: SpeakerConfig | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private readonly backoff: Backoff;
  private restartTimer: TimerHandle | undefined;
  /** Why there is no thread now, if so. */
  private problem: string | undefined;

  constructor(private readonly options: BgpWorkerHostOptions) {
    this.backoff = new Backoff({ initial: 500, maximum: 30_000 });
  }

  /** Starts the thread and the speaker. Rejects with a MargayError if the kernel cannot be read. */
  async start(config: SpeakerConfig): Promise<void> {
    this.config = config;
    if (this.worker === undefined) this.spawn();
    await this.call('start', config);
  }

  /** Goes over to another configuration; sessions that it does not touch stay up. */
  async reconfigure(config: SpeakerConfig): Promise<void> {
    this.config = config;
    // A thread that is being replaced starts with it.
    if (this.worker === undefined) return;
    await this.call('reconfigure', config);
  }

  async status(): Promise<SpeakerStatus> {
    const { config, problem } = this;
    if (this.worker === undefined && config !== undefined) {
      return {
        state: 'failed',
        problem: problem ?? 'the BGP thread is not running',
        asNumber: config.asNumber,
        routerId: config.routerId,
        restarting: false,
        drain: 'serving',
        peers: [],
        dynamic: [],
        kernel: { installed: 0, stale: 0, unresolved: 0, problems: [] },
      };
    }
    return this.call('status', undefined);
  }

  /** Every path of every prefix. */
  routes(): Promise<readonly RouteStatus[]> {
    return this.call('routes', undefined);
  }

  /** Asks the looking glass. Rejects with a MargayError for a peer that there is not. */
  async look<Name extends keyof BgpQuestions>(
    name: Name,
    params: BgpQuestions[Name]['params'],
  ): Promise<BgpQuestions[Name]['result']> {
    return (await this.call('look', { name, params })) as BgpQuestions[Name]['result'];
  }

  /**
   * Ends speaker and thread. Gracefully: no word to the peers, which keep our routes, and the kernel keeps the learned
   * ones (design D20). Otherwise peers are told and the learned routes are taken out.
   */
  async stop(options: { readonly graceful: boolean }): Promise<void> {
    this.restartTimer?.cancel();
    this.config = undefined;
    const { worker } = this;
    if (worker === undefined) return;
    try {
      await this.call('stop', options);
    } finally {
      this.worker = undefined;
      await worker.terminate();
    }
  }

  private spawn(): void {
    const { filename, environment } = this.options;
    const data: BgpWorkerData = { role: 'bgp', environment };
    const worker = new Worker(filename, { workerData: data });
    this.worker = worker;
    this.problem = undefined;
    let reason: unknown;
    worker.on('message', (reply: BgpWorkerReply) => this.settle(reply));
    worker.on('error', (error) => {
      reason = error;
    });
    worker.on('exit', (code) => this.ended(worker, reason ?? `exit code ${code}`));
  }

  private ended(worker: Worker, reason: unknown): void {
    const text = describeError(reason);
    const error = new MargayError('bgp.thread', `the BGP thread ended: ${text}`);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    if (this.worker !== worker || this.config === undefined) return;
    const { clock, log } = this.options;
    this.worker = undefined;
    this.problem = error.message;
    log.error({ reason: text }, 'bgp thread ended, starting another');
    this.restartTimer = clock.after(this.backoff.delay(), () => void this.restart());
  }

  private async restart(): Promise<void> {
    const { config } = this;
    if (config === undefined) return;
    this.spawn();
    try {
      await this.call('start', config);
      this.backoff.reset();
    } catch (error) {
      this.problem = describeError(error);
      this.options.log.error({ reason: this.problem }, 'bgp thread cannot start');
      // If the thread itself is gone, its end has been taken care of.
      await this.worker?.terminate();
    }
  }

  private call<Name extends keyof BgpWorkerCalls>(
    call: Name,
    params: BgpWorkerCalls[Name]['params'],
  ): Promise<BgpWorkerCalls[Name]['result']> {
    const { worker } = this;
    if (worker === undefined) {
      return Promise.reject(new MargayError('bgp.thread', this.problem ?? 'the BGP thread is not running'));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      // The reply to a call has the type of that call's result: worker.ts answers each by its own.
      this.waiting.set(id, {
        resolve: (result) => resolve(result as BgpWorkerCalls[Name]['result']),
        reject,
      });
      worker.postMessage({ id, call, params } as BgpWorkerRequest);
    });
  }

  private settle({ id, result, error }: BgpWorkerReply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) {
      waiting?.resolve(result);
      return;
    }
    const { code, message, fix } = error;
    waiting?.reject(new MargayError(code, message, fix === undefined ? {} : { fix }));
  }
}
