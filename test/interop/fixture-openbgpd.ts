/** Debian's OpenBGPD in a network namespace, asked with bgpctl. */
import { mkdir, writeFile } from 'node:fs/promises';
import { run } from '../../src/sys/process.ts';
import { Daemon } from './fixture-daemon.ts';

/** Where its processes lock themselves in: the home of its user, which else its service unit makes. */
const PRISON = '/run/openbgpd';

export interface OpenbgpdOptions {
  readonly namespace: string;
  /** The whole of bgpd.conf, but for its socket. */
  readonly config: string;
}

export class Openbgpd extends Daemon {
  private constructor(namespace: string) {
    super('openbgpd', namespace);
  }

  /** Starts it and waits until it answers. Call {@link stop} in the end. */
  static start({ namespace, config }: OpenbgpdOptions): Promise<Openbgpd> {
    const bgpd = new Openbgpd(namespace);
    return bgpd.orStop(async () => {
      await mkdir(PRISON, { recursive: true, mode: 0o755 });
      // It refuses a configuration that others may read secrets of.
      await writeFile(bgpd.file, `socket "${bgpd.socket}"\n${config}`, { mode: 0o600 });
      await bgpd.restart();
    });
  }

  /** What `bgpctl` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('bgpctl', ['-s', this.socket, ...command]);
    return stdout + stderr;
  }

  /** Starts it again after {@link kill}, which ends its main process and with it the two others. */
  restart(): Promise<void> {
    return this.launch('bgpd', ['-d', '-f', this.file], async () =>
      (await this.ask('show', 'summary')).includes('Neighbor'),
    );
  }

  private get file(): string {
    return this.path('bgpd.conf');
  }

  private get socket(): string {
    return this.path('bgpd.sock');
  }
}
