import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefix } from '../../../src/net/prefix.ts';
import {
  blockAffinityKey,
  blockAffinityName,
  parseBlockAffinityName,
} from '../../../src/model/block-affinity-name.ts';
import {
  blockAffinityResource,
  decodeValue,
  encodeValue,
  etcdKey,
  etcdPrefixes,
  parseEtcdKey,
} from '../../../src/model/keys.ts';
import { ValidationError } from '../../../src/model/problem.ts';
import { kinds } from '../../../src/model/registry.ts';
import { type ResourceKey, keyOf, keyText } from '../../../src/model/resource.ts';

const root = '/calico/resources/v3/projectcalico.org/';

const paths: readonly [ResourceKey, string][] = [
  [{ kind: 'Node', name: 'n1' }, `${root}nodes/n1`],
  [{ kind: 'NetworkPolicy', namespace: 'x', name: 'p' }, `${root}networkpolicies/x/p`],
  [{ kind: 'KubernetesNetworkPolicy', namespace: 'x', name: 'p' }, `${root}kubernetesnetworkpolicies/x/p`],
  [
    { kind: 'WorkloadEndpoint', namespace: 'x', name: 'n-k8s-p-eth0' },
    `${root}workloadendpoints/x/n-k8s-p-eth0`,
  ],
  [{ kind: 'BGPConfiguration', name: 'node.n1' }, `${root}bgpconfigurations/node.n1`],
  [{ kind: 'Profile', name: 'a/b%c' }, `${root}profiles/a%2fb%25c`],
  [
    blockAffinityKey({ type: 'host', node: 'n-1', cidr: prefix('10.65.0.64/26') }),
    '/calico/ipam/v2/host/n-1/ipv4/block/10.65.0.64-26',
  ],
  [
    blockAffinityKey({ type: 'host', node: 'n-1', cidr: prefix('fd65::40/122') }),
    '/calico/ipam/v2/host/n-1/ipv6/block/fd65::40-122',
  ],
  [
    blockAffinityKey({ type: 'virtual', node: 'load-balancer', cidr: prefix('10.0.0.0/26') }),
    '/calico/ipam/v2/virtual/load-balancer/ipv4/block/10.0.0.0-26',
  ],
  [{ kind: 'HostEndpoint', name: 'n1-auto-hep' }, `${root}hostendpoints/n1-auto-hep`],
  [{ kind: 'BGPFilter', name: 'f' }, `${root}bgpfilters/f`],
  [{ kind: 'CalicoNodeStatus', name: 's' }, `${root}caliconodestatuses/s`],
  [{ kind: 'IPReservation', name: 'r' }, `${root}ipreservations/r`],
  [{ kind: 'KubeControllersConfiguration', name: 'default' }, `${root}kubecontrollersconfigurations/default`],
  [{ kind: 'StagedGlobalNetworkPolicy', name: 'p' }, `${root}stagedglobalnetworkpolicies/p`],
  [{ kind: 'StagedNetworkPolicy', namespace: 'x', name: 'p' }, `${root}stagednetworkpolicies/x/p`],
  [
    { kind: 'StagedKubernetesNetworkPolicy', namespace: 'x', name: 'p' },
    `${root}stagedkubernetesnetworkpolicies/x/p`,
  ],
  [{ kind: 'KubernetesClusterNetworkPolicy', name: 'p' }, `${root}kubernetesclusternetworkpolicies/p`],
  [{ kind: 'KubernetesEndpointSlice', namespace: 'x', name: 's-1' }, `${root}kubernetesendpointslices/x/s-1`],
  [{ kind: 'LiveMigration', namespace: 'x', name: 'm' }, `${root}livemigrations/x/m`],
  [{ kind: 'IPAMConfiguration', name: 'default' }, '/calico/ipam/v2/config'],
  [{ kind: 'IPAMHandle', name: 'k8s-pod-network.a%b' }, '/calico/ipam/v2/handle/k8s-pod-network.a%b'],
  [{ kind: 'IPAMBlock', name: '10-65-0-64-26' }, '/calico/ipam/v2/assignment/ipv4/block/10.65.0.64-26'],
  [
    { kind: 'IPAMBlock', name: 'fd65-0000-0000-0000-0000-0000-0000-0040-122' },
    '/calico/ipam/v2/assignment/ipv6/block/fd65::40-122',
  ],
];

