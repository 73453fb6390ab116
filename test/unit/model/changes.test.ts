import { describe, expect, it } from 'vitest';
import { changeFaults, creationFaults, deletionFaults, isReadOnlyKind } from '../../../src/model/changes.ts';
import { decodeResource } from '../../../src/model/decode.ts';
import { defaultAllowProfile } from '../../../src/model/defaults.ts';
import { formatProblem } from '../../../src/model/problem.ts';

const resource = (kind: string, name: string, spec: unknown, namespace?: string) =>
  decodeResource(kind, { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, spec });

/** Kind, what is stored, what is wanted, and the problems that this makes. */
const changes: readonly (readonly [kind: string, before: object, after: object, ...problems: string[]])[] = [
  ['IPPool', { cidr: '10.0.0.0/16' }, { cidr: '10.0.0.0/16', natOutgoing: true }],
  ['IPPool', { cidr: 'fd65::/64' }, { cidr: 'FD65:0::/64' }],
  ['IPPool', { cidr: '10.0.0.0/16' }, { cidr: '10.0.0.0/16', blockSize: 26 }],
  [
    'IPPool',
    { cidr: '10.0.0.0/16' },
    { cidr: '10.1.0.0/16' },
    'spec.cidr: cannot be changed from "10.0.0.0/16", found "10.1.0.0/16"',
  ],
  [
    'IPPool',
    { cidr: '10.0.0.0/16' },
    { cidr: '10.0.0.0/16', blockSize: 27 },
    'spec.blockSize: cannot be changed from 26, found 27',
  ],
  ['IPPool', { cidr: '10.0.0.0/16' }, { cidr: '10.0.0.0/16', allowedUses: ['LoadBalancer'] }],
  [
    'IPPool',
    { cidr: '10.0.0.0/16', allowedUses: ['LoadBalancer'] },
    { cidr: '10.0.0.0/16', allowedUses: ['Workload'] },
    'spec.allowedUses: cannot be changed from LoadBalancer, found ["Workload"]',
  ],
  [
    'WorkloadEndpoint',
    { orchestrator: 'k8s', pod: 'p', node: 'n' },
    { orchestrator: 'k8s', pod: 'p', node: 'n', mac: 'ee:ee:ee:ee:ee:ee' },
  ],
  ['WorkloadEndpoint', {}, { orchestrator: 'k8s', pod: 'p', node: 'n' }],
  [
    'WorkloadEndpoint',
    { orchestrator: 'k8s', pod: 'p', node: 'n', endpoint: 'eth0' },
    { orchestrator: 'cni', node: 'm' },
    'spec.orchestrator: cannot be changed from "k8s", found "cni"',
    'spec.node: cannot be changed from "n", found "m"',
    'spec.pod: cannot be changed from "p"',
    'spec.endpoint: cannot be changed from "eth0"',
  ],
  ['ClusterInformation', {}, { clusterGUID: 'a' }],
  ['ClusterInformation', { clusterGUID: 'a' }, { clusterGUID: 'a', datastoreReady: false }],
  [
    'ClusterInformation',
    { clusterGUID: 'a' },
    { clusterGUID: 'b' },
    'spec.clusterGUID: cannot be changed from "a", found "b"',
  ],
  ['Tier', { order: 1 }, { order: 2, defaultAction: 'Pass' }],
];

const names: Readonly<Record<string, string>> = { ClusterInformation: 'default' };

describe('a change', () => {
  for (const [kind, before, after, ...problems] of changes) {
    it(`of ${kind} ${JSON.stringify(before)} to ${JSON.stringify(after)} ${problems.length === 0 ? 'is taken' : 'is refused'}`, () => {
      const namespace = kind === 'WorkloadEndpoint' ? 'x' : undefined;
      const [old, wanted] = [before, after].map((spec) =>
        resource(kind, names[kind] ?? 'a', spec, namespace),
      );
      const faults = changeFaults(old!, wanted!);
      expect(faults.map(formatProblem)).toEqual(problems);
      for (const { fix } of faults) expect(fix).not.toBe('');
    });
  }

  it('of a built-in tier is refused', () => {
    const tier = resource('Tier', 'kube-admin', { order: 1000, defaultAction: 'Pass' });
    expect(changeFaults(tier, tier)).toEqual([]);
    const changed = { ...tier, spec: { order: 5, defaultAction: 'Pass' } } as typeof tier;
    expect(changeFaults(tier, changed).map(formatProblem)).toEqual([
      'spec.order: cannot be changed in the built-in tier "kube-admin", found 5; allowed: 1000',
    ]);
  });

  it('of the profile that allows everything is refused', () => {
    expect(changeFaults(defaultAllowProfile, defaultAllowProfile)).toEqual([]);
    const changed = { ...defaultAllowProfile, spec: { ingress: [] } };
    expect(changeFaults(defaultAllowProfile, changed).map(formatProblem)).toEqual([
      'spec: the profile projectcalico-default-allow is read-only',
    ]);
    expect(
      changeFaults(resource('Profile', 'kns.x', {}), resource('Profile', 'kns.x', { ingress: [] })),
    ).toEqual([]);
  });

  it('of what IPAM keeps is its own', () => {
    expect(['BlockAffinity', 'IPAMBlock', 'IPAMHandle'].every(isReadOnlyKind)).toBe(true);
    expect(['IPPool', 'IPAMConfiguration', 'Node'].some(isReadOnlyKind)).toBe(false);
  });
});

