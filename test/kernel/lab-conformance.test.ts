import { expect, it } from 'vitest';
import { type CaseResult, runSuite } from '../../src/lab/conformance.ts';
import { formatCase, isConformant, suiteTotals } from '../../src/lab/conformance-report.ts';
import { parseSuite } from '../../src/lab/conformance-format.ts';
import { Lab } from '../../src/lab/lab.ts';
import { listNamespaces } from '../../src/sys/netns.ts';
import { describeKernel } from './fixture-namespace.ts';
import { uniqueLabName, useLabs } from './lab-fixture.ts';

const SERVED = [
  { name: 'web', port: 80 },
  { name: 'dns', port: 53, protocol: 'UDP' },
];
const policy = (name: string, spec: Record<string, unknown>) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'x' },
  spec,
});
const ONLY_B = {
  podSelector: { matchLabels: { pod: 'a' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'b' } } }] }],
};

const SUITE = {
  format: 'margay-conformance/v1',
  name: 'small',
  namespaces: { x: {}, y: { labels: { team: 'y' } } },
  pods: [
    { namespace: 'x', name: 'a', node: 1, labels: { pod: 'a' }, ports: SERVED },
    { namespace: 'x', name: 'b', node: 2, labels: { pod: 'b' }, ports: SERVED },
    { namespace: 'y', name: 'c', node: 1, ports: SERVED },
  ],
  cases: [
    {
      name: 'a policy, the labels it selects by, and its end',
      steps: [
        {
          apply: [policy('p', ONLY_B)],
          probes: [
            { port: 80, open: { 'x/a': ['x/b', 'y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/b'] } },
            {
              port: 53,
              protocol: 'UDP',
              open: { 'x/a': ['x/b', 'y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/b'] },
            },
          ],
        },
        {
          labels: [{ kind: 'Pod', namespace: 'x', name: 'b', labels: { pod: 'other' } }],
          probes: [{ port: 80, open: { 'x/a': ['x/b', 'y/c'], 'x/b': ['y/c'], 'y/c': ['x/b'] } }],
        },
        {
          delete: [{ kind: 'NetworkPolicy', namespace: 'x', name: 'p' }],
          probes: [
            { port: 80, open: { 'x/a': ['x/b', 'y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/a', 'x/b'] } },
          ],
        },
      ],
    },
    {
      name: 'addresses of pods, after everything was put back',
      steps: [
        {
          probes: [
            { port: 80, open: { 'x/a': ['x/b', 'y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/a', 'x/b'] } },
          ],
        },
        {
          apply: [
            policy('p', {
              podSelector: { matchLabels: { pod: 'b' } },
              ingress: [{ from: [{ ipBlock: { cidr: '${ip:y/c}/32' } }] }],
            }),
          ],
          probes: [{ port: 80, open: { 'x/a': ['y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/a', 'x/b'] } }],
        },
      ],
    },
  ],
};

