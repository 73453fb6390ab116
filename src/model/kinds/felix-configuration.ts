/**
 * FelixConfiguration (projectcalico.org/v3): parameters of the policy agent. `default` is for all nodes, `node.NAME`
 * for one, any other name for the nodes that its `nodeSelector` names. Defaults live where the parameters are used,
 * because an absent value lets a less specific object decide.
 */
import * as z from 'zod';
import { familyOf } from '../../net/address.ts';
import * as field from '../fields.ts';
import { isDnsLabel, nodeOfConfigurationName } from '../names.ts';
import { policyOptions } from '../policy-options.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';
import { acceptedParameters } from './felix-parameters.ts';

const protoPorts = () =>
  z.array(
    z.strictObject({
      protocol: field.caselessEnum('tcp', 'udp', 'sctp').default('tcp').describe('`tcp`, `udp` or `sctp`.'),
      port: field.portNumber().describe('Port number.'),
      net: field.net().exactOptional().describe('Only for these addresses.'),
    }),
  );

const flag = () => z.boolean().exactOptional();
const text = () => z.string().exactOptional();
const count = () => z.int().min(0).exactOptional();
const interval = () => field.duration().exactOptional();
const level = () => field.caselessEnum('Debug', 'Info', 'Warning', 'Error', 'Fatal').exactOptional();
const tableRange = (most: number) =>
  field.across(
    z.strictObject({
      min: z.int().min(1).describe('First table.'),
      max: z.int().max(most).describe('Last table.'),
    }),
    ({ min, max }, context) => {
      if (min === undefined || max === undefined || min <= max) return;
      field.fault(context, 'less than min', { allowed: `at least ${min}` }, ['max']);
    },
  );

/** A region is part of the name of a namespace: `openstack-region-REGION`. */
const longestRegion = 63 - 'openstack-region-'.length;

