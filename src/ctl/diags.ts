/** `margayctl node diags` and `margayctl cluster diags`: what somebody who helps would ask for, in one archive. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError, describeError } from '../base/errors.ts';
import { requestLocal } from '../base/local-api.ts';
import { VERSION } from '../base/version.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { type AgentPlace, agentSocket } from './agent-socket.ts';
import { checkSystem, readSystem } from './check-system.ts';
import { writeWhole } from './files.ts';
import { cargoOf, exportText } from './migrate.ts';
import type { Outcome } from './outcome.ts';
import { type TarFile, tarArchive } from './tar.ts';

/** What the kernel says of the network, without any program run. */
const KERNEL_FILES = [
  'proc/version',
  'proc/cmdline',
  'proc/uptime',
  'proc/loadavg',
  'proc/meminfo',
  'proc/modules',
  'proc/net/dev',
  'proc/net/route',
  'proc/net/ipv6_route',
  'proc/net/fib_trie',
  'proc/net/if_inet6',
  'proc/net/arp',
  'proc/net/tcp',
  'proc/net/tcp6',
  'proc/net/udp',
  'proc/net/udp6',
  'proc/net/snmp',
  'proc/net/snmp6',
  'proc/net/netstat',
  'proc/net/stat/nf_conntrack',
  'proc/sys/net/ipv4/ip_forward',
  'proc/sys/net/ipv6/conf/all/forwarding',
  'proc/sys/net/netfilter/nf_conntrack_count',
  'proc/sys/net/netfilter/nf_conntrack_max',
  'etc/os-release',
] as const;

const AGENT_QUESTIONS = ['/status', '/routes'] as const;

/** Only the end of a longer log is taken. */
const LOG_LIMIT = 8 * 1024 * 1024;

export interface DiagsOptions {
  /** Where to write; a name with host and time in the current folder when left out. */
  readonly output?: string;
  readonly now: Date;
}

export interface NodeDiagsOptions extends DiagsOptions, AgentPlace {
  readonly logDir: string;
}

/** Collects; what cannot be read is told in `problems.txt` and does not stop the rest. */
class Collection {
  private readonly files: TarFile[] = [];
  private readonly problems: string[] = [];

  async add(name: string, read: () => string | Buffer | Promise<string | Buffer>): Promise<void> {
    try {
      this.files.push({ name, content: await read() });
    } catch (error) {
      this.problems.push(`${name}: ${describeError(error)}`);
    }
  }

  write(title: string, { output, now }: DiagsOptions): Outcome {
    const stamp = now.toISOString().replace(/[-:]|\.\d+/g, '');
    const folder = `margay-${title}-${stamp}`;
    const file = output ?? `${folder}.tar.gz`;
    const notes = [`margayctl ${VERSION}`, now.toISOString(), hostname(), ...this.problems];
    const all = [{ name: 'problems.txt', content: `${notes.join('\n')}\n` }, ...this.files];
    const archive = tarArchive(
      all.map(({ name, content }) => ({ name: `${folder}/${name}`.slice(0, 100), content })),
      now.getTime() / 1000,
    );
    writeWhole(file, gzipSync(archive));
    const lost = this.problems.length;
    const note = lost === 0 ? '' : ` (${lost} could not be read: see problems.txt in it)`;
    return {
      output: `Collected ${this.files.length} files${note}\nDiags saved to ${file}\n`,
      errors: '',
      exitCode: 0,
    };
  }
}

/** This node: kernel, agent, logs, and the resources if the datastore can be reached. */
export async function nodeDiags(
  options: NodeDiagsOptions,
  withDatastore: (work: (datastore: Datastore) => Promise<void>) => Promise<void>,
): Promise<Outcome> {
  const collection = new Collection();
  await collection.add('checksystem.txt', () => {
    const { output, errors } = checkSystem(readSystem());
    return output + errors;
  });
  for (const file of KERNEL_FILES) await collection.add(file, () => readFileSync(join('/', file)));
  for (const path of AGENT_QUESTIONS) {
    await collection.add(`agent${path}.json`, async () =>
      JSON.stringify(await requestLocal(agentSocket(options), path), null, 2),
    );
  }
  for (const name of existsSync(options.logDir) ? readdirSync(options.logDir) : []) {
    const file = join(options.logDir, name);
    if (statSync(file).isFile())
      await collection.add(`logs/${name}`, () => readFileSync(file).subarray(-LOG_LIMIT));
  }
  await addResources(collection, withDatastore);
  return collection.write(`diags-${hostname()}`, options);
}

/** The cluster as its datastore has it. */
export async function clusterDiags(
  options: DiagsOptions,
  withDatastore: (work: (datastore: Datastore) => Promise<void>) => Promise<void>,
): Promise<Outcome> {
  const collection = new Collection();
  const found = await addResources(collection, withDatastore);
  if (!found) {
    throw new ConfigError('ctl.diags', 'the datastore cannot be read, and there is nothing else to collect', {
      fix: 'run `margayctl get clusterinformation` to see why; on a node, `margayctl node diags` collects the rest',
    });
  }
  return collection.write('cluster-diags', options);
}

async function addResources(
  collection: Collection,
  withDatastore: (work: (datastore: Datastore) => Promise<void>) => Promise<void>,
): Promise<boolean> {
  let read = false;
  await collection.add('resources.yaml', async () => {
    let text = '';
    await withDatastore(async (datastore) => {
      const cargo = await cargoOf(datastore);
      text =
        cargo.errors.map((error) => `# ${error.replaceAll('\n', '\n# ')}\n`).join('') + exportText(cargo);
      read = true;
    });
    return text;
  });
  return read;
}