describe('etcd paths', () => {
  it.each(paths)('of %j is %s, and back', (key, path) => {
    expect(etcdKey(key)).toBe(path);
    expect(parseEtcdKey(path)).toEqual(key);
  });

  it.each([
    `${root}nodes`,
    `${root}nodes/`,
    `${root}nodes/a/b`,
    `${root}networkpolicies/p`,
    `${root}networkpolicies//p`,
    `${root}unknowns/p`,
    `${root}namespaces/x`,
    '/calico/ipam/v2/host/n1/ipv4/block/fd65::-122',
    '/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0',
    '/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-x',
    '/calico/ipam/v2/host/n1/ipv4',
    '/calico/ipam/v2/handle/',
    '/calico/ipam/v2/handle/a/b',
    '/calico/ipam/v2/configs',
    '/calico/ipam/v2/assignment/ipv6/block/10.0.0.0-26',
    '/calico/ipam/v2/assignment/ipv4/block/10.0.0.1-26',
    `${root}ipamconfigurations/default`,
    `${root}pods/x/p`,
    '/registry/pods/x/p',
  ])('that hold no resource: %s', (path) => {
    expect(parseEtcdKey(path)).toBeUndefined();
  });

  it('are refused where they could only be wrong', () => {
    expect(() => etcdKey({ kind: 'Namespace', name: 'x' })).toThrow(/Profile/);
    expect(() => etcdKey({ kind: 'Pod', namespace: 'x', name: 'p' })).toThrow(/WorkloadEndpoint/);
    expect(() => etcdKey({ kind: 'IPAMBlock', name: 'x' })).toThrow(/not the name/);
    expect(() => etcdKey({ kind: 'IPAMConfiguration', name: 'x' })).toThrow(/not the name/);
    expect(() => etcdKey({ kind: 'Nonsense', name: 'x' })).toThrow(/unknown kind/);
    expect(() => etcdKey({ kind: 'NetworkPolicy', name: 'x' })).toThrow(/namespace is missing/);
    expect(() => etcdKey({ kind: 'Tier', namespace: 'x', name: 'x' })).toThrow(/namespace is too much/);
    expect(() => etcdKey({ kind: 'BlockAffinity', name: 'x' })).toThrow(/not the name/);
  });

  it('of every kind and any name can be read back', () => {
    const name = fc.stringMatching(/^[a-z0-9%/.-]{1,20}$/);
    fc.assert(
      fc.property(
        fc.constantFrom(
          ...kinds.filter(
            ({ kind, storedAs }) => storedAs === undefined && !/^(IPAM|BlockAffinity)/.test(kind),
          ),
        ),
        name,
        name,
        ({ kind, namespaced }, first, second) => {
          const key = namespaced ? { kind, namespace: first, name: second } : { kind, name: first };
          expect(parseEtcdKey(etcdKey(key))).toEqual(key);
          expect(etcdPrefixes({ kind }).some((start) => etcdKey(key).startsWith(start))).toBe(true);
        },
      ),
    );
  });

  it('lie under the prefixes of what is listed', () => {
    expect(etcdPrefixes({ kind: 'NetworkPolicy', namespace: 'x' })).toEqual([`${root}networkpolicies/x/`]);
    expect(etcdPrefixes({ kind: 'Node' })).toEqual([`${root}nodes/`]);
    expect(etcdPrefixes({ kind: 'IPAMBlock' })).toEqual(['/calico/ipam/v2/assignment/']);
    expect(etcdPrefixes({ kind: 'IPAMHandle' })).toEqual(['/calico/ipam/v2/handle/']);
    expect(etcdPrefixes({ kind: 'IPAMConfiguration' })).toEqual(['/calico/ipam/v2/config']);
    expect(etcdPrefixes()).toEqual([root, '/calico/ipam/v2/']);
  });
});

describe('names of block affinities', () => {
  it('are readable', () => {
    expect(blockAffinityName({ type: 'host', node: 'n-1', cidr: prefix('10.65.0.64/26') })).toBe(
      'n-1-10-65-0-64-26',
    );
    expect(blockAffinityName({ type: 'host', node: 'n', cidr: prefix('fd65::/122') })).toBe(
      'n-fd65-0000-0000-0000-0000-0000-0000-0000-122',
    );
  });

  it('can be read back for any holder and block', () => {
    const four = fc
      .tuple(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), fc.nat(32))
      .map(([bytes, length]) => `${bytes.join('.')}/${length}`);
    const six = fc
      .tuple(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), fc.nat(128))
      .map(([groups, length]) => `${groups.map((group) => group.toString(16)).join(':')}/${length}`);
    fc.assert(
      fc.property(
        fc.constantFrom('host' as const, 'virtual' as const),
        fc.constantFrom('n1', 'a-1-2', 'node-10-0-0-0-26', 'x.y', 'n-abcd-0000'),
        fc.oneof(four, six),
        (type, node, text) => {
          const identity = { type, node, cidr: prefix(text) };
          expect(parseBlockAffinityName(blockAffinityName(identity))).toEqual(identity);
        },
      ),
    );
  });

  it.each([
    'n1',
    'n1-10-0-0-0',
    '-10-0-0-0-26',
    'n1-10-0-0-256-26',
    'n1-010-0-0-0-26',
    'n1-10-0-0-0-33',
    'n1-10-0-0-1-26',
  ])('are not %s', (name) => {
    expect(parseBlockAffinityName(name)).toBeUndefined();
  });
});

