/**
 * The FelixConfiguration parameters in effect on this node: `default`, then objects whose nodeSelector names the node
 * (by name), then `node.NAME`, then what the node's own file and environment say (model/felix-settings.ts); a later one
 * wins field by field (Calico `felix/config`, reference §1.10).
 */
import { isDeepStrictEqual } from 'node:util';
import { type Address, type Family, familyOf } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { readOptions } from '../model/annotation-options.ts';
import { netPrefix, parseDuration, parsePort } from '../model/fields.ts';
import type { FelixConfiguration } from '../model/kinds/felix-configuration.ts';
import { type PolicyOptions, policyOptions } from '../model/policy-options.ts';
import type { Labels } from './label-index.ts';
import type { PortRange } from './output.ts';
import { matcherOfText } from './selector-matcher.ts';

/** Parameters that the dataplane acts on. Names are FelixConfiguration's; intervals are milliseconds. */
export interface FelixParameters {
  /** Workload interfaces begin with one of these. */
  readonly interfacePrefixes: readonly string[];
  readonly defaultEndpointToHostAction: 'Drop' | 'Accept' | 'Return';
  readonly ipv6Support: boolean;
  readonly ipForwarding: boolean;
  readonly nftablesMarkMask: number;
  readonly nftablesFilterAllowAction: 'Accept' | 'Return';
  readonly nftablesFilterDenyAction: 'Drop' | 'Reject';
  readonly nftablesRefreshInterval: number;
  readonly routeRefreshInterval: number;
  readonly interfaceRefreshInterval: number;
  /** Protocol number of routes to workloads (design D20). */
  readonly deviceRouteProtocol: number;
  readonly deviceRouteSourceAddress: Readonly<Partial<Record<Family, Address>>>;
  readonly normalRoutePriority: Readonly<Record<Family, number>>;
  readonly removeExternalRoutes: boolean;
  readonly routeSyncDisabled: boolean;
  /** See routing/cluster-routes.ts. */
  readonly programClusterRoutes?: Spec['programClusterRoutes'];
  readonly disableConntrackInvalidCheck: boolean;
  readonly allowVXLANPacketsFromWorkloads: boolean;
  readonly allowIPIPPacketsFromWorkloads: boolean;
  readonly workloadSourceSpoofing: 'Disabled' | 'Any';
  readonly vxlanPort: number;
  /** Reached, and reachable, whatever policy of host endpoints says. */
  readonly failsafeInboundHostPorts: readonly FailsafePort[];
  readonly failsafeOutboundHostPorts: readonly FailsafePort[];
  /** Interfaces that are never host endpoints; may end in `*`. */
  readonly interfaceExclude: readonly string[];
  /** Instead of the address of the interface that a masqueraded packet leaves by. */
  readonly natOutgoingAddress: Readonly<Partial<Record<Family, Address>>>;
  readonly natPortRange?: PortRange;
  readonly natOutgoingExclusions: 'IPPoolsOnly' | 'IPPoolsAndHostIPs';
  /** Only what leaves by such an interface is masqueraded; `+` or `*` at its end is any text, empty is any interface. */
  readonly iptablesNATOutgoingInterfaceFilter: string;
  readonly serviceLoopPrevention: 'Drop' | 'Reject' | 'Disabled';
  readonly logPrefix: string;
  /** `N/second`, `N/minute`, …; empty for no limit. */
  readonly logActionRateLimit: string;
  readonly logActionRateLimitBurst: number;
  readonly healthEnabled: boolean;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly prometheusMetricsEnabled: boolean;
  /** All addresses if empty. */
  readonly prometheusMetricsHost: string;
  readonly prometheusMetricsPort: number;
  readonly prometheusProcessMetricsEnabled: boolean;
  /** Whether a change of a policy that does not say otherwise cuts connections that policy then denies. */
  readonly flushOnChange: boolean;
}

/** A port of a host endpoint, at any address of the other side or at one in `net`. */
export interface FailsafePort {
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
  readonly net?: Prefix;
}

