/** What a lab writes into its datastore: what an orchestrator, an operator and IPAM would have written. */
import { type Address, familyOf } from '../net/address.ts';
import { hostPrefix } from '../net/prefix.ts';
import { blockAffinityName } from '../model/block-affinity-name.ts';
import { podLabels } from '../model/convert/pod-labels.ts';
import {
  nameLabel,
  namespaceProfilePrefix,
  serviceAccountLabelPrefix,
  serviceAccountProfilePrefix,
} from '../model/labels.ts';
import type { Resource } from '../model/resource.ts';
import { workloadEndpointName } from '../model/workload-endpoint-name.ts';
import type { LabPlan, MachinePlan, NodePlan, PlannedAddress, WorkloadPlan } from './plan.ts';

const API_VERSION = 'projectcalico.org/v3';

/** Everything but workloads and what the topology lists itself. */
export function infrastructureResources(plan: LabPlan): Resource[] {
  return [
    {
      apiVersion: API_VERSION,
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: { asNumber: plan.asNumber, nodeToNodeMeshEnabled: plan.mesh && plan.bgp },
    },
    ...plan.pools.map(({ name, cidr, blockSize, natOutgoing }) =>
      pool(name, { cidr, blockSize, ipipMode: 'Never', vxlanMode: 'Never', natOutgoing }),
    ),
    ...plan.machines.flatMap((machine) => nodeResources(plan, machine)),
    ...peerResources(plan),
    ...Object.entries(plan.namespaces).map(([name, { labels }]) => namespaceResource(name, labels)),
  ];
}

function pool(name: string, spec: Record<string, unknown>): Resource {
  return { apiVersion: API_VERSION, kind: 'IPPool', metadata: { name }, spec };
}

function nodeResources(plan: LabPlan, machine: MachinePlan): Resource[] {
  const { node, name } = machine;
  if (node === undefined) return [];
  // The prefixes that a router of ours announces lie in no pool of the lab, and only pools are announced.
  const pools = machine.router === undefined ? [] : node.blocks;
  return [
    {
      apiVersion: API_VERSION,
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...node.labels } },
      spec: {
        ...(plan.bgp ? { bgp: nodeBgp(node) } : {}),
        addresses: node.addresses.map(({ address }) => ({ address, type: 'InternalIP' })),
        orchRefs: [{ nodeName: name, orchestrator: 'k8s' }],
      },
    },
    ...pools.map((cidr) =>
      pool(`announced-by-${blockAffinityName({ type: 'host', node: name, cidr })}`, {
        cidr,
        blockSize: Number(cidr.slice(cidr.indexOf('/') + 1)),
        ipipMode: 'Never',
        vxlanMode: 'Never',
        natOutgoing: false,
        disabled: true,
      }),
    ),
    ...node.blocks.map((cidr) => ({
      apiVersion: API_VERSION,
      kind: 'BlockAffinity',
      metadata: { name: blockAffinityName({ type: 'host', node: name, cidr }) },
      spec: { state: 'confirmed', node: name, type: 'host', cidr, deleted: false },
    })),
  ];
}

function nodeBgp(node: NodePlan): Record<string, unknown> {
  const text = ({ address, prefixLength }: PlannedAddress): string => `${address}/${prefixLength}`;
  const ipv4 = node.addresses.find(({ address }) => familyOf(address) === 4);
  const ipv6 = node.addresses.find(({ address }) => familyOf(address) === 6);
  return {
    ...(node.asNumber === undefined ? {} : { asNumber: node.asNumber }),
    ...(ipv4 === undefined ? {} : { ipv4Address: text(ipv4) }),
    ...(ipv6 === undefined ? {} : { ipv6Address: text(ipv6) }),
  };
}

/** The sessions of routers, from the nodes' side. */
function peerResources(plan: LabPlan): Resource[] {
  if (!plan.bgp) return [];
  return plan.machines.flatMap((machine) =>
    machine.node === undefined ? foreignPeers(plan, machine) : ownPeers(plan, machine),
  );
}

