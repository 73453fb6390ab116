/** Kubernetes' Service (v1): what the network reads of it. */
import * as z from 'zod';
import { type ResourceOf, defineKind } from './definition.ts';

const addresses = () => z.array(z.string()).exactOptional();
const intOrString = () => z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });

export const kubernetesService = defineKind({
  kind: 'KubernetesService',
  externalKind: 'Service',
  apiVersion: 'v1',
  plural: 'kubernetesservices',
  aliases: ['service', 'services', 'svc'],
  namespaced: true,
  description: "A name and addresses for a set of pods; Kubernetes' own.",
  spec: () =>
    z.looseObject({
      type: z.string().exactOptional().describe('`ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.'),
      clusterIP: z.string().exactOptional().describe('Its address in the cluster, or `None`.'),
      clusterIPs: addresses().describe('Its addresses in the cluster.'),
      externalIPs: addresses().describe('Further addresses that lead to it.'),
      loadBalancerIP: z.string().exactOptional().describe('Deprecated: the address asked for.'),
      externalTrafficPolicy: z
        .string()
        .exactOptional()
        .describe('`Cluster`: from every node. `Local`: only from nodes with a pod of it.'),
      internalTrafficPolicy: z.string().exactOptional().describe('The same for traffic inside the cluster.'),
      selector: z.record(z.string(), z.string()).exactOptional().describe('Its pods, by label.'),
      ports: z
        .array(
          z.looseObject({
            name: z.string().exactOptional().describe('Name of the port.'),
            protocol: z.string().exactOptional().describe('`TCP` (default), `UDP` or `SCTP`.'),
            port: z.int().min(1).max(65535).describe('Port of the service.'),
            targetPort: intOrString().exactOptional().describe('Port of the pods, by number or name.'),
            nodePort: z
              .int()
              .min(0)
              .max(65535)
              .exactOptional()
              .describe('Port of every node that leads to it.'),
          }),
        )
        .exactOptional()
        .describe('Its ports.'),
    }),
  status: () =>
    z.looseObject({
      loadBalancer: z
        .looseObject({
          ingress: z
            .array(
              z.looseObject({ ip: z.string().exactOptional().describe('Address of the load balancer.') }),
            )
            .exactOptional()
            .describe('Where the load balancer takes traffic.'),
        })
        .exactOptional()
        .describe('What a load balancer gave it.'),
    }),
});

export type KubernetesService = ResourceOf<typeof kubernetesService>;
