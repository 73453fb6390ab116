/**
 * From an agent's start to in-sync: a process of its own opens a datastore with many endpoints and policies and lists,
 * decodes, defaults and checks them all. On etcd, on a directory, and on a directory of files that no Margay has seen
 * yet (a fresh checkout of git), whose YAML has to be read.
 *
 *   npm run bench -- datastore-load [--endpoints N] [--policies N] [--runs N]
 */
import { type Plugin, build } from 'esbuild';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DatastoreConfig } from '../../src/datastore/config.ts';
import { OWN_FOLDER, pathOf } from '../../src/datastore/directory/layout.ts';
import { ETCD_TIMEOUTS } from '../../src/datastore/etcd/connections.ts';
import { EtcdTransport } from '../../src/datastore/etcd/transport.ts';
import { stampNew } from '../../src/datastore/stamp.ts';
import { encodeValue, etcdKey } from '../../src/model/keys.ts';
import { keyOf } from '../../src/model/resource.ts';
import { formatYaml } from '../../src/model/yaml.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { runChecked } from '../../src/sys/process.ts';
import { EtcdServer } from '../interop/etcd-server.ts';

import { joinNamespace } from './join-namespace.ts';
import { datastoreWorld } from './datastore-world.ts';
import { median, numberFlags, report } from './report.ts';

/** Issue 3: seconds from list to in-sync. */
const LIMITS = { etcd: 3, directory: 6, 'directory-checkout': 6 } as const;

/** etcd takes 128 operations in a transaction (`--max-txn-ops`). */
const AT_ONCE = 128;

const flags = numberFlags({ endpoints: 20_000, policies: 2_000, runs: 5 });
const world = datastoreWorld(flags.endpoints, flags.policies);
const folder = mkdtempSync(join(tmpdir(), 'margay-datastore-load-'));
const root = join(folder, 'datastore');
const namespace = `mgb-${process.pid}`;

/** In few large transactions: etcd syncs its disk at each. */
async function fillEtcd(endpoint: string): Promise<void> {
  const transport = await EtcdTransport.create(
    { type: 'etcdv3', endpoints: [endpoint] },
    { ...ETCD_TIMEOUTS, request: 60_000 },
  );
  for (let start = 0; start < world.length; start += AT_ONCE) {
    const success = world.slice(start, start + AT_ONCE).map((resource) => ({
      request_put: {
        key: Buffer.from(etcdKey(keyOf(resource))),
        value: Buffer.from(encodeValue(stampNew(resource))),
      },
    }));
    await transport.txn({ compare: [], success, failure: [] });
  }
  transport.close();
}

function fillDirectory(root: string): void {
  for (const resource of world) {
    const file = join(root, pathOf(keyOf(resource))!);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, formatYaml(resource));
  }
}

/** Bundled as the agent is. */
async function bundleProcess(): Promise<string> {
  const plugin = new URL('../../deploy/etcd3-lazy.mjs', import.meta.url).pathname;
  const { etcd3Lazy } = (await import(plugin)) as { etcd3Lazy: () => Plugin };
  const outfile = join(folder, 'load.cjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'datastore-load-process.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    plugins: [etcd3Lazy()],
    logLevel: 'warning',
  });
  return outfile;
}

interface Load {
  readonly milliseconds: number;
  /** Milliseconds of processor time. */
  readonly processor: number;
  readonly resources: number;
  readonly memory: number;
}

async function load(config: DatastoreConfig): Promise<Load> {
  const output = await runChecked(process.execPath, [program, JSON.stringify(config)], { timeout: 300_000 });
  const result = JSON.parse(output) as Load;
  if (result.resources !== world.length)
    throw new Error(`${result.resources} resources of ${world.length} came`);
  return result;
}

const program = await bundleProcess();
createNamespace(namespace);
await joinNamespace(namespace);
const etcd = await EtcdServer.start();
try {
  await fillEtcd(etcd.endpoint);
  fillDirectory(root);
  const directory: DatastoreConfig = { type: 'directory', path: root };
  const variants: Readonly<Record<keyof typeof LIMITS, () => DatastoreConfig>> = {
    etcd: () => ({ type: 'etcdv3', endpoints: [etcd.endpoint] }),
    'directory-checkout': () => {
      rmSync(join(root, OWN_FOLDER), { recursive: true, force: true });
      return directory;
    },
    directory: () => directory,
  };
  for (const [variant, configOf] of Object.entries(variants)) {
    const loads: Load[] = [];
    // The first run warms the machine up.
    for (let run = 0; run <= flags.runs; run++) {
      const result = await load(configOf());
      if (run > 0) loads.push(result);
    }
    report({
      bench: 'datastore-load',
      variant,
      unit: 's',
      ours: median(loads.map(({ milliseconds }) => milliseconds / 1_000)),
      peers: { target: LIMITS[variant as keyof typeof LIMITS] },
      memory: { ours: median(loads.map(({ memory }) => memory)) },
      runs: flags.runs,
      notes: `${flags.endpoints} workload endpoints, ${flags.policies} policies; list to in-sync in a process of its own, ${median(loads.map(({ processor }) => processor / 1_000)).toFixed(1)} s of processor time`,
    });
  }
} finally {
  await etcd.dispose();
  deleteNamespace(namespace);
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
