/**
 * Random clusters, judged by the evaluator that `explain` uses, by an oracle that shares no code with it, and by the
 * kernel (design D12). More seeds: `npm run fuzz -- policy --seeds 5000 --kernel`.
 */
import { describe, expect, it } from 'vitest';
import type { EndpointWalk } from '../../src/explain/evaluate.ts';
import { commentText } from '../../src/nftables/names.ts';
import { KernelJudge } from '../fuzz/kernel-judge.ts';
import type { Defect } from '../fuzz/defect.ts';
import { defects } from '../fuzz/policy-defects.ts';
import {
  type FuzzOptions,
  describe as describeDisagreement,
  fuzzPolicy,
  minimize,
} from '../fuzz/policy-fuzz.ts';
import { calculate, evaluate, makeTrial } from '../fuzz/policy-trial.ts';
import { describeKernel } from './fixture-namespace.ts';

/** So many that every field of a rule hits. */
const seeds = 300;
const seedsToFindADefect = 300;
const packets = 100;
/** Seeds of what must agree and of what must not are apart, so that more is seen. */
const firstSeed = 1;
const firstSeedOfDefects = 100_000;
const firstSeedOfCounters = 200_000;
/** A workload sends VXLAN that policy allows. */
const seedOfTunnel = 1_103_740;

async function expectAgreement(options: Omit<FuzzOptions, 'packets'>): Promise<void> {
  const { disagreement, probes, passed, fields } = await fuzzPolicy({ ...options, packets });
  if (disagreement !== undefined) {
    expect.fail(describeDisagreement(await minimize(disagreement, options), options));
  }
  expect(passed / probes).toBeGreaterThan(0.25);
  expect(passed / probes).toBeLessThan(0.75);
  // Agreement about rules that never match would say little.
  const unseen = fields.entries().filter(([, { hits }]) => hits === 0);
  expect(unseen).toEqual([]);
  expect(fields.entries().length).toBeGreaterThan(40);
}

async function expectFound(defect: Defect): Promise<void> {
  const kernel = defect.kernel === undefined ? undefined : await KernelJudge.open(defect);
  try {
    const { disagreement } = await fuzzPolicy({
      firstSeed: firstSeedOfDefects,
      seeds: seedsToFindADefect,
      packets,
      defect,
      ...(kernel && { kernel }),
    });
    expect(disagreement).toBeDefined();
  } finally {
    kernel?.close();
  }
}

/** Comments of the rules that a packet is counted by on its way, up to the first that drops it. */
function countedBy(walks: readonly EndpointWalk[]): string[] {
  const comments: string[] = [];
  for (const { tiers, profiles, verdict, decidedBy, stage } of walks) {
    // What becomes of tunnels, and of packets of workloads to the host, is a rule, and no policy.
    if (stage === 'to-host' || stage === 'tunnel') comments.push(...decidedBy);
    for (const { rules, failClosed } of [...tiers.flatMap((tier) => tier.policies), ...profiles]) {
      if (failClosed !== undefined) comments.push(`fail closed: ${failClosed}`);
      for (const { id, outcome } of rules) if (outcome === 'hit') comments.push(id);
    }
    if (verdict === 'deny') {
      const [last] = decidedBy;
      if (/(end-of-tier|no-profile-match)$/.test(last!)) comments.push(last!);
      return comments.map(commentText);
    }
  }
  return comments.map(commentText);
}

describeKernel('policy of random clusters', () => {
  it('is the same to the kernel, the evaluator and the oracle', async () => {
    const kernel = await KernelJudge.open();
    try {
      await expectAgreement({ firstSeed, seeds, kernel });
    } finally {
      kernel.close();
    }
  }, 300_000);

  it('does not let a workload send VXLAN, to any of the three', async () => {
    const kernel = await KernelJudge.open();
    try {
      const found = await fuzzPolicy({ firstSeed: seedOfTunnel, seeds: 1, packets, kernel });
      expect(found.disagreement).toBeUndefined();
      expect(found.fields.entries().map(([field]) => field)).toContain('tunnel egress: deny');
    } finally {
      kernel.close();
    }
  }, 60_000);

  it('is decided in the kernel by the rules that the evaluator names: their counters say so', async () => {
    const kernel = await KernelJudge.open();
    try {
      for (let seed = firstSeedOfCounters; seed < firstSeedOfCounters + 15; seed++) {
        const { documents, packets: some } = makeTrial(seed, 12);
        const evaluations = evaluate(calculate(documents), some);
        await kernel.judge(documents, [], []);
        let before = await kernel.lab.counters();
        for (const [index, packet] of some.entries()) {
          const { walks, allowed } = evaluations[index]!;
          await kernel.lab.probe([packet], [allowed]);
          const after = await kernel.lab.counters();
          // Staged policies count without deciding: the evaluator does not walk them.
          const counted = [...after].filter(
            ([comment, packetsNow]) =>
              packetsNow > (before.get(comment) ?? 0) && !/^[^/]*\/Staged/.test(comment),
          );
          expect(new Set(counted.map(([comment]) => comment)), JSON.stringify(packet)).toEqual(
            new Set(countedBy(walks)),
          );
          before = after;
        }
      }
    } finally {
      kernel.close();
    }
  }, 60_000);

  describe('shows a planted defect', () => {
    it.each(defects)('$name', expectFound, 60_000);
  });
});
