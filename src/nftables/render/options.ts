/** What the configuration says about rendering (FelixConfiguration names in brackets). */
import type { FailsafePort } from '../../calc/felix-config.ts';
import type { PortRange } from '../../calc/output.ts';
import type { Address, Family } from '../../net/address.ts';
import type { Limit } from '../ruleset.ts';

export interface RenderOptions {
  /** Workload interfaces start with one of these [InterfacePrefix]. */
  readonly interfacePrefixes: readonly string[];
  /**
   * Families that workloads have addresses of [Ipv6Support]. Rules and sets about another family are left out, which
   * halves a large table; its packets meet the rules that say nothing about addresses, and no workload may send them.
   */
  readonly families: readonly Family[];
  /** What becomes of packets from a workload to the host itself, after egress policy [DefaultEndpointToHostAction]. */
  readonly endpointToHostAction: 'Drop' | 'Accept' | 'Return';
  /** What a Deny does [NftablesFilterDenyAction]. */
  readonly denyAction: 'drop' | 'reject';
  /** Whether packets that conntrack calls invalid are dropped [not DisableConntrackInvalidCheck]. */
  readonly dropInvalid: boolean;
  /** The one packet mark bit that Pass uses; clear again when the tier is left [NftablesMarkMask]. */
  readonly passMark: number;
  /** Another bit of the mark: policy of a host endpoint accepted the packet before normal policy [NftablesMarkMask]. */
  readonly acceptMark: number;
  /** Whether every policy cuts connections that a change of it denies, even those that do not ask for it. */
  readonly flushOnChange: boolean;
  /** Starts each line of a Log rule [LogPrefix]; %t is the tier, %k the kind, %n the name, %p namespace/name. */
  readonly logPrefix: string;
  /** Bounds the lines of each Log rule [LogActionRateLimit, LogActionRateLimitBurst]. */
  readonly logLimit: Limit | undefined;
  /** Whether endpoints may send from prefixes that they ask for [WorkloadSourceSpoofing]. */
  readonly allowSpoofing: boolean;
  /** Tunnel packets that workloads may not send, lest they reach nodes as if from another. */
  readonly blockedTunnels: BlockedTunnels;
  /** Ports of host endpoints that no policy closes [FailsafeInboundHostPorts, FailsafeOutboundHostPorts]. */
  readonly failsafes: Readonly<Record<'inbound' | 'outbound', readonly FailsafePort[]>>;
  /** Interfaces that are never host endpoints; may end in `*` [InterfaceExclude]. */
  readonly interfaceExclude: readonly string[];
  readonly natOutgoing: NatOutgoingOptions;
  /** What becomes of packets to services that nobody translated; undefined lets them pass [ServiceLoopPrevention]. */
  readonly serviceLoop: 'drop' | 'reject' | undefined;
}

interface BlockedTunnels {
  /** UDP port of VXLAN; undefined lets it pass [AllowVXLANPacketsFromWorkloads, VXLANPort]. */
  readonly vxlanPort: number | undefined;
  /** [Not AllowIPIPPacketsFromWorkloads]. */
  readonly ipip: boolean;
}

/** How packets of pools with natOutgoing are translated. */
export interface NatOutgoingOptions {
  /** Source address; that of the interface they leave by where there is none [NATOutgoingAddress]. */
  readonly addresses: Readonly<Partial<Record<Family, Address>>>;
  /** Source ports [NATPortRange]. */
  readonly ports: PortRange | undefined;
  /** Whether packets to nodes keep their source, as those to pools do [NATOutgoingExclusions]. */
  readonly excludeNodes: boolean;
  /** Only what leaves by it; may end in `*` [IptablesNATOutgoingInterfaceFilter]. */
  readonly outputInterface: string | undefined;
}

/** Calico's defaults. */
export const DEFAULT_RENDER_OPTIONS: RenderOptions = {
  interfacePrefixes: ['cali'],
  families: [4, 6],
  endpointToHostAction: 'Drop',
  denyAction: 'drop',
  dropInvalid: true,
  passMark: 0x10000,
  acceptMark: 0x20000,
  flushOnChange: false,
  logPrefix: 'calico-packet',
  logLimit: undefined,
  allowSpoofing: false,
  blockedTunnels: { vxlanPort: 4789, ipip: true },
  failsafes: { inbound: [{ protocol: 6, port: 22 }], outbound: [{ protocol: 17, port: 53 }] },
  interfaceExclude: ['kube-ipvs0'],
  natOutgoing: { addresses: {}, ports: undefined, excludeNodes: false, outputInterface: undefined },
  serviceLoop: 'drop',
};