describe('stored values', () => {
  const key: ResourceKey = { kind: 'NetworkPolicy', namespace: 'x', name: 'p' };
  // As calicoctl writes it: no defaults are missing, no resourceVersion inside.
  const stored = {
    kind: 'NetworkPolicy',
    apiVersion: 'projectcalico.org/v3',
    metadata: {
      name: 'p',
      namespace: 'x',
      uid: '0b5c2b9e-3c1e-4a53-a9b5-21f0c6f7a111',
      creationTimestamp: '2026-01-02T03:04:05Z',
      labels: { 'projectcalico.org/tier': 'default' },
    },
    spec: {
      tier: 'default',
      selector: "a == 'b'",
      types: ['Ingress'],
      ingress: [{ action: 'Allow', source: {}, destination: {} }],
    },
  };

  it('become resources with the revision as resourceVersion, and back without it', () => {
    const resource = decodeValue(key, JSON.stringify(stored), 42);
    expect(resource.metadata.resourceVersion).toBe('42');
    expect(keyOf(resource)).toEqual(key);
    expect(keyText(key)).toBe('NetworkPolicy/x/p');
    expect(JSON.parse(encodeValue(resource))).toEqual(stored);
  });

  it.each([
    ['{', /^not JSON: /],
    ['[]', /expected a map/],
    [JSON.stringify({ ...stored, spec: { newField: 1 } }), /^spec\.newField: unknown field/],
    [
      JSON.stringify({ ...stored, kind: 'Tier' }),
      /^kind: not the expected kind, found "Tier"; allowed: NetworkPolicy/,
    ],
    [
      JSON.stringify({ ...stored, metadata: { name: 'q', namespace: 'x' } }),
      /^metadata\.name: stored under the key of x\/p, found "q"/,
    ],
  ])('that are %j are refused with the reason', (text, reason) => {
    expect(() => decodeValue(key, text, 1)).toThrow(ValidationError);
    expect(() => decodeValue(key, text, 1)).toThrow(reason);
  });

  it('of a Kubernetes policy keep the kind that Kubernetes gives it', () => {
    const knp: ResourceKey = { kind: 'KubernetesNetworkPolicy', namespace: 'x', name: 'p' };
    const text =
      '{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"name":"p","namespace":"x"},"spec":{"podSelector":{}}}';
    const resource = decodeValue(knp, text, 7);
    expect(resource.kind).toBe('KubernetesNetworkPolicy');
    expect(encodeValue(resource)).toBe(text);
  });

  it('of a Kubernetes policy with a bad rule are not refused as a whole', () => {
    const knp: ResourceKey = { kind: 'KubernetesNetworkPolicy', namespace: 'x', name: 'p' };
    const text = JSON.stringify({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace: 'x' },
      spec: { ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }] }] },
    });
    expect(decodeValue(knp, text, 7).kind).toBe('KubernetesNetworkPolicy');
  });

  it('of a block affinity are its state alone', () => {
    const affinity = blockAffinityResource(
      { type: 'host', node: 'n1', cidr: prefix('10.65.0.0/26') },
      'confirmed',
    );
    expect(encodeValue(affinity)).toBe('{"state":"confirmed","deleted":false}');
    const back = decodeValue(keyOf(affinity), encodeValue(affinity), 3);
    expect(back).toEqual({ ...affinity, metadata: { ...affinity.metadata, resourceVersion: '3' } });
    // Calico counts an affinity without a state as confirmed.
    expect(decodeValue(keyOf(affinity), '', 3)).toEqual(back);
    expect(() => decodeValue(keyOf(affinity), '{"state":"gone"}', 3)).toThrow(
      /^spec\.state: not an allowed value/,
    );
  });
});
