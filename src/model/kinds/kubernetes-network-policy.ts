/**
 * Kubernetes' NetworkPolicy (networking.k8s.io/v1). The schema holds only its shape: what a rule says is judged by
 * convert/network-policy.ts, so that one bad rule costs no other.
 */
import * as z from 'zod';
import { convertNetworkPolicy } from '../convert/network-policy.ts';
import type { Immutable } from '../resource.ts';
import { policyOptions } from '../policy-options.ts';
import { type ResourceOf, defineKind, once } from './definition.ts';
import { labelSelector } from './label-selector.ts';

const peer = once(() =>
  z.strictObject({
    podSelector: labelSelector().exactOptional().describe('Pods by label.'),
    namespaceSelector: labelSelector().exactOptional().describe('Namespaces by label.'),
    ipBlock: z
      .strictObject({
        cidr: z.string().describe('A CIDR.'),
        except: z.array(z.string()).exactOptional().describe('CIDRs within it that are left out.'),
      })
      .exactOptional()
      .describe('Addresses.'),
  }),
);

const policyPort = once(() =>
  z.strictObject({
    protocol: z.string().exactOptional().describe('`TCP` (default), `UDP` or `SCTP`.'),
    port: z
      .union([z.int(), z.string()])
      .meta({ 'x-kubernetes-int-or-string': true })
      .exactOptional()
      .describe('Number or name; all ports without it.'),
    endPort: z.int().exactOptional().describe('Last port of a range that begins at `port`.'),
  }),
);

const policyPorts = () =>
  z.array(policyPort()).exactOptional().describe('Ports, any of which matches; all when empty.');

/** Fields of the policy, and of its staged kind. Rules name ports before peers, as Kubernetes' own JSON does. */
export const networkPolicyFields = () => ({
  podSelector: labelSelector().default({}).describe('The pods it applies to; empty is all of the namespace.'),
  ingress: z
    .array(
      z.strictObject({
        ports: policyPorts(),
        from: z.array(peer()).exactOptional().describe('Sources, any of which matches; all when empty.'),
      }),
    )
    .exactOptional()
    .describe('What may reach the pods.'),
  egress: z
    .array(
      z.strictObject({
        ports: policyPorts(),
        to: z.array(peer()).exactOptional().describe('Destinations, any of which matches; all when empty.'),
      }),
    )
    .exactOptional()
    .describe('What the pods may reach.'),
  policyTypes: z
    .array(z.string())
    .exactOptional()
    .describe('`Ingress`, `Egress`; by default Ingress, and Egress if there are egress rules.'),
});

const networkPolicySpec = once(() => z.strictObject(networkPolicyFields()));

export type KubernetesNetworkPolicySpec = Immutable<z.output<ReturnType<typeof networkPolicySpec>>>;

export const kubernetesNetworkPolicy = defineKind({
  kind: 'KubernetesNetworkPolicy',
  externalKind: 'NetworkPolicy',
  apiVersion: 'networking.k8s.io/v1',
  plural: 'kubernetesnetworkpolicies',
  aliases: ['knp'],
  namespaced: true,
  description: "Kubernetes' own network policy.",
  options: policyOptions,
  spec: networkPolicySpec,
  status: () => z.looseObject({}),
  checkEntry: (policy) => convertNetworkPolicy(policy).faults,
});

export type KubernetesNetworkPolicy = ResourceOf<typeof kubernetesNetworkPolicy>;
export type NetworkPolicyPeer = Immutable<z.output<ReturnType<typeof peer>>>;
export type NetworkPolicyPort = Immutable<z.output<ReturnType<typeof policyPort>>>;
