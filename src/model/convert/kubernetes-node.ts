/** Kubernetes nodes as Calico's Nodes (libcalico-go `lib/backend/k8s/resources/node.go`). */
import type { Finding } from '../kinds/definition.ts';
import type { KubernetesNodeSpec, KubernetesNodeStatus } from '../kinds/kubernetes-node.ts';
import { type Node, node } from '../kinds/node.ts';
import type { Immutable, ObjectMeta } from '../resource.ts';
import { isPlainObject } from '../schema-walk.ts';

export interface ConvertedNode {
  readonly node: Node;
  /** Annotations that were left out, by path in the Kubernetes resource. */
  readonly faults: readonly Finding[];
}

/** Where Calico keeps what a Kubernetes node has no field for: annotation and path in the spec. */
const annotated: readonly (readonly [annotation: string, path: readonly string[]])[] = [
  ['IPv4Address', ['bgp', 'ipv4Address']],
  ['IPv6Address', ['bgp', 'ipv6Address']],
  ['ASNumber', ['bgp', 'asNumber']],
  ['IPv4IPIPTunnelAddr', ['bgp', 'ipv4IPIPTunnelAddr']],
  ['RouteReflectorClusterID', ['bgp', 'routeReflectorClusterID']],
  ['IPv4VXLANTunnelAddr', ['ipv4VXLANTunnelAddr']],
  ['VXLANTunnelMACAddr', ['vxlanTunnelMACAddr']],
  ['IPv6VXLANTunnelAddr', ['ipv6VXLANTunnelAddr']],
  ['VXLANTunnelMACAddrV6', ['vxlanTunnelMACAddrV6']],
  ['IPv4WireguardInterfaceAddr', ['wireguard', 'interfaceIPv4Address']],
  ['IPv6WireguardInterfaceAddr', ['wireguard', 'interfaceIPv6Address']],
];

const statusAnnotations: readonly (readonly [annotation: string, field: string])[] = [
  ['WireguardPublicKey', 'wireguardPublicKey'],
  ['WireguardPublicKeyV6', 'wireguardPublicKeyV6'],
];

const annotationPrefix = 'projectcalico.org/';

/** Types of addresses that other nodes may reach the node by. */
const addressTypes: ReadonlySet<string> = new Set(['InternalIP', 'ExternalIP']);

/** Converts a node. An annotation that does not say what it should is left out on its own. */
export function convertNode(resource: {
  readonly metadata: ObjectMeta;
  readonly spec: KubernetesNodeSpec;
  readonly status?: KubernetesNodeStatus;
}): ConvertedNode {
  const faults: Finding[] = [];
  const { name, labels, annotations = {}, uid, creationTimestamp, resourceVersion } = resource.metadata;
  const spec: Record<string, unknown> = {};
  for (const [annotation, path] of annotated) {
    const value = annotations[annotationPrefix + annotation];
    if (value === undefined || value === '') continue;
    const part = nested(path, value);
    if (node.spec().safeParse(part).success) merge(spec, part);
    else
      faults.push({
        path: ['metadata', 'annotations', annotationPrefix + annotation],
        message: 'not a valid value',
      });
  }
  const addresses = (resource.status?.addresses ?? [])
    .filter(({ type }) => addressTypes.has(type))
    .filter(({ address }) => node.spec().safeParse({ addresses: [{ address }] }).success)
    .map(({ address, type }) => ({ address, type }));
  if (addresses.length > 0) spec['addresses'] = addresses;
  spec['orchRefs'] = [{ nodeName: name, orchestrator: 'k8s' }];
  const status: Record<string, unknown> = {};
  for (const [annotation, field] of statusAnnotations) {
    const value = annotations[annotationPrefix + annotation];
    if (value !== undefined && value !== '') status[field] = value;
  }
  const podCIDRs =
    resource.spec.podCIDRs ?? (resource.spec.podCIDR === undefined ? [] : [resource.spec.podCIDR]);
  if (podCIDRs.length > 0) status['podCIDRs'] = podCIDRs;
  return {
    node: {
      apiVersion: 'projectcalico.org/v3',
      kind: 'Node',
      metadata: {
        name,
        ...(uid === undefined ? {} : { uid }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(labels === undefined ? {} : { labels }),
      },
      spec: node.spec().parse(spec),
      ...(Object.keys(status).length === 0
        ? {}
        : { status: node.status!().parse(status) as NonNullable<Immutable<Node['status']>> }),
    },
    faults,
  };
}

function nested(path: readonly string[], value: unknown): Record<string, unknown> {
  return Object.fromEntries([[path[0]!, path.length === 1 ? value : nested(path.slice(1), value)]]);
}

function merge(target: Record<string, unknown>, part: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(part)) {
    const known = target[key];
    if (isPlainObject(known) && isPlainObject(value)) merge(known, value);
    else target[key] = value;
  }
}
