/**
 * What the demo does with examples/three-hosts.yaml, and what it says will be seen. Rows send, columns answer on their
 * own service port; both in the order of {@link DEMO_MEMBERS}. `.` open, `X` closed, `-` itself.
 */

export const DEMO_MEMBERS = [
  'shop/frontend',
  'shop/backend',
  'shop/database',
  'ops/monitor',
  'ops/dns',
  'ops/batch',
  'partner',
  'stranger',
] as const;

export interface DemoStep {
  readonly title: string;
  /** Files of policies/ that are removed first, then those that are applied. */
  readonly remove?: readonly string[];
  readonly apply?: readonly string[];
  /** A workload whose labels change. */
  readonly label?: { readonly workload: string; readonly labels: Readonly<Record<string, string>> };
  /** One row for each member. */
  readonly expected: readonly string[];
}

export const DEMO_STEPS: readonly DemoStep[] = [
  {
    title: 'No policy: everybody reaches everybody',
    expected: [
      '-.......',
      '.-......',
      '..-.....',
      '...-....',
      '....-...',
      '.....-..',
      '......-.',
      '.......-',
    ],
  },
  {
    title: 'namespace-isolation: strangers stay out of shop, shop goes anywhere',
    apply: ['namespace-isolation.yaml'],
    expected: [
      '-.......',
      '.-......',
      '..-.....',
      'XXX-....',
      'XXX.-...',
      'XXX..-..',
      'XXX...-.',
      'XXX....-',
    ],
  },
  {
    title: 'same-namespace-only instead: shop keeps to itself in both directions',
    remove: ['namespace-isolation.yaml'],
    apply: ['same-namespace-only.yaml'],
    expected: [
      '-..XXXXX',
      '.-.XXXXX',
      '..-XXXXX',
      'XXX-....',
      'XXX.-...',
      'XXX..-..',
      'XXX...-.',
      'XXX....-',
    ],
  },
  {
    title: 'egress-allow-list instead: out of the cluster, shop reaches partners and no one else',
    remove: ['same-namespace-only.yaml'],
    apply: ['egress-allow-list.yaml'],
    expected: [
      '-......X',
      '.-.....X',
      '..-....X',
      '...-....',
      '....-...',
      '.....-..',
      '......-.',
      '.......-',
    ],
  },
  {
    title: 'default-deny instead: nothing, until a policy says so',
    remove: ['egress-allow-list.yaml'],
    apply: ['default-deny.yaml'],
    expected: [
      '-XXXXXXX',
      'X-XXXXXX',
      'XX-XXXXX',
      'XXX-XXXX',
      'XXXX-XXX',
      'XXXXX-XX',
      'XXXXXX-.',
      'XXXXXX.-',
    ],
  },
  {
    title: 'allow-dns on top: names resolve for everybody',
    apply: ['allow-dns.yaml'],
    expected: [
      '-XXX.XXX',
      'X-XX.XXX',
      'XX-X.XXX',
      'XXX-.XXX',
      'XXXX-XXX',
      'XXXX.-XX',
      'XXXX.X-.',
      'XXXX.X.-',
    ],
  },
  {
    title: 'frontend-backend-database on top: each layer from the layer above, on one port',
    apply: ['frontend-backend-database.yaml'],
    expected: [
      '-.XX.XXX',
      'X-.X.XXX',
      'XX-X.XXX',
      'XXX-.XXX',
      'XXXX-XXX',
      'XXXX.-XX',
      '.XXX.X-.',
      '.XXX.X.-',
    ],
  },
  {
    title: 'admin-tier above them all: monitoring reaches every workload',
    apply: ['admin-tier.yaml'],
    expected: [
      '-.XX.XXX',
      'X-.X.XXX',
      'XX-X.XXX',
      '...-..XX',
      'XXXX-XXX',
      'XXXX.-XX',
      '.XXX.X-.',
      '.XXX.X.-',
    ],
  },
  {
    title: 'ops/batch gets the label quarantine: "true": cut off, even from monitoring',
    label: { workload: 'ops/batch', labels: { app: 'batch', quarantine: 'true' } },
    expected: [
      '-.XX.XXX',
      'X-.X.XXX',
      'XX-X.XXX',
      '...-.XXX',
      'XXXX-XXX',
      'XXXXX-XX',
      '.XXX.X-.',
      '.XXX.X.-',
    ],
  },
];

/** Streams that run while an agent is dead: UDP to the resolver, which every policy above lets through. */
export const DEMO_STREAMS: readonly { readonly from: string; readonly to: string; readonly port: number }[] =
  [
    { from: 'shop/frontend', to: 'ops/dns', port: 53 },
    { from: 'partner', to: 'ops/dns', port: 53 },
  ];

/** Node whose agent is killed: the one that the streams end on. */
export const DEMO_VICTIM = 'n2';
/** Milliseconds that it stays dead. */
export const DEMO_DEAD = 10_000;
