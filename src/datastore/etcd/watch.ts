/**
 * A watch on a range of etcd keys that misses nothing and repeats nothing, whatever happens to connections and
 * members. It resumes after the last event that was handed on (its mod_revision + 1), never after a response's
 * header, which may be ahead of the events still to come. When in doubt it says compacted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IEvent, IRangeRequest, IRangeResponse, IWatchResponse } from 'etcd3';
import { Backoff } from '../../base/backoff.ts';
import { Wakeup } from '../../base/wakeup.ts';
import { ClosedError, CompactedError, DatastoreError } from '../datastore.ts';
import { EtcdCallError, callErrorOf } from './etcd-error.ts';
import type { KeyRange } from './key-range.ts';
import { AnswerPatience, Pulse } from './pulse.ts';
import type { OpenWatch } from './transport.ts';

/** What the watch needs of a transport. */
export interface WatchTransport {
  range(request: IRangeRequest): Promise<IRangeResponse>;
  openWatch(): Promise<OpenWatch>;
  leave(endpoint: string): void;
  forgetToken(): void;
  describe(error: EtcdCallError): DatastoreError;
}

export interface EtcdWatchOptions {
  readonly range: KeyRange;
  /** Events after this revision. */
  readonly from: number;
  readonly signal: AbortSignal;
  readonly onProblem?: ((problem: DatastoreError | undefined) => void) | undefined;
  /** Milliseconds between tries. */
  readonly backoff?: { readonly initial: number; readonly maximum: number };
}

/** The watch id of what answers a progress request: of no watch in particular (etcd's rpc.proto). */
const NO_WATCH = '-1';

/** Milliseconds until a watch that the server does not confirm is given up. */
const CREATE_TIMEOUT = 10_000;

/** Responses that may wait for a slow reader before the stream is paused. */
const BACKLOG = 64;

/** gRPC's UNKNOWN and UNAVAILABLE, for ends of a stream that come without a status. */
const UNKNOWN = 2;
const UNAVAILABLE = 14;

/** Events in order, each list what one or more whole revisions did. Throws CompactedError; ends when aborted. */
export async function* watchEtcd(
  transport: WatchTransport,
  options: EtcdWatchOptions,
): AsyncGenerator<readonly IEvent[], void, undefined> {
  const { signal } = options;
  const backoff = new Backoff(options.backoff ?? { initial: 100, maximum: 1_000 });
  const position: Position = { next: options.from + 1, cluster: undefined, patience: new AnswerPatience() };
  while (!signal.aborted) {
    try {
      await checkPosition(transport, options.range, position);
      if (signal.aborted) return;
      for await (const events of follow(transport, options, position, backoff)) yield events;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CompactedError || error instanceof ClosedError) throw error;
      if (error instanceof EtcdCallError) {
        if (error.wantsToken) transport.forgetToken();
        else transport.leave(error.endpoint);
        options.onProblem?.(transport.describe(error));
      } else if (error instanceof DatastoreError) {
        options.onProblem?.(error);
      } else {
        throw error;
      }
      await pause(backoff.delay(), signal);
    }
  }
}

/** How far the reader has got. */
interface Position {
  /** The first revision whose events have not been handed on. */
  next: number;
  cluster: string | undefined;
  /** How long etcd may take to answer whether it is there. */
  readonly patience: AnswerPatience;
}

/**
 * A cluster that was restored from a backup, or replaced, may be behind what the reader has seen: a watch from the
 * future would be silent until the revisions meet, and miss what differs.
 */
async function checkPosition(transport: WatchTransport, range: KeyRange, position: Position): Promise<void> {
  const { header } = await transport.range({ key: range.start, count_only: true });
  const isBehind = Number(header.revision) < position.next - 1;
  const isOther = position.cluster !== undefined && position.cluster !== header.cluster_id;
  if (isBehind || isOther) throw new CompactedError(position.next - 1);
  position.cluster = header.cluster_id;
}

