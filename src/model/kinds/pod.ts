/** Kubernetes' Pod (v1): what the network reads of it. It is stored as its WorkloadEndpoint: see convert/pod.ts. */
import * as z from 'zod';
import { convertPod } from '../convert/pod.ts';
import type { Immutable } from '../resource.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';

const containers = once(() =>
  z.array(
    z.looseObject({
      ports: z
        .array(
          z.looseObject({
            name: z.string().exactOptional().describe('What policies call the port.'),
            protocol: z.string().exactOptional().describe('`TCP` (default), `UDP` or `SCTP`.'),
            containerPort: z.int().exactOptional().describe('Port number.'),
            hostPort: z.int().exactOptional().describe('Port of the node that leads to it.'),
            hostIP: z.string().exactOptional().describe('Address of the node that leads to it.'),
          }),
        )
        .exactOptional()
        .describe('Ports of the container.'),
    }),
  ),
);

const podSpec = once(() =>
  z.looseObject({
    nodeName: z.string().exactOptional().describe('The node that it runs on.'),
    hostNetwork: z.boolean().exactOptional().describe("Whether it uses the node's own network."),
    serviceAccountName: z.string().exactOptional().describe('The service account that it runs as.'),
    containers: containers().exactOptional().describe('Its containers.'),
    initContainers: containers().exactOptional().describe('Containers that run first.'),
  }),
);

const podStatus = once(() =>
  z.looseObject({
    phase: z.string().exactOptional().describe('`Pending`, `Running`, `Succeeded`, `Failed`, …'),
    podIP: z.string().exactOptional().describe('Its address.'),
    podIPs: z
      .array(z.looseObject({ ip: z.string().exactOptional().describe('An address.') }))
      .exactOptional()
      .describe('Its addresses.'),
  }),
);

export type PodSpec = Immutable<z.output<ReturnType<typeof podSpec>>>;
export type PodStatus = Immutable<z.output<ReturnType<typeof podStatus>>>;

export const pod = defineKind({
  kind: 'Pod',
  apiVersion: 'v1',
  plural: 'pods',
  aliases: ['po'],
  namespaced: true,
  description: "A group of containers with one network; Kubernetes' own.",
  storedAs: 'WorkloadEndpoint',
  spec: podSpec,
  status: podStatus,
  checkEntry: (resource) => convertPod(resource).faults,
});

export type Pod = ResourceOf<typeof pod>;
