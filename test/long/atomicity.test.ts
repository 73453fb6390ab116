import { expect, it } from 'vitest';
import { runAtomicity } from '../atomicity/run.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';

describeKernel('5,000 changes of policy and endpoints under constant probing', () => {
  it.each([
    { tableOwnership: true, seed: 1000 },
    { tableOwnership: false, seed: 2000 },
  ])('show no state but those asked for (table owned: $tableOwnership)', async (options) => {
    const report = await runAtomicity({ ...options, changes: 5000, flows: 40 });
    console.log(JSON.stringify(report));
    expect(report.wrong).toEqual([]);
    expect(report.lostInFlight).toBeLessThan(3 + report.inFlight / 100_000);
    expect(report.lostBetweenWorlds).toBeLessThan(10 + report.inFlight / 10_000);
    expect(report.flips).toBeGreaterThan(5000);
    expect(report.judged).toBeGreaterThan(50_000);
  });
});
