import { describe, expect, it } from 'vitest';
import { convertClusterNetworkPolicy } from '../../../../src/model/convert/cluster-network-policy.ts';
import { decodeResource, validateResource } from '../../../../src/model/decode.ts';
import { formatPath } from '../../../../src/model/problem.ts';

const subject = { namespaces: {} };
const pods = {
  pods: { namespaceSelector: { matchLabels: { team: 'a' } }, podSelector: { matchLabels: { app: 'web' } } },
};

/** Converts a policy as it is stored, where nothing is refused. */
function convert(spec: object) {
  const resource = decodeResource('KubernetesClusterNetworkPolicy', {
    metadata: { name: 'p' },
    spec: { tier: 'Admin', priority: 5, subject, ...spec },
  });
  if (resource.kind !== 'KubernetesClusterNetworkPolicy') throw new Error(resource.kind);
  const { spec: converted, faults } = convertClusterNetworkPolicy(resource);
  return { spec: converted, faults: faults.map(({ path }) => formatPath(path)) };
}

const k8s = '(projectcalico.org/orchestrator == "k8s")'.slice(1, -1);
const everyone = { selector: k8s, namespaceSelector: 'all()' };
const web = { selector: `(${k8s} && app == "web")`, namespaceSelector: 'team == "a"' };