const TCP = 6;
const UDP = 17;

/** SSH, BGP, etcd, Kubernetes' API, Typha, and DHCP: what a node needs to be mended (Calico RULES/static.go). */
const defaultFailsafes: Readonly<Record<'inbound' | 'outbound', readonly FailsafePort[]>> = {
  inbound: [
    ...[22, 179, 2379, 2380, 5473, 6443, 6666, 6667].map((port) => ({ protocol: TCP, port })),
    { protocol: UDP, port: 68 },
  ],
  outbound: [
    ...[179, 2379, 2380, 5473, 6443, 6666, 6667].map((port) => ({ protocol: TCP, port })),
    ...[53, 67].map((port) => ({ protocol: UDP, port })),
  ],
};

type Spec = FelixConfiguration['spec'];

interface Layer {
  readonly spec: Spec;
  readonly options: PolicyOptions;
}

/** Fills in what nobody configured. */
function withDefaults(spec: Spec, options: PolicyOptions): FelixParameters {
  return {
    interfacePrefixes: (spec.interfacePrefix ?? 'cali')
      .split(',')
      .map((prefix) => prefix.trim())
      .filter((prefix) => prefix !== ''),
    defaultEndpointToHostAction: spec.defaultEndpointToHostAction ?? 'Drop',
    ipv6Support: spec.ipv6Support ?? true,
    ipForwarding: spec.ipForwarding !== 'Disabled',
    nftablesMarkMask: spec.nftablesMarkMask ?? 0xffff0000,
    nftablesFilterAllowAction: spec.nftablesFilterAllowAction ?? 'Accept',
    nftablesFilterDenyAction: spec.nftablesFilterDenyAction ?? 'Drop',
    nftablesRefreshInterval: milliseconds(spec.nftablesRefreshInterval, 180_000),
    routeRefreshInterval: milliseconds(spec.routeRefreshInterval, 90_000),
    interfaceRefreshInterval: milliseconds(spec.interfaceRefreshInterval, 90_000),
    deviceRouteProtocol: spec.deviceRouteProtocol ?? 80,
    deviceRouteSourceAddress: {
      ...(spec.deviceRouteSourceAddress === undefined ? {} : { 4: spec.deviceRouteSourceAddress }),
      ...(spec.deviceRouteSourceAddressIPv6 === undefined ? {} : { 6: spec.deviceRouteSourceAddressIPv6 }),
    },
    normalRoutePriority: {
      4: spec.ipv4NormalRoutePriority ?? 1024,
      6: spec.ipv6NormalRoutePriority ?? 1024,
    },
    removeExternalRoutes: spec.removeExternalRoutes ?? true,
    routeSyncDisabled: spec.routeSyncDisabled ?? false,
    programClusterRoutes: spec.programClusterRoutes,
    disableConntrackInvalidCheck: spec.disableConntrackInvalidCheck ?? false,
    allowVXLANPacketsFromWorkloads: spec.allowVXLANPacketsFromWorkloads ?? false,
    allowIPIPPacketsFromWorkloads: spec.allowIPIPPacketsFromWorkloads ?? false,
    workloadSourceSpoofing: spec.workloadSourceSpoofing ?? 'Disabled',
    vxlanPort: spec.vxlanPort ?? 4789,
    failsafeInboundHostPorts: failsafePorts(spec.failsafeInboundHostPorts) ?? defaultFailsafes.inbound,
    failsafeOutboundHostPorts: failsafePorts(spec.failsafeOutboundHostPorts) ?? defaultFailsafes.outbound,
    interfaceExclude: (spec.interfaceExclude ?? 'kube-ipvs0')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    natOutgoingAddress:
      spec.natOutgoingAddress === undefined
        ? {}
        : { [familyOf(spec.natOutgoingAddress)]: spec.natOutgoingAddress },
    ...natPortRange(spec),
    natOutgoingExclusions: spec.natOutgoingExclusions ?? 'IPPoolsOnly',
    iptablesNATOutgoingInterfaceFilter: spec.iptablesNATOutgoingInterfaceFilter ?? '',
    serviceLoopPrevention: spec.serviceLoopPrevention ?? 'Drop',
    logPrefix: spec.logPrefix ?? 'calico-packet',
    logActionRateLimit: spec.logActionRateLimit ?? '',
    logActionRateLimitBurst: spec.logActionRateLimitBurst ?? 5,
    healthEnabled: spec.healthEnabled ?? false,
    healthHost: spec.healthHost ?? 'localhost',
    healthPort: spec.healthPort ?? 9099,
    prometheusMetricsEnabled: spec.prometheusMetricsEnabled ?? false,
    prometheusMetricsHost: spec.prometheusMetricsHost ?? '',
    prometheusMetricsPort: spec.prometheusMetricsPort ?? 9091,
    prometheusProcessMetricsEnabled: spec.prometheusProcessMetricsEnabled ?? true,
    flushOnChange: options.flushOnChange ?? false,
  };
}

