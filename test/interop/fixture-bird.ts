/** Debian's BIRD 2 in a network namespace, with its control socket and its log at hand. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { vi } from 'vitest';

export interface BirdOptions {
  readonly namespace: string;
  /** The whole of bird.conf. */
  readonly config: string;
}

export class Bird {
  private child: ChildProcess | undefined;
  private text = '';

  private constructor(
    private readonly directory: string,
    private readonly options: BirdOptions,
  ) {}

  /** Starts BIRD and waits until it answers. Call {@link stop} in the end. */
  static async start(options: BirdOptions): Promise<Bird> {
    const directory = await mkdtemp(join(tmpdir(), 'margay-bird-'));
    const bird = new Bird(directory, options);
    try {
      await writeFile(bird.configFile, options.config);
      await bird.launch([]);
    } catch (error) {
      await bird.stop();
      throw error;
    }
    return bird;
  }

  /** Everything it has logged to stderr. */
  get log(): string {
    return this.text;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  /** What `birdc` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('birdc', ['-s', this.socket, ...command]);
    return stdout + stderr;
  }

  /** Sends a signal to the process, e.g. SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Kills it without a chance to say goodbye. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    this.child = undefined;
  }

  /** Starts it again after {@link kill}; `recover` as Calico does after a crash (`bird -R`). */
  async restart(options: { readonly recover: boolean }): Promise<void> {
    await this.launch(options.recover ? ['-R'] : []);
  }

  /** Replaces the configuration file, for the next start. */
  rewrite(config: string): Promise<void> {
    return writeFile(this.configFile, config);
  }

  /** Loads another configuration. */
  async reconfigure(config: string): Promise<string> {
    await this.rewrite(config);
    return this.ask('configure');
  }

  async stop(): Promise<void> {
    if (this.child !== undefined) {
      this.child.kill('SIGCONT');
      await terminate(this.child);
      this.child = undefined;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private get socket(): string {
    return join(this.directory, 'bird.ctl');
  }

  private get configFile(): string {
    return join(this.directory, 'bird.conf');
  }

  private async launch(flags: readonly string[]): Promise<void> {
    // Says what is wrong with the configuration, where a daemon would only fail to start.
    await runChecked('bird', ['-p', '-c', this.configFile]);
    const child = spawnIn('bird', ['-f', '-c', this.configFile, '-s', this.socket, ...flags], {
      namespace: this.options.namespace,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    child.stderr!.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('utf8');
    });
    await vi.waitFor(
      async () => {
        if (!(await this.ask('show', 'status')).includes('Daemon is up and running')) {
          throw new Error(`BIRD does not answer: ${this.text}`);
        }
      },
      { timeout: 10_000, interval: 50 },
    );
  }
}

export interface BirdPeerOptions {
  /** Host number of BIRD and of its neighbour in the fabric. */
  readonly host: number;
  readonly neighbor: number;
  readonly asNumber: number;
  readonly neighborAs: number;
  /** More lines inside `protocol bgp`. */
  readonly bgp?: string;
  /** More lines inside each of the two channels. */
  readonly channel?: string;
  /** Prefixes that it originates. */
  readonly routes?: readonly string[];
  /** `persist` keeps its kernel routes when it ends. */
  readonly kernel?: string;
  /** More at the end of the file. */
  readonly more?: string;
}

/** A configuration with one neighbour `margay`, both families in one session over IPv4, kernel routes, statics. */
export function birdConfig(options: BirdPeerOptions): string {
  const { host, neighbor, asNumber, neighborAs, bgp = '', channel = '', routes = [], kernel = '' } = options;
  const statics = (family: 4 | 6): string =>
    routes
      .filter((route) => route.includes(':') === (family === 6))
      .map((route) => `  route ${route} blackhole;\n`)
      .join('');
  return `
log stderr all;
router id 10.99.0.${host};
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
protocol kernel kernel4 { ipv4 { import none; export where source = RTS_BGP; }; graceful restart; ${kernel} }
protocol kernel kernel6 { ipv6 { import none; export where source = RTS_BGP; }; graceful restart; ${kernel} }
protocol static static4 {
  ipv4;
${statics(4)}}
protocol static static6 {
  ipv6;
${statics(6)}}
protocol bgp margay {
  debug { states, events };
  local 10.99.0.${host} as ${asNumber};
  neighbor 10.99.0.${neighbor} as ${neighborAs};
  connect delay time 1;
  connect retry time 2;
  error wait time 1, 2;
  ${bgp}
  ipv4 { import all; export where source != RTS_DEVICE; next hop self; ${channel} };
  ipv6 { import all; export where source != RTS_DEVICE; next hop address fd99::${host}; next hop self; ${channel} };
}
${options.more ?? ''}`;
}
