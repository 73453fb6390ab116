/**
 * Calls to an etcd cluster over the connections of the package `etcd3`: which member, with which token, until when.
 * The package's own retries and circuit breakers are off: they know neither which calls may be repeated nor why one
 * failed, and keep a restarted etcd waiting for seconds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  IAuthenticateResponse,
  IDuplexStream,
  IRangeRequest,
  IRangeResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchRequest,
  IWatchResponse,
} from 'etcd3';
import type { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import { Backoff } from '../../base/backoff.ts';
import type { EtcdConfig } from '../config.ts';
import { ClosedError, DatastoreError } from '../datastore.ts';
import { EtcdConnections, type EtcdTimeouts } from './connections.ts';
import { EtcdCallError, callErrorOf, datastoreErrorOf } from './etcd-error.ts';

/** With several members, milliseconds until one that does not answer is left for the next. */
const MEMBER_TIMEOUT = 2_000;

/**
 * Milliseconds of silence until a call to the only member is checked, doubled with each repetition of the call. A
 * connection that lost packets for some seconds repeats them seconds after they would get through again.
 */
const SILENCE = 1_500;

/** Milliseconds until a check is given up, and how much longer the next one may take. */
const CHECK_TIMEOUT = 1_500;
const CHECK_PATIENCE = 250;

/** Milliseconds between a check that failed at once, as while etcd restarts, and the next. */
const CHECK_PAUSE = 100;

/** Costs etcd nothing but the round that a linearizable read takes, whatever the tree holds. */
const CHECK: IRangeRequest = { key: Buffer.from([0]), keys_only: true };

/** gRPC's UNAVAILABLE, for a call whose connection is found lost. */
const UNAVAILABLE = 14;

export type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;

export interface OpenWatch {
  readonly endpoint: string;
  readonly stream: WatchStream;
  /** Ends the stream and its connection. */
  end(): void;
}

/** What came back, and whether an earlier try of the same call may have been executed. */
export interface Answer<T> {
  readonly response: T;
  readonly repeated: boolean;
}

type UnaryMethod = (
  payload: unknown,
  metadata: unknown,
  options: { readonly deadline: number },
  callback: (error: unknown, response: unknown) => void,
) => { cancel(): void };

/** One unary call: what to ask, with what token, until when (milliseconds since the epoch). */
interface Call {
  readonly service: 'KV' | 'Auth';
  readonly method: string;
  readonly payload: unknown;
  readonly deadline: number;
  readonly token: string | undefined;
}

export class EtcdTransport {
  private readonly pools = new Map<string, ConnectionPool>();
  private member: number;
  private token: Promise<string> | undefined;
  private closed = false;

  private constructor(
    private readonly connections: EtcdConnections,
    private readonly config: EtcdConfig,
    private readonly timeouts: EtcdTimeouts,
  ) {
    // Clients spread over the members.
    this.member = Math.floor(Math.random() * config.endpoints.length);
  }

  static async create(config: EtcdConfig, timeouts: EtcdTimeouts): Promise<EtcdTransport> {
    return new EtcdTransport(await EtcdConnections.create(config, timeouts), config, timeouts);
  }

  /** A linearizable read. Rejects with an {@link EtcdCallError} when compacted, else with a DatastoreError. */
  async range(request: IRangeRequest): Promise<IRangeResponse> {
    return (await this.call<IRangeResponse>('KV', 'range', request)).response;
  }

  /** A transaction whose comparisons make it harmless to repeat. */
  txn(request: ITxnRequest): Promise<Answer<ITxnResponse>> {
    return this.call<ITxnResponse>('KV', 'txn', request);
  }

