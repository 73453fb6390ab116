/**
 * Whom a restarted speaker waits for (RFC 4724 §4.1). Peers that are configured are awaited by name. Of those that come
 * by themselves nothing is remembered but their routes, which are still in the kernel: on a link that we share with
 * them the gateway of such a route is the peer. Where that cannot be told, the template is awaited in their stead.
 */
import { type Address, type Family, isLinkLocal } from '../net/address.ts';
import { type Prefix, prefixAddress, prefixContains } from '../net/prefix.ts';
import type { PeerConfig } from './config.ts';
import { type Template, dynamicName, isTemplate, mostSpecific } from './dynamic-neighbors.ts';

export interface AwaitedPeer {
  readonly name: string;
  readonly families: readonly Family[];
}

/** What is left of an earlier speaker in the kernel. */
export interface FoundRoutes {
  /** Gateways of its routes; undefined for one that leads straight out of an interface. */
  readonly gateways: Readonly<Record<Family, ReadonlySet<Address | undefined>>>;
  /** The networks of the link that a host is on; none if it is not on a link of ours. */
  readonly networksOf: (host: Address) => readonly Prefix[];
}

export function awaitedPeers(peers: readonly PeerConfig[], found: FoundRoutes): AwaitedPeer[] {
  const active = peers.filter(({ shutdown }) => shutdown === undefined);
  const configured = new Set(peers.filter((peer) => !isTemplate(peer)).map(({ address }) => address));
  const templates = active.filter(isTemplate);
  const known = templates.filter((template) => isKnownByGateway(template, found));
  const awaited = new Map<string, AwaitedPeer>();
  for (const { name, families } of active.filter((peer) => !isTemplate(peer))) {
    awaited.set(name, { name, families });
  }
  const unexplained = new Set<Family>();
  for (const family of [4, 6] as const) {
    for (const gateway of found.gateways[family]) {
      if (gateway !== undefined && (configured.has(gateway) || isLinkLocal(gateway))) continue;
      const template = gateway === undefined ? undefined : mostSpecific(templates, gateway);
      if (gateway === undefined || template === undefined || !known.includes(template)) {
        unexplained.add(family);
      } else {
        const name = dynamicName(gateway);
        awaited.set(name, { name, families: template.families });
      }
    }
  }
  for (const template of templates) {
    const { name, families } = template;
    const left = known.includes(template) ? families.filter((family) => unexplained.has(family)) : families;
    if (left.length > 0) awaited.set(name, { name, families: left });
  }
  return [...awaited.values()];
}

/** A peer in another AS tells its own address as next hop; behind a router it is that router's that the kernel has. */
function isKnownByGateway(
  { asNumber, localAsNumber, dynamicNeighbors }: Template,
  found: FoundRoutes,
): boolean {
  return (
    asNumber !== localAsNumber &&
    dynamicNeighbors.prefixes.every((prefix) =>
      found.networksOf(prefixAddress(prefix)).some((network) => prefixContains(network, prefix)),
    )
  );
}
