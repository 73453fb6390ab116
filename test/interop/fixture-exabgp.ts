/** Debian's ExaBGP in a network namespace. What it receives is written by its API process, which also takes commands. */
import { readFile, writeFile } from 'node:fs/promises';
import { runChecked } from '../../src/sys/process.ts';
import { Daemon } from './fixture-daemon.ts';

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

/** What it needs to stay in the foreground as root, and to take commands without a word of thanks. */
const ENVIRONMENT = {
  'exabgp.daemon.user': 'root',
  'exabgp.daemon.drop': 'false',
  'exabgp.log.destination': 'stdout',
  'exabgp.api.cli': 'false',
  'exabgp.api.ack': 'false',
};

export class Exabgp extends Daemon {
  private constructor(namespace: string) {
    super('exabgp', namespace);
  }

  /** Starts it and waits until its process runs. Call {@link stop} in the end. */
  static start({ namespace, neighbors }: ExabgpOptions): Promise<Exabgp> {
    const exabgp = new Exabgp(namespace);
    return exabgp.orStop(async () => {
      await runChecked('mkfifo', [exabgp.commands]);
      // Reads what ExaBGP tells, and says to it what is written to the pipe.
      await writeFile(
        exabgp.program,
        `#!/bin/sh\nexec 3<>${exabgp.commands}\ncat <&3 &\nfeeder=$!\ntrap 'kill $feeder' EXIT INT TERM HUP\ncat >> ${exabgp.updates}\n`,
        { mode: 0o755 },
      );
      const watcher = `process watcher {\n  run /bin/sh ${exabgp.program};\n  encoder json;\n}\n`;
      await writeFile(exabgp.file, watcher + neighbors.join('\n'));
      await exabgp.restart();
    });
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

  /** Starts it again after {@link kill}. */
  async restart(): Promise<void> {
    await writeFile(this.updates, '');
    await this.launch(
      'exabgp',
      [this.file],
      () => this.log.includes('loaded new configuration'),
      ENVIRONMENT,
    );
  }

  private get file(): string {
    return this.path('exabgp.conf');
  }

  private get program(): string {
    return this.path('watch.sh');
  }

  private get commands(): string {
    return this.path('commands');
  }

  private get updates(): string {
    return this.path('updates');
  }
}
