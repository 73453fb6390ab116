/**
 * Kubernetes' ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2). The schema holds only its shape: what a rule
 * says is judged by convert/cluster-network-policy.ts, so that one bad rule costs no other. Peers, protocols and
 * subjects may have fields that a later version adds: their rules fail closed.
 */
import * as z from 'zod';
import { convertClusterNetworkPolicy } from '../convert/cluster-network-policy.ts';
import type { Immutable } from '../resource.ts';
import { policyOptions } from '../policy-options.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';
import { labelSelector } from './label-selector.ts';

const namespacedPod = once(() =>
  z.strictObject({
    namespaceSelector: labelSelector().default({}).describe('Namespaces by label; empty is all.'),
    podSelector: labelSelector().default({}).describe('Their pods by label; empty is all.'),
  }),
);

const namespaces = () =>
  labelSelector().exactOptional().describe('All pods of namespaces with these labels.');
const pods = () => namespacedPod().exactOptional().describe('Pods by label, in namespaces by label.');

const subject = once(() => z.looseObject({ namespaces: namespaces(), pods: pods() }));
const ingressPeer = once(() => z.looseObject({ namespaces: namespaces(), pods: pods() }));

const egressPeer = once(() =>
  z.looseObject({
    namespaces: namespaces(),
    pods: pods(),
    nodes: labelSelector().exactOptional().describe('Nodes by label, at all of their addresses.'),
    networks: z.array(z.string()).exactOptional().describe('CIDRs.'),
    domainNames: z
      .array(z.string())
      .exactOptional()
      .describe('Names in the DNS; such a rule fails closed here.'),
  }),
);

const destinationPort = once(() =>
  z.strictObject({
    number: z.int().exactOptional().describe('One port.'),
    range: z
      .strictObject({ start: z.int().describe('First port.'), end: z.int().describe('Last port.') })
      .exactOptional()
      .describe('Several ports.'),
  }),
);

const transport = once(() =>
  z.strictObject({
    destinationPort: destinationPort().exactOptional().describe('Ports; all of the protocol without it.'),
  }),
);

const protocol = once(() =>
  z.looseObject({
    tcp: transport().exactOptional().describe('TCP.'),
    udp: transport().exactOptional().describe('UDP.'),
    sctp: transport().exactOptional().describe('SCTP.'),
    destinationNamedPort: z.string().exactOptional().describe('A port of the pods by name.'),
  }),
);

const ruleFields = () => ({
  name: z.string().exactOptional().describe('What to call the rule, up to 100 characters.'),
  action: z.string().describe('`Accept`, `Deny`, or `Pass` to the next tier.'),
});
const protocols = () =>
  z.array(protocol()).exactOptional().describe('Protocols and ports, any of which matches; all without it.');

const clusterNetworkPolicySpec = once(() =>
  z.strictObject({
    tier: z.string().describe('`Admin`: before network policies. `Baseline`: after them.'),
    priority: z.int().describe('Place within the tier, 0 to 1000, lowest first.'),
    subject: subject().describe('The pods it applies to.'),
    ingress: z
      .array(
        z.strictObject({
          ...ruleFields(),
          from: z.array(ingressPeer()).describe('Sources, any of which matches.'),
          protocols: protocols(),
        }),
      )
      .exactOptional()
      .describe('Rules for traffic to the pods, in order.'),
    egress: z
      .array(
        z.strictObject({
          ...ruleFields(),
          to: z.array(egressPeer()).describe('Destinations, any of which matches.'),
          protocols: protocols(),
        }),
      )
      .exactOptional()
      .describe('Rules for traffic from the pods, in order.'),
  }),
);

export type ClusterNetworkPolicySpec = Immutable<z.output<ReturnType<typeof clusterNetworkPolicySpec>>>;
export type ClusterNetworkPolicyPeer = Immutable<z.output<ReturnType<typeof egressPeer>>>;
export type ClusterNetworkPolicyProtocol = Immutable<z.output<ReturnType<typeof protocol>>>;

export const kubernetesClusterNetworkPolicy = defineKind({
  kind: 'KubernetesClusterNetworkPolicy',
  externalKind: 'ClusterNetworkPolicy',
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  plural: 'kubernetesclusternetworkpolicies',
  aliases: ['kcnp', 'cnp', 'clusternetworkpolicy', 'clusternetworkpolicies'],
  namespaced: false,
  description: "Kubernetes' own network policy for the whole cluster.",
  options: policyOptions,
  spec: clusterNetworkPolicySpec,
  status: () => z.looseObject({}),
  checkEntry: (policy) => convertClusterNetworkPolicy(policy).faults,
});

export type KubernetesClusterNetworkPolicy = ResourceOf<typeof kubernetesClusterNetworkPolicy>;
