/** Fields that take one of a few words: every word, and a word that is none of them. */
import { type RuleCases, fieldRule } from './case.ts';

const modes = ['Always', 'CrossSubnet', 'Never'];
const switches = ['Enabled', 'Disabled'];
const matchOperators = ['Equal', 'NotEqual', 'In', 'NotIn'];

/** Kind, field, source, and the words. Each list of words is written as Calico's API has it. */
const enumerations: readonly (readonly [kind: string, path: string, source: string, ...words: string[]])[] = [
  ['IPPool', 'ipipMode', 'api/ippool.go', ...modes],
  ['IPPool', 'vxlanMode', 'api/ippool.go', ...modes],
  ['IPPool', 'assignmentMode', 'api/ippool.go', 'Automatic', 'Manual'],
  ['IPPool', 'allowedUses[0]', 'api/ippool.go', 'Workload', 'Tunnel', 'LoadBalancer'],
  ['BGPPeer', 'nextHopMode', 'calico.md §2.3', 'Auto', 'Self', 'Keep'],
  ['BGPPeer', 'sourceAddress', 'calico.md §2.3', 'UseNodeIP', 'None'],
  ['BGPPeer', 'reversePeering', 'calico.md §2.3', 'Auto', 'Manual'],
  ['BGPConfiguration', 'bindMode', 'calico.md §2.2', 'None', 'NodeIP'],
  ['BGPConfiguration', 'logSeverityScreen', 'calico.md §2.2', 'Debug', 'Info', 'Warning', 'Error', 'Fatal'],
  ['BGPConfiguration', 'serviceLoadBalancerAggregation', 'calico.md §2.2', ...switches],
  [
    'BGPConfiguration',
    'programClusterRoutes',
    'calico.md §1.10',
    ...switches,
    'EnabledIPIPOnly',
    'EnabledNoEncapOnly',
  ],
  ['BlockAffinity', 'state', 'calico.md §1.2', 'confirmed', 'pending', 'pendingDeletion'],
  ['BlockAffinity', 'type', 'calico.md §1.2', 'host', 'virtual'],
  ['CalicoNodeStatus', 'classes[0]', 'api/nodestatus.go', 'Agent', 'BGP', 'Routes'],
  ['Tier', 'defaultAction', 'calico.md §1.2', 'Deny', 'Pass'],
  ['NetworkPolicy', 'types[0]', 'calico.md §1.2', 'Ingress', 'Egress'],
  ['GlobalNetworkPolicy', 'types[0]', 'calico.md §1.2', 'Ingress', 'Egress'],
  ['NetworkPolicy', 'performanceHints[0]', 'calico.md §1.2', 'AssumeNeededOnEveryNode'],
  ['NetworkPolicy', 'ingress[0].action', 'calico.md §1.2', 'Allow', 'Deny', 'Log', 'Pass'],
  ['GlobalNetworkPolicy', 'egress[0].action', 'calico.md §1.2', 'Allow', 'Deny', 'Log', 'Pass'],
  ['Profile', 'egress[0].action', 'calico.md §1.2', 'Allow', 'Deny', 'Log', 'Pass'],
  ['StagedNetworkPolicy', 'stagedAction', 'calico.md §1.2', 'Set', 'Delete', 'Learn', 'Ignore'],
  ['StagedGlobalNetworkPolicy', 'stagedAction', 'calico.md §1.2', 'Set', 'Delete', 'Learn', 'Ignore'],
  ['StagedKubernetesNetworkPolicy', 'stagedAction', 'calico.md §1.2', 'Set', 'Delete', 'Learn', 'Ignore'],
  ['IPAMConfiguration', 'kubeVirtVMAddressPersistence', 'internalapi/ipam_config.go', ...switches],
  [
    'KubeControllersConfiguration',
    'logSeverityScreen',
    'api/kubecontrollersconfig.go',
    'None',
    'Debug',
    'Info',
    'Warning',
    'Error',
    'Fatal',
    'Panic',
  ],
  ['KubeControllersConfiguration', 'healthChecks', 'api/kubecontrollersconfig.go', ...switches],
  [
    'KubeControllersConfiguration',
    'controllers.node.syncLabels',
    'api/kubecontrollersconfig.go',
    ...switches,
  ],
  [
    'KubeControllersConfiguration',
    'controllers.node.hostEndpoint.autoCreate',
    'api/kubecontrollersconfig.go',
    ...switches,
  ],
  [
    'KubeControllersConfiguration',
    'controllers.node.hostEndpoint.createDefaultHostEndpoint',
    'api/kubecontrollersconfig.go',
    ...switches,
  ],
  [
    'KubeControllersConfiguration',
    'controllers.loadBalancer.assignIPs',
    'api/kubecontrollersconfig.go',
    'AllServices',
    'RequestedServicesOnly',
  ],
  [
    'KubeControllersConfiguration',
    'controllers.policyMigration.enabled',
    'api/kubecontrollersconfig.go',
    ...switches,
  ],
  ['FelixConfiguration', 'nftablesMode', 'calico.md §1.10', 'Enabled', 'Disabled', 'Auto'],
  ['FelixConfiguration', 'nftablesFilterAllowAction', 'calico.md §1.10', 'Accept', 'Return'],
  ['FelixConfiguration', 'nftablesMangleAllowAction', 'calico.md §1.10', 'Accept', 'Return'],
  ['FelixConfiguration', 'nftablesFilterDenyAction', 'calico.md §1.10', 'Drop', 'Reject'],
  ['FelixConfiguration', 'defaultEndpointToHostAction', 'calico.md §1.10', 'Drop', 'Accept', 'Return'],
  ['FelixConfiguration', 'serviceLoopPrevention', 'calico.md §1.10', 'Drop', 'Reject', 'Disabled'],
  ['FelixConfiguration', 'workloadSourceSpoofing', 'calico.md §1.10', 'Disabled', 'Any'],
  ['FelixConfiguration', 'floatingIPs', 'calico.md §1.10', ...switches],
  ['FelixConfiguration', 'ipForwarding', 'calico.md §1.10', ...switches],
  ['FelixConfiguration', 'routeSource', 'calico.md §1.10', 'CalicoIPAM', 'WorkloadIPs'],
  ['FelixConfiguration', 'natOutgoingExclusions', 'calico.md §1.10', 'IPPoolsOnly', 'IPPoolsAndHostIPs'],
  [
    'FelixConfiguration',
    'logSeverityScreen',
    'calico.md §1.10',
    'Debug',
    'Info',
    'Warning',
    'Error',
    'Fatal',
  ],
  [
    'FelixConfiguration',
    'failsafeInboundHostPorts[0].protocol',
    'validator.go validateProtoPort',
    'tcp',
    'udp',
    'sctp',
  ],
];

