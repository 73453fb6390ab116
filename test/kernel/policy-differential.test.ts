/**
 * Random clusters, judged by the evaluator that `explain` uses, by an oracle that shares no code with it, and by the
 * kernel (design D12). More seeds: `npm run fuzz -- policy --seeds 5000 --kernel`.
 */
import { describe, expect, it } from 'vitest';
import { KernelJudge } from '../fuzz/kernel-judge.ts';
import { type Defect, defects } from '../fuzz/policy-defects.ts';
import {
  type FuzzOptions,
  describe as describeDisagreement,
  fuzzPolicy,
  minimize,
} from '../fuzz/policy-fuzz.ts';
import { describeKernel } from './fixture-namespace.ts';

const seeds = 200;
const seedsToFindADefect = 300;
const packets = 100;
/** Seeds of what must agree and of what must not are apart, so that more is seen. */
const firstSeed = 1;
const firstSeedOfDefects = 100_000;

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

describeKernel('policy of random clusters', () => {
  it('is the same to the kernel, the evaluator and the oracle', async () => {
    const kernel = await KernelJudge.open();
    try {
      await expectAgreement({ firstSeed, seeds, kernel });
    } finally {
      kernel.close();
    }
  }, 180_000);

  describe('shows a planted defect', () => {
    it.each(defects)('$name', expectFound, 60_000);
  });
});
