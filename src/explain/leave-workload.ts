/**
 * What a packet meets on leaving its workload (nftables/render/base-chains.ts): beside egress policy, what the table
 * says of workloads whatever policy says. Tunnels end at nodes, so a workload may not send VXLAN or IP-in-IP unless
 * FelixConfiguration lets it; the host gets the ICMPv6 that IPv6 needs, and of the rest what defaultEndpointToHostAction
 * leaves it (Calico `felix/config`).
 */
import type { FelixParameters } from '../calc/felix-config.ts';
import type { LocalEndpoint } from '../calc/output.ts';
import { workloadDiscoveryTypes } from '../net/icmpv6.ts';
import { type EndpointWalk, evaluateEndpoint } from './evaluate.ts';
import { type Packet, icmpProtocols } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

/** Name of the set of ICMPv6 types that the host gets. */
const discoverySet = 'neighbour-discovery';

const IPPROTO_IPIP = 4;
const IPPROTO_UDP = 17;

/** In the order of the table, after the host endpoint of all interfaces was asked; `toHost` if its own host is meant. */
export function leaveWorkload(
  endpoint: LocalEndpoint,
  packet: Packet,
  state: PolicyState,
  felix: FelixParameters,
  toHost: boolean,
): EndpointWalk[] {
  const { key, workload } = endpoint;
  const walk = (rest: Pick<EndpointWalk, 'stage' | 'verdict' | 'decidedBy' | 'setting'>): EndpointWalk => ({
    direction: 'egress',
    endpoint: key,
    workload,
    tiers: [],
    profiles: [],
    ...rest,
  });
  if (toHost && isDiscovery(packet)) {
    return [walk({ stage: 'discovery', verdict: 'allow', decidedBy: [discoverySet] })];
  }
  const tunnel = tunnelOf(packet, felix);
  const action = felix.defaultEndpointToHostAction;
  return [
    ...(tunnel === undefined ? [] : [walk({ stage: 'tunnel', ...tunnel })]),
    evaluateEndpoint(endpoint, 'egress', packet, state),
    ...(toHost && action !== 'Return'
      ? [
          walk({
            stage: 'to-host',
            verdict: action === 'Accept' ? 'allow' : 'deny',
            decidedBy: ['workload to host'],
            setting: 'defaultEndpointToHostAction',
          }),
        ]
      : []),
  ];
}

function isDiscovery({ protocol, icmp }: Packet): boolean {
  return protocol === icmpProtocols[6] && icmp !== undefined && workloadDiscoveryTypes.includes(icmp.type);
}

/** What the table makes of a tunnel's packet; undefined if it is none. */
function tunnelOf(
  { protocol, destinationPort }: Packet,
  felix: FelixParameters,
): Pick<EndpointWalk, 'verdict' | 'decidedBy' | 'setting'> | undefined {
  if (protocol === IPPROTO_UDP && !felix.allowVXLANPacketsFromWorkloads) {
    if (destinationPort !== undefined && destinationPort !== felix.vxlanPort) return undefined;
    return {
      verdict: destinationPort === undefined ? 'unknown' : 'deny',
      decidedBy: ['VXLAN from a workload'],
      setting: 'allowVXLANPacketsFromWorkloads',
    };
  }
  if (protocol === IPPROTO_IPIP && !felix.allowIPIPPacketsFromWorkloads) {
    return {
      verdict: 'deny',
      decidedBy: ['IP-in-IP from a workload'],
      setting: 'allowIPIPPacketsFromWorkloads',
    };
  }
  return undefined;
}
