/**
 * What `explain` says of every pair of every step of the policy suites is what the suite expects and what a probe sees,
 * and the rule that it names for a denied pair has counted the probe (design D12).
 */
import { expect, it } from 'vitest';
import { explain } from '../../src/explain/explanation.ts';
import type { PairResult } from '../../src/lab/connectivity.ts';
import { seen } from '../../src/lab/connectivity.ts';
import { type ProbingContext, runSuite } from '../../src/lab/conformance.ts';
import { formatCase } from '../../src/lab/conformance-report.ts';
import { parseSuite } from '../../src/lab/conformance-format.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { serviceText } from '../../src/lab/probe.ts';
import { machineOf } from '../../src/lab/plan.ts';
import { protocolNumbers } from '../../src/model/fields.ts';
import { isKnown } from '../../src/model/registry.ts';
import { commentText } from '../../src/nftables/names.ts';
import { runChecked } from '../../src/sys/process.ts';
import { calicoSuite } from '../conformance/calico.ts';
import { clusterSuite } from '../conformance/cluster.ts';
import { kubernetesSuite } from '../conformance/kubernetes.ts';
import { describeKernel } from './fixture-namespace.ts';
import { uniqueLabName, useLabs } from './lab-fixture.ts';

interface ListedRule {
  readonly comment?: string;
  readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
}

/** Packets that the rules of each comment have counted, on all hosts together. */
async function counts(lab: Lab): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const listings = await Promise.all(
    lab.nodes.map((node) =>
      runChecked('nft', ['-j', 'list', 'table', 'inet', 'margay'], {
        namespace: machineOf(lab.plan, node).namespace,
      }),
    ),
  );
  for (const listing of listings) {
    for (const { rule } of (JSON.parse(listing) as { nftables: readonly { rule?: ListedRule }[] }).nftables) {
      if (rule?.comment === undefined) continue;
      const packets = rule.expr.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
      sums.set(rule.comment, (sums.get(rule.comment) ?? 0) + packets);
    }
  }
  return sums;
}

interface Agreement {
  pairs: number;
  denied: number;
  readonly wrong: string[];
}

async function compare(
  { lab, test, step, set, families }: ProbingContext,
  probes: () => Promise<readonly PairResult[]>,
  agreement: Agreement,
): Promise<readonly PairResult[]> {
  const { datastore } = await lab.open();
  const resources = (await datastore.list()).resources.filter(isKnown);
  const before = await counts(lab);
  const results = await probes();
  const after = await counts(lab);
  const named = new Map<string, number>();
  const { protocol, icmp } = set.service;
  for (const result of results) {
    if (!families.includes(result.family)) continue;
    const party = (name: string) => {
      const [namespace, pod] = name.split('/') as [string, string];
      return { kind: 'workload', namespace, name: pod } as const;
    };
    const { verdict, paths } = explain(resources, {
      source: party(result.source),
      destination: party(result.destination),
      service: { ...set.service, protocol: icmp === undefined ? protocolNumbers[protocol] : 'icmp' },
      ...(icmp === undefined ? { sourcePort: 40_000 } : {}),
      family: result.family,
    });
    const expected = set.open.get(result.source)?.has(result.destination) === true ? 'allow' : 'deny';
    const probed = seen(result) === 'open' ? 'allow' : 'deny';
    agreement.pairs++;
    if (verdict !== expected || probed !== expected) {
      agreement.wrong.push(
        `${test}, step ${step}, IPv${result.family} ${serviceText(set.service)}, ${result.source} → ${result.destination}: explain ${verdict}, suite ${expected}, probe ${probed}`,
      );
    }
    if (verdict !== 'deny') continue;
    agreement.denied++;
    const comment = commentText(paths[0]!.decidedBy[0]!);
    named.set(comment, (named.get(comment) ?? 0) + 1);
  }
  for (const [comment, denied] of named) {
    const counted = (after.get(comment) ?? 0) - (before.get(comment) ?? 0);
    if (counted < denied) {
      agreement.wrong.push(
        `${test}, step ${step}: ${comment} is named for ${denied} denied probes and counted ${counted}`,
      );
    }
  }
  return results;
}

describeKernel('explain, beside every probe of', () => {
  const bench = useLabs();

  it.each([kubernetesSuite, calicoSuite, clusterSuite])('$name', async (document) => {
    const agreement: Agreement = { pairs: 0, denied: 0, wrong: [] };
    const result = await runSuite(parseSuite(document, document.name), {
      ...bench.options,
      families: [4, 6],
      nodes: 3,
      labName: uniqueLabName(),
      selfTest: false,
      around: (context, probes) => compare(context, probes, agreement),
    });
    expect(agreement.wrong).toEqual([]);
    expect(result.cases.filter(({ outcome }) => outcome !== 'passed').map(formatCase)).toEqual([]);
    console.log(`${document.name}: ${agreement.pairs} pairs, ${agreement.denied} denied`);
    expect(agreement.denied).toBeGreaterThan(100);
  });
});
