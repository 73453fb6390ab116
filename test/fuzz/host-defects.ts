/** Defects of host endpoints: of the stages at which they are asked, and of what passes whatever they say. */
import type { FelixParameters } from '../../src/calc/felix-config.ts';
import type { CalcDelta, EndpointTier, HostStage, LocalHostEndpoint } from '../../src/calc/output.ts';
import { type Change, type Defect, inside, mapValues, without } from './defect.ts';

const hosts =
  (change: Change<LocalHostEndpoint>): Change<CalcDelta> =>
  (delta) => ({ ...delta, hostEndpoints: mapValues(delta.hostEndpoints, change) });

/** Changes what a stage of host endpoints asks. */
const stage = (name: HostStage, change: (endpoint: LocalHostEndpoint) => readonly EndpointTier[]) =>
  hosts((endpoint) => ({ ...endpoint, tiers: { ...endpoint.tiers, [name]: change(endpoint) } }));

const felix =
  (change: Change<FelixParameters>): Change<CalcDelta> =>
  (delta) => ({ ...delta, ...(delta.felix === undefined ? {} : { felix: change(delta.felix) }) });

export const hostDefects: readonly Omit<Defect, 'hosts'>[] = [
  {
    name: 'host endpoints are asked about what they forward by all normal policy',
    delta: stage('forward', ({ tiers }) => tiers.normal),
  },
  {
    name: 'host endpoints forward what no policy allows',
    delta: stage('forward', ({ tiers }) => tiers.forward.map((tier) => ({ ...tier, defaultAction: 'pass' }))),
  },
  {
    name: 'the end of a tier denies before translation',
    delta: stage('preDNAT', ({ tiers }) => tiers.preDNAT.map((tier) => ({ ...tier, defaultAction: 'deny' }))),
  },
  { name: 'policy before connection tracking is not asked', delta: stage('untracked', () => []) },
  {
    name: 'policy before translation is not asked by the endpoint of all interfaces',
    delta: hosts((endpoint) =>
      endpoint.interfaceName === '*' ? { ...endpoint, tiers: { ...endpoint.tiers, preDNAT: [] } } : endpoint,
    ),
  },
  {
    name: 'profiles of host endpoints are ignored',
    delta: hosts((endpoint) => ({ ...endpoint, profiles: [] })),
  },
  {
    name: 'a host endpoint that expects addresses stands for all interfaces',
    delta: hosts((endpoint) =>
      endpoint.interfaceName === undefined ? { ...endpoint, interfaceName: '*' } : endpoint,
    ),
  },
  {
    name: 'failsafe ports are open to all addresses',
    delta: felix((parameters) => ({
      ...parameters,
      failsafeInboundHostPorts: parameters.failsafeInboundHostPorts.map((port) => without(port, 'net')),
      failsafeOutboundHostPorts: parameters.failsafeOutboundHostPorts.map((port) => without(port, 'net')),
    })),
  },
  {
    name: 'inbound and outbound failsafe ports are swapped',
    delta: felix((parameters) => ({
      ...parameters,
      failsafeInboundHostPorts: parameters.failsafeOutboundHostPorts,
      failsafeOutboundHostPorts: parameters.failsafeInboundHostPorts,
    })),
  },
  {
    name: 'workloads may send VXLAN to any port',
    delta: felix((parameters) => ({ ...parameters, allowVXLANPacketsFromWorkloads: true })),
  },
  {
    name: 'VXLAN has its default port alone',
    delta: felix((parameters) => ({ ...parameters, vxlanPort: 4789 })),
  },
  {
    name: 'workloads may send IP-in-IP',
    delta: felix((parameters) => ({ ...parameters, allowIPIPPacketsFromWorkloads: true })),
  },
  {
    name: 'the kernel lets no workload send IP-in-IP',
    kernel: felix((parameters) => ({ ...parameters, allowIPIPPacketsFromWorkloads: false })),
  },
  {
    name: 'workloads reach their host whatever it says',
    delta: felix((parameters) => ({ ...parameters, defaultEndpointToHostAction: 'Accept' })),
  },
  {
    name: 'addresses and ports of host endpoints are in no set',
    documents: inside(['HostEndpoint'], (spec) => {
      if (spec['interfaceName'] !== undefined) delete spec['expectedIPs'];
      delete spec['ports'];
    }),
  },
  {
    name: 'the kernel asks nothing of what a host forwards',
    kernel: stage('forward', () => []),
  },
  {
    name: 'the kernel has no host endpoint of all interfaces',
    kernel: (delta) => ({
      ...delta,
      hostEndpoints: new Map(
        [...delta.hostEndpoints].filter(([, endpoint]) => endpoint?.interfaceName !== '*'),
      ),
    }),
  },
];
