/** Node (projectcalico.org/v3): a host that takes part. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

export const node = defineKind({
  kind: 'Node',
  apiVersion: 'projectcalico.org/v3',
  plural: 'nodes',
  aliases: ['no'],
  namespaced: false,
  description: 'A host that runs the agent.',
  spec: () =>
    z.strictObject({
      bgp: field
        .across(
          z.strictObject({
            asNumber: field
              .asNumber()
              .exactOptional()
              .describe('AS number; by default that of BGPConfiguration.'),
            ipv4Address: field
              .ipv4InterfaceAddress()
              .exactOptional()
              .describe('IPv4 address of the node with its subnet, such as 172.16.0.1/24.'),
            ipv6Address: field
              .ipv6InterfaceAddress()
              .exactOptional()
              .describe('IPv6 address of the node with its subnet, such as fd16::1/64.'),
            ipv4IPIPTunnelAddr: field
              .ipv4Address()
              .exactOptional()
              .describe('Address of the IP-in-IP tunnel.'),
            routeReflectorClusterID: field
              .ipv4Address()
              .exactOptional()
              .describe('Makes the node a route reflector of this cluster (dotted quad, RFC 4456).'),
          }),
          (bgp, context) => {
            if (Object.keys(bgp).length + context.issues.length > 0) return;
            field.fault(context, 'must not be empty', { allowed: 'at least one of its fields, or no bgp' });
          },
        )
        .exactOptional()
        .describe('BGP of this node; without it the node takes no part in BGP.'),
      ipv4VXLANTunnelAddr: field.ipv4Address().exactOptional().describe('Address of the IPv4 VXLAN tunnel.'),
      vxlanTunnelMACAddr: field.mac().exactOptional().describe('MAC address of the IPv4 VXLAN tunnel.'),
      ipv6VXLANTunnelAddr: field.ipv6Address().exactOptional().describe('Address of the IPv6 VXLAN tunnel.'),
      vxlanTunnelMACAddrV6: field.mac().exactOptional().describe('MAC address of the IPv6 VXLAN tunnel.'),
      orchRefs: z
        .array(
          z.strictObject({
            nodeName: z.string().exactOptional().describe('Name of the node in the orchestrator.'),
            orchestrator: z.string().describe('The orchestrator, such as `k8s`.'),
          }),
        )
        .exactOptional()
        .describe('What the node is called elsewhere.'),
      wireguard: z
        .strictObject({
          interfaceIPv4Address: field
            .ipv4Address()
            .exactOptional()
            .describe('IPv4 address of the interface.'),
          interfaceIPv6Address: field
            .ipv6Address()
            .exactOptional()
            .describe('IPv6 address of the interface.'),
        })
        .exactOptional()
        .describe('WireGuard of this node.'),
      addresses: z
        .array(
          z.strictObject({
            address: field.net().describe('The address.'),
            type: z.string().exactOptional().describe('`CalicoNodeIP`, `InternalIP` or `ExternalIP`.'),
          }),
        )
        .exactOptional()
        .describe('Addresses at which the node is reached.'),
      interfaces: z
        .array(
          z.strictObject({
            name: z.string().exactOptional().describe('Name of the interface.'),
            addresses: z.array(z.string()).exactOptional().describe('Its addresses.'),
          }),
        )
        .exactOptional()
        .describe('Interfaces of the node.'),
    }),
  status: () =>
    z.strictObject({
      wireguardPublicKey: z.string().exactOptional().describe('Public key for IPv4.'),
      wireguardPublicKeyV6: z.string().exactOptional().describe('Public key for IPv6.'),
      podCIDRs: z.array(z.string()).exactOptional().describe('Ranges that Kubernetes gave the node.'),
    }),
});

export type Node = ResourceOf<typeof node>;
