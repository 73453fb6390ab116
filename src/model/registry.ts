/** The table of kinds: everything that depends on a kind looks it up here. */
import { bgpConfiguration, type BGPConfiguration } from './kinds/bgp-configuration.ts';
import { bgpPeer, type BGPPeer } from './kinds/bgp-peer.ts';
import { blockAffinity, type BlockAffinity } from './kinds/block-affinity.ts';
import { clusterInformation, type ClusterInformation } from './kinds/cluster-information.ts';
import type { KindDefinition } from './kinds/definition.ts';
import { felixConfiguration, type FelixConfiguration } from './kinds/felix-configuration.ts';
import { globalNetworkPolicy, type GlobalNetworkPolicy } from './kinds/global-network-policy.ts';
import { globalNetworkSet, type GlobalNetworkSet } from './kinds/global-network-set.ts';
import { ipPool, type IPPool } from './kinds/ip-pool.ts';
import { kubernetesNetworkPolicy, type KubernetesNetworkPolicy } from './kinds/kubernetes-network-policy.ts';
import { namespace, type Namespace } from './kinds/namespace.ts';
import { networkPolicy, type NetworkPolicy } from './kinds/network-policy.ts';
import { networkSet, type NetworkSet } from './kinds/network-set.ts';
import { node, type Node } from './kinds/node.ts';
import { profile, type Profile } from './kinds/profile.ts';
import { tier, type Tier } from './kinds/tier.ts';
import { workloadEndpoint, type WorkloadEndpoint } from './kinds/workload-endpoint.ts';
import type { Resource } from './resource.ts';

/** A resource of any kind that the table knows; `kind` tells them apart. */
export type KnownResource =
  | BGPConfiguration
  | BGPPeer
  | BlockAffinity
  | ClusterInformation
  | FelixConfiguration
  | GlobalNetworkPolicy
  | GlobalNetworkSet
  | IPPool
  | KubernetesNetworkPolicy
  | Namespace
  | NetworkPolicy
  | NetworkSet
  | Node
  | Profile
  | Tier
  | WorkloadEndpoint;

export type KnownKind = KnownResource['kind'];

/** Every kind, in alphabetical order. */
export const kinds: readonly KindDefinition[] = [
  bgpConfiguration,
  bgpPeer,
  blockAffinity,
  clusterInformation,
  felixConfiguration,
  globalNetworkPolicy,
  globalNetworkSet,
  ipPool,
  kubernetesNetworkPolicy,
  namespace,
  networkPolicy,
  networkSet,
  node,
  profile,
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

/** The definition of a document by the `apiVersion` and `kind` that users write. */
export function kindOfDocument(apiVersion: string, kind: string): KindDefinition | undefined {
  return kinds.find(
    (definition) =>
      definition.apiVersion === apiVersion && (definition.kind === kind || definition.externalKind === kind),
  );
}

/** Whether the table knows the resource's kind; the datastore gives no others. */
export function isKnown(resource: Resource): resource is KnownResource {
  return byKind.has(resource.kind);
}
