/** The BFD thread's side: an engine on sockets, driven over the thread's port by bfd-thread.ts. */
import { setPriority } from 'node:os';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { InternalError, describeError } from '../base/errors.ts';
import { createLogger } from '../base/log.ts';
import { BfdEngine } from './bfd-engine.ts';
import type { BfdHandle, BfdReport, BfdTarget } from './bfd-service.ts';
import { BfdSockets } from './bfd-sockets.ts';
import type { BfdParameters } from './bfd/session.ts';
import type { SpeakerEnvironment } from './config.ts';

/** What a worker is started with. */
export interface BfdWorkerData {
  readonly role: 'bfd';
  readonly environment: SpeakerEnvironment;
}

export type BfdWorkerRequest =
  | {
      readonly type: 'open';
      readonly id: number;
      readonly target: BfdTarget;
      readonly parameters: BfdParameters;
    }
  | { readonly type: 'change'; readonly id: number; readonly parameters: BfdParameters }
  | { readonly type: 'confirm' | 'close'; readonly id: number }
  | { readonly type: 'stop' };

export type BfdWorkerEvent =
  | { readonly type: 'report'; readonly id: number; readonly report: BfdReport }
  | { readonly type: 'stopped' };

/** Nice value: packets are due on time, and cost next to nothing. */
const PRIORITY = -20;

/** Serves the BGP thread until that ends this one. */
export function runBfdWorker({ environment }: BfdWorkerData): void {
  const port = parentPort;
  if (port === null) throw new InternalError('this thread was not started as a BFD worker');
  const { namespace, logLevel } = environment;
  const log = createLogger(logLevel, { component: 'bfd' });
  try {
    // On Linux process 0 is the calling thread (setpriority(2)).
    setPriority(0, PRIORITY);
  } catch (error) {
    log.warn({ reason: describeError(error) }, 'bfd runs at normal priority: allow CAP_SYS_NICE');
  }
  const engine = new BfdEngine({
    clock: systemClock,
    log,
    random: Math.random,
    transport: (receive) => new BfdSockets({ receive, ...(namespace === undefined ? {} : { namespace }) }),
  });
  serve(engine, port);
}

function serve(engine: BfdEngine, port: MessagePort): void {
  const handles = new Map<number, BfdHandle>();
  const tell = (event: BfdWorkerEvent): void => port.postMessage(event);
  port.on('message', (request: BfdWorkerRequest) => {
    switch (request.type) {
      case 'open': {
        const { id, target, parameters } = request;
        handles.set(
          id,
          engine.open(target, parameters, (report) => tell({ type: 'report', id, report })),
        );
        break;
      }
      case 'change':
        handles.get(request.id)?.change(request.parameters);
        break;
      case 'confirm':
        handles.get(request.id)?.confirm();
        break;
      case 'close':
        handles.get(request.id)?.close();
        handles.delete(request.id);
        break;
      case 'stop':
        void engine.stop().then(() => tell({ type: 'stopped' }));
        break;
    }
  });
}
