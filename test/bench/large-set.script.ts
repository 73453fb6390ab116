/**
 * A network set of many CIDRs: from the resource to the kernel's acknowledgement, and the same when one CIDR of it
 * changes; against the same elements through `nft -f`.
 *
 *   npm run bench -- large-set [--cidrs N] [--runs N]
 */
import type { Resource } from '../../src/model/resource.ts';
import { nftDelta } from './nft-peer.ts';
import { pod } from './policy-world.ts';
import { median, numberFlags, report } from './report.ts';
import { BenchNode, benchNamespace, nftFile, tableText } from './stage.ts';

const flags = numberFlags({ cidrs: 100_000, runs: 7 });
const apiVersion = 'projectcalico.org/v3';

function networkSet(changed: number): Resource {
  const net = (index: number): string => `${index >> 16}.${(index >> 8) & 255}.${index & 255}.0/25`;
  const nets = Array.from({ length: flags.cidrs }, (_, index) => net((1 << 16) + 2 * index));
  nets[flags.cidrs >> 1] = net((1 << 16) + flags.cidrs + 2 * changed + 1);
  return {
    apiVersion,
    kind: 'GlobalNetworkSet',
    metadata: { name: 'feed', labels: { feed: 'x' } },
    spec: { nets },
  };
}

const denial: Resource = {
  apiVersion,
  kind: 'GlobalNetworkPolicy',
  metadata: { name: 'feed' },
  spec: {
    tier: 'default',
    selector: 'all()',
    types: ['Ingress'],
    ingress: [{ action: 'Deny', source: { selector: "feed == 'x'" } }, { action: 'Allow' }],
  },
};

const times = {
  load: [] as number[],
  change: [] as number[],
  nftLoad: [] as number[],
  nftChange: [] as number[],
};
for (let run = 0; run <= flags.runs; run++) {
  const node = new BenchNode(benchNamespace());
  node.put(denial);
  node.put(pod(1, true));
  await node.apply();
  const timed = async (resource: Resource): Promise<number> => {
    const before = performance.now();
    node.put(resource);
    await node.apply();
    return performance.now() - before;
  };
  const load = await timed(networkSet(0));
  const text = await tableText(node.namespace);
  const change = await timed(networkSet(run + 1));
  const peer = benchNamespace();
  const nftLoad = await nftFile(peer, [], text);
  const nftChange = await nftFile(peer, ['-j'], nftDelta(node.operations));
  node.close();
  // The first run warms the machine up.
  if (run === 0) continue;
  times.load.push(load);
  times.change.push(change);
  times.nftLoad.push(nftLoad);
  times.nftChange.push(nftChange);
}

const memory = { ours: Math.round(process.resourceUsage().maxRSS / 1_024) };
for (const [variant, ours, nft] of [
  ['load', times.load, times.nftLoad],
  ['one-cidr-changes', times.change, times.nftChange],
] as const) {
  report({
    bench: 'large-set',
    variant,
    unit: 'ms',
    ours: median(ours),
    peers: { nft: median(nft) },
    memory,
    runs: flags.runs,
    notes: `${flags.cidrs} CIDRs in one GlobalNetworkSet; ours from the resource, nft from the elements`,
  });
}
process.exit(0);