export const felixConfiguration = defineKind({
  kind: 'FelixConfiguration',
  apiVersion: 'projectcalico.org/v3',
  plural: 'felixconfigurations',
  aliases: ['felixconfig', 'felixconfigs', 'fc', 'fconfig', 'fconfigs'],
  namespaced: false,
  description: 'Parameters of policy enforcement and routing on nodes.',
  options: policyOptions,
  spec: () =>
    z.strictObject({
      ...acceptedParameters(),
      nodeSelector: field
        .selector()
        .exactOptional()
        .describe('Nodes that the object is for; not in `default` and `node.NAME`.'),
      logSeverityScreen: level().describe('Least severe level that is logged to standard output.'),
      logPrefix: text().describe('Prefix of what the Log action writes (default calico-packet).'),
      logActionRateLimit: text().describe('Most entries that the Log action writes, such as `10/second`.'),
      logActionRateLimitBurst: count().describe('Burst of logActionRateLimit (default 5).'),
      ipv6Support: flag().describe('Whether IPv6 is programmed (default true).'),
      interfacePrefix: text().describe('Prefixes, comma-separated, of workload interfaces (default cali).'),
      interfaceExclude: text().describe('Interfaces that are never host endpoints (default kube-ipvs0).'),
      defaultEndpointToHostAction: field
        .caselessEnum('Drop', 'Accept', 'Return')
        .exactOptional()
        .describe('What happens to traffic from a workload to its host after policy (default Drop).'),
      failsafeInboundHostPorts: protoPorts()
        .exactOptional()
        .describe('Ports of host endpoints that are reachable whatever policy says.'),
      failsafeOutboundHostPorts: protoPorts()
        .exactOptional()
        .describe('Ports that host endpoints reach whatever policy says.'),
      nftablesMode: field
        .caselessEnum('Enabled', 'Disabled', 'Auto')
        .exactOptional()
        .describe('Whether policy is enforced by nftables; here it always is.'),
      nftablesRefreshInterval: interval().describe('Interval of the full check of the table (default 180s).'),
      nftablesFilterAllowAction: field
        .caselessEnum('Accept', 'Return')
        .exactOptional()
        .describe('What becomes of an allowed packet (default Accept).'),
      nftablesMangleAllowAction: field
        .caselessEnum('Accept', 'Return')
        .exactOptional()
        .describe('What becomes of a packet allowed before NAT (default Accept).'),
      nftablesFilterDenyAction: field
        .caselessEnum('Drop', 'Reject')
        .exactOptional()
        .describe('What becomes of a denied packet (default Drop).'),
      nftablesMarkMask: count().describe('Bits of the packet mark that may be used (default 0xffff0000).'),
      routeRefreshInterval: interval().describe('Interval of the full check of routes (default 90s).'),
      interfaceRefreshInterval: interval().describe(
        'Interval of the full check of interfaces (default 90s).',
      ),
      deviceRouteProtocol: z
        .int()
        .min(0)
        .max(255)
        .exactOptional()
        .describe('Protocol number of routes to workloads (default 80).'),
      deviceRouteSourceAddress: field
        .ipv4Address()
        .exactOptional()
        .describe('Preferred source address of IPv4 routes to workloads.'),
      deviceRouteSourceAddressIPv6: field
        .ipv6Address()
        .exactOptional()
        .describe('Preferred source address of IPv6 routes to workloads.'),
      removeExternalRoutes: flag().describe('Delete foreign routes on workload interfaces (default true).'),
      routeSource: field
        .caselessEnum('CalicoIPAM', 'WorkloadIPs')
        .exactOptional()
        .describe('Where routes between nodes come from.'),
      routeSyncDisabled: flag().describe('Program no routes at all.'),
      routeTableRanges: z
        .array(tableRange(0xffffffff))
        .exactOptional()
        .describe('Routing tables that may be used.'),
      routeTableRange: tableRange(250).exactOptional().describe('Deprecated: routeTableRanges.'),
      programClusterRoutes: field
        .caselessEnum('Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly')
        .exactOptional()
        .describe(
          'Pools whose routes between nodes, as BGP tells them, go into the kernel, beside those that BGPConfiguration ' +
            'names (default EnabledIPIPOnly).',
        ),
      ipv4NormalRoutePriority: count().describe('Metric of IPv4 routes (default 1024).'),
      ipv4ElevatedRoutePriority: count().describe('Metric of preferred IPv4 routes (default 512).'),
      ipv6NormalRoutePriority: count().describe('Metric of IPv6 routes (default 1024).'),
      ipv6ElevatedRoutePriority: count().describe('Metric of preferred IPv6 routes (default 512).'),
      natPortRange: field.port().exactOptional().describe('Source ports of masqueraded connections.'),
      natOutgoingAddress: field
        .ipv4Address()
        .exactOptional()
        .describe('Source address of masqueraded connections.'),
      natOutgoingExclusions: field
        .caselessEnum('IPPoolsOnly', 'IPPoolsAndHostIPs')
        .exactOptional()
        .describe('Destinations that are not masqueraded for.'),
      kubeNodePortRanges: z
        .array(field.port())
        .max(7)
        .exactOptional()
        .describe('Ports of Kubernetes node ports.'),
      disableConntrackInvalidCheck: flag().describe('Do not drop packets that conntrack calls invalid.'),
      allowVXLANPacketsFromWorkloads: flag().describe('Let workloads send VXLAN packets.'),
      allowIPIPPacketsFromWorkloads: flag().describe('Let workloads send IP-in-IP packets.'),
      workloadSourceSpoofing: field
        .caselessEnum('Disabled', 'Any')
        .exactOptional()
        .describe('Whether allowSpoofedSourcePrefixes of endpoints is honoured.'),
      floatingIPs: field
        .caselessEnum('Enabled', 'Disabled')
        .exactOptional()
        .describe('Whether ipNATs of endpoints are programmed.'),
      ipForwarding: field
        .caselessEnum('Enabled', 'Disabled')
        .exactOptional()
        .describe('Whether IP forwarding is switched on (default Enabled).'),
      serviceLoopPrevention: field
        .caselessEnum('Drop', 'Reject', 'Disabled')
        .exactOptional()
        .describe('What happens to packets for service addresses that no service translates.'),
      endpointReportingEnabled: flag().describe('Write the state of endpoints to the datastore.'),
      endpointReportingDelay: interval().describe('Least time between two reports of an endpoint.'),
      endpointStatusPathPrefix: text().describe('Folder of endpoint status files; empty for none.'),
      reportingInterval: interval().describe('Interval of status reports to the datastore (default 30s).'),
      reportingTTL: interval().describe('Life of a status report (default 90s).'),
      healthEnabled: flag().describe('Serve health over HTTP.'),
      healthHost: text().describe('Address of the health server (default localhost).'),
      healthPort: field.portNumber().exactOptional().describe('Port of the health server (default 9099).'),
      prometheusMetricsEnabled: flag().describe('Serve metrics over HTTP.'),
      prometheusMetricsHost: text().describe('Address of the metrics server (default all).'),
      prometheusMetricsPort: field
        .portNumber()
        .exactOptional()
        .describe('Port of the metrics server (default 9091).'),
      externalNodesList: z
        .array(field.net())
        .superRefine((nets, context) => {
          for (const [index, net] of nets.entries()) {
            if (familyOf(net) === 4) continue;
            field.fault(context, 'not an IPv4 address or CIDR', {}, [index]);
          }
        })
        .exactOptional()
        .describe('Foreign hosts that may send tunnel packets.'),
      mtuIfacePattern: text().describe('Regular expression of interfaces that the MTU is derived from.'),
      ipipEnabled: flag().describe('Whether IP-in-IP is set up; by default as pools need it.'),
      ipipMTU: count().describe('MTU of the IP-in-IP tunnel; 0 derives it.'),
      vxlanEnabled: flag().describe('Whether VXLAN is set up; by default as pools need it.'),
      vxlanMTU: count().describe('MTU of the IPv4 VXLAN tunnel; 0 derives it.'),
      vxlanMTUV6: count().describe('MTU of the IPv6 VXLAN tunnel; 0 derives it.'),
      vxlanPort: field.portNumber().exactOptional().describe('UDP port of VXLAN (default 4789).'),
      vxlanVNI: count().describe('VXLAN network identifier (default 4096).'),
    }),
  check: ({ metadata, spec }) => {
    const findings: Finding[] = [];
    if (spec.routeTableRange !== undefined && spec.routeTableRanges !== undefined) {
      const message = 'routeTableRange and routeTableRanges exclude each other';
      findings.push({ path: ['spec', 'routeTableRange'], message });
    }
    for (const [index, port] of (spec.kubeNodePortRanges ?? []).entries()) {
      if (!('name' in (field.parsePort(port) ?? {}))) continue;
      findings.push({
        path: ['spec', 'kubeNodePortRanges', index],
        message: 'not a number or range of ports',
      });
    }
    const region = spec.openstackRegion;
    if (region !== undefined && (region.length > longestRegion || !isDnsLabel(region))) {
      const allowed = `up to ${longestRegion} of lower-case letters, digits and "-"`;
      findings.push({ path: ['spec', 'openstackRegion'], message: 'not a region', allowed });
    }
    const general = metadata.name === 'default' || nodeOfConfigurationName(metadata.name) !== undefined;
    if (spec.nodeSelector !== undefined && general) {
      findings.push({ path: ['spec', 'nodeSelector'], message: `not in the object named ${metadata.name}` });
    }
    return findings;
  },
});

export type FelixConfiguration = ResourceOf<typeof felixConfiguration>;
