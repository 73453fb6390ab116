import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { runSuite } from '../../src/lab/conformance.ts';
import { formatCase, suiteTotals } from '../../src/lab/conformance-report.ts';
import { parseSuite } from '../../src/lab/conformance-format.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { uniqueLabName, useLabs } from '../kernel/lab-fixture.ts';

/** Kubernetes' own network policy tests, which lie beside the repository and not in it. */
const FILE = resolve(import.meta.dirname, '../../../shared/conformance/k8s-netpol-e2e.json');

describeKernel("Kubernetes' own network policy tests", () => {
  const bench = useLabs();

  it.skipIf(!existsSync(FILE) && process.env['CI'] !== 'true')(
    'pass on three nodes in both families, each probe sent once',
    async () => {
      const suite = parseSuite(JSON.parse(readFileSync(FILE, 'utf8')), FILE);
      const result = await runSuite(suite, {
        ...bench.options,
        families: [4, 6],
        nodes: 3,
        labName: uniqueLabName(),
        selfTest: false,
      });
      const failed = result.cases.filter(({ outcome }) => outcome === 'failed');
      expect(failed.map(formatCase)).toEqual([]);
      expect(suiteTotals(result).passed).toBeGreaterThanOrEqual(45);
    },
  );
});
