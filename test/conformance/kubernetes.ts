/** Kubernetes NetworkPolicy beyond its own tests: what its API reference says, sentence by sentence. */
import { ask, closed, judged, kubernetes, open, probe, suite } from './vocabulary.ts';

const appA = { podSelector: { matchLabels: { app: 'a' } } };
const appB = { podSelector: { matchLabels: { app: 'b' } } };
const everyPod = { podSelector: {} };
const blue = { namespaceSelector: { matchLabels: { team: 'blue' } } };

export const kubernetesSuite = suite('Kubernetes NetworkPolicy', [
  judged(
    'a named port is what each destination calls so, by number and protocol',
    {
      apply: ['x', 'y', 'z'].map((namespace) =>
        kubernetes('p', namespace, { ...everyPod, ingress: [{ ports: [{ port: 'web' }] }] }),
      ),
      // In z `web` is of UDP, and a port without protocol is of TCP.
      probes: [
        probe(80, open('- * > y/*', '- * > z/*')),
        probe(81, open('- * > x/*', '- * > z/*')),
        probe(80, closed(), 'UDP'),
      ],
    },
    {
      apply: [
        kubernetes('p', 'z', { ...everyPod, ingress: [{ ports: [{ port: 'web', protocol: 'UDP' }] }] }),
      ],
      probes: [probe(80, closed('+ * > z/*'), 'UDP'), probe(80, open('- * > y/*', '- * > z/*'))],
    },
  ),
  judged('egress by a named port is resolved on the destination', {
    apply: [
      kubernetes('p', 'x', { ...everyPod, policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] }),
    ],
    probes: [
      probe(80, open('- x/* > y/*', '- x/* > z/*')),
      probe(81, open('- x/* > x/*', '- x/* > z/*')),
      probe(90, open('- x/* > *')),
    ],
  }),
  judged('a range ends with its endPort', {
    apply: [kubernetes('p', 'y', { ...appA, ingress: [{ ports: [{ port: 80, endPort: 89 }] }] })],
    probes: [
      probe(80, open()),
      probe(81, open()),
      probe(90, open('- * > y/a')),
      probe(80, open('- * > y/a'), 'UDP'),
    ],
  }),
  judged('a port without number is every port of its protocol', {
    apply: [kubernetes('p', 'y', { ...appA, ingress: [{ ports: [{ protocol: 'SCTP' }] }] })],
    probes: [probe(80, open('- * > y/a')), probe(81, open(), 'SCTP'), probe(81, open('- * > y/a'), 'UDP')],
  }),
  judged('ICMP has no ports: a rule with ports does not mean it, one without does', {
    apply: [
      kubernetes('ports', 'x', { ...appA, ingress: [{ ports: [{ port: 80 }] }] }),
      kubernetes('peers', 'x', { ...appB, ingress: [{ from: [blue] }] }),
      kubernetes('out', 'z', {
        ...everyPod,
        policyTypes: ['Egress'],
        egress: [{ ports: [{ protocol: 'UDP' }] }],
      }),
    ],
    probes: [
      ask('ICMP', open('- * > x/*', '+ y/* > x/b', '- z/c > *')),
      ask('ICMPv6', open('- * > x/*', '+ y/* > x/b', '- z/c > *')),
    ],
  }),
  judged('lists of peers and ports that are empty or left out mean any, a list of rules means none', {
    apply: [
      kubernetes('any', 'x', { ...appA, ingress: [{ from: [], ports: [] }] }),
      kubernetes('none', 'x', { ...appB, ingress: [] }),
      kubernetes('left-out', 'y', { ...appA }),
      kubernetes('null', 'z', { podSelector: null, ingress: null }),
    ],
    probes: [probe(80, open('- * > x/b', '- * > y/a', '- * > z/c'))],
  }),
  judged('policy is of type Ingress unless it says otherwise, and of Egress if it has egress rules', {
    apply: [
      kubernetes('both', 'x', { ...appA, egress: [{ to: [blue] }] }),
      kubernetes('egress', 'y', { ...appA, policyTypes: ['Egress'] }),
    ],
    probes: [probe(80, open('- * > x/a', '- x/a > x/b', '- x/a > z/c', '- y/a > *'))],
  }),
  judged('egress and ingress must both allow', {
    apply: [
      kubernetes('out', 'x', { ...appA, policyTypes: ['Egress'], egress: [{ to: [blue] }] }),
      kubernetes('in', 'y', { ...appB, ingress: [{ from: [{ podSelector: {} }] }] }),
    ],
    probes: [probe(80, open('- x/a > x/b', '- x/a > z/c', '- * > y/b', '+ y/a > y/b'))],
  }),
  judged('a peer with two selectors is both of them, two peers are either', {
    apply: [
      kubernetes('and', 'x', { ...appA, ingress: [{ from: [{ ...blue, ...appB }] }] }),
      kubernetes('or', 'x', { ...appB, ingress: [{ from: [blue, appA] }] }),
    ],
    probes: [probe(80, open('- * > x/a', '+ y/b > x/a', '- z/c > x/b'))],
  }),
  judged('expressions: absent labels are not in a list, and do not exist', {
    apply: [
      kubernetes('not-in', 'x', {
        ...appA,
        ingress: [
          {
            from: [
              {
                namespaceSelector: {
                  matchExpressions: [{ key: 'env', operator: 'NotIn', values: ['prod'] }],
                },
              },
            ],
          },
        ],
      }),
      kubernetes('absent', 'x', {
        ...appB,
        ingress: [
          {
            from: [
              {
                namespaceSelector: {},
                podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
              },
            ],
          },
        ],
      }),
      kubernetes('exists', 'y', {
        podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'c'] }] },
        ingress: [
          { from: [{ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } }] },
        ],
      }),
    ],
    probes: [probe(80, open('- y/* > x/a', '- * > x/b', '+ z/c > x/b', '- z/c > y/a'))],
  }),
  judged('ipBlock: exceptions, of exceptions an address inside again, and the other family not at all', {
    apply: [
      kubernetes('p', 'x', {
        ...everyPod,
        ingress: [
          {
            from: [
              { ipBlock: { cidr: '${net4:y/a}', except: ['${ip:y/a}/32', '${ip:z/c}/32'] } },
              { ipBlock: { cidr: '${ip:z/c}/32' } },
            ],
          },
        ],
      }),
    ],
    probes: [probe(80, open('- y/a > x/*'))],
  }),
  judged('egress to an address of the fabric does not open pods', {
    apply: [
      kubernetes('p', 'z', {
        ...everyPod,
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '${ip:n1}/32' } }] }],
      }),
    ],
    probes: [probe(80, open('- z/c > *'))],
  }),
  judged(
    'labels of pods and namespaces count as they are now, and every namespace keeps its name as a label',
    {
      apply: [
        kubernetes('p', 'x', { ...appA, ingress: [{ from: [{ ...blue, ...appB }] }] }),
        kubernetes('q', 'x', {
          ...appB,
          ingress: [
            { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'z' } } }] },
          ],
        }),
      ],
      probes: [probe(80, open('- * > x/a', '+ y/b > x/a', '- * > x/b', '+ z/c > x/b'))],
    },
    {
      labels: [{ kind: 'Pod', namespace: 'y', name: 'a', labels: { app: 'b' } }],
      probes: [probe(80, open('- * > x/a', '+ y/* > x/a', '- * > x/b', '+ z/c > x/b'))],
    },
    {
      labels: [
        { kind: 'Namespace', name: 'y', labels: {} },
        { kind: 'Namespace', name: 'z', labels: { team: 'blue' } },
        { kind: 'Pod', namespace: 'z', name: 'c', labels: { app: 'b' } },
      ],
      probes: [probe(80, open('- * > x/a', '+ z/c > x/a', '- * > x/b', '+ z/c > x/b'))],
    },
    {
      // Nothing selects x/a any more, and the policy of x/b now has two pods.
      labels: [{ kind: 'Pod', namespace: 'x', name: 'a', labels: { app: 'b' } }],
      probes: [probe(80, open('- * > x/*', '+ z/c > x/*'))],
    },
  ),
  judged(
    'policies add up, and the last one that goes un-isolates',
    {
      apply: [
        kubernetes('one', 'x', { ...appA, ingress: [{ from: [appB] }] }),
        kubernetes('two', 'x', { ...everyPod, ingress: [{ from: [blue], ports: [{ port: 81 }] }] }),
      ],
      probes: [
        probe(80, open('- * > x/*', '+ x/b > x/a')),
        probe(81, open('- * > x/*', '+ x/b > x/a', '+ y/* > x/*')),
      ],
    },
    {
      delete: [{ kind: 'NetworkPolicy', namespace: 'x', name: 'two' }],
      probes: [probe(81, open('- * > x/a', '+ x/b > x/a'))],
    },
    {
      delete: [
        { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'x', name: 'one' },
        { kind: 'NetworkPolicy', namespace: 'x', name: 'never-was' },
      ],
      probes: [probe(80, open()), probe(80, open(), 'UDP'), probe(80, open(), 'SCTP')],
    },
  ),
]);
