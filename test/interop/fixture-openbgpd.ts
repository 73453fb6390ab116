/** Debian's OpenBGPD in a network namespace, asked with bgpctl. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { run, spawnIn, terminate } from '../../src/sys/process.ts';
import { killChild } from './fixture-child.ts';

/** Where its processes lock themselves in: the home of its user, which else its service unit makes. */
const PRISON = '/run/openbgpd';

export interface OpenbgpdOptions {
  readonly namespace: string;
  /** The whole of bgpd.conf, but for its socket. */
  readonly config: string;
}

export class Openbgpd {
  private child: ChildProcess | undefined;
  private text = '';

  private constructor(
    private readonly directory: string,
    private readonly options: OpenbgpdOptions,
  ) {}

  /** Starts it and waits until it answers. Call {@link stop} in the end. */
  static async start(options: OpenbgpdOptions): Promise<Openbgpd> {
    const directory = await mkdtemp(join(tmpdir(), 'margay-openbgpd-'));
    const bgpd = new Openbgpd(directory, options);
    try {
      await chmod(directory, 0o755);
      await mkdir(PRISON, { recursive: true, mode: 0o755 });
      // It refuses a configuration that others may read secrets of.
      await writeFile(bgpd.file, `socket "${bgpd.socket}"\n${options.config}`, { mode: 0o600 });
      await bgpd.launch();
    } catch (error) {
      await bgpd.stop();
      throw error;
    }
    return bgpd;
  }

  /** What `bgpctl` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('bgpctl', ['-s', this.socket, ...command]);
    return stdout + stderr;
  }

  /** Its main process; the two others end with it. */
  kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    return killChild(child);
  }

  /** Starts it again after {@link kill}. */
  restart(): Promise<void> {
    return this.launch();
  }

  async stop(): Promise<void> {
    if (this.child !== undefined) await terminate(this.child);
    this.child = undefined;
    await rm(this.directory, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.directory, 'bgpd.conf');
  }

  private get socket(): string {
    return join(this.directory, 'bgpd.sock');
  }

  private async launch(): Promise<void> {
    const child = spawnIn('bgpd', ['-d', '-f', this.file], {
      namespace: this.options.namespace,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.text += chunk.toString('utf8');
      });
    }
    await vi.waitFor(
      async () => {
        if (!(await this.ask('show', 'summary')).includes('Neighbor')) {
          throw new Error(`OpenBGPD does not answer: ${this.text}`);
        }
      },
      { timeout: 15_000, interval: 100 },
    );
  }
}
