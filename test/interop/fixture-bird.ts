/** Debian's BIRD 2 in a network namespace, with its control socket and its log at hand. */
import { writeFile } from 'node:fs/promises';
import { run, runChecked } from '../../src/sys/process.ts';
import { Daemon } from './fixture-daemon.ts';

export interface BirdOptions {
  readonly namespace: string;
  /** The whole of bird.conf. */
  readonly config: string;
}

export class Bird extends Daemon {
  private constructor(namespace: string) {
    super('bird', namespace);
  }

  /** Starts BIRD and waits until it answers. Call {@link stop} in the end. */
  static start({ namespace, config }: BirdOptions): Promise<Bird> {
    const bird = new Bird(namespace);
    return bird.orStop(async () => {
      await bird.rewrite(config);
      await bird.run([]);
    });
  }

  /** What `birdc` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('birdc', ['-s', this.socket, ...command]);
    return stdout + stderr;
  }

  /** Starts it again after {@link kill}; `recover` as Calico does after a crash (`bird -R`). */
  async restart(options: { readonly recover: boolean }): Promise<void> {
    await this.run(options.recover ? ['-R'] : []);
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

  private get socket(): string {
    return this.path('bird.ctl');
  }

  private get configFile(): string {
    return this.path('bird.conf');
  }

  private async run(flags: readonly string[]): Promise<void> {
    // Says what is wrong with the configuration, where a daemon would only fail to start.
    await runChecked('bird', ['-p', '-c', this.configFile]);
    await this.launch('bird', ['-f', '-c', this.configFile, '-s', this.socket, ...flags], async () =>
      (await this.ask('show', 'status')).includes('Daemon is up and running'),
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
