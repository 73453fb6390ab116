/** Debian's FRR in a network namespace: zebra and bgpd, and bfdd on demand, asked with vtysh. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { run, runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { killChild } from './fixture-child.ts';

const DAEMONS = '/usr/lib/frr';
const READY = { timeout: 15_000, interval: 50 };

export interface FrrOptions {
  readonly namespace: string;
  /** What bgpd reads. */
  readonly config: string;
  /** What bfdd reads; it does not run if left out. */
  readonly bfd?: string;
}

export class Frr {
  private readonly children: ChildProcess[] = [];
  private text = '';

  private constructor(
    private readonly directory: string,
    private readonly namespace: string,
  ) {}

  /** Starts both daemons and waits until bgpd answers. Call {@link stop} in the end. */
  static async start({ namespace, config, bfd }: FrrOptions): Promise<Frr> {
    const directory = await mkdtemp(join(tmpdir(), 'margay-frr-'));
    const frr = new Frr(directory, namespace);
    try {
      // The daemons give up root and write their sockets here.
      await chmod(directory, 0o755);
      await runChecked('chown', ['frr:frr', directory]);
      await writeFile(join(directory, 'zebra.conf'), 'log stdout\n');
      await writeFile(join(directory, 'bgpd.conf'), config);
      await frr.launch('zebra', []);
      if (bfd !== undefined) {
        await writeFile(join(directory, 'bfdd.conf'), bfd);
        await frr.launch('bfdd', [`--bfdctl=${join(directory, 'bfdd.sock')}`]);
      }
      await frr.launch('bgpd', ['-p', '179']);
    } catch (error) {
      await frr.stop();
      throw error;
    }
    return frr;
  }

  /** What vtysh prints for a command of bgpd. */
  ask(command: string): Promise<string> {
    return this.tell('bgpd', command);
  }

  /** Changes the running configuration: lines as they stand under `configure terminal`. */
  configure(...lines: readonly string[]): Promise<string> {
    return this.tell('bgpd', 'configure terminal', ...lines);
  }

  /** What vtysh prints for commands of a daemon, given one after another. */
  async tell(daemon: 'bgpd' | 'bfdd', ...commands: readonly string[]): Promise<string> {
    const flags = commands.flatMap((command) => ['-c', command]);
    const { stdout, stderr } = await run('vtysh', ['--vty_socket', this.directory, '-d', daemon, ...flags]);
    return stdout + stderr;
  }

  /** Kills both daemons without a chance to say goodbye. */
  async kill(): Promise<void> {
    for (const child of this.children.splice(0)) await killChild(child);
    await this.stop();
  }

  async stop(): Promise<void> {
    for (const child of this.children.splice(0).toReversed()) await terminate(child);
    await rm(this.directory, { recursive: true, force: true });
  }

  private async launch(daemon: 'zebra' | 'bfdd' | 'bgpd', flags: readonly string[]): Promise<void> {
    const child = spawnIn(
      join(DAEMONS, daemon),
      [
        `--config_file=${join(this.directory, `${daemon}.conf`)}`,
        `--pid_file=${join(this.directory, `${daemon}.pid`)}`,
        `--socket=${join(this.directory, 'zserv.api')}`,
        `--vty_socket=${this.directory}`,
        '--user=frr',
        '--group=frr',
        ...flags,
      ],
      { namespace: this.namespace, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.children.push(child);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.text += chunk.toString('utf8');
      });
    }
    await vi.waitFor(async () => {
      const args = ['--vty_socket', this.directory, '-d', daemon, '-c', 'show version'];
      const { stdout } = await run('vtysh', args);
      if (!stdout.includes('FRRouting')) throw new Error(`${daemon} does not answer: ${this.text}`);
    }, READY);
  }
}

export interface FrrPeerOptions {
  /** Host number of FRR and of its neighbour in the fabric. */
  readonly host: number;
  readonly neighbor: number;
  readonly asNumber: number;
  readonly neighborAs: number;
  /** What follows `neighbor ADDRESS` in lines of the neighbour. */
  readonly session?: readonly string[];
  /** The same in both address families. */
  readonly family?: readonly string[];
  /** More lines of `router bgp`. */
  readonly bgp?: readonly string[];
  /** Prefixes that it originates. */
  readonly routes?: readonly string[];
  /** More at the end of the file. */
  readonly more?: string;
}

/** A configuration with one neighbour, both families in one session over IPv4. */
export function frrConfig(options: FrrPeerOptions): string {
  const { host, asNumber, neighborAs, session = [], family = [], bgp = [], routes = [], more = '' } = options;
  const neighbor = `neighbor 10.99.0.${options.neighbor}`;
  const familyLines = (version: 4 | 6): string[] => [
    ` address-family ipv${version} unicast`,
    `  ${neighbor} activate`,
    ...family.map((line) => `  ${neighbor} ${line}`),
    ...routes.filter((route) => route.includes(':') === (version === 6)).map((route) => `  network ${route}`),
    ' exit-address-family',
  ];
  return [
    'log stdout',
    `router bgp ${asNumber}`,
    ` bgp router-id 10.99.0.${host}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp network import-check',
    ...bgp.map((line) => ` ${line}`),
    ` ${neighbor} remote-as ${neighborAs}`,
    ` ${neighbor} timers connect 1`,
    ...session.map((line) => ` ${neighbor} ${line}`),
    ...familyLines(4),
    ...familyLines(6),
    'exit',
    more,
  ].join('\n');
}
