/** The table of kinds: everything that depends on a kind looks it up here. */
import { bgpConfiguration, type BGPConfiguration } from './kinds/bgp-configuration.ts';
import { bgpFilter, type BGPFilter } from './kinds/bgp-filter.ts';
import { bgpPeer, type BGPPeer } from './kinds/bgp-peer.ts';
import { blockAffinity, type BlockAffinity } from './kinds/block-affinity.ts';
import { calicoNodeStatus, type CalicoNodeStatus } from './kinds/calico-node-status.ts';
import { clusterInformation, type ClusterInformation } from './kinds/cluster-information.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { felixConfiguration, type FelixConfiguration } from './kinds/felix-configuration.ts';
import { globalNetworkPolicy, type GlobalNetworkPolicy } from './kinds/global-network-policy.ts';
import { globalNetworkSet, type GlobalNetworkSet } from './kinds/global-network-set.ts';
import { hostEndpoint, type HostEndpoint } from './kinds/host-endpoint.ts';
import { ipamBlock, type IPAMBlock } from './kinds/ipam-block.ts';
import { ipamConfiguration, type IPAMConfiguration } from './kinds/ipam-configuration.ts';
import { ipamHandle, type IPAMHandle } from './kinds/ipam-handle.ts';
import { ipPool, type IPPool } from './kinds/ip-pool.ts';
import { ipReservation, type IPReservation } from './kinds/ip-reservation.ts';
import {
  kubeControllersConfiguration,
  type KubeControllersConfiguration,
} from './kinds/kube-controllers-configuration.ts';
import {
  kubernetesClusterNetworkPolicy,
  type KubernetesClusterNetworkPolicy,
} from './kinds/kubernetes-cluster-network-policy.ts';
import { kubernetesEndpointSlice, type KubernetesEndpointSlice } from './kinds/kubernetes-endpoint-slice.ts';
import { kubernetesNetworkPolicy, type KubernetesNetworkPolicy } from './kinds/kubernetes-network-policy.ts';
import { kubernetesNode, type KubernetesNode } from './kinds/kubernetes-node.ts';
import { kubernetesService, type KubernetesService } from './kinds/kubernetes-service.ts';
import { liveMigration, type LiveMigration } from './kinds/live-migration.ts';
import { namespace, type Namespace } from './kinds/namespace.ts';
import { networkPolicy, type NetworkPolicy } from './kinds/network-policy.ts';
import { networkSet, type NetworkSet } from './kinds/network-set.ts';
import { node, type Node } from './kinds/node.ts';
import { pod, type Pod } from './kinds/pod.ts';
import { profile, type Profile } from './kinds/profile.ts';
import { serviceAccount, type ServiceAccount } from './kinds/service-account.ts';
import {
  stagedGlobalNetworkPolicy,
  type StagedGlobalNetworkPolicy,
} from './kinds/staged-global-network-policy.ts';
import {
  stagedKubernetesNetworkPolicy,
  type StagedKubernetesNetworkPolicy,
} from './kinds/staged-kubernetes-network-policy.ts';
import { stagedNetworkPolicy, type StagedNetworkPolicy } from './kinds/staged-network-policy.ts';
import { tier, type Tier } from './kinds/tier.ts';
import { workloadEndpoint, type WorkloadEndpoint } from './kinds/workload-endpoint.ts';
import type { Resource } from './resource.ts';

/** A resource of any kind that the table knows; `kind` tells them apart. */
export type KnownResource =
  | BGPConfiguration
  | BGPFilter
  | BGPPeer
  | BlockAffinity
  | CalicoNodeStatus
  | ClusterInformation
  | FelixConfiguration
  | GlobalNetworkPolicy
  | GlobalNetworkSet
  | HostEndpoint
  | IPAMBlock
  | IPAMConfiguration
  | IPAMHandle
  | IPPool
  | IPReservation
  | KubeControllersConfiguration
  | KubernetesClusterNetworkPolicy
  | KubernetesEndpointSlice
  | KubernetesNetworkPolicy
  | KubernetesNode
  | KubernetesService
  | LiveMigration
  | Namespace
  | NetworkPolicy
  | NetworkSet
  | Node
  | Pod
  | Profile
  | ServiceAccount
  | StagedGlobalNetworkPolicy
  | StagedKubernetesNetworkPolicy
  | StagedNetworkPolicy
  | Tier
  | WorkloadEndpoint;

export type KnownKind = KnownResource['kind'];

/** Every kind, in alphabetical order. */
export const kinds: readonly KindDefinition[] = [
  bgpConfiguration,
  bgpFilter,
  bgpPeer,
  blockAffinity,
  calicoNodeStatus,
  clusterInformation,
  felixConfiguration,
  globalNetworkPolicy,
  globalNetworkSet,
  hostEndpoint,
  ipamBlock,
  ipamConfiguration,
  ipamHandle,
  ipPool,
  ipReservation,
  kubeControllersConfiguration,
  kubernetesClusterNetworkPolicy,
  kubernetesEndpointSlice,
  kubernetesNetworkPolicy,
  kubernetesNode,
  kubernetesService,
  liveMigration,
  namespace,
  networkPolicy,
  networkSet,
  node,
  pod,
  profile,
  serviceAccount,
  stagedGlobalNetworkPolicy,
  stagedKubernetesNetworkPolicy,
  stagedNetworkPolicy,
  tier,
  workloadEndpoint,
] as readonly unknown[] as readonly KindDefinition[];

const byKind = new Map(kinds.map((definition) => [definition.kind, definition]));
const byPlural = new Map(kinds.map((definition) => [definition.plural, definition]));
const byName = new Map<string, KindDefinition>();
for (const definition of kinds) {
  for (const name of [definition.kind.toLowerCase(), definition.plural, ...definition.aliases]) {
    byName.set(name, definition);
  }
}

/** The definition of a kind as our resources name it. */
export function kindDefinition(kind: string): KindDefinition | undefined {
  return byKind.get(kind);
}

/** The definition that an etcd path's plural names. */
export function kindOfPlural(plural: string): KindDefinition | undefined {
  return byPlural.get(plural);
}

/** The definition that a user means by `np`, `networkPolicies`, `NetworkPolicy`, …; case does not matter. */
export function kindOfName(name: string): KindDefinition | undefined {
  return byName.get(name.toLowerCase());
}

/** The apiVersion of Calico's resources, and that of the older API in which Kubernetes stores them for it. */
const calicoVersion = 'projectcalico.org/v3';
const calicoCrdVersion = 'crd.projectcalico.org/v1';

/** Whether documents of this apiVersion may hold resources of the kind. */
export function isVersionOf(definition: KindDefinition, apiVersion: string): boolean {
  if (definition.apiVersion === apiVersion) return true;
  return apiVersion === calicoCrdVersion && definition.apiVersion === calicoVersion;
}

/** Whether documents call the kind by this name. */
export function isKindOf(definition: KindDefinition, kind: string): boolean {
  return (
    definition.kind === kind ||
    definition.externalKind === kind ||
    definition.otherKinds?.includes(kind) === true
  );
}

/** The definition of a document by the `apiVersion` and `kind` that users write. */
export function kindOfDocument(apiVersion: string, kind: string): KindDefinition | undefined {
  return kinds.find((definition) => isVersionOf(definition, apiVersion) && isKindOf(definition, kind));
}

/** Whether the table knows the resource's kind; the datastore gives no others. */
export function isKnown(resource: Resource): resource is KnownResource {
  return byKind.has(resource.kind);
}