  /** Opens a watch stream on a connection of its own, to the member in use. Rejects with an EtcdCallError. */
  async openWatch(): Promise<OpenWatch> {
    this.mustBeOpen();
    const endpoint = this.config.endpoints[this.member]!;
    const pool = await this.connections.open(endpoint);
    try {
      const token = await this.currentToken(endpoint);
      const client = this.connections.watchClient({
        exec: (service, method, params, options) => pool.exec(service, method, params, options),
        withConnection: (service, run) =>
          pool.withConnection(service, (connection) => {
            if (token !== undefined) connection.metadata.set('token', token);
            // A member that has lost its cluster ends the stream instead of falling silent.
            connection.metadata.set('hasleader', 'true');
            return run(connection);
          }),
        markFailed: () => {},
        callOptionsFactory: undefined,
      });
      const stream = await client.watch();
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        stream.on('error', () => {
          // Its own cancellation; who reads the stream has a handler of its own for the rest.
        });
        stream.cancel();
        this.connections.close(pool);
      };
      return { endpoint, stream, end };
    } catch (error) {
      this.connections.close(pool);
      throw error instanceof DatastoreError ? error : callErrorOf(error, endpoint);
    }
  }

  /** Call when a watch failed: what comes next asks another member, if there is one. */
  leave(endpoint: string): void {
    if (this.config.endpoints[this.member] === endpoint) {
      this.member = (this.member + 1) % this.config.endpoints.length;
    }
  }

  /** Call when a watch was refused for its token. */
  forgetToken(): void {
    this.token = undefined;
  }

  /** What a caller of the datastore is told of a failed call. */
  describe(error: EtcdCallError): DatastoreError {
    return datastoreErrorOf(error, this.config.endpoints, this.config.username);
  }

  close(): void {
    this.closed = true;
    for (const pool of this.pools.values()) this.connections.close(pool);
    this.pools.clear();
  }

  private async call<T>(service: 'KV', method: string, payload: unknown): Promise<Answer<T>> {
    const deadline = Date.now() + this.timeouts.request;
    const backoff = new Backoff({ initial: 50, maximum: 1_000 });
    let repeated = false;
    let renewed = false;
    let told: EtcdCallError | undefined;
    for (let tried = 1; ; tried++) {
      this.mustBeOpen();
      const endpoint = this.config.endpoints[this.member]!;
      let failure: EtcdCallError;
      try {
        const token = await this.currentToken(endpoint);
        const call = { service, method, payload, deadline: this.untilOf(deadline), token };
        const response = await this.callOnce<T>(endpoint, call, SILENCE * 2 ** (tried - 1));
        return { response, repeated };
      } catch (error) {
        if (!(error instanceof EtcdCallError)) throw error;
        failure = error;
      }
      this.mustBeOpen();
      if (failure.wantsToken && this.config.username !== undefined && !renewed) {
        renewed = true;
        this.forgetToken();
        continue;
      }
      if (failure.isCompacted) throw failure;
      if (!failure.isTransient) throw this.describe(failure);
      // What little time is left for the last try is no reason to forget what an earlier one learnt.
      if (!failure.isSilence) told = failure;
      repeated ||= failure.isAmbiguous;
      this.leave(endpoint);
      // A whole round of members is tried at once; after that there is a pause.
      const pause = tried % this.config.endpoints.length === 0 ? backoff.delay() : 0;
      if (Date.now() + pause >= deadline) throw this.describe(told ?? failure);
      if (pause > 0) await sleep(pause);
    }
  }

  private untilOf(deadline: number): number {
    return this.config.endpoints.length === 1 ? deadline : Math.min(deadline, Date.now() + MEMBER_TIMEOUT);
  }

  /** One try. With one member, a call that is silent for `silence` milliseconds is checked. */
  private async callOnce<T>(endpoint: string, call: Call, silence: number): Promise<T> {
    const pool = this.pools.get(endpoint) ?? (await this.addPool(endpoint));
    let timer: NodeJS.Timeout | undefined;
    let check: AbortController | undefined;
    let cancel = (): void => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        this.send<T>(pool, endpoint, call, (how) => {
          cancel = how;
        }).then(resolve, reject);
        if (this.config.endpoints.length > 1) return;
        timer = setTimeout(() => {
          check = new AbortController();
          this.overtake(endpoint, pool, check.signal).catch(reject);
        }, silence);
      });
    } catch (error) {
      const failure = callErrorOf(error, endpoint);
      // A new connection starts without the old one's pauses, and with the TLS files as they are then.
      if (failure.isTransient && this.pools.get(endpoint) === pool) {
        this.pools.delete(endpoint);
        this.connections.abandon(pool);
      }
      throw failure;
    } finally {
      clearTimeout(timer);
      if (check !== undefined) {
        check.abort();
        cancel();
      }
    }
  }

  /** `sent` is given what cancels the call. */
  private send<T>(
    pool: ConnectionPool,
    endpoint: string,
    { service, method, payload, deadline, token }: Call,
    sent: (cancel: () => void) => void,
  ): Promise<T> {
    return this.connections.use(pool, () =>
      pool.withConnection(
        service,
        ({ client, metadata }) =>
          new Promise<T>((resolve, reject) => {
            if (token !== undefined) metadata.set('token', token);
            const methods = client as unknown as Readonly<Record<string, UnaryMethod>>;
            const call = methods[method]!.call(client, payload, metadata, { deadline }, (error, response) => {
              if (error === null || error === undefined) resolve(response as T);
              else reject(callErrorOf(error, endpoint));
            });
            sent(() => call.cancel());
          }),
      ),
    );
  }

  /**
   * Fails with UNAVAILABLE when a new connection gets an answer while a call on `lost` is still silent; the new one is
   * then in its place. Settles only so, or when the call is over.
   */
  private async overtake(endpoint: string, lost: ConnectionPool, over: AbortSignal): Promise<never> {
    const current = (): boolean => this.pools.get(endpoint) === lost;
    for (let tries = 0; current(); tries++) {
      const timeout = CHECK_TIMEOUT + tries * CHECK_PATIENCE;
      const fresh = await this.connections.open(endpoint);
      const answers = await this.answers(fresh, endpoint, timeout, over);
      if (answers && current() && !over.aborted) {
        this.pools.set(endpoint, fresh);
        this.connections.abandon(lost);
        break;
      }
      this.connections.close(fresh);
      over.throwIfAborted();
      if (!answers) await sleep(CHECK_PAUSE, undefined, { signal: over });
    }
    throw new EtcdCallError(UNAVAILABLE, 'the connection does not answer', endpoint);
  }

  /** Whether the member answers on this connection, be it with a refusal. */
  private async answers(
    pool: ConnectionPool,
    endpoint: string,
    timeout: number,
    over: AbortSignal,
  ): Promise<boolean> {
    const deadline = Date.now() + timeout;
    const call = { service: 'KV', method: 'range', payload: CHECK, deadline, token: undefined } as const;
    try {
      await this.send(pool, endpoint, call, (cancel) =>
        over.addEventListener('abort', cancel, { once: true }),
      );
      return true;
    } catch (error) {
      return !callErrorOf(error, endpoint).isTransient;
    }
  }

  private currentToken(endpoint: string): Promise<string> | undefined {
    const { username: name, password } = this.config;
    if (name === undefined) return undefined;
    if (this.token !== undefined) return this.token;
    const token = (async () => {
      const deadline = this.untilOf(Date.now() + this.timeouts.request);
      const payload = { name, password };
      const call = { service: 'Auth', method: 'authenticate', payload, deadline, token: undefined } as const;
      return (await this.callOnce<IAuthenticateResponse>(endpoint, call, SILENCE)).token;
    })();
    this.token = token;
    token.catch(() => {
      if (this.token === token) this.token = undefined;
    });
    return token;
  }

  private async addPool(endpoint: string): Promise<ConnectionPool> {
    const made = await this.connections.open(endpoint);
    const other = this.pools.get(endpoint);
    if (other !== undefined || this.closed) this.connections.close(made);
    this.mustBeOpen();
    if (other !== undefined) return other;
    this.pools.set(endpoint, made);
    return made;
  }

  private mustBeOpen(): void {
    if (this.closed) throw new ClosedError();
  }
}
