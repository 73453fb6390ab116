/** BGPPeer (projectcalico.org/v3). */
import * as z from 'zod';
import { type Address, familyOf, parseAddress } from '../../net/address.ts';
import { annotationOf, readOptions } from '../annotation-options.ts';
import { bgpPeerOptions } from '../bgp-options.ts';
import * as field from '../fields.ts';
import { bgpPassword } from './bgp-configuration.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

/** Reads `ADDRESS`, `IPV4:PORT` or `[IPV6]:PORT`. */
export function parsePeerAddress(
  text: string,
): { readonly address: Address; readonly port?: number } | undefined {
  const bare = parseAddress(text);
  if (bare !== undefined) return { address: bare };
  const parts = /^(?:\[(.+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const address = parts === null ? undefined : parseAddress(parts[1] ?? parts[2]!);
  if (parts === null || address === undefined) return undefined;
  const port = Number(parts[3]);
  const bracketed = parts[1] !== undefined;
  if (bracketed !== (familyOf(address) === 6) || port < 1 || port > 65535) return undefined;
  return { address, port };
}

const peerAddress = () =>
  z.string().superRefine((text, context) => {
    if (parsePeerAddress(text) === undefined) {
      field.fault(context, 'not a peer address', {
        allowed: 'an address, ADDRESS:PORT for IPv4, or [ADDRESS]:PORT for IPv6',
      });
    }
  });

export const bgpPeer = defineKind({
  kind: 'BGPPeer',
  apiVersion: 'projectcalico.org/v3',
  plural: 'bgppeers',
  aliases: ['bgpp', 'bgpps', 'bp'],
  namespaced: false,
  description: 'A BGP neighbour of one node, of selected nodes, or of all.',
  options: bgpPeerOptions,
  check: ({ metadata, spec }) => checkDynamicNeighbors(metadata.annotations, spec),
  spec: () =>
    field.across(
      z.strictObject({
        node: z
          .string()
          .exactOptional()
          .describe('The node that peers; without it and nodeSelector, every node.'),
        nodeSelector: field.selector().exactOptional().describe('The nodes that peer, by label.'),
        peerIP: peerAddress().exactOptional().describe('Address of the peer, with an optional port.'),
        asNumber: field.asNumber().exactOptional().describe('AS number of the peer.'),
        localASNumber: field
          .asNumber()
          .exactOptional()
          .describe("AS number to show this peer instead of the node's."),
        peerSelector: field.selector().exactOptional().describe('Nodes to peer with, by label.'),
        localWorkloadSelector: field
          .selector()
          .exactOptional()
          .describe(
            'Workloads of the node to peer with, by label. They speak to an address of the node, which FelixConfiguration must let them: defaultEndpointToHostAction Accept or Return.',
          ),
        keepOriginalNextHop: z
          .boolean()
          .exactOptional()
          .describe('Deprecated: nextHopMode `Keep` for external peers.'),
        nextHopMode: z
          .enum(['Auto', 'Self', 'Keep'])
          .exactOptional()
          .describe('Which next hop is advertised to the peer.'),
        password: bgpPassword().exactOptional().describe('TCP MD5 password of the session.'),
        sourceAddress: z
          .enum(['UseNodeIP', 'None'])
          .exactOptional()
          .describe("Whether sessions start from the node's address (default) or any."),
        maxRestartTime: field.duration().exactOptional().describe('Graceful restart time (default 120s).'),
        keepaliveTime: field.duration().exactOptional().describe('Interval of keepalives.'),
        numAllowedLocalASNumbers: z
          .int()
          .min(0)
          .exactOptional()
          .describe('How often the own AS may occur in the AS path of a received route.'),
        ttlSecurity: z
          .int()
          .min(0)
          .max(255)
          .exactOptional()
          .describe('Accept only peers within this many hops (RFC 5082).'),
        reachableBy: field
          .anyAddress()
          .exactOptional()
          .describe('Gateway through which the peer is reached by a static route.'),
        filters: z.array(z.string()).exactOptional().describe('BGPFilters to apply, in order.'),
        reversePeering: z
          .enum(['Auto', 'Manual'])
          .exactOptional()
          .describe('Whether selected peer nodes peer back of their own accord (default).'),
      }),
      checkPeer,
    ),
});

export type BGPPeer = ResourceOf<typeof bgpPeer>;

interface PeerFields {
  readonly node?: string;
  readonly nodeSelector?: string;
  readonly peerIP?: string;
  readonly peerSelector?: string;
  readonly asNumber?: number;
  readonly localWorkloadSelector?: string;
  readonly keepOriginalNextHop?: boolean;
  readonly nextHopMode?: string;
  readonly reachableBy?: Address;
}

/** Pairs of fields that exclude each other. */
const exclusive: readonly (readonly [keyof PeerFields, keyof PeerFields])[] = [
  ['node', 'nodeSelector'],
  ['peerIP', 'peerSelector'],
  ['asNumber', 'peerSelector'],
  ['localWorkloadSelector', 'peerIP'],
  ['localWorkloadSelector', 'peerSelector'],
  ['keepOriginalNextHop', 'nextHopMode'],
];

function checkPeer(spec: PeerFields, context: z.RefinementCtx): void {
  for (const [one, other] of exclusive) {
    if (spec[one] !== undefined && spec[one] !== false && spec[other] !== undefined) {
      field.fault(context, `${one} and ${other} exclude each other`, {}, [other]);
    }
  }
  if (spec.localWorkloadSelector !== undefined && spec.asNumber === undefined) {
    field.fault(context, 'localWorkloadSelector needs asNumber', {}, ['localWorkloadSelector']);
  }
  if (spec.reachableBy === undefined) return;
  const peer = spec.peerIP === undefined ? undefined : parsePeerAddress(spec.peerIP);
  if (peer === undefined) {
    field.fault(context, 'reachableBy needs peerIP', {}, ['reachableBy']);
  } else if (familyOf(peer.address) !== familyOf(spec.reachableBy)) {
    field.fault(context, 'not of the address family of peerIP', {}, ['reachableBy']);
  }
}

/** Peers that come from prefixes have no other address, and always connect themselves. */
function checkDynamicNeighbors(
  annotations: Readonly<Record<string, string>> | undefined,
  spec: PeerFields,
): readonly Finding[] {
  const options = readOptions(bgpPeerOptions, annotations);
  if (options.dynamicNeighbors === undefined) return [];
  const annotation = (name: string): string => annotationOf(bgpPeerOptions, name);
  const own = annotation('dynamicNeighbors');
  const fields = (['peerIP', 'peerSelector', 'localWorkloadSelector'] as const)
    .filter((name) => spec[name] !== undefined)
    .map((name) => ({ path: ['spec', name], message: `${own} and ${name} exclude each other` }));
  const others = (['interface', 'passive'] as const)
    .filter((name) => options[name] !== undefined)
    .map((name) => ({
      path: ['metadata', 'annotations', annotation(name)],
      message: `${own} and ${annotation(name)} exclude each other`,
    }));
  return [...fields, ...others];
}
