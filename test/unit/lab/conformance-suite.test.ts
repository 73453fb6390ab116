import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSuite } from '../../../src/lab/conformance-format.ts';
import { addressedPods, substitute } from '../../../src/lab/conformance-suite.ts';
import type { Address, Family } from '../../../src/net/address.ts';

const OWN = {
  format: 'margay-conformance/v1',
  name: 'own',
  namespaces: { x: { labels: { team: 'a' } }, y: {} },
  pods: [
    { namespace: 'x', name: 'a', labels: { pod: 'a' }, ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }] },
    { namespace: 'y', name: 'b', node: 2, ips: ['10.65.0.70', 'fd65::0:70'] },
  ],
  cases: [
    {
      name: 'first',
      steps: [
        {
          apply: [{ kind: 'NetworkPolicy', spec: { cidr: '${ip:x/a}/32' } }],
          labels: [{ kind: 'Pod', namespace: 'x', name: 'a', labels: { pod: 'z' } }],
          probes: [{ port: 80, open: { 'x/a': ['y/b'] } }],
        },
      ],
    },
    { name: 'second', steps: [{ probes: [{ port: 80, protocol: 'SCTP', open: {} }] }] },
    { name: 'third', skip: 'needs a service', steps: [] },
  ],
};

const probing = (probe: object) => ({
  ...OWN,
  cases: [{ name: 'c', steps: [{ probes: [{ open: {}, ...probe }] }] }],
});