function failsafePorts(ports: Spec['failsafeInboundHostPorts']): FailsafePort[] | undefined {
  const numbers: Readonly<Record<string, number>> = { tcp: TCP, udp: UDP, sctp: 132 };
  return ports?.flatMap(({ protocol, port, net }) => {
    const number = numbers[protocol.toLowerCase()];
    if (number === undefined) return [];
    return [{ protocol: number, port, ...(net === undefined ? {} : { net: netPrefix(net) }) }];
  });
}

/** A name would be no range of source ports: it is as if nothing were said. */
function natPortRange({ natPortRange: text }: Spec): Pick<FelixParameters, 'natPortRange'> {
  const range = text === undefined ? undefined : parsePort(text);
  return range === undefined || 'name' in range ? {} : { natPortRange: range };
}

/** Zero and absence mean the default interval; the kernel's events do the work in between. */
function milliseconds(duration: string | undefined, byDefault: number): number {
  return (duration === undefined ? undefined : parseDuration(duration)) || byDefault;
}

/** Follows the FelixConfiguration objects and this node's labels. */
export class FelixConfig {
  private readonly objects = new Map<string, Layer>();
  private labels: Labels = new Map();
  private flushed: FelixParameters | undefined;
  private dirty = true;

  constructor(
    private readonly nodeName: string,
    private readonly own: Spec = {},
  ) {}

  setObject(name: string, object: Pick<FelixConfiguration, 'metadata' | 'spec'> | undefined): void {
    if (object === undefined) this.objects.delete(name);
    else {
      const options = readOptions(policyOptions, object.metadata.annotations);
      this.objects.set(name, { spec: object.spec, options });
    }
    this.dirty = true;
  }

  setNodeLabels(labels: Labels): void {
    this.labels = labels;
    this.dirty = true;
  }

  /** The parameters if they changed since the last flush; the first flush always gives them. */
  flush(): FelixParameters | undefined {
    if (!this.dirty) return undefined;
    this.dirty = false;
    const parameters = this.parameters();
    if (isDeepStrictEqual(parameters, this.flushed)) return undefined;
    this.flushed = parameters;
    return parameters;
  }

  private parameters(): FelixParameters {
    const own = `node.${this.nodeName}`;
    const selected = [...this.objects]
      .filter(
        ([name, { spec }]) =>
          name !== 'default' &&
          name !== own &&
          spec.nodeSelector !== undefined &&
          matcherOfText(spec.nodeSelector).matches(this.labels),
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, layer]) => layer);
    const layers = [this.objects.get('default'), ...selected, this.objects.get(own)];
    const spec = Object.assign({}, ...layers.map((layer) => layer?.spec), this.own) as Spec;
    const options = Object.assign({}, ...layers.map((layer) => layer?.options)) as PolicyOptions;
    return withDefaults(spec, options);
  }
}