/** What else a document needs for its field to be judged alone. */
const company: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'FelixConfiguration failsafeInboundHostPorts[0].protocol': { port: 22 },
};

function completed(kind: string, path: string, spec: unknown): unknown {
  const others = company[`${kind} ${path}`];
  if (others === undefined) return spec;
  const { failsafeInboundHostPorts: [port] = [] } = spec as { failsafeInboundHostPorts?: object[] };
  return { ...(spec as object), failsafeInboundHostPorts: [{ ...port, ...others }] };
}

const wordRules = enumerations.map(([kind, path, source, ...words]): RuleCases => {
  const cases = fieldRule(kind, path, `is one of ${words.join(', ')} [${source}]`, words, [
    ['Other', `: not an allowed value, found "Other"; allowed: ${words.join(', ')}`],
  ]);
  return {
    ...cases,
    rows: cases.rows.map(([of, part, value, ...problems]) => [
      of,
      part,
      completed(kind, path, value),
      ...problems,
    ]),
  };
});

/** In BGPFilter the words stand in rules that need others. */
const filterRules = (['exportV4', 'importV6'] as const).flatMap((list): RuleCases[] => {
  const cidr = list === 'exportV4' ? '10.0.0.0/8' : 'fd00::/8';
  const at = (fields: object) => ({ [list]: [{ action: 'Accept', ...fields }] });
  const words = (field: string, values: readonly string[], others: object = {}): RuleCases => ({
    rule: `BGPFilter: ${list}[].${field} is one of ${values.join(', ')} [api/bgpfilter.go, calico.md §2.4]`,
    rows: [
      ...values.map((value) => ['BGPFilter', 'spec', at({ ...others, [field]: value })] as const),
      [
        'BGPFilter',
        'spec',
        at({ ...others, [field]: 'Other' }),
        `spec.${list}[0].${field}: not an allowed value, found "Other"; allowed: ${values.join(', ')}`,
      ],
    ],
  });
  return [
    words('action', ['Accept', 'Reject']),
    words('matchOperator', matchOperators, { cidr }),
    words('peerType', ['eBGP', 'iBGP']),
    words('source', ['RemotePeers']),
  ];
});

export const enumerationRules: readonly RuleCases[] = [...wordRules, ...filterRules];
