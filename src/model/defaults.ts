/** The resources that a datastore holds from the first start on. */
import type { ClusterInformation } from './kinds/cluster-information.ts';
import type { Profile } from './kinds/profile.ts';
import { type Tier, builtInTiers } from './kinds/tier.ts';
import type { KnownResource } from './registry.ts';

/** The profile of endpoints that are open but for policy. Read-only. */
export const defaultAllowProfileName = 'projectcalico-default-allow';

/** Allows everything in both directions. */
export const defaultAllowProfile: Profile = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'Profile',
  metadata: { name: defaultAllowProfileName },
  spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
};

/** The tiers that always exist. */
export function builtInTierResources(): Tier[] {
  return [...builtInTiers].map(([name, spec]) => ({
    apiVersion: 'projectcalico.org/v3',
    kind: 'Tier',
    metadata: { name },
    spec,
  }));
}

export interface ClusterIdentity {
  /** 32 hex digits. */
  readonly clusterGUID: string;
  readonly version: string;
  /** Comma-separated, e.g. `bgp`. */
  readonly clusterType: string;
}

/** The cluster's identity, marked ready. */
export function clusterInformationResource(identity: ClusterIdentity): ClusterInformation {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: {
      clusterGUID: identity.clusterGUID,
      clusterType: identity.clusterType,
      calicoVersion: identity.version,
      datastoreReady: true,
    },
  };
}

/** Everything that is created, unless it exists, at a first start. */
export function initialResources(identity: ClusterIdentity): KnownResource[] {
  return [...builtInTierResources(), defaultAllowProfile, clusterInformationResource(identity)];
}
