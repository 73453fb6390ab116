/** Our speaker as host N of a fabric: in this process, or as a process of its own that can be killed. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger, silentLogger } from '../../src/base/log.ts';
import { DEFAULT_GRACEFUL_RESTART, type PeerConfig, type SpeakerConfig } from '../../src/bgp/config.ts';
import { BfdEngine } from '../../src/bgp/bfd-engine.ts';
import type { BfdService } from '../../src/bgp/bfd-service.ts';
import { BfdSockets } from '../../src/bgp/bfd-sockets.ts';
import { DEFAULT_DECISION } from '../../src/bgp/rib/decision.ts';
import { Speaker } from '../../src/bgp/speaker.ts';
import type { RouteStatus, SpeakerStatus } from '../../src/bgp/status.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import type { RouteKernel } from '../../src/netlink/kernel.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { spawnIn, terminate } from '../../src/sys/process.ts';

/** A session of host `host` with host `peer`, over IPv4, with both families. */
export function peerConfig(host: number, peer: number, fields: Partial<PeerConfig> = {}): PeerConfig {
  return {
    name: `Mesh_10_99_0_${peer}`,
    type: 'mesh',
    address: address(`10.99.0.${peer}`),
    port: 179,
    asNumber: 64512,
    localAsNumber: 64512,
    sourceAddress: address(`10.99.0.${host}`),
    families: [4, 6],
    passive: false,
    reflectorClient: false,
    nextHopMode: 'auto',
    restartTime: 60,
    allowedOwnAs: 0,
    filters: [],
    ...fields,
  };
}

/** Host N owns 10.65.N.0/26 and fd65::N:0/122 in exported pools. */
export function speakerConfig(
  host: number,
  peers: readonly PeerConfig[],
  fields: Partial<SpeakerConfig> = {},
): SpeakerConfig {
  return {
    asNumber: 64512,
    routerId: address(`10.99.0.${host}`),
    listen: { port: 179, addresses: [] },
    nodeAddresses: { 4: address(`10.99.0.${host}`), 6: address(`fd99::${host}`) },
    peers,
    blocks: [prefix(`10.65.${host}.0/26`), prefix(`fd65::${host}:0/122`)],
    outsideWorkloads: [],
    serviceAddresses: [],
    pools: [
      { cidr: prefix('10.65.0.0/16'), exported: true },
      { cidr: prefix('fd65::/32'), exported: true },
    ],
    services: [],
    advertisements: [],
    aggregates: [],
    filters: {},
    decision: DEFAULT_DECISION,
    kernel: { protocol: 81, table: 254, metric: { 4: 1024, 6: 1024 } },
    gracefulRestart: DEFAULT_GRACEFUL_RESTART,
    ...fields,
  };
}

export interface RunningSpeaker {
  readonly speaker: Speaker;
  readonly kernel: RouteKernel;
  stop(options?: { readonly graceful: boolean }): Promise<void>;
}

/** MARGAY_TEST_LOG=debug shows what the speakers of a test say. */
export function testLogger(): ReturnType<typeof silentLogger> {
  const level = process.env['MARGAY_TEST_LOG'];
  return level === undefined ? silentLogger() : createLogger('debug');
}

/** BFD in this thread; the program has a thread for it (bgp-worker.test.ts). */
export function bfdEngine(namespace?: string): BfdService {
  return new BfdEngine({
    clock: systemClock,
    log: testLogger(),
    random: Math.random,
    transport: (receive) => new BfdSockets({ receive, ...(namespace === undefined ? {} : { namespace }) }),
  });
}

/** Runs a speaker in this process. */
export async function startSpeaker(
  namespace: string,
  config: SpeakerConfig,
  bfd: () => BfdService = () => bfdEngine(namespace),
): Promise<RunningSpeaker> {
  const kernel = openLinuxKernel({ namespace });
  const speaker = await Speaker.start(
    { kernel, namespace, clock: systemClock, log: testLogger(), bfd },
    config,
  );
  return {
    speaker,
    kernel,
    async stop(options = { graceful: false }) {
      await speaker.stop(options);
      kernel.close();
    },
  };
}

/** A speaker as a process of its own (speaker-process.ts). */
export class SpeakerProcess {
  private readonly answers: ((line: string) => void)[] = [];

  private constructor(private readonly child: ChildProcess) {
    createInterface({ input: child.stdout! }).on('line', (line) => this.answers.shift()?.(line));
  }

  static async start(namespace: string, config: SpeakerConfig): Promise<SpeakerProcess> {
    const script = new URL('speaker-process.ts', import.meta.url).pathname;
    const child = spawnIn(process.execPath, ['--import', 'tsx', script], {
      namespace,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const running = new SpeakerProcess(child);
    await running.ask({ call: 'start', params: config });
    return running;
  }

  get pid(): number {
    return this.child.pid!;
  }

  status(): Promise<SpeakerStatus> {
    return this.ask({ call: 'status' }) as Promise<SpeakerStatus>;
  }

  routes(): Promise<RouteStatus[]> {
    return this.ask({ call: 'routes' }) as Promise<RouteStatus[]>;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }

  /** SIGTERM, as a service manager does. */
  stop(): Promise<void> {
    return terminate(this.child);
  }

  private ask(request: { readonly call: string; readonly params?: unknown }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the speaker process has ended'));
      this.child.once('exit', ended);
      this.answers.push((line) => {
        this.child.off('exit', ended);
        resolve(JSON.parse(line) as unknown);
      });
      this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
  }
}
