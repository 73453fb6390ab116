/** Opens connections to members of an etcd cluster, with the package `etcd3`. */
import { readFile } from 'node:fs/promises';
import type { IOptions } from 'etcd3';
import type { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import type { WatchClient } from 'etcd3/lib/rpc.js';
import type { EtcdConfig } from '../config.ts';
import { DatastoreError } from '../datastore.ts';
import { ConnectionSockets } from './sockets.ts';

export interface EtcdTimeouts {
  /** Milliseconds until a request is given up, repetitions included. */
  readonly request: number;
  /** Milliseconds without a sign of life on a connection until it is probed, and until a probe is lost. */
  readonly keepalive: number;
  readonly keepaliveAnswer: number;
}

/** etcd refuses probes that come more often than every 5 s (`--grpc-keepalive-min-time`). */
export const ETCD_TIMEOUTS: EtcdTimeouts = { request: 5_000, keepalive: 6_000, keepaliveAnswer: 3_000 };

/** Runs what it is given and nothing more; in the place of etcd3's circuit breaker. */
const noPolicy = { execute: async (run: (context: unknown) => unknown) => run({}) };

export class EtcdConnections {
  private readonly sockets = new ConnectionSockets();

  private constructor(
    private readonly modules: Modules,
    private readonly config: EtcdConfig,
    private readonly timeouts: EtcdTimeouts,
  ) {}

  static async create(config: EtcdConfig, timeouts: EtcdTimeouts): Promise<EtcdConnections> {
    return new EtcdConnections(await loadModules(), config, timeouts);
  }

  /** A connection that is made when it is first used. Rejects with a DatastoreError if a TLS file cannot be read. */
  async open(endpoint: string): Promise<ConnectionPool> {
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

  /** Every use of a connection that may open it goes through here. */
  use<T>(pool: ConnectionPool, run: () => T): T {
    return this.sockets.open(pool, run);
  }

  /** Lets a connection end what it is at. */
  close(pool: ConnectionPool): void {
    this.sockets.forget(pool);
    pool.close();
  }

  /** Ends a connection that does not answer; what it could not send yet never comes in. */
  abandon(pool: ConnectionPool): void {
    this.sockets.reset(pool);
    pool.close();
  }

  /** A client of etcd's Watch service on what stands for a connection pool. */
  watchClient(pool: ConstructorParameters<Modules['WatchClient']>[0]): WatchClient {
    return new this.modules.WatchClient(pool);
  }

  private async readCredentials(): Promise<NonNullable<IOptions['credentials']>> {
    const { caCertFile, certFile, keyFile } = this.config;
    const [rootCertificate, certChain, privateKey] = await Promise.all(
      [caCertFile, certFile, keyFile].map((path) => readPem(path)),
    );
    // Without a CA the system's are used; the type of etcd3 is narrower than what it hands on.
    return { rootCertificate, certChain, privateKey } as NonNullable<IOptions['credentials']>;
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
