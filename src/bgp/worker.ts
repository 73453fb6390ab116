/**
 * The worker thread's side (design D10): one speaker with its own netlink socket, asked over the thread's port. The
 * entry file of the program calls {@link runWorker} when it finds itself in a worker.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { BgpQuestions } from '../base/bgp-view.ts';
import { systemClock } from '../base/clock.ts';
import { InternalError, MargayError } from '../base/errors.ts';
import { type Logger, createLogger } from '../base/log.ts';
import { openLinuxKernel } from '../netlink/linux.ts';
import { BfdThread } from './bfd-thread.ts';
import { type BfdWorkerData, runBfdWorker } from './bfd-worker.ts';
import type { RouteKernel } from '../netlink/kernel.ts';
import type { SpeakerConfig, SpeakerEnvironment } from './config.ts';
import { Speaker } from './speaker.ts';
import type { RouteStatus, SpeakerStatus } from './status.ts';

/** What a worker is started with. */
export interface BgpWorkerData {
  readonly role: 'bgp';
  readonly environment: SpeakerEnvironment;
}

/** What the host asks, and what it is answered. */
export interface BgpWorkerCalls {
  readonly start: { readonly params: SpeakerConfig; readonly result: undefined };
  readonly reconfigure: { readonly params: SpeakerConfig; readonly result: undefined };
  readonly status: { readonly params: undefined; readonly result: SpeakerStatus };
  readonly routes: { readonly params: undefined; readonly result: readonly RouteStatus[] };
  readonly look: {
    readonly params: { readonly name: keyof BgpQuestions; readonly params: unknown };
    readonly result: BgpQuestions[keyof BgpQuestions]['result'];
  };
  readonly stop: { readonly params: { readonly graceful: boolean }; readonly result: undefined };
}

export type BgpWorkerRequest = {
  [Name in keyof BgpWorkerCalls]: {
    readonly id: number;
    readonly call: Name;
    readonly params: BgpWorkerCalls[Name]['params'];
  };
}[keyof BgpWorkerCalls];

export interface BgpWorkerReply {
  readonly id: number;
  readonly result?: BgpWorkerCalls[keyof BgpWorkerCalls]['result'];
  /** An error in parts, because classes do not cross threads. */
  readonly error?: { readonly code: string; readonly message: string; readonly fix: string | undefined };
}

/** Does what this thread was started for, until whoever started it ends it. `filename` is what it runs. */
export function runWorker(filename: string): void {
  const data = workerData as BgpWorkerData | BfdWorkerData | null;
  if (data?.role === 'bfd') runBfdWorker(data);
  else if (data?.role === 'bgp') runBgpWorker(data, filename);
  else throw new InternalError('this thread was not started as a worker of ours');
}

function runBgpWorker({ environment }: BgpWorkerData, filename: string): void {
  const port = parentPort;
  if (port === null) throw new InternalError('this thread was not started as a BGP worker');
  const service = new WorkerService(environment, filename);
  // One after the other: a stop must not overtake a start.
  let last: Promise<void> = Promise.resolve();
  port.on('message', (request: BgpWorkerRequest) => {
    last = last.then(async () => port.postMessage(await service.answer(request)));
  });
}

class WorkerService {
  private readonly log: Logger;
  private kernel: RouteKernel | undefined;
  private speaker: Speaker | undefined;
  private config: SpeakerConfig | undefined;

  constructor(
    private readonly environment: SpeakerEnvironment,
    private readonly filename: string,
  ) {
    this.log = createLogger(environment.logLevel, { component: 'bgp' });
  }

  async answer(request: BgpWorkerRequest): Promise<BgpWorkerReply> {
    const { id } = request;
    try {
      return { id, result: await this.call(request) };
    } catch (error) {
      const known = error instanceof MargayError ? error : undefined;
      const message = error instanceof Error ? error.message : String(error);
      return { id, error: { code: known?.code ?? 'internal', message, fix: known?.fix } };
    }
  }

  private async call(request: BgpWorkerRequest): Promise<BgpWorkerReply['result']> {
    switch (request.call) {
      case 'start':
        await this.start(request.params);
        return undefined;
      case 'reconfigure':
        await this.reconfigure(request.params);
        return undefined;
      case 'status':
        return this.running().status();
      case 'routes':
        return this.running().routes();
      case 'look': {
        const { name, params } = request.params;
        // Made by BgpWorkerHost.look, which ties the one to the other.
        return this.running().look(name, params as BgpQuestions[typeof name]['params']);
      }
      case 'stop':
        await this.speaker?.stop(request.params);
        this.speaker = undefined;
        this.kernel?.close();
        this.kernel = undefined;
        return undefined;
    }
  }

  private async start(config: SpeakerConfig): Promise<void> {
    if (this.speaker !== undefined) throw new InternalError('the BGP speaker runs already');
    const { environment, filename, log } = this;
    const { namespace } = environment;
    const inNamespace = namespace === undefined ? {} : { namespace };
    this.kernel ??= openLinuxKernel(inNamespace);
    this.config = config;
    this.speaker = await Speaker.start(
      {
        kernel: this.kernel,
        clock: systemClock,
        log,
        bfd: () => new BfdThread({ filename, environment, clock: systemClock, log }),
        ...inNamespace,
      },
      config,
    );
  }

  private async reconfigure(config: SpeakerConfig): Promise<void> {
    const speaker = this.running();
    const before = this.config!.kernel;
    const { protocol, table } = config.kernel;
    if (protocol !== before.protocol || table !== before.table) {
      // Routes under the old number would be strangers to the new speaker, so they go first.
      await speaker.stop({ graceful: false });
      this.speaker = undefined;
      await this.start(config);
      return;
    }
    this.config = config;
    speaker.reconfigure(config);
  }

  private running(): Speaker {
    if (this.speaker === undefined) throw new InternalError('the BGP speaker does not run');
    return this.speaker;
  }
}
