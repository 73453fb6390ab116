/** What endpoints and network sets say to the calculation: labels, addresses, ports. */
import { type Address, parseAddress } from '../net/address.ts';
import { type Prefix, hostPrefix, isHostPrefix, prefixAddress } from '../net/prefix.ts';
import { dscpValues } from '../model/dscp.ts';
import {
  type Net,
  interfaceAddressParts,
  netPrefix,
  protocolNumber,
  protocolNumbers,
} from '../model/fields.ts';
import type { KubernetesEndpointSlice } from '../model/kinds/kubernetes-endpoint-slice.ts';
import type { HostEndpoint } from '../model/kinds/host-endpoint.ts';
import type { Node } from '../model/kinds/node.ts';
import type { NetworkSet } from '../model/kinds/network-set.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import { namespaceLabel, orchestratorLabel, serviceAccountLabel } from '../model/labels.ts';
import type { Labels } from './label-index.ts';
import type { Contribution, NamedPort } from './member-set.ts';
import type { EndpointQos, LocalEndpoint, PacketRate } from './output.ts';
import { servicePort, type ServiceName } from './set-definition.ts';

/** A label value in Kubernetes has at most 63 characters; Calico leaves out the account when it is as long. */
const accountNameLimit = 63;

/** The labels that a workload endpoint has of its own. */
export function endpointLabels({ metadata, spec }: WorkloadEndpoint): Labels {
  const labels = new Map(Object.entries(metadata.labels ?? {}));
  if (metadata.namespace !== undefined) labels.set(namespaceLabel, metadata.namespace);
  if (spec.orchestrator !== undefined) labels.set(orchestratorLabel, spec.orchestrator);
  const account = spec.serviceAccountName;
  if (account !== undefined && account.length < accountNameLimit) labels.set(serviceAccountLabel, account);
  return labels;
}

/** The labels that a network set of a namespace has of its own; what a namespace has is inherited. */
export function networkSetLabels({ metadata }: Pick<NetworkSet, 'metadata'>): Labels {
  const labels = new Map(Object.entries(metadata.labels ?? {}));
  if (metadata.namespace !== undefined) labels.set(namespaceLabel, metadata.namespace);
  return labels;
}

/** What a workload endpoint brings into sets. */
export function endpointContribution({ spec }: WorkloadEndpoint): Contribution {
  const ports: NamedPort[] = [];
  for (const { name, protocol, port } of spec.ports ?? []) {
    if (name !== undefined) ports.push({ name, protocol: protocolNumber(protocol), port });
  }
  return { prefixes: prefixesOf(spec.ipNetworks), ports };
}

/** What a host endpoint brings into sets. */
export function hostContribution({ spec }: HostEndpoint): Contribution {
  return {
    prefixes: [...new Set((spec.expectedIPs ?? []).map(hostPrefix))],
    ports: (spec.ports ?? []).map(({ name, protocol, port }) => ({
      name,
      protocol: protocolNumber(protocol),
      port,
    })),
  };
}

/** The addresses of a workload endpoint. */
export function endpointAddresses({ spec }: WorkloadEndpoint): Address[] {
  return prefixesOf(spec.ipNetworks).filter(isHostPrefix).map(prefixAddress);
}

/** Sources beside its addresses that a workload endpoint asks for. */
export function spoofedSources({
  spec,
}: WorkloadEndpoint): Pick<LocalEndpoint, 'allowSpoofedSourcePrefixes'> {
  const prefixes = prefixesOf(spec.allowSpoofedSourcePrefixes);
  return prefixes.length === 0 ? {} : { allowSpoofedSourcePrefixes: prefixes };
}

/** What Calico's CNI writes as burst where only the rate is stated. */
const defaultPacketBurst = 5;

/** The limits of a workload endpoint that the table holds; 0 is no limit. */
export function qosOf({ spec: { qosControls } }: WorkloadEndpoint): Pick<LocalEndpoint, 'qos'> {
  if (qosControls === undefined) return {};
  const {
    ingressPacketRate = 0,
    ingressPacketBurst = 0,
    egressPacketRate = 0,
    egressPacketBurst = 0,
    ingressMaxConnections = 0,
    egressMaxConnections = 0,
    dscp,
  } = qosControls;
  const rate = (value: number, burst: number): PacketRate => ({
    rate: value,
    burst: burst === 0 ? defaultPacketBurst : burst,
  });
  const codePoint = typeof dscp === 'string' ? dscpValues[dscp] : dscp;
  const qos: EndpointQos = {
    packetRate: {
      ...(ingressPacketRate === 0 ? {} : { ingress: rate(ingressPacketRate, ingressPacketBurst) }),
      ...(egressPacketRate === 0 ? {} : { egress: rate(egressPacketRate, egressPacketBurst) }),
    },
    maxConnections: {
      ...(ingressMaxConnections === 0 ? {} : { ingress: ingressMaxConnections }),
      ...(egressMaxConnections === 0 ? {} : { egress: egressMaxConnections }),
    },
    ...(codePoint === undefined ? {} : { dscp: codePoint }),
  };
  const limits = [qos.packetRate, qos.maxConnections].some((one) => Object.keys(one).length > 0);
  return limits || codePoint !== undefined ? { qos } : {};
}

/** Nets as prefixes, each once. */
export function prefixesOf(nets: readonly Net[] | undefined): Prefix[] {
  return [...new Set((nets ?? []).map(netPrefix))];
}

/** What people call the workload: `namespace/pod`, or what its orchestrator calls it. */
export function workloadName({ metadata, spec }: WorkloadEndpoint): string {
  return `${metadata.namespace ?? ''}/${spec.pod ?? spec.workload ?? spec.containerID ?? metadata.name}`;
}

/** The label by which Kubernetes says which Service a slice belongs to. */
const serviceNameLabel = 'kubernetes.io/service-name';

/** As Kubernetes writes them. */
const slicePortProtocols: ReadonlyMap<string, number> = new Map(
  (['TCP', 'UDP', 'SCTP'] as const).map((name) => [name, protocolNumbers[name]]),
);

/** The service that an EndpointSlice belongs to, if any. */
export function serviceOfSlice({ metadata }: KubernetesEndpointSlice): ServiceName | undefined {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined || metadata.namespace === undefined
    ? undefined
    : { namespace: metadata.namespace, name };
}

/**
 * What an EndpointSlice brings into the sets of its service: every endpoint, ready or not, because a rule is about who
 * belongs to the service. A port without a number means nothing here.
 */
export function sliceContribution({ spec }: KubernetesEndpointSlice): Contribution {
  const addresses = spec.endpoints
    .flatMap((endpoint) => endpoint.addresses)
    .flatMap((text) => parseAddress(text) ?? []);
  return {
    prefixes: [...new Set(addresses.map(hostPrefix))],
    ports: (spec.ports ?? []).flatMap(({ protocol = 'TCP', port }) => {
      const number = slicePortProtocols.get(protocol);
      return port === undefined || number === undefined
        ? []
        : [{ name: servicePort, protocol: number, port }];
    }),
  };
}

/** Every address at which the node is reached, each once. */
export function nodeAddresses({ spec }: Node): Prefix[] {
  const own = [spec.bgp?.ipv4Address, spec.bgp?.ipv6Address]
    .filter((text) => text !== undefined)
    .map((text) => hostPrefix(interfaceAddressParts(text).address));
  const listed = (spec.addresses ?? []).map(({ address }) => hostPrefix(prefixAddress(netPrefix(address))));
  return [...new Set([...own, ...listed])];
}
