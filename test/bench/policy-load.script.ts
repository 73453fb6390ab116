/**
 * Cold start: from the desired table to the kernel's acknowledgement of all of it, against the same table through
 * `nft -f`, and against a Felix-shaped table from the same resources. Also from resources to desired table.
 *
 *   npm run bench -- policy-load [--pods N] [--policies N] [--local N] [--runs N]
 */
import { felixShaped } from './felix-shaped.ts';
import { median, numberFlags, report } from './report.ts';
import { BenchNode, benchNamespace, nftFile, tableText } from './stage.ts';

const flags = numberFlags({ pods: 10_000, policies: 1_000, local: 100, runs: 5 });
const size = { pods: flags.pods, policies: flags.policies, local: flags.local };

const times = {
  calculation: [] as number[],
  ours: [] as number[],
  nft: [] as number[],
  felix: [] as number[],
};
let objects = '';
for (let run = 0; run <= flags.runs; run++) {
  const namespace = benchNamespace();
  const node = new BenchNode(namespace);
  const start = performance.now();
  node.tell(size);
  const delta = node.calculate();
  const calculated = performance.now();
  await node.commit(delta);
  const committed = performance.now();
  const text = await tableText(namespace);
  const nft = await nftFile(benchNamespace(), [], text);
  // Slow: its anonymous sets make the kernel search for a free name, so one run in three.
  const felix = run % 3 === 1 ? await nftFile(benchNamespace(), [], felixShaped(delta)) : undefined;
  const { chains, sets } = node.ruleset();
  const rules = chains.reduce((sum, chain) => sum + chain.rules.length, 0);
  const elements = sets.reduce((sum, set) => sum + set.elements.length, 0);
  objects = `${chains.length} chains, ${rules} rules, ${sets.length} sets, ${elements} elements`;
  node.close();
  // The first run warms the machine up.
  if (run === 0) continue;
  times.calculation.push(calculated - start);
  times.ours.push(committed - calculated);
  times.nft.push(nft);
  if (felix !== undefined) times.felix.push(felix);
}

const notes = `${flags.pods} pods, ${flags.policies} policies, ${flags.local} local endpoints: ${objects}`;
const memory = { ours: Math.round(process.resourceUsage().maxRSS / 1_024) };
report({
  bench: 'policy-load',
  variant: 'table',
  unit: 'ms',
  ours: median(times.ours),
  peers: { nft: median(times.nft), 'felix-shaped': median(times.felix) },
  memory,
  runs: flags.runs,
  notes: `${notes}; rendering included; felix-shaped has IPv4 ingress only`,
});
report({
  bench: 'policy-load',
  variant: 'resources-to-table',
  unit: 'ms',
  ours: median(times.calculation.map((value, run) => value + times.ours[run]!)),
  peers: {},
  memory,
  runs: flags.runs,
  notes: `${notes}; of it the calculation: ${median(times.calculation).toFixed(0)} ms`,
});
process.exit(0);
