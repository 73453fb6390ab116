/** Calico's policy model: tiers, order, every match field that a probe between pods can show, sets, profiles. */
import { ask, calico, closed, global, judged, kubernetes, open, probe, suite } from './vocabulary.ts';

const allow = (rule: object = {}) => ({ action: 'Allow', ...rule });
const deny = (rule: object = {}) => ({ action: 'Deny', ...rule });
const from = (source: object, rule: object = {}) => ({ ...rule, source });
const ingress = (selector: string, rules: readonly object[], more: object = {}) => ({
  selector,
  types: ['Ingress'],
  ingress: rules,
  ...more,
});
const networkPolicy = (name: string, namespace: string, spec: Readonly<Record<string, unknown>>) =>
  calico('NetworkPolicy', name, spec, namespace);

const appA = "app == 'a'";
const appB = "app == 'b'";

export const calicoSuite = suite('Calico policy', [
  judged(
    'the lower order decides, and between equals the name',
    {
      apply: [
        global('late-deny', ingress(appA, [deny()], { order: 200 })),
        global('early-allow', ingress(appA, [allow(from({ selector: appB }))], { order: 100 })),
        global('b-deny', ingress(appB, [deny()], { order: 10 })),
        global('a-allow', ingress(appB, [allow(from({ selector: appA }))], { order: 10 })),
      ],
      probes: [
        probe(
          80,
          open(
            '- * > x/a',
            '- * > y/a',
            '+ x/b > *',
            '+ y/b > *',
            '- * > x/b',
            '- * > y/b',
            '+ x/a > x/b',
            '+ x/a > y/b',
            '+ y/a > x/b',
            '+ y/a > y/b',
          ),
        ),
      ],
    },
    {
      apply: [global('late-deny', ingress(appA, [deny()], { order: 50 }))],
      probes: [
        probe(
          80,
          open(
            '- * > x/a',
            '- * > y/a',
            '- * > x/b',
            '- * > y/b',
            '+ x/a > x/b',
            '+ x/a > y/b',
            '+ y/a > x/b',
            '+ y/a > y/b',
          ),
        ),
      ],
    },
  ),
  judged(
    'Pass leaves the tier; what nothing decides is denied or passed on as the tier says',
    {
      apply: [
        calico('Tier', 'first', { order: 10 }),
        global(
          'first.p',
          ingress(
            'all()',
            [
              { action: 'Pass', ...from({ selector: appB }) },
              deny(from({ namespaceSelector: "team == 'blue'" })),
              { action: 'Pass', ...from({ namespaceSelector: "team == 'red'" }) },
            ],
            { tier: 'first', order: 1 },
          ),
        ),
        networkPolicy(
          'q',
          'x',
          ingress('all()', [allow(from({ selector: appB, namespaceSelector: 'all()' }))]),
        ),
      ],
      // z/c meets no rule of the first tier; x/a is passed on to a policy of x that does not allow it, and elsewhere to none.
      probes: [probe(80, open('- z/c > *', '- y/a > *', '- x/a > x/*'))],
    },
    {
      apply: [calico('Tier', 'first', { order: 10, defaultAction: 'Pass' })],
      probes: [probe(80, open('- y/a > *', '- z/c > x/*', '- x/a > x/*'))],
    },
    {
      delete: [{ kind: 'NetworkPolicy', namespace: 'x', name: 'q' }],
      probes: [probe(80, open('- y/a > *'))],
    },
  ),
  judged('a tier of higher order is asked only if those before pass', {
    apply: [
      calico('Tier', 'late', { order: 2_000_000 }),
      global('late.p', ingress('all()', [deny()], { tier: 'late' })),
      networkPolicy('q', 'x', ingress(appA, [allow()])),
    ],
    probes: [probe(80, closed('+ * > x/a'))],
  }),
  judged('Log decides nothing', {
    apply: [
      global('p', ingress(appA, [{ action: 'Log' }, allow(from({ selector: appB })), { action: 'Log' }])),
    ],
    probes: [probe(80, open('- * > x/a', '- * > y/a', '+ x/b > *', '+ y/b > *'))],
  }),
  judged('types follow from the rules that are there', {
    apply: [
      networkPolicy('out', 'x', { selector: appA, egress: [allow({ destination: { selector: appB } })] }),
      networkPolicy('in', 'y', { selector: appA, ingress: [allow(from({ selector: appB }))] }),
      networkPolicy('none', 'z', { selector: 'all()' }),
    ],
    // Without rules a policy is of type Ingress. A selector without namespaceSelector stays in its namespace.
    probes: [probe(80, open('- x/a > *', '+ x/a > x/b', '- * > y/a', '+ y/b > y/a', '- * > z/c'))],
  }),
  judged('selectors: operators, and the namespace as a label', {
    apply: [
      global(
        'p',
        ingress("has(app) && app in {'a', 'c'} && !has(missing)", [
          allow(from({ selector: "tier == 'front' || (has(app) && projectcalico.org/namespace == 'y')" })),
        ]),
      ),
      global('q', ingress("app starts with 'b'", [allow(from({ selector: "app != 'a'" }))])),
      global('r', ingress('!has(app)', [allow(from({ selector: "app not in {'b'}" }))])),
    ],
    // `!=` and `not in` also hold for what has no such label.
    probes: [
      probe(
        80,
        open(
          '- * > x/a',
          '- * > y/a',
          '+ x/a > y/a',
          '+ y/* > x/a',
          '+ y/* > y/a',
          '- x/a > x/b',
          '- y/a > x/b',
          '- x/a > y/b',
          '- y/a > y/b',
          '- x/b > z/c',
          '- y/b > z/c',
        ),
      ),
    ],
  }),
  judged('notSelector, and a namespace selector in a policy of a namespace', {
    apply: [
      networkPolicy(
        'p',
        'x',
        ingress('all()', [allow(from({ notSelector: appA, namespaceSelector: 'all()' }))]),
      ),
      networkPolicy(
        'q',
        'y',
        ingress('all()', [allow(from({ namespaceSelector: "team == 'red'", selector: appB }))]),
      ),
    ],
    probes: [probe(80, open('- x/a > x/*', '- y/a > x/*', '- * > y/*', '+ x/b > y/*'))],
  }),
  judged('a global policy is limited by its namespaceSelector and by serviceAccountSelector', {
    apply: [
      global('p', ingress('all()', [deny()], { namespaceSelector: "env == 'prod'" })),
      global(
        'q',
        ingress('all()', [deny(from({ selector: appA })), allow()], {
          serviceAccountSelector: "projectcalico.org/name == 'builder'",
          order: 1,
        }),
      ),
    ],
    probes: [probe(80, open('- * > y/a', '- x/a > x/b', '- y/a > x/b', '- x/a > y/b', '- y/a > y/b'))],
  }),
  judged(
    'service accounts, by name and by selector, and their labels as they change',
    {
      apply: [
        networkPolicy('p', 'x', ingress(appA, [allow(from({ serviceAccounts: { names: ['builder'] } }))])),
        networkPolicy(
          'q',
          'y',
          ingress(appA, [
            allow(from({ serviceAccounts: { selector: "role == 'ci'" }, namespaceSelector: 'all()' })),
          ]),
        ),
        {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'builder', namespace: 'x', labels: { role: 'ci' } },
        },
      ],
      // Names without a namespaceSelector are those of the policy's namespace.
      probes: [probe(80, open('- * > x/a', '+ x/b > x/a', '- * > y/a', '+ x/b > y/a'))],
    },
    {
      apply: [
        {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'builder', namespace: 'x', labels: {} },
        },
        {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'builder', namespace: 'y', labels: { role: 'ci' } },
        },
      ],
      probes: [probe(80, open('- * > x/a', '+ x/b > x/a', '- * > y/a', '+ y/b > y/a'))],
    },
  ),
  judged('nets and notNets, of the packet’s family', {
    apply: [
      global(
        'p',
        ingress("projectcalico.org/namespace == 'x'", [
          allow(from({ nets: ['${net4:y/a}'], notNets: ['${ip:y/a}/32', '${ip:x/a}/32'] })),
          allow(from({ nets: ['${ip:x/a}/32'] }, { destination: { ports: [81] }, protocol: 'TCP' })),
        ]),
      ),
    ],
    probes: [probe(80, open('- y/a > x/*', '- x/a > x/*')), probe(81, open('- y/a > x/*'))],
  }),
  judged('ports: numbers, ranges, names, and what is not in a list', {
    apply: [
      global(
        'p',
        ingress('all()', [
          deny({ protocol: 'TCP', destination: { ports: ['85:95'] } }),
          allow({ protocol: 'TCP', destination: { ports: ['web', 90] } }),
          allow({ protocol: 'UDP', destination: { notPorts: [80, '89:91'] } }),
        ]),
      ),
    ],
    probes: [
      probe(80, closed('+ * > x/*')),
      probe(81, closed('+ * > y/*')),
      probe(90, closed()),
      probe(80, closed(), 'UDP'),
      probe(81, open(), 'UDP'),
      probe(90, closed(), 'UDP'),
    ],
  }),
  judged('ports of the source', {
    apply: [
      global(
        'p',
        ingress('all()', [
          deny({ protocol: 'TCP', source: { ports: ['1:1023'] } }),
          allow({ protocol: 'TCP', source: { notPorts: ['1:1023'] } }),
        ]),
      ),
    ],
    probes: [probe(80, open()), probe(80, closed(), 'UDP')],
  }),
  judged('protocols by name, by number, and what is not one', {
    apply: [
      global(
        'p',
        ingress(appA, [allow({ protocol: 132 }), allow({ protocol: 'UDP', destination: { ports: [80] } })]),
      ),
      global('q', ingress(appB, [allow({ notProtocol: 'TCP' })])),
    ],
    probes: [
      probe(80, open('- * > x/*', '- * > y/*')),
      probe(80, open(), 'UDP'),
      probe(81, open('- * > x/a', '- * > y/a'), 'UDP'),
      probe(80, open(), 'SCTP'),
    ],
  }),
  judged('a rule of the other family does not match', {
    apply: [
      global('p', ingress(appA, [allow({ ipVersion: 4 }), allow({ ipVersion: 6 })])),
      global('q', ingress(appB, [deny({ ipVersion: 4 }), deny({ ipVersion: 6 }), allow()])),
    ],
    probes: [probe(80, open('- * > x/b', '- * > y/b'))],
  }),
  judged(
    'ICMP by type and code, each protocol for itself',
    {
      apply: [
        networkPolicy(
          'codes',
          'x',
          ingress(appA, [
            allow({ protocol: 'ICMP', icmp: { type: 8, code: 0 } }),
            allow({ protocol: 'ICMP', icmp: { type: 13 } }),
            allow({ protocol: 'ICMPv6', icmp: { type: 128, code: 3 } }),
          ]),
        ),
        networkPolicy('all', 'y', ingress(appA, [allow({ protocol: 'ICMP' }), deny()])),
        networkPolicy(
          'none',
          'y',
          ingress(appB, [deny({ protocol: 'ICMPv6', icmp: { type: 128 } }), allow()]),
        ),
      ],
      probes: [
        ask('ICMP', open()),
        ask('ICMP', open('- * > x/a'), { type: 8, code: 3 }),
        ask('ICMP', open(), { type: 13 }),
        ask('ICMPv6', open('- * > x/a', '- * > y/*')),
        ask('ICMPv6', open('- * > y/*'), { type: 128, code: 3 }),
        probe(80, open('- * > x/a', '- * > y/a')),
      ],
    },
    {
      // What is not a type is every other one; what is not a type and code is also that type with another code.
      apply: [
        networkPolicy('codes', 'x', ingress(appA, [allow({ protocol: 'ICMP', notICMP: { type: 8 } })])),
        networkPolicy(
          'all',
          'y',
          ingress(appA, [
            allow({ protocol: 'ICMP', notICMP: { type: 8, code: 3 } }),
            allow({ protocol: 'ICMPv6', notICMP: { type: 128, code: 3 } }),
          ]),
        ),
        networkPolicy('none', 'y', ingress(appB, [allow({ notProtocol: 'ICMP' })])),
      ],
      probes: [
        ask('ICMP', open('- * > x/a', '- * > y/b')),
        ask('ICMP', open('- * > x/a', '- * > y/*'), { type: 8, code: 3 }),
        ask('ICMP', open('- * > y/b'), { type: 13 }),
        ask('ICMPv6', open('- * > x/a')),
        ask('ICMPv6', open('- * > x/a', '- * > y/a'), { type: 128, code: 3 }),
      ],
    },
  ),
  judged('ICMP says nothing about TCP', {
    apply: [
      global(
        'p',
        ingress(appA, [
          deny({ protocol: 'ICMP' }),
          deny({ protocol: 'ICMPv6', icmp: { type: 128 } }),
          allow({ protocol: 'TCP' }),
        ]),
      ),
    ],
    probes: [probe(80, open()), probe(80, open('- * > x/a', '- * > y/a'), 'UDP')],
  }),
  judged(
    'network sets: overlapping each other and pods, in a namespace and global, as labels and members change',
    {
      apply: [
        {
          ...calico('GlobalNetworkSet', 'some', { nets: ['${ip:y/a}/32', '${ip:z/c}/32', '${ip:x/b}/32'] }),
          metadata: { name: 'some', labels: { listed: 'yes' } },
        },
        {
          ...calico('NetworkSet', 'own', { nets: ['${ip:y/a}/32'] }, 'x'),
          metadata: { name: 'own', namespace: 'x', labels: { listed: 'yes' } },
        },
        networkPolicy('p', 'x', ingress(appA, [allow(from({ selector: "listed == 'yes'" }))])),
        networkPolicy(
          'q',
          'y',
          ingress(appB, [allow(from({ selector: "listed == 'yes'", namespaceSelector: 'global()' }))]),
        ),
      ],
      // In a policy of a namespace a selector alone means that namespace, and no global set.
      probes: [probe(80, open('- * > x/a', '+ y/a > x/a', '- x/a > y/b'))],
    },
    {
      apply: [
        {
          ...calico('GlobalNetworkSet', 'some', { nets: ['${ip:x/b}/32'] }),
          metadata: { name: 'some', labels: { listed: 'yes' } },
        },
      ],
      probes: [probe(80, open('- * > x/a', '+ y/a > x/a', '- * > y/b', '+ x/b > y/b'))],
    },
    {
      delete: [{ kind: 'NetworkSet', namespace: 'x', name: 'own' }],
      probes: [probe(80, open('- * > x/a', '- * > y/b', '+ x/b > y/b'))],
    },
  ),
  judged('staged policies decide nothing', {
    apply: [
      calico('StagedGlobalNetworkPolicy', 'p', ingress('all()', [deny()])),
      calico('StagedNetworkPolicy', 'q', ingress('all()', [deny()]), 'x'),
      calico('StagedKubernetesNetworkPolicy', 'r', { podSelector: {}, policyTypes: ['Ingress'] }, 'y'),
    ],
    probes: [probe(80, open())],
  }),
  judged(
    'policies of Calico and of Kubernetes stand side by side under one name',
    {
      apply: [
        kubernetes('same', 'x', { podSelector: {}, ingress: [{ ports: [{ port: 81 }] }] }),
        networkPolicy(
          'same',
          'x',
          ingress('all()', [allow({ protocol: 'TCP', destination: { ports: [80] } })]),
        ),
      ],
      probes: [probe(80, open()), probe(81, open()), probe(90, open('- * > x/*'))],
    },
    {
      delete: [{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'x', name: 'same' }],
      probes: [probe(80, open()), probe(81, open('- * > x/*'))],
    },
    {
      delete: [{ apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', namespace: 'x', name: 'same' }],
      probes: [probe(90, open())],
    },
  ),
  judged('egress of the sender is asked before ingress of the receiver, and both must allow', {
    apply: [
      global('out', {
        selector: appA,
        types: ['Egress'],
        egress: [allow({ destination: { selector: appB } }), deny()],
      }),
      global(
        'in',
        ingress(appB, [deny(from({ namespaceSelector: "projectcalico.org/name == 'y'" })), allow()]),
      ),
    ],
    probes: [
      probe(80, open('- x/a > *', '- y/a > *', '+ x/a > x/b', '+ x/a > y/b', '- y/* > x/b', '- y/* > y/b')),
    ],
  }),
  judged('a policy that matches many fields matches all of them', {
    apply: [
      global('p', {
        selector: 'all()',
        types: ['Egress'],
        order: 1,
        egress: [
          deny({
            protocol: 'TCP',
            source: { selector: appA, nets: ['${net4:x/a}'], namespaceSelector: "team == 'red'" },
            destination: {
              selector: 'has(app)',
              notNets: ['${ip:y/a}/32'],
              ports: ['80:81'],
              notPorts: [81],
            },
          }),
          allow(),
        ],
      }),
    ],
    probes: [probe(80, open('- x/a > x/b', '- x/a > y/b')), probe(81, open()), probe(80, open(), 'UDP')],
  }),
  judged(
    'a host endpoint guards what is forwarded only where policy says so',
    {
      apply: [
        ...['n1', 'n2', 'n3'].map((node) => ({
          ...calico('HostEndpoint', `${node}-all`, { node, interfaceName: '*' }),
          metadata: { name: `${node}-all`, labels: { host: node } },
        })),
        global('local', ingress("host == 'n2'", [deny()], { order: 1 })),
      ],
      probes: [probe(80, open())],
    },
    {
      apply: [
        global(
          'forwarded',
          ingress(
            "host == 'n2'",
            [deny({ protocol: 'TCP', destination: { ports: [80], nets: ['${ip:x/b}/32'] } }), allow()],
            { order: 2, applyOnForward: true },
          ),
        ),
      ],
      // Interfaces of workloads are among all interfaces, so it is asked between x/b and y/a, which are both on n2, too. The
      // first policy is not for forwarded traffic.
      probes: [probe(80, open('- * > x/b')), probe(81, open())],
    },
  ),
]);
