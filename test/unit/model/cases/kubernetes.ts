/** Kinds of Kubernetes. */
import type { RuleCases } from './case.ts';

export const kubernetesRules: readonly RuleCases[] = [
  {
    rule: 'Kubernetes policies: ports and peers [calico.md §1.5, networking.k8s.io/v1]',
    rows: [
      ['KubernetesNetworkPolicy', 'spec', { podSelector: null, policyTypes: ['Ingress'] }],
      [
        'KubernetesNetworkPolicy',
        'spec',
        {
          ingress: [
            {
              ports: [
                { port: 80, endPort: 80 },
                { port: 90, endPort: 99, protocol: 'UDP' },
              ],
            },
          ],
        },
      ],
      [
        'KubernetesNetworkPolicy',
        'spec',
        { ingress: [{ ports: [{ endPort: 80 }] }] },
        'spec.ingress[0].ports[0].endPort: endPort needs a port',
      ],
      [
        'KubernetesNetworkPolicy',
        'spec',
        { ingress: [{ ports: [{ port: 'http', endPort: 80 }] }] },
        'spec.ingress[0].ports[0].endPort: endPort needs a port number',
      ],
      [
        'KubernetesNetworkPolicy',
        'spec',
        { ingress: [{ ports: [{ port: 81, endPort: 80 }] }] },
        'spec.ingress[0].ports[0].endPort: not the end of a range',
      ],
      [
        'KubernetesNetworkPolicy',
        'spec',
        { ingress: [{ from: [{}] }] },
        'spec.ingress[0].from[0]: empty peer',
      ],
      [
        'KubernetesNetworkPolicy',
        'spec',
        { selector: 'all()' },
        'spec.selector: unknown field; allowed: podSelector, ingress, egress, policyTypes',
      ],
      ['Namespace', 'spec', { finalizers: ['kubernetes'] }],
    ],
  },
];
