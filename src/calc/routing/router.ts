/** What BGP needs to know of a Node, and nothing that changes without need. */
import { type Address, type Family } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import { interfaceAddressParts } from '../../model/fields.ts';
import type { Node } from '../../model/kinds/node.ts';
import type { Labels } from '../label-index.ts';

export interface Router {
  readonly name: string;
  /** The node in Kubernetes. */
  readonly kubernetesName: string;
  readonly labels: Labels;
  readonly addresses: Readonly<Partial<Record<Family, Address>>>;
  readonly subnets: readonly Prefix[];
  /** Undefined: that of BGPConfiguration. */
  readonly asNumber: number | undefined;
  /** Given: a route reflector of this cluster (RFC 4456). */
  readonly clusterId: Address | undefined;
}

export const families = [4, 6] as const satisfies readonly Family[];

/** The router that a Node resource describes; undefined if the node takes no part in BGP. */
export function routerOf(node: Node): Router | undefined {
  const { bgp, orchRefs = [] } = node.spec;
  if (bgp === undefined) return undefined;
  const addresses: Partial<Record<Family, Address>> = {};
  const subnets: Prefix[] = [];
  const texts = { 4: bgp.ipv4Address, 6: bgp.ipv6Address };
  for (const family of families) {
    const text = texts[family];
    if (text === undefined) continue;
    const { address, subnet } = interfaceAddressParts(text);
    addresses[family] = address;
    subnets.push(subnet);
  }
  const { name } = node.metadata;
  return {
    name,
    kubernetesName: orchRefs.find(({ orchestrator }) => orchestrator === 'k8s')?.nodeName ?? name,
    labels: new Map(Object.entries(node.metadata.labels ?? {})),
    addresses,
    subnets,
    asNumber: bgp.asNumber,
    clusterId: bgp.routeReflectorClusterID,
  };
}
