/** Debian's ExaBGP in a network namespace. What it receives is written by its API process, which also takes commands. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { killChild } from './fixture-child.ts';

export interface ExabgpOptions {
  readonly namespace: string;
  /** `neighbor` sections. */
  readonly neighbors: readonly string[];
}

/** One UPDATE as ExaBGP 4 tells it. */
interface Told {
  readonly type?: string;
  readonly neighbor?: {
    readonly address?: { readonly peer?: string };
    readonly message?: {
      readonly update?: {
        readonly attribute?: unknown;
        readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly { nlri: string }[]>>>>;
        readonly withdraw?: Readonly<Record<string, readonly { nlri: string }[]>>;
      };
    };
  };
}

export class Exabgp {
  private child: ChildProcess | undefined;
  private text = '';

  private constructor(
    private readonly directory: string,
    private readonly options: ExabgpOptions,
  ) {}

  /** Starts it and waits until its process runs. Call {@link stop} in the end. */
  static async start(options: ExabgpOptions): Promise<Exabgp> {
    const directory = await mkdtemp(join(tmpdir(), 'margay-exabgp-'));
    const exabgp = new Exabgp(directory, options);
    try {
      await chmod(directory, 0o755);
      await runChecked('mkfifo', [exabgp.commands]);
      // Reads what ExaBGP tells, and says to it what is written to the pipe.
      await writeFile(
        exabgp.program,
        `#!/bin/sh\nexec 3<>${exabgp.commands}\ncat <&3 &\nfeeder=$!\ntrap 'kill $feeder' EXIT INT TERM HUP\ncat >> ${exabgp.updates}\n`,
        { mode: 0o755 },
      );
      const watcher = `process watcher {\n  run /bin/sh ${exabgp.program};\n  encoder json;\n}\n`;
      await writeFile(exabgp.file, watcher + options.neighbors.join('\n'));
      await exabgp.launch();
    } catch (error) {
      await exabgp.stop();
      throw error;
    }
    return exabgp;
  }

  /** What it has of a prefix from a neighbour, as JSON text; empty if nothing. */
  async received(neighbor: string, prefix: string): Promise<string> {
    let found = '';
    for (const line of (await readFile(this.updates, 'utf8')).split('\n')) {
      if (!line.includes(prefix)) continue;
      const told = JSON.parse(line) as Told;
      const update = told.neighbor?.message?.update;
      if (told.neighbor?.address?.peer !== neighbor || update === undefined) continue;
      const gone = Object.values(update.withdraw ?? {}).flat();
      if (gone.some(({ nlri }) => nlri === prefix)) found = '';
      if (JSON.stringify(update.announce ?? {}).includes(`"${prefix}"`)) found = line;
    }
    return found;
  }

  /** How many path identifiers it was told of a prefix (RFC 7911). */
  async pathsFrom(neighbor: string, prefix: string): Promise<number> {
    const identifiers = new Set<string>();
    for (const line of (await readFile(this.updates, 'utf8')).split('\n')) {
      if (!line.includes(`"peer": "${neighbor}"`)) continue;
      for (const [, identifier] of line.matchAll(
        new RegExp(`"nlri": "${prefix}", "path-information": "([\\d.]+)"`, 'g'),
      )) {
        identifiers.add(identifier!);
      }
    }
    return identifiers.size;
  }

  /** How many UPDATEs it has told of from a neighbour. */
  async updatesFrom(neighbor: string): Promise<number> {
    const lines = (await readFile(this.updates, 'utf8')).split('\n');
    return lines.filter((line) => line.includes(`"peer": "${neighbor}"`) && line.includes('"announce"'))
      .length;
  }

  /** Gives it a command of its API. */
  async command(text: string): Promise<void> {
    await writeFile(this.commands, `${text}\n`);
  }

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
    return join(this.directory, 'exabgp.conf');
  }

  private get program(): string {
    return join(this.directory, 'watch.sh');
  }

  private get commands(): string {
    return join(this.directory, 'commands');
  }

  private get updates(): string {
    return join(this.directory, 'updates');
  }

  private async launch(): Promise<void> {
    await writeFile(this.updates, '');
    const child = spawnIn('exabgp', [this.file], {
      namespace: this.options.namespace,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        'exabgp.daemon.user': 'root',
        'exabgp.daemon.drop': 'false',
        'exabgp.log.destination': 'stdout',
        'exabgp.api.cli': 'false',
        'exabgp.api.ack': 'false',
        ...(process.env['DBG'] ? { 'exabgp.log.level': 'DEBUG', 'exabgp.log.all': 'true' } : {}),
      },
    });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.text += chunk.toString('utf8');
      });
    }
    await vi.waitFor(
      () => {
        if (!this.text.includes('loaded new configuration'))
          throw new Error(`ExaBGP does not start: ${this.text}`);
      },
      { timeout: 15_000, interval: 100 },
    );
  }
}
