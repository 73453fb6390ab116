import { expect, it } from 'vitest';
import { runSuite } from '../../src/lab/conformance.ts';
import { DISTURBANCES } from '../../src/lab/conformance-disturbance.ts';
import { formatCase, suiteTotals } from '../../src/lab/conformance-report.ts';
import { parseSuite } from '../../src/lab/conformance-format.ts';
import { kubernetesSuite } from '../conformance/kubernetes.ts';
import { describeKernel } from './fixture-namespace.ts';
import { uniqueLabName, useLabs } from './lab-fixture.ts';

describeKernel('a suite whose every step is disturbed', () => {
  const bench = useLabs();

  it.each(DISTURBANCES)('passes all the same: %s', async (disturbance) => {
    const suite = parseSuite(kubernetesSuite, disturbance);
    const result = await runSuite(suite, {
      ...bench.options,
      families: [4, 6],
      nodes: 2,
      only: /labels of pods|add up/,
      labName: uniqueLabName(),
      selfTest: false,
      disturbance,
      agentOptions: ['--no-table-ownership'],
    });
    expect(result.cases.filter(({ outcome }) => outcome !== 'passed').map(formatCase)).toEqual([]);
    expect(suiteTotals(result)).toMatchObject({ passed: 2, probes: 400 });
  });
});
