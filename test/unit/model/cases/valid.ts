/** A valid document of each kind, with nothing in it that need not be. */
export interface ValidDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Record<string, unknown>;
  readonly spec?: unknown;
  readonly [field: string]: unknown;
}

const calico = 'projectcalico.org/v3';

function cluster(kind: string, name: string, spec: unknown = {}): ValidDocument {
  return { apiVersion: calico, kind, metadata: { name }, spec };
}

function namespaced(kind: string, name: string, spec: unknown = {}): ValidDocument {
  return { apiVersion: calico, kind, metadata: { name, namespace: 'x' }, spec };
}

const freeBlock = { cidr: '10.65.0.0/30', allocations: [null, null, null, null], unallocated: [0, 1, 2, 3] };

/** By our name of the kind. */
export const valid: Readonly<Record<string, ValidDocument>> = {
  BGPConfiguration: cluster('BGPConfiguration', 'default'),
  BGPFilter: cluster('BGPFilter', 'filter'),
  BGPPeer: cluster('BGPPeer', 'peer'),
  BlockAffinity: cluster('BlockAffinity', 'n1-10-65-0-0-26', { node: 'n1', cidr: '10.65.0.0/26' }),
  CalicoNodeStatus: cluster('CalicoNodeStatus', 'n1', {
    node: 'n1',
    classes: ['BGP'],
    updatePeriodSeconds: 10,
  }),
  ClusterInformation: cluster('ClusterInformation', 'default'),
  FelixConfiguration: cluster('FelixConfiguration', 'default'),
  GlobalNetworkPolicy: cluster('GlobalNetworkPolicy', 'p'),
  GlobalNetworkSet: cluster('GlobalNetworkSet', 's'),
  HostEndpoint: cluster('HostEndpoint', 'h', { node: 'n1', interfaceName: 'eth0' }),
  IPAMBlock: cluster('IPAMBlock', '10-65-0-0-30', freeBlock),
  IPAMConfiguration: cluster('IPAMConfiguration', 'default'),
  IPAMHandle: cluster('IPAMHandle', 'k8s-pod-network.abc', { handleID: 'k8s-pod-network.abc' }),
  IPPool: cluster('IPPool', 'pool', { cidr: '10.65.0.0/16' }),
  IPReservation: cluster('IPReservation', 'r'),
  KubeControllersConfiguration: cluster('KubeControllersConfiguration', 'default'),
  KubernetesClusterNetworkPolicy: {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    kind: 'ClusterNetworkPolicy',
    metadata: { name: 'p' },
    spec: { tier: 'Admin', priority: 10, subject: { namespaces: {} } },
  },
  KubernetesEndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's-1', namespace: 'x' },
    addressType: 'IPv4',
  },
  KubernetesNetworkPolicy: {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', namespace: 'x' },
    spec: {},
  },
  KubernetesNode: { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {} },
  KubernetesService: { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'x' }, spec: {} },
  LiveMigration: namespaced('LiveMigration', 'm'),
  Namespace: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
  NetworkPolicy: namespaced('NetworkPolicy', 'p'),
  NetworkSet: namespaced('NetworkSet', 's'),
  Node: cluster('Node', 'n1'),
  Pod: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'x' }, spec: { nodeName: 'n1' } },
  Profile: cluster('Profile', 'kns.x'),
  ServiceAccount: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sa', namespace: 'x' } },
  StagedGlobalNetworkPolicy: cluster('StagedGlobalNetworkPolicy', 'p'),
  StagedKubernetesNetworkPolicy: namespaced('StagedKubernetesNetworkPolicy', 'p'),
  StagedNetworkPolicy: namespaced('StagedNetworkPolicy', 'p'),
  Tier: cluster('Tier', 't'),
  WorkloadEndpoint: namespaced('WorkloadEndpoint', 'n1-k8s-p-eth0'),
};
