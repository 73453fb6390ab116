/** The rules of Kubernetes' policies, as their own APIs have them. */
import type * as cluster from '../../src/model/kinds/kubernetes-cluster-network-policy.ts';
import type * as kubernetes from '../../src/model/kinds/kubernetes-network-policy.ts';
import type { LabelSelector } from '../../src/model/kinds/label-selector.ts';
import type { Direction, OraclePacket, Outcome } from './packet.ts';
import {
  type Of,
  type Workload,
  type World,
  contains,
  hasNamedPort,
  holds,
  labelsFit,
  numberOf,
} from './world.ts';

export type KubernetesPolicy = Of<'KubernetesNetworkPolicy'> | Of<'KubernetesClusterNetworkPolicy'>;
type Port = kubernetes.NetworkPolicyPort;
/** A peer of either policy of Kubernetes, and a rule: it wants any of its peers and any of its ports. */
type Selectors = Partial<Record<'podSelector' | 'namespaceSelector' | 'namespaces' | 'nodes', LabelSelector>>;
type Peer = Selectors & {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
  readonly networks?: readonly string[];
  readonly pods?: Selectors;
};
interface Clause {
  readonly action?: string;
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly Port[];
  readonly protocols?: readonly cluster.ClusterNetworkPolicyProtocol[];
}

export class KubernetesRules {
  constructor(private readonly world: World) {}

  decide(policy: KubernetesPolicy, direction: Direction, packet: OraclePacket): Outcome {
    const other = direction === 'ingress' ? packet.source : packet.destination;
    const clauses = (policy.spec[direction] ?? []) as readonly Clause[];
    const met = clauses.find(({ from, to, protocols = [], ports = protocols.flatMap(portsOf) }) => {
      const peers = from ?? to ?? [];
      return (
        (peers.length === 0 || peers.some((peer) => this.isPeer(peer, policy.metadata.namespace, other))) &&
        (ports.length === 0 || ports.some((port) => this.isKubernetesPort(port, packet)))
      );
    });
    if (met === undefined) return 'none';
    return met.action === 'Deny' ? 'deny' : met.action === 'Pass' ? 'pass' : 'allow';
  }

  private isPeer(peer: Peer, home: string | undefined, address: string): boolean {
    const { ipBlock, networks = ipBlock && [ipBlock.cidr], nodes } = peer;
    if (networks !== undefined) {
      const inside = (net: string): boolean => contains(net, address);
      return networks.some(inside) && !(ipBlock?.except ?? []).some(inside);
    }
    const isThere = (pod: Workload): boolean => holds(pod, address) && this.isPod(peer, home, pod);
    if (nodes === undefined) return this.world.of('WorkloadEndpoint').some(isThere);
    return this.world.of('Node').some(({ metadata: { labels = {} }, spec: { bgp, addresses = [] } }) => {
      const own = [bgp?.ipv4Address, bgp?.ipv6Address, ...addresses.map((one) => one.address)];
      const isOwn = own.some((text) => text?.split('/')[0] === address);
      return isOwn && labelsFit(nodes, (label) => labels[label]);
    });
  }

  isPod(peer: Peer, home: string | undefined, pod: Workload): boolean {
    const { podSelector, namespaceSelector, namespaces, pods } = peer;
    const spaces = namespaceSelector ?? namespaces ?? pods?.namespaceSelector;
    return (
      pod.spec.orchestrator === 'k8s' &&
      labelsFit(podSelector ?? pods?.podSelector ?? {}, (label) => this.world.label(pod, label)) &&
      (spaces === undefined
        ? pod.metadata.namespace === home
        : labelsFit(spaces, (label) => this.world.label(pod, `pcns.${label}`)))
    );
  }

  private isKubernetesPort({ protocol = 'TCP', port, endPort }: Port, packet: OraclePacket): boolean {
    if (numberOf(protocol) !== packet.protocol) return false;
    if (port === undefined) return true;
    const actual = packet.destinationPort!;
    if (typeof port === 'number') return port <= actual && actual <= (endPort ?? port);
    return this.world.items.some(
      (item) => holds(item, packet.destination) && hasNamedPort(item, port, actual, packet.protocol),
    );
  }
}

/** A port of a ClusterNetworkPolicy as NetworkPolicy writes it; a name is one under any protocol. */
function portsOf({ destinationNamedPort, ...transports }: cluster.ClusterNetworkPolicyProtocol): Port[] {
  if (destinationNamedPort !== undefined)
    return (['TCP', 'UDP', 'SCTP'] as const).map((protocol) => ({ protocol, port: destinationNamedPort }));
  return Object.entries(transports as typeof transports & { tcp: object }).map(([name, match]) => {
    const { number, range } = (match as typeof transports.tcp)?.destinationPort ?? {};
    return { protocol: name.toUpperCase(), port: number ?? range?.start, endPort: range?.end } as Port;
  });
}
