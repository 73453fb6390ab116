/** BGPConfiguration (projectcalico.org/v3): the object `default`, and `node.NAME` for one node. */
import * as z from 'zod';
import * as field from '../fields.ts';
import { type ResourceOf, defineKind } from './definition.ts';

/** A reference to one key of a Kubernetes Secret, as BGP passwords are given. */
export const bgpPassword = () =>
  z.strictObject({
    secretKeyRef: z
      .strictObject({
        name: z.string().describe('Name of the Secret.'),
        key: z.string().describe('Key within the Secret.'),
        optional: z.boolean().exactOptional().describe('Whether the Secret or key may be missing.'),
      })
      .exactOptional()
      .describe('The key of a Secret that holds the password.'),
  });

const cidrs = () => z.array(z.strictObject({ cidr: field.net().describe('The range.') }));

const community = () =>
  z.string().superRefine((text, context) => {
    const parts = text.split(':').map((part) => (/^[0-9]{1,10}$/.test(part) ? Number(part) : Number.NaN));
    const limit = parts.length === 2 ? 0xffff : 0xffffffff;
    if (parts.length < 2 || parts.length > 3 || !parts.every((part) => part <= limit)) {
      field.fault(context, 'not a BGP community', {
        allowed: 'two numbers of 16 bits (64512:100) or three of 32 bits (64512:1:2)',
      });
    }
  });

export const bgpConfiguration = defineKind({
  kind: 'BGPConfiguration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'bgpconfigurations',
  aliases: ['bgpconfig', 'bgpconfigs', 'bgpc'],
  namespaced: false,
  description: 'How nodes speak BGP: `default` for all, `node.NAME` for one.',
  spec: () =>
    z.strictObject({
      logSeverityScreen: z
        .enum(['Debug', 'Info', 'Warning', 'Error', 'Fatal'])
        .exactOptional()
        .describe('Least severe level that is logged.'),
      nodeToNodeMeshEnabled: z
        .boolean()
        .exactOptional()
        .describe('Every node peers with every other (default true).'),
      asNumber: field
        .asNumber()
        .exactOptional()
        .describe('AS number of nodes that state none (default 64512).'),
      serviceLoadBalancerIPs: cidrs()
        .exactOptional()
        .describe('Ranges of load-balancer addresses to advertise.'),
      serviceExternalIPs: cidrs()
        .exactOptional()
        .describe('Ranges of external service addresses to advertise.'),
      serviceClusterIPs: cidrs()
        .exactOptional()
        .describe('Ranges of cluster service addresses to advertise.'),
      serviceLoadBalancerAggregation: z
        .enum(['Enabled', 'Disabled'])
        .exactOptional()
        .describe('Whether load-balancer ranges are advertised whole.'),
      communities: z
        .array(
          z.strictObject({
            name: z.string().describe('What prefixAdvertisements call it.'),
            value: community().describe('`64512:100`, or `64512:1:2` for a large community.'),
          }),
        )
        .exactOptional()
        .describe('Names for communities.'),
      prefixAdvertisements: z
        .array(
          z.strictObject({
            cidr: field.net().describe('Routes inside this range.'),
            communities: z.array(z.string()).describe('Names or values of communities to add.'),
          }),
        )
        .exactOptional()
        .describe('Communities for what is advertised, by range.'),
      listenPort: field.portNumber().exactOptional().describe('TCP port to listen on (default 179).'),
      nodeMeshPassword: bgpPassword().exactOptional().describe('TCP MD5 password of the mesh.'),
      nodeMeshMaxRestartTime: field.duration().exactOptional().describe('Graceful restart time in the mesh.'),
      bindMode: z
        .enum(['None', 'NodeIP'])
        .exactOptional()
        .describe("Listen on every address, or on the node's only."),
      ignoredInterfaces: z
        .array(z.string())
        .exactOptional()
        .describe('Interfaces whose subnets are not announced; `*` is a wildcard.'),
      localWorkloadPeeringIPV4: field
        .ipv4Address()
        .exactOptional()
        .describe("The host's IPv4 address for peers inside workloads."),
      localWorkloadPeeringIPV6: field
        .ipv6Address()
        .exactOptional()
        .describe("The host's IPv6 address for peers inside workloads."),
      programClusterRoutes: z
        .enum(['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'])
        .exactOptional()
        .describe('Which routes between nodes BGP puts into the kernel.'),
      ipv4NormalRoutePriority: z
        .int()
        .min(1)
        .exactOptional()
        .describe('Metric of IPv4 routes (default 1024).'),
      ipv6NormalRoutePriority: z
        .int()
        .min(1)
        .exactOptional()
        .describe('Metric of IPv6 routes (default 1024).'),
    }),
});

export type BGPConfiguration = ResourceOf<typeof bgpConfiguration>;
