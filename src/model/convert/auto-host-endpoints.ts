/**
 * Host endpoints that follow a node, as Calico's kube-controllers make them (pkg/controllers/node/hostendpoints.go):
 * one for all interfaces, and those of the templates of KubeControllersConfiguration.
 */
import { createHash } from 'node:crypto';
import { type Address, parseAddress } from '../../net/address.ts';
import { prefixAddress, prefixContains } from '../../net/prefix.ts';
import { interfaceAddressParts, netPrefix } from '../fields.ts';
import { type HostEndpoint, anyInterface } from '../kinds/host-endpoint.ts';
import type { KubeControllersConfiguration } from '../kinds/kube-controllers-configuration.ts';
import type { Node } from '../kinds/node.ts';
import { compileSelector } from '../selector/evaluate.ts';
import { parseSelector } from '../selector/parser.ts';

/** An interface of the node with its addresses. */
export interface NodeInterface {
  readonly name: string;
  readonly addresses: readonly Address[];
}

type NodeController = NonNullable<KubeControllersConfiguration['spec']['controllers']['node']>;
type Settings = NonNullable<NodeController['hostEndpoint']>;
type Template = NonNullable<Settings['templates']>[number];

const creatorLabel = 'projectcalico.org/created-by';
const creator = 'calico-kube-controllers';
const nameSuffix = 'auto-hep';
const defaultProfile = 'projectcalico-default-allow';
/** RFC 1123 names are no longer. */
const longestName = 253;

/** Whether a host endpoint was made by a controller, so that one may change and delete it. */
export function isAutoHostEndpoint({ metadata }: Pick<HostEndpoint, 'metadata'>): boolean {
  return metadata.labels?.[creatorLabel] === creator;
}

/**
 * The host endpoints that a node should have. `interfaces` are those that the node has now, for templates with an
 * interfacePattern, unless the Node resource lists its own.
 */
export function autoHostEndpoints(
  node: Node,
  settings: Settings | undefined,
  interfaces: readonly NodeInterface[],
): HostEndpoint[] {
  if (settings?.autoCreate !== 'Enabled') return [];
  const listed = node.spec.interfaces?.flatMap(({ name, addresses = [] }): NodeInterface[] =>
    name === undefined ? [] : [{ name, addresses: addresses.flatMap((text) => parseAddress(text) ?? []) }],
  );
  const own = { node, interfaces: listed ?? interfaces };
  return [
    ...(settings.createDefaultHostEndpoint === 'Disabled'
      ? []
      : [hostEndpoint(node, [], {}, expectedAddresses(node), anyInterface)]),
    ...(settings.templates ?? []).flatMap((template) => ofTemplate(template, own)),
  ];
}

function ofTemplate(
  template: Template,
  { node, interfaces }: { readonly node: Node; readonly interfaces: readonly NodeInterface[] },
): HostEndpoint[] {
  const { generateName = 'template', interfaceCIDRs = [], interfacePattern, labels = {} } = template;
  if (!selects(template.nodeSelector, node)) return [];
  const cidrs = interfaceCIDRs.map(netPrefix);
  const inside = expectedAddresses(node).filter((address) =>
    cidrs.some((cidr) => prefixContains(cidr, address)),
  );
  if (interfacePattern === undefined) {
    // Without an interface the addresses are what it is found by.
    return inside.length === 0 ? [] : [hostEndpoint(node, [generateName], labels, inside, undefined)];
  }
  const pattern = new RegExp(interfacePattern);
  return interfaces
    .filter(({ name }) => pattern.test(name))
    .map(({ name, addresses }) => {
      const all = [...new Set([...inside, ...addresses])];
      return hostEndpoint(node, [generateName, name], labels, all, name);
    });
}

function selects(selector: string | undefined, { metadata }: Node): boolean {
  if (selector === undefined) return true;
  return compileSelector(parseSelector(selector))((label) => metadata.labels?.[label]);
}

/** Every address that the resource knows, each once: those of BGP, of tunnels, and internal ones. */
function expectedAddresses({ spec }: Node): Address[] {
  const { bgp, wireguard, addresses = [] } = spec;
  const found = [
    ...[bgp?.ipv4Address, bgp?.ipv6Address].map((text) => text && interfaceAddressParts(text).address),
    bgp?.ipv4IPIPTunnelAddr,
    spec.ipv4VXLANTunnelAddr,
    spec.ipv6VXLANTunnelAddr,
    wireguard?.interfaceIPv4Address,
    wireguard?.interfaceIPv6Address,
    ...addresses
      .filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => prefixAddress(netPrefix(address))),
  ];
  return [...new Set(found.filter((address) => address !== undefined && address !== ''))] as Address[];
}

function hostEndpoint(
  { metadata }: Node,
  parts: readonly string[],
  labels: Readonly<Record<string, string>>,
  expectedIPs: readonly Address[],
  interfaceName: string | undefined,
): HostEndpoint {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'HostEndpoint',
    metadata: {
      name: fitting([metadata.name, ...parts, nameSuffix].join('-')),
      labels: { ...metadata.labels, ...labels, [creatorLabel]: creator },
    },
    spec: {
      node: metadata.name,
      ...(interfaceName === undefined ? {} : { interfaceName }),
      ...(expectedIPs.length === 0 ? {} : { expectedIPs }),
      profiles: [defaultProfile],
    },
  };
}

/** A name that is too long is one that its hash tells apart, made as Calico makes it, so that both find the same. */
function fitting(name: string): string {
  if (name.length <= longestName) return name;
  const hash = createHash('sha256').update(name).digest('base64url').replaceAll(/[-_.]/g, '');
  return `${hash}-${nameSuffix}`.toLowerCase();
}
