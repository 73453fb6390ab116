/** Inputs of Kubernetes. */
import { type RuleCases, rule } from './case.ts';

const subject = { namespaces: {} };
const cnp = (fields: object) => ({ tier: 'Admin', priority: 10, subject, ...fields });
const from = [{ namespaces: {} }];
const ingress = (fields: object) => cnp({ ingress: [{ action: 'Deny', from, ...fields }] });
const egress = (fields: object) =>
  cnp({ egress: [{ action: 'Accept', to: [{ namespaces: {} }], ...fields }] });
const pod = (annotations: Record<string, string>) => ({ name: 'p', namespace: 'x', annotations });
const slice = (fields: object) => ({ addressType: 'IPv4', ...fields });
const knp = (fields: object) => ({ podSelector: {}, ...fields });
const annotationPath = (name: string) => `metadata.annotations["${name}"]`;

export const kubernetesKindRules: readonly RuleCases[] = [
  rule(
    'KubernetesClusterNetworkPolicy',
    'tier is Admin or Baseline [network-policy-api v1alpha2 Tier, calico.md §1.5]',
    [cnp({}), cnp({ tier: 'Baseline' })],
    [
      [cnp({ tier: 'Middle' }), 'spec.tier: not a tier; allowed: Admin, Baseline'],
      [{ priority: 1, subject }, 'spec.tier: required field is missing'],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'priority is from 0 to 1000 [network-policy-api v1alpha2]',
    [cnp({ priority: 0 }), cnp({ priority: 1000 })],
    [
      [cnp({ priority: -1 }), 'spec.priority: not a priority; allowed: 0 to 1000'],
      [cnp({ priority: 1001 }), 'spec.priority: not a priority; allowed: 0 to 1000'],
      [{ tier: 'Admin', subject }, 'spec.priority: required field is missing'],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'subject is namespaces or pods [network-policy-api v1alpha2: MinProperties=1, MaxProperties=1]',
    [
      cnp({ subject: { pods: { podSelector: { matchLabels: { a: 'b' } } } } }),
      cnp({ subject: { namespaces: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } } }),
    ],
    [
      [cnp({ subject: {} }), 'spec.subject: exactly one field must be given; allowed: namespaces or pods'],
      [cnp({ subject: { namespaces: {}, pods: {} } }), 'spec.subject: exactly one field must be given'],
      [cnp({ subject: { services: {} } }), 'spec.subject.services: not supported'],
      [
        cnp({ subject: { namespaces: { matchExpressions: [{ key: 'a', operator: 'In' }] } } }),
        'spec.subject.namespaces.matchExpressions[0].values: In needs values',
      ],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'action is Accept, Deny or Pass [network-policy-api v1alpha2]',
    ['Accept', 'Deny', 'Pass'].map((action) => ingress({ action })),
    [
      [ingress({ action: 'Allow' }), 'spec.ingress[0].action: not an action; allowed: Accept, Deny, Pass'],
      [egress({ action: 'deny' }), 'spec.egress[0].action: not an action'],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'peers are 1 to 25, each of one kind [network-policy-api v1alpha2]',
    [
      ingress({ from: [{ pods: { podSelector: {} } }, { namespaces: {} }] }),
      egress({ to: [{ networks: ['10.0.0.0/8', '::/0'] }] }),
    ],
    [
      [ingress({ from: [] }), 'spec.ingress[0].from: needs at least one entry'],
      [
        ingress({ from: Array.from({ length: 26 }, () => ({ namespaces: {} })) }),
        'spec.ingress[0].from: more than 25 entries',
      ],
      [ingress({ from: [{}] }), 'spec.ingress[0].from[0]: exactly one field must be given'],
      [
        ingress({ from: [{ namespaces: {}, pods: {} }] }),
        'spec.ingress[0].from[0]: exactly one field must be given',
      ],
      [ingress({ from: [{ networks: ['10.0.0.0/8'] }] }), 'spec.ingress[0].from[0].networks: not supported'],
      [ingress({ from: [{ nodes: {} }] }), 'spec.ingress[0].from[0].nodes: not supported'],
      [egress({ to: [{ nodes: {}, pods: {} }] }), 'spec.egress[0].to[0]: exactly one field must be given'],
      [egress({ to: [{ domainNames: ['a.b'] }] }), 'spec.egress[0].to[0].domainNames: not supported'],
      [
        egress({ to: [{ networks: ['10.0.0.0/8'], pods: {} }] }),
        'spec.egress[0].to[0]: exactly one field must be given',
      ],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'networks are CIDRs [network-policy-api v1alpha2 CIDR]',
    [egress({ to: [{ networks: ['0.0.0.0/0'] }] })],
    [
      [egress({ to: [{ networks: ['10.0.0.1'] }] }), 'spec.egress[0].to[0].networks[0]: not a CIDR'],
      [egress({ to: [{ networks: [] }] }), 'spec.egress[0].to[0].networks: needs at least one entry'],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'protocols are of one kind each, with a port or a range [network-policy-api v1alpha2]',
    [
      ingress({ protocols: [{ tcp: { destinationPort: { number: 80 } } }, { udp: {} }] }),
      ingress({ protocols: [{ sctp: { destinationPort: { range: { start: 1, end: 65535 } } } }] }),
      ingress({ protocols: [{ destinationNamedPort: 'http' }] }),
    ],
    [
      [ingress({ protocols: [{}] }), 'spec.ingress[0].protocols[0]: exactly one field must be given'],
      [
        ingress({ protocols: [{ tcp: {}, udp: {} }] }),
        'spec.ingress[0].protocols[0]: exactly one field must be given',
      ],
      [ingress({ protocols: [{ icmp: {} }] }), 'spec.ingress[0].protocols[0].icmp: not supported'],
      [
        ingress({ protocols: [{ tcp: { destinationPort: {} } }] }),
        'spec.ingress[0].protocols[0].tcp.destinationPort: exactly one field must be given',
      ],
      [
        ingress({ protocols: [{ tcp: { destinationPort: { number: 0 } } }] }),
        'spec.ingress[0].protocols[0].tcp.destinationPort.number: not a port number',
      ],
      [
        ingress({ protocols: [{ tcp: { destinationPort: { range: { start: 80, end: 80 } } } }] }),
        'spec.ingress[0].protocols[0].tcp.destinationPort.range: not a range of ports',
      ],
      [
        egress({ to: [{ networks: ['10.0.0.0/8'] }], protocols: [{ destinationNamedPort: 'http' }] }),
        'spec.egress[0].to[0].networks: networks have no named ports',
      ],
    ],
  ),
  rule(
    'KubernetesClusterNetworkPolicy',
    'names of rules have up to 100 characters, and there are up to 25 rules [network-policy-api v1alpha2]',
    [ingress({ name: 'a'.repeat(100) })],
    [
      [ingress({ name: 'a'.repeat(101) }), 'spec.ingress[0].name: longer than 100 characters'],
      [
        cnp({ ingress: Array.from({ length: 26 }, () => ({ action: 'Deny', from })) }),
        'spec.ingress: more than 25 rules',
      ],
    ],
  ),

  rule(
    'KubernetesNetworkPolicy',
    'ports have a protocol with ports, and a number or a name [networking.k8s.io/v1 NetworkPolicyPort]',
    [
      knp({
        ingress: [
          { ports: [{ port: 1 }, { port: 65535, protocol: 'SCTP' }, { port: 'http' }, { protocol: 'UDP' }] },
        ],
      }),
    ],
    [
      [knp({ ingress: [{ ports: [{ port: 0 }] }] }), 'spec.ingress[0].ports[0].port: not a port number'],
      [knp({ ingress: [{ ports: [{ port: 65536 }] }] }), 'spec.ingress[0].ports[0].port: not a port number'],
      [
        knp({ egress: [{ ports: [{ protocol: 'ICMP' }] }] }),
        'spec.egress[0].ports[0].protocol: not a protocol',
      ],
      [
        knp({ ingress: [{ ports: [{ endPort: 80 }] }] }),
        'spec.ingress[0].ports[0].endPort: endPort needs a port',
      ],
      [
        knp({ ingress: [{ ports: [{ port: '80' }] }] }),
        'spec.ingress[0].ports[0].port: not the name of a port',
      ],
    ],
  ),
  rule(
    'KubernetesNetworkPolicy',
    'ipBlock is a CIDR with exceptions inside it, and stands alone [networking.k8s.io/v1 IPBlock]',
    [knp({ egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] })],
    [
      [
        knp({ egress: [{ to: [{ ipBlock: { cidr: '10.0.0.1' } }] }] }),
        'spec.egress[0].to[0].ipBlock.cidr: not a CIDR',
      ],
      [
        knp({ egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] }),
        'spec.egress[0].to[0].ipBlock.except[0]: not a CIDR inside the block',
      ],
      [
        knp({ egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] }),
        'spec.egress[0].to[0].ipBlock: ipBlock cannot be combined',
      ],
      [
        knp({ egress: [{ to: [{ ipBlock: {} }] }] }),
        'spec.egress[0].to[0].ipBlock.cidr: required field is missing',
      ],
    ],
  ),
  rule(
    'KubernetesNetworkPolicy',
    'selectors use In, NotIn with values, Exists, DoesNotExist without [Kubernetes LabelSelector]',
    [
      knp({
        podSelector: {
          matchLabels: { a: 'b' },
          matchExpressions: [
            { key: 'c', operator: 'In', values: ['d'] },
            { key: 'e', operator: 'NotIn', values: ['f', 'g'] },
            { key: 'h', operator: 'Exists' },
            { key: 'i', operator: 'DoesNotExist' },
          ],
        },
      }),
    ],
    [
      [
        knp({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Equals' }] } }),
        'spec.podSelector.matchExpressions[0].operator: not an operator',
      ],
      [
        knp({ podSelector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: [] }] } }),
        'spec.podSelector.matchExpressions[0].values: NotIn needs values',
      ],
      [
        knp({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } }),
        'spec.podSelector.matchExpressions[0].values: Exists takes no values',
      ],
      [
        knp({ podSelector: { matchLabels: { 'a b': 'c' } } }),
        'spec.podSelector.matchLabels["a b"]: not a label',
      ],
    ],
  ),
  rule(
    'KubernetesNetworkPolicy',
    'policyTypes are Ingress and Egress [networking.k8s.io/v1]',
    [knp({ policyTypes: ['Ingress'] }), knp({ policyTypes: ['Ingress', 'Egress'] })],
    [[knp({ policyTypes: ['ingress'] }), 'spec.policyTypes[0]: not a policy type; allowed: Ingress, Egress']],
  ),

  rule(
    'Pod',
    'a pod has an endpoint once it is on a node, with a network of its own [calico.md §1.5]',
    [{ nodeName: 'n1', containers: [{ ports: [{ name: 'http', containerPort: 80 }] }], hostNetwork: false }],
    [
      [{}, 'spec.nodeName: a pod on no node has no endpoint yet'],
      [
        { nodeName: 'n1', hostNetwork: true },
        "spec.hostNetwork: a pod on its node's own network has no endpoint",
      ],
    ],
  ),
  rule(
    'Pod',
    'annotations with addresses hold addresses [calico.md §1.5]',
    [
      pod({ 'cni.projectcalico.org/podIPs': '10.65.0.2/32,fd65::2/128' }),
      pod({
        'cni.projectcalico.org/podIP': '10.65.0.2',
        'cni.projectcalico.org/floatingIPs': '["192.0.2.1"]',
      }),
    ],
    [
      [
        pod({ 'cni.projectcalico.org/podIP': 'ten' }),
        `${annotationPath('cni.projectcalico.org/podIP')}: not an IP address`,
      ],
      [
        pod({ 'cni.projectcalico.org/floatingIPs': '["x"]' }),
        `${annotationPath('cni.projectcalico.org/floatingIPs')}: not an IP address`,
      ],
      [
        pod({ 'cni.projectcalico.org/floatingIPs': '192.0.2.1' }),
        `${annotationPath('cni.projectcalico.org/floatingIPs')}: not a JSON list of texts`,
      ],
    ],
    'metadata',
  ),
  rule(
    'Pod',
    'allowedSourcePrefixes is a JSON list of CIDRs [calico.md §1.5]',
    [pod({ 'cni.projectcalico.org/allowedSourcePrefixes': '["10.0.0.0/8"]' })],
    [
      [
        pod({ 'cni.projectcalico.org/allowedSourcePrefixes': '["10.0.0.1"]' }),
        `${annotationPath('cni.projectcalico.org/allowedSourcePrefixes')}: entry 0 is not a CIDR`,
      ],
      [
        pod({ 'cni.projectcalico.org/allowedSourcePrefixes': '{}' }),
        `${annotationPath('cni.projectcalico.org/allowedSourcePrefixes')}: not a JSON list`,
      ],
    ],
    'metadata',
  ),
  ...(
    [
      ['ingressBandwidth', '1k', '1P', '999', '2P'],
      ['egressBandwidth', '10M', '1G', '1', '1E'],
      ['ingressPacketRate', '1', '10k', '0', '10001'],
      ['egressPacketRate', '100', '10k', '0', '1M'],
      ['ingressMaxConnections', '1', '4294967295', '0', '4294967296'],
      ['egressMaxConnections', '1', '1k', '0', '5G'],
    ] as const
  ).map(([name, least, most, below, above]) =>
    rule(
      'Pod',
      `qos.projectcalico.org/${name} is a quantity in its range [calico.md §1.5]`,
      [pod({ [`qos.projectcalico.org/${name}`]: least }), pod({ [`qos.projectcalico.org/${name}`]: most })],
      [
        [
          pod({ [`qos.projectcalico.org/${name}`]: below }),
          `${annotationPath(`qos.projectcalico.org/${name}`)}: out of range`,
        ],
        [
          pod({ [`qos.projectcalico.org/${name}`]: above }),
          `${annotationPath(`qos.projectcalico.org/${name}`)}: out of range`,
        ],
        [
          pod({ [`qos.projectcalico.org/${name}`]: 'fast' }),
          `${annotationPath(`qos.projectcalico.org/${name}`)}: not a quantity`,
        ],
      ],
      'metadata',
    ),
  ),
  rule(
    'Pod',
    'bursts need what they exceed [libcalico-go workload_endpoint_default.go]',
    [
      pod({
        'qos.projectcalico.org/ingressBandwidth': '1M',
        'qos.projectcalico.org/ingressBurst': '2M',
        'qos.projectcalico.org/ingressPeakrate': '2M',
        'qos.projectcalico.org/ingressMinburst': '2k',
      }),
      pod({ 'kubernetes.io/egress-bandwidth': '1M', 'qos.projectcalico.org/egressBurst': '2M' }),
    ],
    [
      [
        pod({ 'qos.projectcalico.org/ingressBurst': '2M' }),
        `${annotationPath('qos.projectcalico.org/ingressBurst')}: a burst needs a bandwidth`,
      ],
      [
        pod({ 'qos.projectcalico.org/egressBandwidth': '1M', 'qos.projectcalico.org/egressPeakrate': '1M' }),
        `${annotationPath('qos.projectcalico.org/egressPeakrate')}: must be greater than the bandwidth`,
      ],
      [
        pod({ 'qos.projectcalico.org/egressMinburst': '2k' }),
        `${annotationPath('qos.projectcalico.org/egressMinburst')}: a least burst needs a peak rate`,
      ],
      [
        pod({ 'qos.projectcalico.org/ingressPacketBurst': '5' }),
        `${annotationPath('qos.projectcalico.org/ingressPacketBurst')}: a packet burst needs a packet rate`,
      ],
    ],
    'metadata',
  ),
  rule(
    'Pod',
    'qos.projectcalico.org/dscp is a code point [calico.md §1.5, RFC 2474, RFC 2597]',
    ['0', '63', 'EF', 'AF41', 'CS7', 'DF'].map((dscp) => pod({ 'qos.projectcalico.org/dscp': dscp })),
    [
      [
        pod({ 'qos.projectcalico.org/dscp': '64' }),
        `${annotationPath('qos.projectcalico.org/dscp')}: not a DSCP value`,
      ],
      [
        pod({ 'qos.projectcalico.org/dscp': 'AF44' }),
        `${annotationPath('qos.projectcalico.org/dscp')}: not a DSCP value`,
      ],
    ],
    'metadata',
  ),

  rule(
    'KubernetesNode',
    "annotations hold what Calico's Node has beyond Kubernetes' [calico.md §1.2 Node]",
    [
      {
        name: 'n1',
        annotations: {
          'projectcalico.org/IPv4Address': '172.16.0.1/24',
          'projectcalico.org/ASNumber': '64512',
          'projectcalico.org/RouteReflectorClusterID': '244.0.0.1',
        },
      },
    ],
    [
      [
        { name: 'n1', annotations: { 'projectcalico.org/IPv4Address': 'fd00::1' } },
        `${annotationPath('projectcalico.org/IPv4Address')}: not a valid value`,
      ],
      [
        { name: 'n1', annotations: { 'projectcalico.org/ASNumber': 'x' } },
        `${annotationPath('projectcalico.org/ASNumber')}: not a valid value`,
      ],
    ],
    'metadata',
  ),
  rule(
    'KubernetesEndpointSlice',
    'addresses are of addressType [discovery.k8s.io/v1]',
    [
      slice({
        endpoints: [{ addresses: ['10.65.0.2'], conditions: { ready: true } }],
        ports: [{ name: 'http', port: 80 }],
      }),
      slice({ addressType: 'IPv6', endpoints: [{ addresses: ['fd65::2'] }] }),
      slice({ addressType: 'FQDN', endpoints: [{ addresses: ['a.example.org'] }] }),
    ],
    [
      [slice({ endpoints: [{ addresses: ['fd65::2'] }] }), 'endpoints[0].addresses[0]: not an IPv4 address'],
      [
        slice({ endpoints: [{ addresses: ['10.65.0.0/24'] }] }),
        'endpoints[0].addresses[0]: not an IPv4 address',
      ],
      [slice({ addressType: 'IPv4,IPv6' }), 'addressType: not an allowed value'],
      [slice({ endpoints: [{}] }), 'endpoints[0].addresses: required field is missing'],
    ],
    'document',
  ),
  rule(
    'KubernetesEndpointSlice',
    'has no spec [discovery.k8s.io/v1]',
    [slice({ endpoints: [] })],
    [[{ spec: {} }, 'spec: unknown field']],
    'document',
  ),
  rule(
    'KubernetesService',
    'fields that are read have their types [Kubernetes API: Service]',
    [
      {
        type: 'LoadBalancer',
        clusterIPs: ['10.96.0.1'],
        ports: [
          { port: 80, targetPort: 'http' },
          { port: 81, targetPort: 8081 },
        ],
        sessionAffinity: 'ClientIP',
      },
    ],
    [
      [{ ports: [{}] }, 'spec.ports[0].port: required field is missing'],
      [{ externalIPs: '10.0.0.1' }, 'spec.externalIPs: expected a list, found "10.0.0.1"'],
    ],
  ),
  rule(
    'ServiceAccount',
    'is namespaced; what the network does not read is passed over [Kubernetes API]',
    [{ secrets: [{ name: 's' }], automountServiceAccountToken: false }],
    [[{ metadata: { name: 'a' } }, 'metadata.namespace: required field is missing']],
    'document',
  ),
];
