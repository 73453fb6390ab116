/**
 * A local pod appears: from the changed resource to the kernel's acknowledgement, against the same change through
 * `nft -j -f`; and how that grows with ten times the policies. One variant ends with the first packet that the new
 * pod gets.
 *
 *   npm run bench -- policy-update [--pods N] [--policies N] [--local N] [--runs N] [--scale N]
 */
import { firstPacketTo } from './packets.ts';
import { CLIENTS, SERVICE_PORT, pod, podAddress, podInterface, policy } from './policy-world.ts';
import { median, numberFlags, report } from './report.ts';
import { BenchNode, benchNamespace, makeRow, nftFile, tableText } from './stage.ts';
import { nftDelta } from './nft-peer.ts';

const flags = numberFlags({ pods: 10_000, policies: 1_000, local: 100, runs: 100, 'nft-runs': 7, scale: 10 });

interface Timed {
  readonly calculation: number;
  readonly enforced: number;
}

async function timed(node: BenchNode, change: () => void): Promise<Timed> {
  const before = performance.now();
  change();
  const calculated = performance.now();
  await node.apply();
  return { calculation: calculated - before, enforced: performance.now() - before };
}

interface Measured {
  readonly appears: readonly number[];
  readonly disappears: readonly number[];
  readonly policyChanges: readonly number[];
  readonly nft: { readonly appears: readonly number[]; readonly policyChanges: readonly number[] };
  readonly operations: number;
}

async function measure(policies: number, withNft: boolean): Promise<Measured> {
  const size = { pods: flags.pods, policies, local: flags.local };
  const node = new BenchNode(benchNamespace());
  node.tell(size);
  await node.apply();
  const fresh = (run: number) => pod(flags.pods + run, true);
  const appears: number[] = [];
  const disappears: number[] = [];
  const policyChanges: number[] = [];
  const deltas: { appears: string; disappears: string }[] = [];
  let operations = 0;
  for (let run = 0; run < flags.runs; run++) {
    appears.push((await timed(node, () => node.put(fresh(run)))).enforced);
    operations = node.operations.length;
    const added = nftDelta(node.operations);
    disappears.push((await timed(node, () => node.remove(fresh(run)))).enforced);
    if (deltas.length < flags['nft-runs'])
      deltas.push({ appears: added, disappears: nftDelta(node.operations) });
  }
  const changed = policies >> 1;
  for (let run = 1; run <= Math.min(flags.runs, 20); run++) {
    policyChanges.push((await timed(node, () => node.put(policy(changed, size, run)))).enforced);
  }
  const nft = { appears: [] as number[], policyChanges: [] as number[] };
  if (withNft) {
    const peer = benchNamespace();
    await nftFile(peer, [], await tableText(node.namespace));
    for (const delta of deltas) {
      nft.appears.push(await nftFile(peer, ['-j'], delta.appears));
      await nftFile(peer, ['-j'], delta.disappears);
    }
  }
  node.close();
  return { appears, disappears, policyChanges, nft, operations };
}

/** From the changed resource to a packet that the new pod has got: sent once the kernel has acknowledged. */
async function measurePacket(): Promise<number[]> {
  const size = { pods: flags.pods, policies: flags.policies, local: flags.local };
  const index = flags.pods;
  const row = await makeRow(podInterface(index), podAddress(index), CLIENTS);
  const node = new BenchNode(row.node);
  node.tell(size);
  await node.apply();
  const times: number[] = [];
  const arrival = firstPacketTo(row, podAddress(index), SERVICE_PORT);
  for (let run = 0; run < flags.runs; run++) {
    if (await arrival.arrives()) throw new Error('the pod got a packet before it appeared');
    const before = performance.now();
    node.put(pod(index, true));
    await node.apply();
    if (!(await arrival.arrives())) throw new Error('the pod did not get its packet');
    times.push(performance.now() - before);
    node.remove(pod(index, true));
    await node.apply();
  }
  arrival.close();
  node.close();
  return times;
}

const notes = `${flags.pods} pods, ${flags.policies} policies, ${flags.local} local endpoints`;
const once = await measure(flags.policies, true);
const packet = await measurePacket();
const tenfold = await measure(flags.policies * flags.scale, false);
const scaling = (name: 'appears' | 'disappears' | 'policyChanges'): number =>
  median(tenfold[name]) / median(once[name]);

report({
  bench: 'policy-update',
  variant: 'pod-appears',
  unit: 'ms',
  ours: median(once.appears),
  peers: { nft: median(once.nft.appears) },
  scaling: scaling('appears'),
  runs: flags.runs,
  notes: `${notes}; ${once.operations} operations; median at ten times the policies ${median(tenfold.appears).toFixed(3)} ms`,
});
report({
  bench: 'policy-update',
  variant: 'pod-appears-first-packet',
  unit: 'ms',
  ours: median(packet),
  peers: { nft: median(once.nft.appears) },
  runs: flags.runs,
  notes: `${notes}; ends when the pod has got a packet; nft ends with its acknowledgement`,
});
report({
  bench: 'policy-update',
  variant: 'pod-disappears',
  unit: 'ms',
  ours: median(once.disappears),
  peers: {},
  scaling: scaling('disappears'),
  runs: flags.runs,
  notes,
});
report({
  bench: 'policy-update',
  variant: 'policy-changes',
  unit: 'ms',
  ours: median(once.policyChanges),
  peers: {},
  scaling: scaling('policyChanges'),
  runs: Math.min(flags.runs, 20),
  notes: `${notes}; the ports of one policy move`,
});
process.exit(0);
