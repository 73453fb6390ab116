/** A real etcd (Debian's etcd-server) for tests and benches: started, killed, paused and restarted on one data folder. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runChecked, spawnIn, terminate } from '../../src/sys/process.ts';

export interface EtcdServerOptions {
  /** Network namespace to run in; that of the calling thread when left out. */
  readonly namespace?: string;
  /** Address to listen on; 127.0.0.1 when left out. */
  readonly address?: string;
  readonly clientPort?: number;
  readonly peerPort?: number;
  /** `name:password` that {@link EtcdServer.control} gives once authentication is enabled. */
  readonly user?: string;
  /** More flags. */
  readonly flags?: readonly string[];
  /** PEM files: the client port then speaks TLS only, and wants client certificates of that CA. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

export class EtcdServer {
  private child: ChildProcess | undefined;
  private authenticates = false;

  private constructor(
    private readonly folder: string,
    private readonly options: EtcdServerOptions,
  ) {}

  /** Starts an etcd of its own, empty, and waits until it serves. The caller ends it with {@link dispose}. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const server = new EtcdServer(await mkdtemp(join(tmpdir(), 'margay-etcd-')), options);
    try {
      await server.restart();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get endpoint(): string {
    const { tls, address = '127.0.0.1', clientPort = 2379 } = this.options;
    return `${tls === undefined ? 'http' : 'https'}://${address}:${clientPort}`;
  }

  /** Starts it again on the same data. */
  async restart(): Promise<void> {
    const { address = '127.0.0.1', peerPort = 2380, tls, namespace } = this.options;
    const peer = `http://${address}:${peerPort}`;
    const log = join(this.folder, 'log');
    const output = openSync(log, 'a');
    const child = spawnIn(
      '/usr/bin/etcd',
      [
        `--data-dir=${join(this.folder, 'data')}`,
        `--listen-client-urls=${this.endpoint}`,
        `--advertise-client-urls=${this.endpoint}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        '--logger=zap',
        '--log-level=warn',
        ...(tls === undefined
          ? []
          : [
              `--trusted-ca-file=${tls.ca}`,
              `--cert-file=${tls.cert}`,
              `--key-file=${tls.key}`,
              '--client-cert-auth',
            ]),
        ...(this.options.flags ?? []),
      ],
      { stdio: ['ignore', output, output], ...(namespace === undefined ? {} : { namespace }) },
    );
    closeSync(output);
    this.child = child;
    const deadline = performance.now() + 30_000;
    while (!(await this.answers())) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
        throw new Error(`etcd does not serve: ${readFileSync(log, 'utf8').slice(-2_000)}`);
      }
      await sleep(20);
    }
  }

  /** SIGKILL: the way a machine that loses power ends it. */
  async kill(): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Stops it in an orderly way; {@link restart} brings it back. */
  async stop(): Promise<void> {
    if (this.child !== undefined) await terminate(this.child);
  }

  /** Leaves its connections open and says nothing any more, until {@link resume}. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  /** Removes all data: as after a loss of the disk, the next {@link restart} is another, empty cluster. */
  async wipe(): Promise<void> {
    await rm(join(this.folder, 'data'), { recursive: true, force: true });
  }

  /** Runs etcdctl against it and returns what it prints. */
  control(...args: readonly string[]): Promise<string> {
    const { tls, namespace, user } = this.options;
    const flags = [
      ...(tls === undefined ? [] : [`--cacert=${tls.ca}`, `--cert=${tls.cert}`, `--key=${tls.key}`]),
      ...(this.authenticates ? [`--user=${user!}`] : []),
    ];
    if (args.join(' ') === 'auth enable') this.authenticates = true;
    return runChecked('/usr/bin/etcdctl', [`--endpoints=${this.endpoint}`, ...flags, ...args], {
      env: { ...process.env, ETCDCTL_API: '3' },
      ...(namespace === undefined ? {} : { namespace }),
    });
  }

  /** Carries out puts (as etcdctl's `txn` reads them) in one revision. */
  async transaction(puts: readonly string[]): Promise<void> {
    const { namespace } = this.options;
    await runChecked('/usr/bin/etcdctl', [`--endpoints=${this.endpoint}`, 'txn'], {
      env: { ...process.env, ETCDCTL_API: '3' },
      input: `\n${puts.join('\n')}\n\n\n`,
      ...(namespace === undefined ? {} : { namespace }),
    });
  }

  /** Forgets all history up to now, as Calico's or etcd's own compaction does. */
  async compact(): Promise<void> {
    const status = JSON.parse(await this.control('endpoint', 'status', '-w', 'json')) as [
      { Status: { header: { revision: number } } },
    ];
    await this.control('compact', String(status[0].Status.header.revision));
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /**
   * Cuts it off from its clients: packets of its client port vanish in the network namespace of this process, which
   * must be the test's own. {@link heal} lets them through again.
   */
  async cutOff(): Promise<void> {
    const port = this.options.clientPort ?? 2379;
    const rule = `tcp sport ${port} drop; tcp dport ${port} drop`;
    await nft(`table inet cut { chain input { type filter hook input priority 0; ${rule}; }; }`);
  }

  async heal(): Promise<void> {
    await nft('delete table inet cut');
  }

  private async answers(): Promise<boolean> {
    if (this.options.tls !== undefined || this.options.namespace !== undefined) {
      // etcdctl has the certificates, and runs where etcd does.
      return this.control('get', '/').then(
        () => true,
        () => false,
      );
    }
    return new Promise((resolve) => {
      const outgoing = request(`${this.endpoint}/health`, { timeout: 1_000, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      outgoing.on('timeout', () => outgoing.destroy());
      outgoing.on('error', () => resolve(false));
      outgoing.end();
    });
  }
}

async function nft(commands: string): Promise<void> {
  await runChecked('/usr/sbin/nft', ['-f', '-'], { input: `${commands}\n` });
}
