/** Kubernetes' Node (v1). It is stored as Calico's Node: see convert/kubernetes-node.ts. */
import * as z from 'zod';
import { convertNode } from '../convert/kubernetes-node.ts';
import type { Immutable } from '../resource.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';

const nodeSpec = once(() =>
  z.looseObject({
    podCIDR: z.string().exactOptional().describe('Range of its pods.'),
    podCIDRs: z.array(z.string()).exactOptional().describe('Ranges of its pods.'),
  }),
);

const nodeStatus = once(() =>
  z.looseObject({
    addresses: z
      .array(
        z.looseObject({
          type: z.string().describe('`InternalIP`, `ExternalIP`, `Hostname`, …'),
          address: z.string().describe('The address.'),
        }),
      )
      .exactOptional()
      .describe('Its addresses.'),
  }),
);

export type KubernetesNodeSpec = Immutable<z.output<ReturnType<typeof nodeSpec>>>;
export type KubernetesNodeStatus = Immutable<z.output<ReturnType<typeof nodeStatus>>>;

export const kubernetesNode = defineKind({
  kind: 'KubernetesNode',
  externalKind: 'Node',
  apiVersion: 'v1',
  plural: 'kubernetesnodes',
  aliases: [],
  namespaced: false,
  description: "A host of a Kubernetes cluster; Kubernetes' own.",
  storedAs: 'Node',
  spec: nodeSpec,
  status: nodeStatus,
  checkEntry: (node) => convertNode(node).faults,
});

export type KubernetesNode = ResourceOf<typeof kubernetesNode>;
