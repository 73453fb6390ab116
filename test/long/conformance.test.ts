import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { Family } from '../../src/net/address.ts';
import { runSuite } from '../../src/lab/conformance.ts';
import { DISTURBANCES } from '../../src/lab/conformance-disturbance.ts';
import { formatCase, formatTotals } from '../../src/lab/conformance-report.ts';
import { parseSuite } from '../../src/lab/conformance-format.ts';
import { calicoSuite } from '../conformance/calico.ts';
import { clusterSuite } from '../conformance/cluster.ts';
import { kubernetesSuite } from '../conformance/kubernetes.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { uniqueLabName, useLabs } from '../kernel/lab-fixture.ts';

/** Kubernetes' own network policy tests, which lie beside the repository and not in it. */
const FILE = resolve(import.meta.dirname, '../../../shared/conformance/k8s-netpol-e2e.json');

const suites = [
  ...(existsSync(FILE) ? [parseSuite(JSON.parse(readFileSync(FILE, 'utf8')), FILE)] : []),
  ...[kubernetesSuite, calicoSuite, clusterSuite].map((document) => parseSuite(document, document.name)),
];
/** Cases that are about what crosses an interface of a host, which between pods on one host nothing does. */
const ACROSS_HOSTS: ReadonlySet<string> = new Set([
  'a host endpoint guards what is forwarded only where policy says so',
]);
const families: Readonly<Record<string, readonly Family[]>> = { v4: [4], v6: [6], dual: [4, 6] };

const runs = Object.keys(families).flatMap((family) =>
  [1, 3].flatMap((nodes) =>
    [undefined, ...DISTURBANCES].flatMap((disturbance) =>
      // A flush passes by a table that is owned, and hits one that is not: both must hold.
      (disturbance === 'flush' ? [true, false] : [true]).map((owned) => ({
        family,
        nodes,
        disturbance,
        owned,
      })),
    ),
  ),
);

describeKernel('every suite, on one host and across hosts, by family, undisturbed and disturbed', () => {
  const bench = useLabs();

  it('has the tests of Kubernetes', () => {
    expect(suites.map(({ cases }) => cases.length)[0]).toBe(48);
    expect(suites).toHaveLength(4);
    const names = suites.flatMap(({ cases }) => cases.map(({ name }) => name));
    expect([...ACROSS_HOSTS].filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each(runs)(
    '$family on $nodes hosts, disturbed by $disturbance, tables owned: $owned',
    async ({ family, nodes, disturbance, owned }) => {
      for (const whole of suites) {
        const cases = whole.cases.filter(({ name }) => nodes > 1 || !ACROSS_HOSTS.has(name));
        const suite = { ...whole, cases };
        const result = await runSuite(suite, {
          ...bench.options,
          families: families[family]!,
          nodes,
          labName: uniqueLabName(),
          selfTest: false,
          ...(disturbance === undefined ? {} : { disturbance }),
          agentOptions: owned ? [] : ['--no-table-ownership'],
        });
        console.log(
          `${suite.name}, ${family}, ${nodes} hosts, ${disturbance ?? 'undisturbed'}: ${formatTotals(result)}`,
        );
        expect(result.cases.filter(({ outcome }) => outcome !== 'passed').map(formatCase)).toEqual([]);
      }
    },
  );
});
