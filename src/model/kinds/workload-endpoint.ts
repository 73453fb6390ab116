/** WorkloadEndpoint (projectcalico.org/v3): one interface of a workload. */
import * as z from 'zod';
import { familyOf } from '../../net/address.ts';
import { hostPrefix, isHostPrefix } from '../../net/prefix.ts';
import { isDscp } from '../dscp.ts';
import * as field from '../fields.ts';
import { workloadEndpointName } from '../workload-endpoint-name.ts';
import { type Finding, type ResourceOf, defineKind } from './definition.ts';

/** Limits, and what they count. */
const qosLimits = {
  ingressBandwidth: 'Bits per second towards the workload.',
  ingressBurst: 'Bits that may exceed ingressBandwidth at once.',
  ingressPeakrate: 'Bits per second at which a burst is sent.',
  ingressMinburst: 'Bytes that are sent at ingressPeakrate at once.',
  egressBandwidth: 'Bits per second from the workload.',
  egressBurst: 'Bits that may exceed egressBandwidth at once.',
  egressPeakrate: 'Bits per second at which a burst is sent.',
  egressMinburst: 'Bytes that are sent at egressPeakrate at once.',
  ingressPacketRate: 'Packets per second towards the workload.',
  ingressPacketBurst: 'Packets that may exceed ingressPacketRate at once.',
  egressPacketRate: 'Packets per second from the workload.',
  egressPacketBurst: 'Packets that may exceed egressPacketRate at once.',
  ingressMaxConnections: 'Connections to the workload.',
  egressMaxConnections: 'Connections from the workload.',
} as const;

const dscpForms = '0 to 63, or a name such as EF or AF41';

const limit = () => z.int().min(0).exactOptional();

export const workloadEndpoint = defineKind({
  kind: 'WorkloadEndpoint',
  apiVersion: 'projectcalico.org/v3',
  plural: 'workloadendpoints',
  aliases: ['wep', 'weps'],
  namespaced: true,
  description: 'An interface that connects a container, pod or VM to its host.',
  spec: () =>
    z.strictObject({
      orchestrator: z
        .string()
        .exactOptional()
        .describe('Who made the workload: `k8s`, `cni`, `libnetwork` or other.'),
      workload: z
        .string()
        .exactOptional()
        .describe('Name of the workload, for orchestrators that have no pods.'),
      node: z.string().exactOptional().describe('Node that the workload runs on.'),
      containerID: z.string().exactOptional().describe('Identity of its container or sandbox.'),
      pod: z.string().exactOptional().describe('Name of its pod.'),
      endpoint: z.string().exactOptional().describe('Name of the interface inside the workload.'),
      serviceAccountName: z.string().exactOptional().describe('Service account that its pod runs as.'),
      ipNetworks: z.array(field.net()).exactOptional().describe('Its addresses, as /32 and /128.'),
      ipNATs: z
        .array(
          z.strictObject({
            internalIP: field.anyAddress().describe('One of ipNetworks.'),
            externalIP: field.anyAddress().describe('The address that is translated to it.'),
          }),
        )
        .exactOptional()
        .describe('One-to-one address translations.'),
      ipv4Gateway: field.ipv4Address().exactOptional().describe('IPv4 gateway of the workload.'),
      ipv6Gateway: field.ipv6Address().exactOptional().describe('IPv6 gateway of the workload.'),
      profiles: z.array(z.string()).exactOptional().describe('Profiles, in order of evaluation.'),
      interfaceName: field.interfaceName().exactOptional().describe('Interface on the host.'),
      mac: field.mac().exactOptional().describe('MAC address of the interface.'),
      ports: z
        .array(
          z.strictObject({
            name: z.string().exactOptional().describe('What rules call the port.'),
            protocol: field.protocol().describe('TCP, UDP or SCTP.'),
            port: field.portNumber().describe('Port number in the workload.'),
            hostPort: z
              .int()
              .min(0)
              .max(65535)
              .exactOptional()
              .describe('Port on the host that leads to it.'),
            hostIP: field.anyAddress().exactOptional().describe('Address on the host that leads to it.'),
          }),
        )
        .exactOptional()
        .describe('Named ports, and ports mapped from the host.'),
      allowSpoofedSourcePrefixes: z
        .array(field.net())
        .exactOptional()
        .describe('Further source addresses that the workload may use.'),
      qosControls: z
        .strictObject({
          ...(Object.fromEntries(
            Object.entries(qosLimits).map(([name, text]) => [name, limit().describe(text)]),
          ) as Record<keyof typeof qosLimits, ReturnType<typeof limit>>),
          dscp: z
            .union([z.int(), z.string()])
            .meta({ 'x-kubernetes-int-or-string': true, [field.allowedKey]: dscpForms })
            .superRefine((value, context) => {
              if (!isDscp(value)) field.fault(context, 'not a DSCP value', { allowed: dscpForms });
            })
            .exactOptional()
            .describe('Differentiated-services code point, as a number or by name.'),
        })
        .exactOptional()
        .describe('Limits of bandwidth, packets and connections; 0 is no limit.'),
    }),
  check: ({ spec }) => {
    const findings: Finding[] = [];
    for (const [index, network] of (spec.ipNetworks ?? []).entries()) {
      if (isHostPrefix(field.netPrefix(network))) continue;
      const path = ['spec', 'ipNetworks', index];
      findings.push({ path, message: 'not a single address', allowed: '/32 (IPv4) or /128 (IPv6)' });
    }
    for (const [index, { internalIP, externalIP }] of (spec.ipNATs ?? []).entries()) {
      const path = ['spec', 'ipNATs', index, 'internalIP'];
      const own = (spec.ipNetworks ?? []).map(field.netPrefix);
      if (!own.includes(hostPrefix(internalIP))) findings.push({ path, message: 'not one of ipNetworks' });
      if (familyOf(internalIP) !== familyOf(externalIP)) {
        findings.push({ path, message: 'not of the address family of externalIP' });
      }
    }
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (port.name === undefined && (port.hostPort ?? 0) === 0) {
        const path = ['spec', 'ports', index, 'name'];
        findings.push({ path, message: 'a port that the host does not map needs a name' });
      }
      if (field.portProtocolNumbers.has(field.protocolNumber(port.protocol))) continue;
      const path = ['spec', 'ports', index, 'protocol'];
      findings.push({ path, message: 'not a protocol with ports', allowed: 'TCP, UDP, SCTP' });
    }
    return findings;
  },
  checkEntry: ({ metadata, spec }) => {
    const { node, orchestrator, endpoint } = spec;
    if (node === undefined || orchestrator === undefined || endpoint === undefined) return [];
    const name = workloadEndpointName({ ...spec, node, orchestrator, endpoint });
    if (name === undefined || name === metadata.name) return [];
    return [{ path: ['metadata', 'name'], message: 'does not follow from the spec', allowed: name }];
  },
});

export type WorkloadEndpoint = ResourceOf<typeof workloadEndpoint>;
