/** Debian's GoBGP in a network namespace, asked with gobgp. */
import { writeFile } from 'node:fs/promises';
import { run, runChecked } from '../../src/sys/process.ts';
import { Daemon } from './fixture-daemon.ts';

export interface GobgpOptions {
  readonly namespace: string;
  /** The whole configuration. */
  readonly config: object;
  /** What `gobgp global rib add` is told, route by route; the family is that of the prefix. */
  readonly routes: readonly (readonly string[])[];
}

export class Gobgp extends Daemon {
  private constructor(private readonly options: GobgpOptions) {
    super('gobgp', options.namespace);
  }

  /** Starts it and waits until it answers and has its routes. Call {@link stop} in the end. */
  static start(options: GobgpOptions): Promise<Gobgp> {
    const gobgp = new Gobgp(options);
    return gobgp.orStop(async () => {
      await writeFile(gobgp.file, JSON.stringify(options.config));
      await gobgp.run([]);
    });
  }

  /** What `gobgp` prints for a command. */
  async ask(...command: string[]): Promise<string> {
    const { stdout, stderr } = await run('gobgp', command, { namespace: this.namespace });
    return stdout + stderr;
  }

  /** What it has of a prefix from a neighbour, as JSON text; empty if nothing. */
  async received(neighbor: string, prefix: string): Promise<string> {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
    const text = await this.ask('neighbor', neighbor, 'adj-in', '-a', family, '-j', prefix);
    return text.includes(prefix) ? text : '';
  }

  /** Starts it again after {@link kill}, as one that has restarted (`-r`). */
  restart(): Promise<void> {
    return this.run(['-r']);
  }

  private get file(): string {
    return this.path('gobgpd.json');
  }

  private async run(flags: readonly string[]): Promise<void> {
    const args = ['-f', this.file, '-t', 'json', '--pprof-disable', '--api-hosts', '127.0.0.1:50051'];
    await this.launch('gobgpd', [...args, ...flags], async () => (await this.ask('global')).includes('AS:'));
    for (const route of this.options.routes) {
      const family = route[0]!.includes(':') ? 'ipv6' : 'ipv4';
      await runChecked('gobgp', ['global', 'rib', 'add', '-a', family, ...route], {
        namespace: this.namespace,
      });
    }
  }
}