describeKernel('a conformance run', () => {
  const bench = useLabs();
  const options = () => ({
    ...bench.options,
    families: [4, 6] as const,
    nodes: 2,
    labName: uniqueLabName(),
    selfTest: false,
  });

  it('passes where enforcement is right, in both families, and removes its lab', async () => {
    const given = options();
    const ended: CaseResult[] = [];
    const result = await runSuite(parseSuite(SUITE, 's'), { ...given, report: (one) => ended.push(one) });
    expect(ended.flatMap(({ checks }) => checks.flatMap(({ wrong }) => wrong))).toEqual([]);
    expect(isConformant(result)).toBe(true);
    expect(suiteTotals(result)).toMatchObject({ passed: 2, failed: 0, skipped: 0, probes: 72 });
    expect(ended.map(({ enforcement }) => enforcement.length)).toEqual([3, 2]);
    expect(Lab.exists(given.labName, given)).toBe(false);
    expect(listNamespaces().filter((name) => name.startsWith(`margay-${given.labName}-`))).toEqual([]);
  });

  it('asks by ICMP only in the family that it has, and notices what is shut out', async () => {
    const apply = [policy('p', ONLY_B)];
    const only = { 'x/a': ['x/b', 'y/c'], 'x/b': ['x/a', 'y/c'], 'y/c': ['x/b'] };
    const all = { ...only, 'y/c': ['x/a', 'x/b'] };
    const pings = {
      ...SUITE,
      cases: [
        { name: 'right', steps: [{ apply, probes: [{ protocol: 'ICMP', open: only }] }] },
        { name: 'wrong', steps: [{ apply, probes: [{ protocol: 'ICMP', open: all }] }] },
        { name: 'of the other family', steps: [{ apply, probes: [{ protocol: 'ICMPv6', open: only }] }] },
      ],
    };
    const { cases } = await runSuite(parseSuite(pings, 's'), { ...options(), families: [4] });
    expect(cases.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['right', 'passed'],
      ['wrong', 'failed'],
      ['of the other family', 'skipped'],
    ]);
    expect(formatCase(cases[1]!)).toMatch(/IPv4, ICMP 8\.0:[^]*y\/c → x\/a: TIMEOUT/);
  });

  it('takes addresses outside of every pool and block, and judges a pod only in the families that it has', async () => {
    const placed = {
      ...SUITE,
      pods: [
        { namespace: 'x', name: 'a', node: 1, ports: SERVED, ips: ['10.244.7.9', 'fd99::9'] },
        { namespace: 'x', name: 'b', node: 2, ports: SERVED, ips: ['10.65.0.5'] },
        { namespace: 'y', name: 'c', node: 1, ports: SERVED, ips: ['10.65.0.70', 'fd65::70'] },
      ],
      cases: [
        {
          name: 'addresses',
          steps: [
            {
              apply: [
                {
                  apiVersion: 'v1',
                  kind: 'List',
                  items: [
                    policy('p', {
                      podSelector: {},
                      ingress: [{ from: [{ ipBlock: { cidr: '${ip:y/c}/128' } }] }],
                    }),
                  ],
                },
                { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'y', labels: { changed: 'yes' } } },
              ],
              probes: [{ port: 80, open: { 'x/a': ['y/c'], 'x/b': ['y/c'], 'y/c': ['x/a', 'x/b'] } }],
            },
            {
              apply: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'y', labels: {} } }],
              labels: [{ kind: 'Pod', namespace: 'x', name: 'a', labels: { any: 'other' } }],
            },
          ],
        },
        {
          name: 'an address that no family has for all',
          steps: [
            {
              apply: [policy('q', { podSelector: { matchLabels: { a: '${ip:x/b}' } } })],
              probes: [{ port: 80, open: {} }],
            },
          ],
        },
        {
          name: 'a pod that is not there',
          steps: [{ apply: [policy('q', { podSelector: { matchLabels: { a: '${ip:x/z}' } } })] }],
        },
      ],
    };
    const run = (families: readonly (4 | 6)[], name: RegExp) =>
      runSuite(parseSuite(placed, 's'), { ...options(), families, only: name });
    const both = await run([4, 6], /addresses/);
    expect(both.cases.map(formatCase).join()).toMatch(/^ok {3}addresses \(8 probes/);
    expect(both.cases[0]!.checks.map(({ family, probes }) => [family, probes])).toEqual([
      [4, 6],
      [6, 2],
    ]);
    const six = await run([6], /an address|not there/);
    expect(six.cases.map(({ outcome }) => outcome)).toEqual(['skipped', 'failed']);
    expect(six.cases[1]!.reason).toMatch(/the lab has no x\/z/);
  });

  it('fails where the truth table is wrong', async () => {
    const wrong = structuredClone(SUITE);
    wrong.cases[0]!.steps[0]!.probes[0]!.open['y/c'] = ['x/a', 'x/b'];
    const result = await runSuite(parseSuite(wrong, 's'), { ...options(), only: /the labels/ });
    expect(isConformant(result)).toBe(false);
    expect(result.cases.map(({ outcome }) => outcome)).toEqual(['failed']);
    const pairs = result.cases[0]!.checks.flatMap((check) => check.wrong);
    expect(pairs).toHaveLength(2);
    expect(pairs[0]).toMatch(/^y\/c → x\/a: TIMEOUT after \d+\.\d ms, expected open$/);
  });

  it('fails without policies, as the self-test asks', async () => {
    const result = await runSuite(parseSuite(SUITE, 's'), { ...options(), selfTest: true });
    expect(result.cases.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
  });

  it('fails a case whose policy is refused, and says why', async () => {
    const broken = structuredClone(SUITE);
    broken.cases[0]!.steps[0]!.apply![0]!.kind = 'NetworkPolicies';
    const result = await runSuite(parseSuite(broken, 's'), { ...options(), only: /the labels/ });
    expect(result.cases[0]!.outcome).toBe('failed');
    expect(result.cases[0]!.reason).toMatch(/unknown kind/);
  });
});