function messageOf(value: unknown): string {
  try {
    parseSuite(value, 'suite.json');
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('a suite of our own format', () => {
  const suite = parseSuite(OWN, 'suite.json');

  it('keeps what is given and fills in what is not', () => {
    expect(suite.pods[0]).toMatchObject({ name: 'x/a', serviceAccount: 'default' });
    expect(suite.pods[1]).toMatchObject({ node: 2, ips: ['10.65.0.70', 'fd65::70'] });
    expect(suite.namespaces).toEqual({ x: { team: 'a' }, y: {} });
  });

  it('judges every pair of pods: those listed are open, the others closed', () => {
    const [set] = suite.cases[0]!.steps[0]!.probes;
    expect(set!.pods).toEqual(['x/a', 'y/b']);
    expect([...set!.open]).toEqual([['x/a', new Set(['y/b'])]]);
  });

  it('skips what its author wants skipped, with the reason, and nothing else', () => {
    expect(suite.cases.map(({ skip }) => skip)).toEqual([undefined, undefined, 'needs a service']);
    expect(suite.cases[1]!.steps[0]!.probes[0]!.service.protocol).toBe('SCTP');
  });

  it('asks by ICMP and ICMPv6 for an echo, or for what else hosts answer', () => {
    const probes = [
      { protocol: 'ICMP', open: {} },
      { protocol: 'ICMPv6', open: {} },
      { protocol: 'ICMP', icmp: { type: 13 }, open: {} },
      { protocol: 'ICMPv6', icmp: { type: 128, code: 3 }, open: {} },
    ];
    const [test] = parseSuite({ ...OWN, cases: [{ name: 'c', steps: [{ probes }] }] }, 's').cases;
    expect(test!.steps[0]!.probes.map(({ service }) => service)).toEqual([
      { protocol: 'ICMP', icmp: { type: 8, code: 0 } },
      { protocol: 'ICMPv6', icmp: { type: 128, code: 0 } },
      { protocol: 'ICMP', icmp: { type: 13, code: 0 } },
      { protocol: 'ICMPv6', icmp: { type: 128, code: 3 } },
    ]);
  });

  it('leaves out what only its author understands, and says so', () => {
    const remarked = parseSuite(
      { ...OWN, licence: 'Apache-2.0', cases: [{ name: 'c', why: 'x', steps: [] }] },
      's',
    );
    expect(remarked.cases).toHaveLength(1);
    expect(remarked.notes).toEqual([
      'cases[0].why is no field of the format and was left out',
      'licence is no field of the format and was left out',
    ]);
    expect(suite.notes).toEqual([]);
  });

  it.each([
    [
      'a misspelt field of a step, which would leave nothing to judge',
      { ...OWN, cases: [{ name: 'c', steps: [{ probe: [] }] }] },
      /steps\[0\]\.probe: unknown field.*"probes"/,
    ],
    ['an unknown format', { ...OWN, format: 'other' }, /unknown format.*margay-conformance\/v1/],
    ['a field that does not exist', { ...OWN, case: [] }, /case: unknown field.*"cases"/],
    [
      'a pod in a namespace that does not exist',
      { ...OWN, pods: [...OWN.pods, { namespace: 'q', name: 'c' }] },
      /pods\[2\]\.namespace: no namespace q; allowed: x, y/,
    ],
    [
      'a probe of a pod that does not exist',
      { ...OWN, cases: [{ name: 'c', steps: [{ probes: [{ port: 80, open: { 'x/a': ['y/q'] } }] }] }] },
      /no pod y\/q/,
    ],
    ['something that is no object', [], /unknown format/],
    [
      'a port of what has none',
      probing({ protocol: 'ICMP', port: 80 }),
      /probes\[0\]\.port: ICMP has no ports/,
    ],
    ['no port where there is one', probing({}), /probes\[0\]\.port: TCP needs a port/],
    ['a type of what has none', probing({ port: 80, icmp: { type: 8 } }), /\.icmp: TCP has no types/],
    [
      'a type that no host answers',
      probing({ protocol: 'ICMP', icmp: { type: 128 } }),
      /\.icmp\.type: a host does not answer ICMP of type 128; allowed: 8, 13/,
    ],
    ['a protocol that cannot be probed', probing({ protocol: 'GRE' }), /\.protocol: .*GRE.*ICMPv6/],
  ])('refuses %s', (_what, value, expected) => {
    expect(messageOf(value)).toMatch(expected);
  });
});

describe('the truth tables of Kubernetes', () => {
  // The same columns and rows as in the upstream encoding, cut down to two tests.
  const suite = parseSuite(
    {
      source: 'kubernetes/kubernetes test/e2e/network/netpol/network_policy.go @008b365',
      ignoreLoopback: true,
      tests: [
        {
          name: 'deny, then delete',
          group: 'TCP',
          pods: ['x/a', 'x/b', 'y/a'],
          protocols: ['tcp'],
          ports: [80],
          steps: [
            { create: { kind: 'NetworkPolicy', metadata: { name: 'p', namespace: 'x' }, spec: {} } },
            {
              check: {
                port: 80,
                proto: 'tcp',
                expect: [],
                matrix: { 'x/a': 'XX.', 'x/b': 'XX.', 'y/a': 'XX.' },
              },
            },
            { addPodLabels: ['x/a', { extra: 'yes' }] },
            { deleteAllPolicies: true },
            {
              check: {
                port: 80,
                proto: 'tcp',
                expect: [],
                matrix: { 'x/a': '...', 'x/b': '...', 'y/a': '...' },
              },
            },
          ],
          n: 1,
        },
        {
          name: 'sctp',
          pods: ['x/a', 'x/c'],
          protocols: ['sctp'],
          ports: [81],
          steps: [{ check: { port: 81, proto: 'sctp', matrix: { 'x/a': '..', 'x/c': '..' } } }],
        },
      ],
    },
    'k8s.json',
  );

  it('make one step of the changes before each check', () => {
    const [first, second] = suite.cases[0]!.steps;
    expect(first!.apply).toHaveLength(1);
    expect(first!.probes[0]!.open.get('y/a')).toEqual(new Set(['y/a']));
    expect(second!.remove).toEqual([{ kind: 'NetworkPolicy', name: 'p', namespace: 'x' }]);
    expect(second!.labels).toEqual([{ kind: 'Pod', name: 'x/a', labels: { extra: 'yes' }, add: true }]);
  });

  it('name every pod once, with a named port for each port and protocol', () => {
    expect(suite.pods.map(({ name }) => name)).toEqual(['x/a', 'x/b', 'x/c', 'y/a']);
    expect(suite.pods[0]!.labels).toEqual({ pod: 'a' });
    expect(suite.pods[0]!.ports).toContainEqual({ name: 'serve-81-tcp', port: 81, protocol: 'TCP' });
  });

  it('probe SCTP like the other protocols', () => {
    expect(suite.cases[1]!.steps[0]!.probes[0]!.service.protocol).toBe('SCTP');
    expect(suite.pods[0]!.ports).toContainEqual({ name: 'serve-81-sctp', port: 81, protocol: 'SCTP' });
  });

  // Kept beside the repository, not in it.
  const upstream = new URL('../../../../shared/conformance/k8s-netpol-e2e.json', import.meta.url);
  const text = existsSync(upstream) ? readFileSync(upstream, 'utf8') : undefined;
  if (text === undefined) return;

  it('are read from the whole upstream file', () => {
    const whole = parseSuite(JSON.parse(text), 'k8s-netpol-e2e.json');
    expect(whole.cases).toHaveLength(48);
    expect(whole.cases.filter(({ skip }) => skip !== undefined)).toHaveLength(0);
    expect(whole.cases.filter((one) => addressedPods(one).length > 0).map(({ name }) => name)).toHaveLength(
      3,
    );
  });
});

describe('substitution of addresses', () => {
  const addressOf = (pod: string, family: Family): Address => {
    if (pod !== 'x/a') throw new RangeError(`no pod ${pod}`);
    return (family === 4 ? '10.65.0.2' : 'fd65::2') as Address;
  };
  const document = { cidr: '${ip:x/a}/32', alone: '${ip:x/a}', around: ['${net4:x/a}'] };

  it('gives IPv4 addresses, host prefixes and the four bits around', () => {
    expect(substitute(document, 4, addressOf)).toEqual({
      cidr: '10.65.0.2/32',
      alone: '10.65.0.2',
      around: ['0.0.0.0/4'],
    });
  });

  it('makes a /32 a /128 in IPv6', () => {
    expect(substitute(document, 6, addressOf)).toEqual({
      cidr: 'fd65::2/128',
      alone: 'fd65::2',
      around: ['f000::/4'],
    });
  });

  it('refuses a pod that does not exist', () => {
    expect(() => substitute('${ip:q/q}', 4, addressOf)).toThrow(RangeError);
  });
});
