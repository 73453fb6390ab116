/** Names, namespaces and labels. */
import type { RuleCases } from './case.ts';

export const metadataRules: readonly RuleCases[] = [
  {
    rule: 'every kind: names, namespaces and labels are those of Kubernetes [RFC 1123, calico.md §1.2, validator.go validateObjectMeta]',
    rows: [
      ['NetworkPolicy', 'metadata', { name: 'a.b', namespace: 'x' }],
      ['NetworkPolicy', 'metadata', { name: 'knp.default.a.b-c.d', namespace: 'x' }],
      ['NetworkPolicy', 'metadata', { name: 'a.b.c', namespace: 'x' }, 'metadata.name: not a valid name'],
      [
        'NetworkPolicy',
        'metadata',
        { name: 'A', namespace: 'x' },
        'metadata.name: not a valid name, found "A"',
      ],
      ['NetworkPolicy', 'metadata', { name: 'a' }, 'metadata.namespace: required field is missing'],
      ['NetworkPolicy', 'metadata', { namespace: 'x' }, 'metadata.name: required field is missing'],
      ['NetworkPolicy', 'metadata', { name: '', namespace: 'x' }, 'metadata.name: required field is missing'],
      [
        'NetworkPolicy',
        'metadata',
        { name: 'a', namespace: 'X' },
        'metadata.namespace: not a valid namespace',
      ],
      ['GlobalNetworkPolicy', 'metadata', { name: 'tier.a' }],
      ['GlobalNetworkPolicy', 'metadata', { name: 'knp.default.a' }, 'metadata.name: not a valid name'],
      [
        'GlobalNetworkPolicy',
        'metadata',
        { name: 'a', namespace: 'x' },
        'metadata.namespace: GlobalNetworkPolicy is not namespaced',
      ],
      ['Tier', 'metadata', { name: 'a.b' }, 'metadata.name: not a valid name'],
      ['Node', 'metadata', { name: 'host.example.org' }],
      ['Node', 'metadata', { name: 'host_1' }, 'metadata.name: not a valid name'],
      ['Node', 'metadata', { name: 'n', labels: { 'a.b/c': 'x', d: '' } }],
      ['Node', 'metadata', { name: 'n', labels: { 'a b': 'x' } }, 'metadata.labels["a b"]: not a label key'],
      [
        'Node',
        'metadata',
        { name: 'n', labels: { a: 'x y' } },
        'metadata.labels.a: not a label value, found "x y"',
      ],
      [
        'Node',
        'metadata',
        { name: 'n', labels: { a: 1 } },
        'metadata.labels.a: expected text, found 1; allowed: "1" in quotes',
      ],
      [
        'Node',
        'metadata',
        { name: 'n', lables: {} },
        'metadata.lables: unknown field (did you mean "labels"?)',
      ],
      ['Node', 'metadata', { name: 'n', creationTimestamp: null, managedFields: [{ a: 1 }], selfLink: '/x' }],
      ['BGPConfiguration', 'metadata', { name: 'node.n1' }],
      [
        'BGPConfiguration',
        'metadata',
        { name: 'other' },
        'metadata.name: not a valid name, found "other"; allowed: default or node.NAME',
      ],
      ['ClusterInformation', 'metadata', { name: 'other' }, 'metadata.name: not a valid name'],
      ['BlockAffinity', 'metadata', { name: 'n1-10-65-0-1-26' }, 'metadata.name: not a valid name'],
      [
        'NetworkSet',
        'metadata',
        { name: 's', namespace: 'x', labels: { 'projectcalico.org/namespace': 'y' } },
        'metadata.labels["projectcalico.org/namespace"]: the label is given',
      ],
    ],
  },
];
