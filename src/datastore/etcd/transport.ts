/**
 * Calls to an etcd cluster over the connections of the package `etcd3`: which member, with which token, until when.
 * The package's own retries and circuit breakers are off: they know neither which calls may be repeated nor why one
 * failed, and keep a restarted etcd waiting for seconds.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  IAuthenticateResponse,
  IDuplexStream,
  IOptions,
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
import { EtcdCallError, callErrorOf, datastoreErrorOf } from './etcd-error.ts';

export interface EtcdTimeouts {
  /** Milliseconds until a request is given up, repetitions included. */
  readonly request: number;
  /** Milliseconds without a sign of life on a connection until it is probed, and until a probe is lost. */
  readonly keepalive: number;
  readonly keepaliveAnswer: number;
}

/** etcd refuses probes that come more often than every 5 s (`--grpc-keepalive-min-time`). */
export const ETCD_TIMEOUTS: EtcdTimeouts = { request: 5_000, keepalive: 6_000, keepaliveAnswer: 3_000 };

/** With several members, milliseconds until one that does not answer is left for the next. */
const MEMBER_TIMEOUT = 2_000;

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
) => void;

/** Runs what it is given and nothing more; in the place of etcd3's circuit breaker. */
const noPolicy = { execute: async (run: (context: unknown) => unknown) => run({}) };

export class EtcdTransport {
  private readonly pools = new Map<string, ConnectionPool>();
  private member: number;
  private token: Promise<string> | undefined;
  private closed = false;

  private constructor(
    private readonly modules: Modules,
    private readonly config: EtcdConfig,
    private readonly timeouts: EtcdTimeouts,
  ) {
    // Clients spread over the members.
    this.member = Math.floor(Math.random() * config.endpoints.length);
  }

  static async create(config: EtcdConfig, timeouts: EtcdTimeouts): Promise<EtcdTransport> {
    return new EtcdTransport(await loadModules(), config, timeouts);
  }

  /**
   * A linearizable read; `timeout` in milliseconds if it is to be shorter than that of others. Rejects with an
   * {@link EtcdCallError} when compacted, else with a DatastoreError.
   */
  async range(request: IRangeRequest, timeout = Number.POSITIVE_INFINITY): Promise<IRangeResponse> {
    return (await this.call<IRangeResponse>('KV', 'range', request, timeout)).response;
  }

  /** A transaction whose comparisons make it harmless to repeat. */
  txn(request: ITxnRequest): Promise<Answer<ITxnResponse>> {
    return this.call<ITxnResponse>('KV', 'txn', request);
  }

