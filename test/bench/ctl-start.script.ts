/**
 * How long a whole `margayctl get` takes, process start to end, as a multiple of `node -e 0`: on a directory and on an
 * etcd, each with 20 policies. Both sides run in turn; the ratio is the median of the pairs' ratios. Arguments: pairs.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNamespace, deleteNamespace, inNamespace } from '../../src/sys/netns.ts';
import { run, runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { buildCtl } from '../interop/fixture-ctl-bundle.ts';

/** Issue 3: at most so many times `node -e 0`. */
const TARGETS = { directory: 2.1, etcd: 3.5 } as const;
const POLICIES = 20;

const pairs = Number(process.argv[2] ?? 31);
const folder = mkdtempSync(join(tmpdir(), 'margay-ctl-start-'));
const namespace = `mgb-${process.pid}`;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Milliseconds of a whole process. Throws when it fails: a fast failure would look good. */
function time(args: readonly string[], variables: NodeJS.ProcessEnv): number {
  return inNamespace(namespace, () => {
    const started = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, ...variables } });
    const took = performance.now() - started;
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr.toString()}`);
    return took;
  });
}

const policies = Array.from(
  { length: POLICIES },
  (_, index) =>
    `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: policy-${index}, namespace: shop}\n` +
    `spec: {order: ${index}, selector: app == "a${index}", ingress: [{action: Allow, protocol: TCP}]}\n`,
).join('---\n');

createNamespace(namespace);
const etcd = await (async () => {
  await runChecked('/usr/sbin/ip', ['link', 'set', 'lo', 'up'], { namespace });
  return spawnIn('/usr/bin/etcd', [`--data-dir=${join(folder, 'etcd')}`, '--log-level=error'], {
    namespace,
    stdio: 'ignore',
  });
})();
try {
  const program = await buildCtl(folder);
  const path = join(folder, 'directory');
  mkdirSync(path);
  const variants = {
    directory: { DATASTORE_TYPE: 'directory', DATASTORE_PATH: path },
    etcd: { DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: 'http://127.0.0.1:2379' },
  } as const;
  const deadline = performance.now() + 30_000;
  for (const variables of Object.values(variants)) {
    for (;;) {
      const applied = await run(process.execPath, [program, 'apply', '-f', '-'], {
        namespace,
        input: policies,
        env: { ...process.env, ...variables },
      });
      if (applied.status === 0) break;
      if (performance.now() > deadline) throw new Error(applied.stderr);
      await sleep(100);
    }
  }
  const idle = ['-e', '0'];
  const get = [program, 'get', 'networkpolicies', '-n', 'shop'];
  for (const [variant, variables] of Object.entries(variants)) {
    // The first pair warms the page cache up.
    time(idle, variables);
    time(get, variables);
    const runs = Array.from({ length: pairs }, () => {
      const base = time(idle, variables);
      const ours = time(get, variables);
      return { base, ours, times: ours / base };
    });
    const ours = median(runs.map((each) => each.ours));
    const node = median(runs.map((each) => each.base));
    const times = median(runs.map((each) => each.times));
    const target = TARGETS[variant as keyof typeof TARGETS];
    console.log(
      `get on ${variant.padEnd(10)}${ours.toFixed(1).padStart(8)} ms   node -e 0 ${node.toFixed(1).padStart(6)} ms   ` +
        `${times.toFixed(2)} times (target ${target})`,
    );
    const round = (value: number): number => Number(value.toPrecision(3));
    const result = {
      bench: 'ctl-start',
      variant,
      unit: 'times node -e 0',
      ours: round(times),
      peers: { target },
      ratio: { target: round(target / times) },
      runs: pairs,
      notes: `get of ${POLICIES} policies; ${round(ours)} ms beside ${round(node)} ms of node -e 0`,
    };
    console.log(`RESULT ${JSON.stringify(result)}`);
  }
} finally {
  await terminate(etcd);
  deleteNamespace(namespace);
  rmSync(folder, { recursive: true, force: true });
}