describe('a ClusterNetworkPolicy', () => {
  it.each([
    ['Admin', 'kube-admin'],
    ['Baseline', 'kube-baseline'],
  ])('of tier %s is of tier %s, at its priority, for pods only', (tier, calicoTier) => {
    expect(convert({ tier, priority: 7, subject: pods })).toEqual({
      spec: { tier: calicoTier, order: 7, ...web, types: [] },
      faults: [],
    });
  });

  it('is a sound policy of Calico', () => {
    const { spec } = convert({
      ingress: [
        {
          name: 'r',
          action: 'Accept',
          from: [{ namespaces: {} }, pods],
          protocols: [{ tcp: { destinationPort: { number: 80 } } }],
        },
      ],
      egress: [{ action: 'Pass', to: [{ networks: ['10.0.0.0/8'] }] }],
    });
    const policy = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'GlobalNetworkPolicy',
      metadata: { name: 'p' },
      spec,
    };
    expect(validateResource(policy).spec).toEqual(spec);
  });

  it.each([
    ['Accept', 'Allow'],
    ['Deny', 'Deny'],
    ['Pass', 'Pass'],
  ])('maps action %s to %s', (action, calico) => {
    const { spec } = convert({ ingress: [{ name: 'first', action, from: [{ namespaces: {} }] }] });
    expect(spec).toMatchObject({
      types: ['Ingress'],
      ingress: [{ action: calico, source: everyone, metadata: { annotations: { name: 'first' } } }],
    });
  });

  it('has one rule for each pair of peer and protocol, with ports merged', () => {
    const protocols = [
      { udp: {} },
      { tcp: { destinationPort: { number: 80 } } },
      { tcp: { destinationPort: { range: { start: 81, end: 90 } } } },
      { tcp: { destinationPort: { number: 443 } } },
      { sctp: { destinationPort: { number: 1 } } },
      { sctp: {} },
      { destinationNamedPort: 'http' },
    ];
    const { spec, faults } = convert({ egress: [{ action: 'Accept', to: [pods], protocols }] });
    expect(faults).toEqual([]);
    expect(spec?.egress).toEqual([
      { action: 'Allow', protocol: 'SCTP', destination: web },
      { action: 'Allow', protocol: 'TCP', destination: { ...web, ports: ['80:90', 443] } },
      { action: 'Allow', protocol: 'UDP', destination: web },
      { action: 'Allow', destination: { ...web, ports: ['http'] } },
    ]);
  });

  it('has a rule for each family of its networks', () => {
    const { spec } = convert({
      egress: [{ action: 'Deny', to: [{ networks: ['10.0.0.1/8', 'fd00::/8', '192.0.2.0/24'] }] }],
    });
    expect(spec?.egress).toEqual([
      { action: 'Deny', destination: { nets: ['10.0.0.0/8', '192.0.2.0/24'] } },
      { action: 'Deny', destination: { nets: ['fd00::/8'] } },
    ]);
  });

  const faulty: readonly (readonly [what: string, rule: object, path: string])[] = [
    ['no peers', { from: [] }, 'spec.ingress[0].from'],
    ['an empty peer', { from: [{ namespaces: {} }, {}] }, 'spec.ingress[0].from[1]'],
    ['a peer of a later version', { from: [{ clouds: {} }] }, 'spec.ingress[0].from[0].clouds'],
    ['networks as source', { from: [{ networks: ['10.0.0.0/8'] }] }, 'spec.ingress[0].from[0].networks'],
    ['two kinds of peer in one', { from: [{ namespaces: {}, pods: {} }] }, 'spec.ingress[0].from[0]'],
    [
      'a bad selector',
      { from: [{ namespaces: { matchExpressions: [{ key: 'a', operator: 'Like' }] } }] },
      'spec.ingress[0].from[0].namespaces.matchExpressions[0].operator',
    ],
    ['an empty protocol', { protocols: [{}] }, 'spec.ingress[0].protocols[0]'],
    ['a protocol of a later version', { protocols: [{ quic: {} }] }, 'spec.ingress[0].protocols[0].quic'],
    [
      'a port out of range',
      { protocols: [{ udp: {} }, { tcp: { destinationPort: { number: 70000 } } }] },
      'spec.ingress[0].protocols[1].tcp.destinationPort.number',
    ],
    [
      'a range that ends before it starts',
      { protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 8 } } } }] },
      'spec.ingress[0].protocols[0].tcp.destinationPort.range',
    ],
  ];

  it.each(faulty)(
    'with %s fails closed: Accept matches nothing, Deny and Pass deny everything',
    (_what, rule, path) => {
      const good = { action: 'Pass', from: [{ namespaces: {} }] };
      const at = (action: string) =>
        convert({ ingress: [{ from: [{ namespaces: {} }], ...rule, action, name: 'n' }, good] });
      const rest = { action: 'Pass', source: everyone };
      const denied = { action: 'Deny', metadata: { annotations: { name: 'n' } } };
      expect(at('Accept')).toMatchObject({ spec: { ingress: [rest] }, faults: [path] });
      expect(at('Deny').spec?.ingress).toEqual([denied, rest]);
      expect(at('Pass').spec?.ingress).toEqual([denied, rest]);
    },
  );

  it.each([
    ['nodes and networks', { nodes: {}, networks: ['10.0.0.0/8'] }],
    ['names in the DNS', { domainNames: ['a.example.org'] }],
    ['networks that are none', { networks: ['here'] }],
    ['no networks', { networks: [] }],
    ['networks and pods', { networks: ['10.0.0.0/8'], pods: {} }],
  ])('with %s as destination fails closed', (_what, peer) => {
    const at = (action: string) => convert({ egress: [{ action, to: [peer] }] });
    expect(at('Accept').spec).toMatchObject({ types: [] });
    expect(at('Deny').spec?.egress).toEqual([{ action: 'Deny' }]);
    expect(at('Pass').faults).toHaveLength(1);
  });

  it.each([
    ['networks', { networks: ['10.0.0.0/8'] }],
    ['nodes', { nodes: {} }],
  ])('with %s and named ports fails closed, for they have none', (_what, peer) => {
    const rule = { to: [peer], protocols: [{ destinationNamedPort: 'http' }] };
    expect(convert({ egress: [{ ...rule, action: 'Deny' }] }).spec?.egress).toEqual([{ action: 'Deny' }]);
    expect(convert({ egress: [{ ...rule, action: 'Accept' }] }).spec?.egress).toBeUndefined();
  });

  it('selects nodes as destination by their own labels', () => {
    const nodes = { matchLabels: { role: 'gateway' } };
    const { spec, faults } = convert({
      egress: [{ action: 'Deny', to: [{ nodes }, { nodes: {} }], protocols: [{ tcp: {} }] }],
    });
    expect(faults).toEqual([]);
    expect(spec?.egress).toEqual([
      { action: 'Deny', protocol: 'TCP', destination: { nodes: 'role == "gateway"' } },
      { action: 'Deny', protocol: 'TCP', destination: { nodes: 'all()' } },
    ]);
  });

  it('with an action of a later version denies, for nobody knows what it was to stop', () => {
    const { spec, faults } = convert({ ingress: [{ action: 'Reject', from: [{ namespaces: {} }] }] });
    expect(spec?.ingress).toEqual([{ action: 'Deny' }]);
    expect(faults).toEqual(['spec.ingress[0].action']);
  });

  it.each([
    ['a tier of a later version', { tier: 'Middle' }, 'spec.tier'],
    ['no subject', { subject: {} }, 'spec.subject'],
    ['two subjects', { subject: { namespaces: {}, pods: {} } }, 'spec.subject'],
    ['a subject of a later version', { subject: { nodes: {} } }, 'spec.subject.nodes'],
    [
      'a subject that cannot be read',
      { subject: { namespaces: { matchLabels: { 'a b': 'c' } } } },
      'spec.subject.namespaces.matchLabels["a b"]',
    ],
  ])('with %s is not in force at all', (_what, parts, path) => {
    const { spec, faults } = convert({ ...parts, ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] });
    expect(spec).toBeUndefined();
    expect(faults).toEqual([path]);
  });

  it('out of its limits is told, and in force', () => {
    const { spec, faults } = convert({
      priority: 1001,
      ingress: [{ action: 'Deny', name: 'n'.repeat(101), from: [{ namespaces: {} }] }],
    });
    expect(spec).toMatchObject({ order: 1001, ingress: [{ action: 'Deny', source: everyone }] });
    expect(faults).toEqual(['spec.priority', 'spec.ingress[0].name']);
  });
});