  /** Opens a watch stream on a connection of its own, to the member in use. Rejects with an EtcdCallError. */
  async openWatch(): Promise<OpenWatch> {
    this.mustBeOpen();
    const endpoint = this.config.endpoints[this.member]!;
    const pool = await this.makePool(endpoint);
    try {
      const token = await this.currentToken(endpoint);
      const client = new this.modules.WatchClient({
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
        pool.close();
      };
      return { endpoint, stream, end };
    } catch (error) {
      pool.close();
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
    for (const pool of this.pools.values()) pool.close();
    this.pools.clear();
  }

  private async call<T>(
    service: 'KV',
    method: string,
    payload: unknown,
    timeout = Number.POSITIVE_INFINITY,
  ): Promise<Answer<T>> {
    const deadline = Date.now() + Math.min(this.timeouts.request, timeout);
    const backoff = new Backoff({ initial: 50, maximum: 1_000 });
    let repeated = false;
    let renewed = false;
    for (let tried = 1; ; tried++) {
      this.mustBeOpen();
      const endpoint = this.config.endpoints[this.member]!;
      let failure: EtcdCallError;
      try {
        const token = await this.currentToken(endpoint);
        const response = await this.callOnce<T>(
          endpoint,
          service,
          method,
          payload,
          this.untilOf(deadline),
          token,
        );
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
      repeated ||= failure.isAmbiguous;
      this.leave(endpoint);
      // A whole round of members is tried at once; after that there is a pause.
      const pause = tried % this.config.endpoints.length === 0 ? backoff.delay() : 0;
      if (Date.now() + pause >= deadline) throw this.describe(failure);
      if (pause > 0) await sleep(pause);
    }
  }

  private untilOf(deadline: number): number {
    return this.config.endpoints.length === 1 ? deadline : Math.min(deadline, Date.now() + MEMBER_TIMEOUT);
  }

  private async callOnce<T>(
    endpoint: string,
    service: 'KV' | 'Auth',
    method: string,
    payload: unknown,
    deadline: number,
    token: string | undefined,
  ): Promise<T> {
    const pool = this.pools.get(endpoint) ?? (await this.addPool(endpoint));
    try {
      return await pool.withConnection(
        service,
        ({ client, metadata }) =>
          new Promise<T>((resolve, reject) => {
            if (token !== undefined) metadata.set('token', token);
            const methods = client as unknown as Readonly<Record<string, UnaryMethod>>;
            methods[method]!.call(client, payload, metadata, { deadline }, (error, response) => {
              if (error === null || error === undefined) resolve(response as T);
              else reject(callErrorOf(error, endpoint));
            });
          }),
      );
    } catch (error) {
      const failure = callErrorOf(error, endpoint);
      // A new connection starts without the old one's pauses, and with the TLS files as they are then.
      if (failure.isTransient && this.pools.get(endpoint) === pool) {
        this.pools.delete(endpoint);
        pool.close();
      }
      throw failure;
    }
  }

  private currentToken(endpoint: string): Promise<string> | undefined {
    const { username: name, password } = this.config;
    if (name === undefined) return undefined;
    if (this.token !== undefined) return this.token;
    const token = (async () => {
      const deadline = this.untilOf(Date.now() + this.timeouts.request);
      const request = { name, password };
      return (
        await this.callOnce<IAuthenticateResponse>(
          endpoint,
          'Auth',
          'authenticate',
          request,
          deadline,
          undefined,
        )
      ).token;
    })();
    this.token = token;
    token.catch(() => {
      if (this.token === token) this.token = undefined;
    });
    return token;
  }

  private async addPool(endpoint: string): Promise<ConnectionPool> {
    const made = await this.makePool(endpoint);
    const other = this.pools.get(endpoint);
    if (other !== undefined || this.closed) made.close();
    this.mustBeOpen();
    if (other !== undefined) return other;
    this.pools.set(endpoint, made);
    return made;
  }

  private async makePool(endpoint: string): Promise<ConnectionPool> {
    const { keepalive, keepaliveAnswer } = this.timeouts;
    const { ConnectionPool: Pool } = this.modules;
    return new Pool({
      hosts: [endpoint],
      ...(endpoint.startsWith('https:') ? { credentials: await this.readCredentials() } : {}),
      faultHandling: {
        host: () => noPolicy as unknown as HostPolicy,
        global: noPolicy as unknown as HostPolicy,
      },
      grpcOptions: {
        'grpc.keepalive_time_ms': keepalive,
        'grpc.keepalive_timeout_ms': keepaliveAnswer,
        'grpc.keepalive_permit_without_calls': 0,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.min_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1_000,
        'grpc.max_receive_message_length': -1,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.service_config_disable_resolution': 1,
      },
    });
  }

  private async readCredentials(): Promise<NonNullable<IOptions['credentials']>> {
    const { caCertFile, certFile, keyFile } = this.config;
    const [rootCertificate, certChain, privateKey] = await Promise.all(
      [caCertFile, certFile, keyFile].map((path) => readPem(path)),
    );
    // Without a CA the system's are used; the type of etcd3 is narrower than what it hands on.
    return { rootCertificate, certChain, privateKey } as NonNullable<IOptions['credentials']>;
  }

  private mustBeOpen(): void {
    if (this.closed) throw new ClosedError();
  }
}

type HostPolicy = ReturnType<NonNullable<NonNullable<IOptions['faultHandling']>['host']>>;

type Modules = Awaited<ReturnType<typeof loadModules>>;

/** Of etcd3 only what is needed: the rest of it takes as long again to load. */
async function loadModules() {
  const [{ ConnectionPool: Pool }, { WatchClient }] = await Promise.all([
    import('etcd3/lib/connection-pool.js'),
    import('etcd3/lib/rpc.js'),
  ]);
  return { ConnectionPool: Pool, WatchClient };
}

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DatastoreError('datastore.etcd-tls', `cannot read the TLS file ${path}`, true, {
      cause,
      fix: 'check ETCD_CA_CERT_FILE, ETCD_CERT_FILE and ETCD_KEY_FILE, and who may read the files',
    });
  }
}
