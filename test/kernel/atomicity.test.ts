/** Many more changes: test/long/atomicity.test.ts. */
import { expect, it } from 'vitest';
import { runAtomicity } from '../atomicity/run.ts';
import { describeKernel } from './fixture-namespace.ts';

describeKernel('changes of policy and endpoints under constant probing', () => {
  it.each([
    { tableOwnership: true, seed: 1 },
    { tableOwnership: false, seed: 2 },
  ])('show no state but those asked for (table owned: $tableOwnership)', async (options) => {
    const report = await runAtomicity({ ...options, changes: 120, flows: 40 });
    console.log(JSON.stringify(report));
    expect(report.wrong).toEqual([]);
    expect(report.lostInFlight).toBeLessThan(3 + report.inFlight / 100_000);
    expect(report.lostBetweenWorlds).toBeLessThan(10 + report.inFlight / 10_000);
    expect(report.flips).toBeGreaterThan(200);
    expect(report.judged).toBeGreaterThan(3000);
  });

  it('would show a change that is made in two steps', async () => {
    const report = await runAtomicity({
      tableOwnership: true,
      seed: 3,
      changes: 60,
      flows: 40,
      inTwoSteps: true,
    });
    expect(report.lostInFlight).toBeGreaterThan(3 + report.inFlight / 100_000);
  });
});
