/**
 * New flows and new connections per second to a pod under 1, 100 and 1,000 policies, where the last rule decides:
 * against the same pod without any policy, a Felix-shaped table from the same resources, and no table at all. All
 * take turns in one run.
 *
 *   npm run bench -- first-packet [--pods N] [--policies N] [--local N] [--runs N] [--flows N]
 */
import { FlowStream } from './packets.ts';
import { CLIENTS, SERVICE_PORT, podAddress, podInterface, type WorldSize } from './policy-world.ts';
import { median, numberFlags, report } from './report.ts';
import { BenchNode, type Row, makeRow, nftFile } from './stage.ts';
import { felixShaped } from './felix-shaped.ts';

const flags = numberFlags({
  pods: 10_000,
  policies: 1_000,
  local: 100,
  runs: 7,
  flows: 5_000,
});

type Kind = 'udp' | 'tcp';
const KINDS: readonly Kind[] = ['udp', 'tcp'];

interface Lane {
  readonly name: string;
  readonly streams: Readonly<Record<Kind, FlowStream>>;
  readonly rates: Readonly<Record<Kind, number[]>>;
}

type Prepare = (row: Row) => Promise<void>;

async function lane(name: string, prepare: Prepare): Promise<Lane> {
  const row = await makeRow(podInterface(1), podAddress(1), CLIENTS);
  await prepare(row);
  const stream = (kind: Kind): FlowStream => new FlowStream(kind, row, podAddress(1), SERVICE_PORT);
  return { name, streams: { udp: stream('udp'), tcp: stream('tcp') }, rates: { udp: [], tcp: [] } };
}

function world(policies: number, netsWithoutPorts = false): WorldSize {
  return { pods: flags.pods, policies, local: flags.local, netsWithoutPorts };
}

const ours =
  (size: WorldSize): Prepare =>
  async ({ node }) => {
    const bench = new BenchNode(node);
    bench.tell(size);
    await bench.apply();
    bench.close();
  };

const felix =
  (size: WorldSize): Prepare =>
  async ({ node }) => {
    const bench = new BenchNode(node);
    bench.tell(size);
    await nftFile(node, [], felixShaped(bench.calculate()));
  };

const counts = [...new Set([1, Math.max(1, flags.policies / 10), flags.policies].map(Math.floor))];
const lanes = [
  await lane('veth', () => Promise.resolve()),
  await lane('no-policy', ours(world(0))),
  await lane('nets-without-ports', ours(world(flags.policies, true))),
];
for (const count of counts) {
  lanes.push(await lane(`ours-${count}`, ours(world(count))));
  lanes.push(await lane(`felix-shaped-${count}`, felix(world(count))));
}

// The first round warms caches up.
for (let run = 0; run <= flags.runs; run++) {
  for (const { streams, rates } of lanes) {
    for (const kind of KINDS) {
      const rate = streams[kind].run(flags.flows);
      if (run > 0) rates[kind].push(rate);
    }
  }
}

const rate = (name: string, kind: Kind): number =>
  median(lanes.find((one) => one.name === name)!.rates[kind]);

const variants = [
  ...counts.map((count) => ({ name: `ours-${count}`, count, label: `${count}-policies` })),
  {
    name: 'nets-without-ports',
    count: flags.policies,
    label: `${flags.policies}-policies-nets-without-ports`,
  },
];
for (const { name, count, label } of variants) {
  for (const kind of KINDS) {
    report({
      bench: 'first-packet',
      variant: `${kind}-${label}`,
      unit: kind === 'udp' ? 'packets/s' : 'connections/s',
      ours: rate(name, kind),
      peers: {
        'no-policy': rate('no-policy', kind),
        'felix-shaped': rate(`felix-shaped-${count}`, kind),
        veth: rate('veth', kind),
      },
      runs: flags.runs,
      notes: `${flags.pods} pods, ${count} policies, all of which apply; the last rule decides; hand-made first packets, one flow each`,
    });
  }
}
process.exit(0);
