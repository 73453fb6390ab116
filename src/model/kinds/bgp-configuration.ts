/** BGPConfiguration (projectcalico.org/v3): the object `default`, and `node.NAME` for one node. */
import * as z from 'zod';
import { bgpConfigurationOptions } from '../bgp-options.ts';
import * as field from '../fields.ts';
import { isSubdomain, nodeOfConfigurationName } from '../names.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

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

const communityForms = 'two numbers of 16 bits (64512:100) or three of 32 bits (64512:1:2)';

/** Whether the text is a standard (RFC 1997) or large (RFC 8092) community. */
function isCommunity(text: string): boolean {
  const parts = text.split(':').map((part) => (/^[0-9]{1,10}$/.test(part) ? Number(part) : Number.NaN));
  const limit = parts.length === 2 ? 0xffff : 0xffffffff;
  return (parts.length === 2 || parts.length === 3) && parts.every((part) => part <= limit);
}

export const community = () =>
  z.string().superRefine((text, context) => {
    if (!isCommunity(text)) field.fault(context, 'not a BGP community', { allowed: communityForms });
  });

/** Fields that the object of a single node may set; all others are for the whole cluster. */
const perNodeFields: ReadonlySet<string> = new Set([
  'logSeverityScreen',
  'listenPort',
  'bindMode',
  'ignoredInterfaces',
  'localWorkloadPeeringIPV4',
  'localWorkloadPeeringIPV6',
]);

function checkCommunities(
  communities: readonly { readonly name: string }[],
  advertisements: readonly { readonly communities: readonly string[] }[],
): Finding[] {
  const findings: Finding[] = [];
  const names = new Set<string>();
  if (communities.length > 0 && advertisements.length === 0) {
    findings.push({ path: ['spec', 'communities'], message: 'not used by any of prefixAdvertisements' });
  }
  for (const [index, { name }] of communities.entries()) {
    if (names.has(name))
      findings.push({ path: ['spec', 'communities', index, 'name'], message: 'duplicate name' });
    names.add(name);
  }
  for (const [index, advertisement] of advertisements.entries()) {
    for (const [place, name] of advertisement.communities.entries()) {
      if (names.has(name) || isCommunity(name)) continue;
      findings.push({
        path: ['spec', 'prefixAdvertisements', index, 'communities', place],
        message: 'neither a community nor the name of one',
        allowed: `${communityForms}, or a name from spec.communities`,
      });
    }
  }
  return findings;
}

export const bgpConfiguration = defineKind({
  kind: 'BGPConfiguration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'bgpconfigurations',
  aliases: ['bgpconfig', 'bgpconfigs', 'bgpc'],
  namespaced: false,
  description: 'How nodes speak BGP: `default` for all, `node.NAME` for one.',
  options: bgpConfigurationOptions,
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
        .describe(
          'Pools whose routes between nodes go into the kernel, beside those that FelixConfiguration names (default ' +
            'EnabledNoEncapOnly).',
        ),
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
  names: {
    valid: (name) => name === 'default' || (isSubdomain(name) && nodeOfConfigurationName(name) !== undefined),
    allowed: 'default or node.NAME',
  },
  check: ({ metadata, spec }) => {
    const findings: Finding[] = [];
    if (metadata.name !== 'default') {
      for (const name of Object.keys(spec).filter((key) => !perNodeFields.has(key))) {
        const allowed = [...perNodeFields].join(', ');
        findings.push({ path: ['spec', name], message: 'only in the object named default', allowed });
      }
    }
    if (spec.nodeToNodeMeshEnabled === false) {
      for (const name of ['nodeMeshPassword', 'nodeMeshMaxRestartTime'] as const) {
        if (spec[name] !== undefined)
          findings.push({ path: ['spec', name], message: 'needs the node-to-node mesh' });
      }
    }
    return [...findings, ...checkCommunities(spec.communities ?? [], spec.prefixAdvertisements ?? [])];
  },
});

export type BGPConfiguration = ResourceOf<typeof bgpConfiguration>;