/** One stream, until it fails. */
async function* follow(
  transport: WatchTransport,
  options: EtcdWatchOptions,
  position: Position,
  backoff: Backoff,
): AsyncGenerator<readonly IEvent[], void, undefined> {
  const { signal } = options;
  const open = await transport.openWatch();
  let pulse: Pulse | undefined;
  const inbox = new Inbox(open, (response) => pulse?.heard(response.watch_id === NO_WATCH));
  const onAbort = (): void => {
    inbox.fail(new EtcdCallError(UNKNOWN, 'aborted', open.endpoint));
    // The reader may never come back for more, and this generator then never gets to its end.
    open.end();
  };
  signal.addEventListener('abort', onAbort);
  const unconfirmed = setTimeout(
    () => inbox.fail(new EtcdCallError(UNAVAILABLE, 'the watch is not confirmed', open.endpoint)),
    CREATE_TIMEOUT,
  );
  try {
    if (signal.aborted) return;
    open.stream.write({
      create_request: {
        key: options.range.start,
        range_end: options.range.end,
        start_revision: String(position.next),
        progress_notify: true,
        fragment: true,
      },
    });
    let partial: IEvent[] = [];
    for (;;) {
      const response = await inbox.take();
      if (response.canceled) throw cancellation(response, position, open.endpoint);
      if (response.created) {
        clearTimeout(unconfirmed);
        backoff.reset();
        options.onProblem?.(undefined);
        pulse = new Pulse({
          patience: position.patience,
          ask: () => open.stream.write({ progress_request: {} }),
          isReading: () => !inbox.isPaused,
          onLost: () =>
            inbox.fail(new EtcdCallError(UNAVAILABLE, 'the watch does not answer', open.endpoint)),
        });
        continue;
      }
      // etcd 3.4 answers with its newest revision before the watch has been sent all events up to it.
      if (response.watch_id === NO_WATCH) continue;
      partial.push(...response.events);
      // The rest of the same revisions is still to come.
      if (response.fragment) continue;
      const events = partial.filter((event) => Number(event.kv.mod_revision) >= position.next);
      const isProgress = partial.length === 0;
      partial = [];
      if (events.length > 0) {
        position.next = Number(events.at(-1)!.kv.mod_revision) + 1;
        yield events;
      } else if (isProgress) {
        // "All future events received in this stream are guaranteed to have a higher revision" (rpc.proto).
        position.next = Math.max(position.next, Number(response.header.revision) + 1);
      }
    }
  } finally {
    clearTimeout(unconfirmed);
    pulse?.stop();
    signal.removeEventListener('abort', onAbort);
    open.end();
  }
}

function cancellation(response: IWatchResponse, position: Position, endpoint: string): Error {
  if (Number(response.compact_revision) > 0) return new CompactedError(position.next - 1);
  const code = Number(/code = (\d+)/.exec(response.cancel_reason)?.[1] ?? UNAVAILABLE);
  return new EtcdCallError(code, response.cancel_reason || 'etcd cancelled the watch', endpoint);
}

/** The responses that have arrived and nobody has looked at, and how the stream ended. */
class Inbox {
  private readonly waiting: IWatchResponse[] = [];
  private failure: Error | undefined;
  private paused = false;
  private readonly wakeup = new Wakeup();
  private readonly flow: { pause(): unknown; resume(): unknown };

  constructor(open: OpenWatch, onArrival: (response: IWatchResponse) => void) {
    // etcd3's type leaves out that the stream is a stream.Duplex.
    this.flow = open.stream as unknown as { pause(): unknown; resume(): unknown };
    open.stream.on('data', (response) => {
      onArrival(response);
      this.waiting.push(response);
      if (this.waiting.length >= BACKLOG && !this.paused) {
        this.paused = true;
        this.flow.pause();
      }
      this.wakeup.raise();
    });
    open.stream.on('error', (error) => this.fail(callErrorOf(error, open.endpoint)));
    open.stream.on('end', () =>
      this.fail(new EtcdCallError(UNAVAILABLE, 'etcd ended the watch', open.endpoint)),
    );
  }

  /** Whether the stream waits for its reader. */
  get isPaused(): boolean {
    return this.paused;
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.wakeup.raise();
  }

  /** The next response; what arrived before a failure comes first. */
  async take(): Promise<IWatchResponse> {
    for (;;) {
      const response = this.waiting.shift();
      if (response !== undefined) {
        if (this.paused && this.waiting.length === 0) {
          this.paused = false;
          this.flow.resume();
        }
        return response;
      }
      if (this.failure !== undefined) throw this.failure;
      await this.wakeup.wait();
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
