/** From FelixConfiguration's parameters to what rendering wants: pure. */
import type { FelixParameters } from '../calc/felix-config.ts';
import type { RenderOptions } from '../nftables/render/options.ts';
import type { Limit, LimitUnit } from '../nftables/ruleset.ts';

/** The lowest bits of the mark mask are ours to use; we need two. */
export function renderOptions(felix: FelixParameters): RenderOptions {
  return {
    interfacePrefixes: felix.interfacePrefixes,
    families: felix.ipv6Support ? [4, 6] : [4],
    endpointToHostAction: felix.defaultEndpointToHostAction,
    denyAction: felix.nftablesFilterDenyAction === 'Reject' ? 'reject' : 'drop',
    dropInvalid: !felix.disableConntrackInvalidCheck,
    passMark: lowestBit(felix.nftablesMarkMask),
    acceptMark: lowestBit(felix.nftablesMarkMask ^ lowestBit(felix.nftablesMarkMask)),
    flushOnChange: felix.flushOnChange,
    logPrefix: felix.logPrefix,
    logLimit: logLimit(felix),
    failsafes: { inbound: felix.failsafeInboundHostPorts, outbound: felix.failsafeOutboundHostPorts },
    interfaceExclude: felix.interfaceExclude,
    allowSpoofing: felix.workloadSourceSpoofing === 'Any',
    blockedTunnels: {
      vxlanPort: felix.allowVXLANPacketsFromWorkloads ? undefined : felix.vxlanPort,
      ipip: !felix.allowIPIPPacketsFromWorkloads,
    },
    serviceLoop: serviceLoops[felix.serviceLoopPrevention],
    natOutgoing: {
      addresses: felix.natOutgoingAddress,
      ports: felix.natPortRange,
      excludeNodes: felix.natOutgoingExclusions === 'IPPoolsAndHostIPs',
      // iptables writes `+` for what nft writes `*`.
      outputInterface: felix.iptablesNATOutgoingInterfaceFilter.replace(/\+$/, '*') || undefined,
    },
  };
}

const serviceLoops = { Drop: 'drop', Reject: 'reject', Disabled: undefined } as const;

function lowestBit(mask: number): number {
  return (mask & -mask) >>> 0;
}

/** `10/second`, as FelixConfiguration validates it. */
function logLimit({ logActionRateLimit, logActionRateLimitBurst }: FelixParameters): Limit | undefined {
  const match = /^([0-9]+)\/(second|minute|hour|day)$/.exec(logActionRateLimit);
  if (match === null) return undefined;
  return { rate: Number(match[1]), per: match[2] as LimitUnit, burst: logActionRateLimitBurst };
}
