/** ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2): Admin, then NetworkPolicy, then Baseline. */
import { calico, closed, cluster, judged, kubernetes, open, probe, suite } from './vocabulary.ts';

const namespaces = (matchLabels: object = {}) => ({ namespaces: { matchLabels } });
const named = (name: string) => namespaces({ 'kubernetes.io/metadata.name': name });
const podsOf = (name: string, matchLabels: object) => ({
  pods: {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
    podSelector: { matchLabels },
  },
});
const admin = (name: string, priority: number, spec: object) =>
  cluster(name, { tier: 'Admin', priority, ...spec });
const baseline = (name: string, priority: number, spec: object) =>
  cluster(name, { tier: 'Baseline', priority, ...spec });
/** A node of no agent, at the address of a pod: what answers there shows whom `nodes` means. */
const nodeAt = (place: string, rack: string) => ({
  ...calico('Node', 'borrowed', { addresses: [{ address: place, type: 'InternalIP' }] }),
  metadata: { name: 'borrowed', labels: { rack } },
});
const toNodes = (selector: object) => ({
  subject: named('z'),
  egress: [{ action: 'Deny', to: [{ nodes: selector }] }],
});
const rule = (action: string, peers: readonly object[], more: object = {}) => ({
  action,
  from: peers,
  ...more,
});

export const clusterSuite = suite('ClusterNetworkPolicy', [
  judged(
    'the lower priority decides, within a policy the first rule',
    {
      apply: [
        admin('deny-all', 50, { subject: named('x'), ingress: [rule('Deny', [namespaces()])] }),
        admin('accept-y', 40, {
          subject: podsOf('x', { app: 'a' }),
          ingress: [rule('Deny', [podsOf('y', { app: 'b' })]), rule('Accept', [named('y')])],
        }),
      ],
      probes: [
        probe(80, open('- * > x/*', '+ y/a > x/a')),
        probe(80, open('- * > x/*', '+ y/a > x/a'), 'SCTP'),
      ],
    },
    {
      apply: [admin('deny-all', 30, { subject: named('x'), ingress: [rule('Deny', [namespaces()])] })],
      probes: [probe(80, open('- * > x/*'))],
    },
    {
      delete: [{ kind: 'ClusterNetworkPolicy', name: 'deny-all' }],
      probes: [probe(80, open('- y/b > x/a'))],
    },
  ),
  judged(
    'Accept of the Admin tier overrules a NetworkPolicy, Pass leaves it to it, and it leaves nothing to the Baseline',
    {
      apply: [
        admin('a', 10, {
          subject: named('x'),
          ingress: [
            rule('Accept', [podsOf('y', { app: 'a' })]),
            rule('Pass', [podsOf('y', { app: 'b' })]),
            rule('Deny', [named('z')]),
          ],
        }),
        kubernetes('np', 'x', {
          podSelector: { matchLabels: { app: 'a' } },
          ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'b' } } }] }],
        }),
        baseline('b', 10, { subject: named('x'), ingress: [rule('Deny', [namespaces()])] }),
      ],
      // x/a has a NetworkPolicy, which is final for it; x/b has none, so the Baseline denies what Admin did not accept.
      probes: [probe(80, closed('+ * > y/*', '+ * > z/*', '+ y/a > x/*', '+ y/b > x/a', '+ x/b > x/a'))],
    },
    {
      delete: [{ kind: 'NetworkPolicy', namespace: 'x', name: 'np' }],
      probes: [probe(80, open('- * > x/*', '+ y/a > x/*'))],
    },
  ),
  judged('ports and ranges by protocol, and names', {
    apply: [
      admin('p', 1, {
        subject: namespaces(),
        ingress: [
          rule('Accept', [namespaces()], {
            protocols: [
              { tcp: { destinationPort: { number: 90 } } },
              { udp: { destinationPort: { range: { start: 80, end: 81 } } } },
              { sctp: {} },
              { destinationNamedPort: 'web' },
            ],
          }),
          rule('Deny', [namespaces()]),
        ],
      }),
    ],
    probes: [
      probe(80, closed('+ * > x/*')),
      probe(81, closed('+ * > y/*')),
      probe(90, open()),
      probe(80, open(), 'UDP'),
      probe(90, closed(), 'UDP'),
      probe(90, open(), 'SCTP'),
    ],
  }),
  judged('egress: namespaces, pods and networks, and ingress of the destination all the same', {
    apply: [
      admin('out', 1, {
        subject: named('z'),
        egress: [
          { action: 'Deny', to: [podsOf('x', { app: 'a' }), { networks: ['${ip:y/a}/32'] }] },
          { action: 'Accept', to: [named('y')] },
        ],
      }),
      admin('in', 2, { subject: podsOf('y', { app: 'b' }), ingress: [rule('Deny', [named('z')])] }),
    ],
    probes: [probe(80, open('- z/c > x/a', '- z/c > y/*'))],
  }),
  judged(
    'nodes are their own addresses and not the pods on them, and follow labels and addresses',
    {
      apply: [nodeAt('${ip:y/a}', 'one'), admin('p', 1, toNodes({ matchLabels: { rack: 'one' } }))],
      probes: [probe(80, open('- z/c > y/a')), probe(80, open('- z/c > y/a'), 'UDP')],
    },
    { apply: [nodeAt('${ip:y/a}', 'two')], probes: [probe(80, open())] },
    // The pods of n1, n2 and n3 are no peers, though their nodes are.
    { apply: [admin('p', 1, toNodes({}))], probes: [probe(80, open('- z/c > y/a'))] },
    { apply: [nodeAt('${ip:x/b}', 'two')], probes: [probe(80, open('- z/c > x/b'))] },
    {
      apply: [
        admin('p', 1, toNodes({ matchExpressions: [{ key: 'rack', operator: 'DoesNotExist' }] })),
        baseline('b', 1, toNodes({ matchExpressions: [{ key: 'rack', operator: 'In', values: ['two'] }] })),
      ],
      probes: [probe(80, open('- z/c > x/b'))],
    },
    { delete: [{ kind: 'Node', name: 'borrowed' }], probes: [probe(80, open())] },
  ),
  judged(
    'subjects and peers follow the labels of namespaces and pods',
    {
      apply: [
        admin('p', 1, {
          subject: namespaces({ team: 'blue' }),
          ingress: [
            rule('Deny', [
              { namespaces: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['blue'] }] } },
            ]),
          ],
        }),
      ],
      probes: [probe(80, open('- x/* > y/*', '- z/c > y/*'))],
    },
    {
      labels: [
        { kind: 'Namespace', name: 'z', labels: { team: 'blue' } },
        { kind: 'Namespace', name: 'y', labels: {} },
      ],
      probes: [probe(80, open('- x/* > z/c', '- y/* > z/c'))],
    },
  ),
  judged('the Baseline has a default of its own, and rules in order', {
    apply: [
      baseline('second', 20, { subject: namespaces(), ingress: [rule('Deny', [namespaces()])] }),
      baseline('first', 10, {
        subject: named('y'),
        ingress: [rule('Accept', [named('x')]), rule('Pass', [named('z')])],
        egress: [{ action: 'Deny', to: [named('z')] }],
      }),
    ],
    probes: [probe(80, closed('+ x/* > y/*', '+ z/c > y/*'))],
  }),
]);