describe('a creation', () => {
  const problemsOf = (...[kind, name, spec, namespace]: Parameters<typeof resource>): string[] =>
    creationFaults(resource(kind, name, spec, namespace), [
      resource('IPPool', 'a', { cidr: '10.65.0.0/16' }),
      resource('IPPool', 'six', { cidr: 'fd65::/48' }),
      resource('Tier', 'admin', { order: 10 }),
    ]).map(formatProblem);

  it('of a pool is refused if its addresses are those of another', () => {
    expect(problemsOf('IPPool', 'b', { cidr: '10.65.4.0/24' })).toEqual([
      'spec.cidr: overlaps the pool a (10.65.0.0/16), found "10.65.4.0/24"',
    ]);
    expect(problemsOf('IPPool', 'b', { cidr: '10.0.0.0/8' })).toHaveLength(1);
    expect(problemsOf('IPPool', 'b', { cidr: 'fd65:0:0:1::/64' })).toHaveLength(1);
    expect(problemsOf('IPPool', 'b', { cidr: '10.66.0.0/16' })).toEqual([]);
    expect(problemsOf('IPPool', 'a', { cidr: '10.65.0.0/16' })).toEqual([]);
  });

  it('of a policy is refused if its tier is not there', () => {
    expect(problemsOf('GlobalNetworkPolicy', 'admn.x', { tier: 'admn' })).toEqual([
      'spec.tier: there is no such tier, found "admn" (did you mean "admin"?); allowed: default, kube-admin, kube-baseline, admin',
    ]);
    expect(problemsOf('NetworkPolicy', 'x', { tier: 'other' }, 'shop')).toHaveLength(1);
    expect(problemsOf('StagedNetworkPolicy', 'x', { tier: 'other' }, 'shop')).toHaveLength(1);
    expect(problemsOf('GlobalNetworkPolicy', 'admin.x', { tier: 'admin' })).toEqual([]);
    expect(problemsOf('GlobalNetworkPolicy', 'x', {})).toEqual([]);
    expect(problemsOf('StagedKubernetesNetworkPolicy', 'x', {}, 'shop')).toEqual([]);
  });
});

describe('a deletion', () => {
  it.each([
    ['Tier', 'default', 'Tier(default) is built in and cannot be deleted'],
    ['Tier', 'kube-admin', 'Tier(kube-admin) is built in and cannot be deleted'],
    ['Tier', 'kube-baseline', 'Tier(kube-baseline) is built in and cannot be deleted'],
    [
      'Profile',
      'projectcalico-default-allow',
      'Profile(projectcalico-default-allow) is built in and cannot be deleted',
    ],
    ['Tier', 'security', undefined],
    ['Profile', 'kns.x', undefined],
    ['NetworkPolicy', 'default', undefined],
  ])('of %s %s says %s', (kind, name, problem) => {
    const faults = deletionFaults({ kind, metadata: { name } }).map(formatProblem);
    expect(faults).toEqual(problem === undefined ? [] : [problem]);
  });

  it('of a tier waits for its policies', () => {
    const policies = ['b', 'a'].map((name) => resource('GlobalNetworkPolicy', name, { tier: 'security' }));
    const other = resource('GlobalNetworkPolicy', 'c', {});
    const tier = { kind: 'Tier', metadata: { name: 'security' } };
    expect(deletionFaults(tier, [...policies, other]).map(formatProblem)).toEqual([
      'Tier(security) has policies: a, b',
    ]);
    expect(deletionFaults(tier, [other])).toEqual([]);
  });
});
