/** Debian's GoBGP in a network namespace, asked with gobgp. */
import { type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { run, runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { killChild } from './fixture-child.ts';

export interface GobgpOptions {
  readonly namespace: string;
  /** The whole configuration. */
  readonly config: object;
  /** What `gobgp global rib add` is told, route by route; the family is that of the prefix. */
  readonly routes: readonly (readonly string[])[];
}

export class Gobgp {
  private child: ChildProcess | undefined;
  private text = '';

  private constructor(
    private readonly directory: string,
    private readonly options: GobgpOptions,
  ) {}

  /** Starts it and waits until it answers and has its routes. Call {@link stop} in the end. */
  static async start(options: GobgpOptions): Promise<Gobgp> {
    const directory = await mkdtemp(join(tmpdir(), 'margay-gobgp-'));
    const gobgp = new Gobgp(directory, options);
    try {
      await writeFile(gobgp.file, JSON.stringify(options.config));
      await gobgp.launch([]);
    } catch (error) {
      await gobgp.stop();
      throw error;
    }
    return gobgp;
  }

  /** What `gobgp` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('gobgp', command, { namespace: this.options.namespace });
    return stdout + stderr;
  }

  /** What it has of a prefix from a neighbour, as JSON text; empty if nothing. */
  async received(neighbor: string, prefix: string): Promise<string> {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
    const text = await this.ask('neighbor', neighbor, 'adj-in', '-a', family, '-j', prefix);
    return text.includes(prefix) ? text : '';
  }

  kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    return killChild(child);
  }

  /** Starts it again after {@link kill}, as one that has restarted (`-r`). */
  restart(): Promise<void> {
    return this.launch(['-r']);
  }

  async stop(): Promise<void> {
    if (this.child !== undefined) await terminate(this.child);
    this.child = undefined;
    await rm(this.directory, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.directory, 'gobgpd.json');
  }

  private async launch(flags: readonly string[]): Promise<void> {
    const args = [
      '-f',
      this.file,
      '-t',
      'json',
      '--pprof-disable',
      '--api-hosts',
      '127.0.0.1:50051',
      ...flags,
    ];
    const child = spawnIn('gobgpd', args, {
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
        if (!(await this.ask('global')).includes('AS:'))
          throw new Error(`gobgpd does not answer: ${this.text}`);
      },
      { timeout: 15_000, interval: 100 },
    );
    for (const route of this.options.routes) {
      const family = route[0]!.includes(':') ? 'ipv6' : 'ipv4';
      await runChecked('gobgp', ['global', 'rib', 'add', '-a', family, ...route], {
        namespace: this.options.namespace,
      });
    }
  }
}
