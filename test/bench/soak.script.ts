/**
 * Random updates of pods and policies for as long as it takes, each committed to the kernel: the agent's memory must
 * not grow. Memory is measured after a collection; the slope is that of a line through the last half.
 *
 *   npm run bench -- soak [--pods N] [--policies N] [--local N] [--updates N]
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pod, policy } from './policy-world.ts';
import { numberFlags, report } from './report.ts';
import { BenchNode, benchNamespace } from './stage.ts';

const flags = numberFlags({ pods: 10_000, policies: 1_000, local: 100, updates: 100_000, seed: 1 });
const SAMPLES = 40;
/** Bytes for each update that count as none: a leak of one small object would be more. */
const TARGET = 16;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Numbers below `limit`, the same for the same seed (mulberry32). */
function randomBelow(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** The slope of the least-squares line. */
function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
  const above = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
}

const size = { pods: flags.pods, policies: flags.policies, local: flags.local };
const node = new BenchNode(benchNamespace());
node.tell(size);
await node.apply();
const below = randomBelow(flags.seed);
const samples: { x: number; y: number; heap: number }[] = [];
const started = performance.now();
for (let update = 0; update <= flags.updates; update++) {
  if (update % Math.ceil(flags.updates / SAMPLES) === 0) {
    collect();
    const { rss, heapUsed } = process.memoryUsage();
    samples.push({ x: update, y: rss, heap: heapUsed });
  }
  const index = below(flags.pods);
  const kind = below(100);
  if (kind < 45) node.remove(pod(index, index < flags.local));
  else if (kind < 95) node.put(pod(index, index < flags.local));
  else node.put(policy(below(flags.policies), size, below(50)));
  await node.apply();
}
const seconds = (performance.now() - started) / 1_000;
const last = samples.slice(samples.length >> 1);
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
report({
  bench: 'soak',
  variant: 'rss-slope',
  unit: 'bytes/update',
  ours: slope(last),
  peers: { target: TARGET },
  memory: { ours: Math.round(process.resourceUsage().maxRSS / 1_024) },
  runs: 1,
  notes:
    `${flags.updates} updates in ${seconds.toFixed(0)} s at ${flags.pods} pods, ${flags.policies} policies; after collections: ` +
    `RSS ${mebibytes(last[0]!.y)} to ${mebibytes(last.at(-1)!.y)} MiB, heap ${mebibytes(last[0]!.heap)} to ${mebibytes(last.at(-1)!.heap)} MiB`,
});
process.exit(0);