/** A router of another kind that every node reaches is one peer of all nodes. */
function foreignPeers(plan: LabPlan, { name: routerName, router }: MachinePlan): Resource[] {
  if (router === undefined) return [];
  const nodes = plan.machines.filter(({ node }) => node !== undefined).map(({ name }) => name);
  const sessions = router.neighbors.filter(({ machine }) => nodes.includes(machine));
  const everywhere = nodes.every((node) => sessions.some(({ machine }) => machine === node));
  const resources = new Map<string, Resource>();
  for (const { localAddress, machine: node } of sessions) {
    const name = [routerName, ...(everywhere ? [] : [node]), `ipv${familyOf(localAddress)}`].join('-');
    resources.set(name, peer(name, localAddress, router.asNumber, everywhere ? undefined : node));
  }
  return [...resources.values()];
}

/** A router that runs our agent: it is told of its peers as every node is, but a mesh joins nodes by itself. */
function ownPeers(plan: LabPlan, { name: routerName, router }: MachinePlan): Resource[] {
  const nodes = new Set(plan.machines.filter(({ node }) => node !== undefined).map(({ name }) => name));
  return (router?.neighbors ?? [])
    .filter((neighbor) => !(plan.mesh && nodes.has(neighbor.machine)))
    .flatMap(({ machine, address, localAddress, asNumber }) => {
      const family = `ipv${familyOf(address)}`;
      const there = peer(`${routerName}-to-${machine}-${family}`, address, asNumber, routerName);
      if (!nodes.has(machine)) return [there];
      const back = `${machine}-to-${routerName}-${family}`;
      return [there, peer(back, localAddress, router!.asNumber, machine)];
    });
}

function peer(name: string, peerIP: Address, asNumber: number, node: string | undefined): Resource {
  return {
    apiVersion: API_VERSION,
    kind: 'BGPPeer',
    metadata: { name },
    spec: { ...(node === undefined ? {} : { node }), peerIP, asNumber },
  };
}

/** A namespace. Its stored form is a profile, which also carries the label that Kubernetes gives every namespace. */
export function namespaceResource(name: string, labels: Readonly<Record<string, string>>): Resource {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels },
    spec: {},
  };
}

/** A workload's own resources: its endpoint, and the profile of its service account. */
export function workloadResources(workload: WorkloadPlan): Resource[] {
  return [serviceAccountProfile(workload.namespace, workload.serviceAccount), endpointResource(workload)];
}

function serviceAccountProfileName(namespace: string, name: string): string {
  return `${serviceAccountProfilePrefix}${namespace}.${name}`;
}

/** Calico's conversion of a ServiceAccount (libcalico-go k8s/conversion): no rules, labels for selectors. */
function serviceAccountProfile(namespace: string, name: string): Resource {
  return {
    apiVersion: API_VERSION,
    kind: 'Profile',
    metadata: { name: serviceAccountProfileName(namespace, name) },
    spec: { labelsToApply: { [`${serviceAccountLabelPrefix}${nameLabel}`]: name } },
  };
}

/** Calico's conversion of a Pod (libcalico-go k8s/conversion). */
export function endpointResource(workload: WorkloadPlan): Resource {
  const { namespace, pod, host, serviceAccount } = workload;
  return {
    apiVersion: API_VERSION,
    kind: 'WorkloadEndpoint',
    metadata: {
      name: endpointName(workload),
      namespace,
      labels: podLabels(namespace, workload.labels, serviceAccount),
    },
    spec: {
      orchestrator: 'k8s',
      node: host,
      pod,
      endpoint: 'eth0',
      serviceAccountName: serviceAccount,
      containerID: `lab-${pod}`,
      ipNetworks: workload.addresses.map((address) => hostPrefix(address)),
      profiles: [
        `${namespaceProfilePrefix}${namespace}`,
        serviceAccountProfileName(namespace, serviceAccount),
      ],
      interfaceName: workload.hostInterface,
      // A port without a name is served, but nothing that a policy could speak of.
      ports: workload.ports.flatMap(({ name, port, protocol }) =>
        name === undefined ? [] : [{ name, port, protocol }],
      ),
    },
  };
}

/** The name of a workload's endpoint, which holds its node, pod and interface. */
export function endpointName({ host, pod }: WorkloadPlan): string {
  return workloadEndpointName({ node: host, orchestrator: 'k8s', pod, endpoint: 'eth0' })!;
}
