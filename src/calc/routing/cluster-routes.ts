/**
 * Which routes to workloads of other nodes go into the kernel: `programClusterRoutes` of FelixConfiguration and of
 * BGPConfiguration. In Calico the one is about Felix and the other about BIRD, each names the kinds of pools whose routes
 * that program writes, and what neither names nobody writes (reference §2.8). Here one agent writes all of them, as BGP
 * tells them: a pool's routes are written if either field names its kind, once also if both do, and are left out of the
 * kernel, though still passed on, if neither does. VXLAN pools are always Felix's, so they are always written.
 */
import type { BGPConfiguration } from '../../model/kinds/bgp-configuration.ts';
import type { FelixConfiguration } from '../../model/kinds/felix-configuration.ts';
import type { IPPool } from '../../model/kinds/ip-pool.ts';

/** What the two resources say. */
export interface ClusterRouteSettings {
  readonly felix: FelixConfiguration['spec']['programClusterRoutes'];
  readonly bgp: BGPConfiguration['spec']['programClusterRoutes'];
}

type Value = NonNullable<ClusterRouteSettings['felix']>;

/** Calico's, from v3.33 on: between them every kind of pool has somebody. */
const DEFAULTS = { felix: 'EnabledIPIPOnly', bgp: 'EnabledNoEncapOnly' } as const;

const NAMES: Readonly<Record<Value, { readonly ipip: boolean; readonly noEncap: boolean }>> = {
  Disabled: { ipip: false, noEncap: false },
  EnabledIPIPOnly: { ipip: true, noEncap: false },
  EnabledNoEncapOnly: { ipip: false, noEncap: true },
  Enabled: { ipip: true, noEncap: true },
};

/** Why the routes of a pool stay out of the kernel; undefined if they do not. */
export function unprogrammed(
  { ipipMode, vxlanMode }: IPPool['spec'],
  { felix = DEFAULTS.felix, bgp = DEFAULTS.bgp }: ClusterRouteSettings,
): string | undefined {
  if (vxlanMode !== 'Never') return undefined;
  const kind = ipipMode === 'Never' ? 'noEncap' : 'ipip';
  if (NAMES[felix][kind] || NAMES[bgp][kind]) return undefined;
  const what = kind === 'ipip' ? 'IP-in-IP pools' : 'pools without encapsulation';
  return (
    `its routes to other nodes are not put into the kernel: programClusterRoutes is ${felix} in FelixConfiguration and ` +
    `${bgp} in BGPConfiguration, and neither names ${what}`
  );
}
