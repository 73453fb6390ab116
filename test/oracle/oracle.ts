/**
 * What becomes of a packet, the naive way: from resources straight to a verdict, nothing prepared and nothing shared
 * with the calculation (design D12) but the model's types, parser of selectors and numbers of protocols.
 */
import { BlockList } from 'node:net';
import type { EntityRule } from '../../src/model/entity-rule.ts';
import { type Protocol, protocolNumber } from '../../src/model/fields.ts';
import type * as cluster from '../../src/model/kinds/kubernetes-cluster-network-policy.ts';
import type * as kubernetes from '../../src/model/kinds/kubernetes-network-policy.ts';
import type { LabelSelector } from '../../src/model/kinds/label-selector.ts';
import type { KnownResource } from '../../src/model/registry.ts';
import type { Rule } from '../../src/model/rule.ts';
import { parseSelector } from '../../src/model/selector/parser.ts';
import type { Selector } from '../../src/model/selector/selector.ts';

export interface OraclePacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
}

type Direction = 'ingress' | 'egress';
type End = 'source' | 'destination';
type Service = NonNullable<EntityRule['services']>;
type Of<Kind> = Extract<KnownResource, { kind: Kind }>;
type Workload = Of<'WorkloadEndpoint'>;
type KubernetesPolicy = Of<'KubernetesNetworkPolicy'> | Of<'KubernetesClusterNetworkPolicy'>;
type Policy = Of<'NetworkPolicy'> | Of<'GlobalNetworkPolicy'> | KubernetesPolicy;
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
/** What selectors select. */
type Item = Workload | Of<'NetworkSet'> | Of<'GlobalNetworkSet'>;
type Outcome = 'allow' | 'deny' | 'pass' | 'none';

/** Judges packets in a cluster of resources, at the workloads of one node. */
export class Oracle {
  private readonly items: readonly Item[];
  private readonly policies: readonly Policy[];

  constructor(
    private readonly resources: readonly KnownResource[],
    private readonly node: string,
  ) {
    this.items = [...this.of('WorkloadEndpoint'), ...this.of('NetworkSet'), ...this.of('GlobalNetworkSet')];
    // Policies before tracking or translation are for hosts.
    const ofWorkloads = this.of('GlobalNetworkPolicy').filter(
      ({ spec }) => spec.doNotTrack !== true && spec.preDNAT !== true,
    );
    const ofKubernetes = [
      ...this.of('KubernetesNetworkPolicy'),
      ...this.of('KubernetesClusterNetworkPolicy'),
    ];
    this.policies = [...this.of('NetworkPolicy'), ...ofKubernetes, ...ofWorkloads];
  }

  private of<Kind extends KnownResource['kind']>(kind: Kind): Of<Kind>[] {
    return this.resources.filter((one): one is Of<Kind> => one.kind === kind);
  }

  /** Whether the packet may leave its source and enter its destination, as far as they are workloads here. */
  judge(packet: OraclePacket): boolean {
    const local = this.of('WorkloadEndpoint').filter(({ spec }) => spec.node === this.node);
    const from = local.find((workload) => holds(workload, packet.source));
    const to = local.find((workload) => holds(workload, packet.destination));
    if (from !== undefined && !this.admits(from, 'egress', packet)) return false;
    return to === undefined || this.admits(to, 'ingress', packet);
  }

  private admits(workload: Workload, direction: Direction, packet: OraclePacket): boolean {
    const type = direction === 'ingress' ? 'Ingress' : 'Egress';
    const applying = this.policies.filter(
      (policy) => this.appliesTo(policy, workload) && typesOf(policy).includes(type),
    );
    const place = (name: string): number => this.tier(name)?.order ?? -1;
    const inOrder = (a: string, b: string): number => place(a) - place(b) || (a < b ? -1 : 1);
    for (const name of [...new Set(applying.map(tierOf))].toSorted(inOrder)) {
      const tier = this.tier(name);
      if (tier === undefined) return false;
      const policies = applying.filter((policy) => tierOf(policy) === name).toSorted(byOrder);
      const outcome = this.throughTier(policies, direction, packet);
      if (outcome === 'allow') return true;
      if (outcome === 'deny' || (outcome === 'none' && tier.defaultAction !== 'Pass')) return false;
    }
    for (const name of workload.spec.profiles ?? []) {
      const rules = this.profileRules(name, direction);
      if (rules === undefined) return false;
      const outcome = this.throughRules(rules, undefined, packet);
      if (outcome === 'allow' || outcome === 'deny') return outcome === 'allow';
    }
    return false;
  }

  private throughTier(policies: readonly Policy[], direction: Direction, packet: OraclePacket): Outcome {
    for (const policy of policies) {
      const outcome = isKubernetes(policy)
        ? this.kubernetesDecides(policy, direction, packet)
        : this.throughRules(policy.spec[direction] ?? [], policy.metadata.namespace, packet);
      if (outcome !== 'none') return outcome;
    }
    return 'none';
  }

  private tier(name: string): { readonly order: number; readonly defaultAction: string } | undefined {
    const tier = this.of('Tier').find(({ metadata }) => metadata.name === name);
    if (tier !== undefined) return tier.spec;
    if (name === 'default') return { order: 1_000_000, defaultAction: 'Deny' };
    if (name === 'kube-admin') return { order: 1_000, defaultAction: 'Pass' };
    return name === 'kube-baseline' ? { order: 10_000_000, defaultAction: 'Pass' } : undefined;
  }

  private appliesTo(policy: Policy, workload: Workload): boolean {
    const { namespace } = policy.metadata;
    if (namespace !== undefined && workload.metadata.namespace !== namespace) return false;
    if (policy.kind === 'KubernetesNetworkPolicy') return this.isPod(policy.spec, namespace, workload);
    if (isKubernetes(policy)) return this.isPod(policy.spec.subject, undefined, workload);
    const { selector, serviceAccountSelector } = policy.spec;
    const namespaces = policy.kind === 'GlobalNetworkPolicy' ? policy.spec.namespaceSelector : undefined;
    return (
      this.selects(selector, workload) &&
      this.selects(namespaces, workload, 'pcns.', workload.metadata.namespace !== undefined) &&
      this.selects(serviceAccountSelector, workload, 'pcsa.')
    );
  }

  private profileRules(name: string, direction: Direction): readonly Rule[] | undefined {
    const written = this.of('Profile').find(({ metadata }) => metadata.name === name);
    if (written !== undefined) return written.spec[direction] ?? [];
    const open = name === 'projectcalico-default-allow' || this.namespaceOf(name) !== undefined;
    return open ? [{ action: 'Allow' }] : undefined;
  }

  private namespaceOf(profile: string): Of<'Namespace'> | undefined {
    return this.of('Namespace').find(({ metadata }) => `kns.${metadata.name}` === profile);
  }

  private throughRules(rules: readonly Rule[], namespace: string | undefined, packet: OraclePacket): Outcome {
    for (const rule of rules) {
      // HTTP cannot be told, and is only ever allowed.
      if (rule.http ?? (rule.action === 'Log' || !this.matches(rule, namespace, packet))) continue;
      return rule.action === 'Allow' ? 'allow' : rule.action === 'Deny' ? 'deny' : 'pass';
    }
    return 'none';
  }

  private matches(rule: Rule, namespace: string | undefined, packet: OraclePacket): boolean {
    const { source = {}, destination = {}, protocol, notProtocol, icmp, notICMP } = rule;
    const family = familyOf(packet.source);
    if (rule.ipVersion !== undefined && rule.ipVersion !== family) return false;
    // A rule with CIDRs of one family says nothing about the other.
    const nets = [source, destination].flatMap((side) => [side.nets ?? [], side.notNets ?? []].flat());
    if (nets.some((net) => familyOf(net) !== family)) return false;
    if (protocol !== undefined && numberOf(protocol) !== packet.protocol) return false;
    if (notProtocol !== undefined && numberOf(notProtocol) === packet.protocol) return false;
    const isIcmp = packet.protocol === (family === 4 ? 1 : 58);
    const icmpIs = ({ type, code }: NonNullable<Rule['icmp']>): boolean =>
      packet.icmp?.type === type && (code === undefined || packet.icmp?.code === code);
    if (icmp?.type !== undefined && !(isIcmp && icmpIs(icmp))) return false;
    if (notICMP?.type !== undefined && (!isIcmp || icmpIs(notICMP))) return false;
    if (!this.sideMatches(source, namespace, packet, 'source')) return false;
    return this.sideMatches(destination, namespace, packet, 'destination');
  }

  /** Whether an endpoint of the service has the address and, as a destination, the port. */
  private isServed(service: Service, home: string | undefined, packet: OraclePacket, end: End): boolean {
    return this.of('KubernetesEndpointSlice').some(
      ({ metadata, spec: { endpoints, ports = [] } }) =>
        metadata.namespace === (service.namespace ?? home) &&
        metadata.labels?.['kubernetes.io/service-name'] === service.name &&
        endpoints.some(({ addresses }) => addresses.includes(packet[end])) &&
        (end === 'source' ||
          ports.some(
            ({ protocol = 'TCP', port }) =>
              port === packet.destinationPort && numberOf(protocol) === packet.protocol,
          )),
    );
  }

  private sideMatches(side: EntityRule, policyNamespace: string | undefined, packet: OraclePacket, end: End) {
    const { [end]: address, [`${end}Port` as const]: port, protocol } = packet;
    if (side.services && !this.isServed(side.services, policyNamespace, packet, end)) return false;
    const { nets = [], notNets = [], selector, notSelector, namespaceSelector, serviceAccounts } = side;
    if (nets.length > 0 && !nets.some((net) => contains(net, address))) return false;
    if (notNets.some((net) => contains(net, address))) return false;
    const limited = selector !== undefined || notSelector !== undefined || serviceAccounts !== undefined;
    const home = namespaceSelector === undefined && limited ? policyNamespace : undefined;
    const { names = [], selector: accounts } = serviceAccounts ?? {};
    const isChosen = (item: Item): boolean =>
      this.selects(selector, item) &&
      this.selects(namespaceSelector, item, 'pcns.', item.metadata.namespace !== undefined) &&
      (home === undefined || item.metadata.namespace === home) &&
      this.selects(accounts, item, 'pcsa.') &&
      (names.length === 0 || names.includes(accountOf(item) ?? ''));
    const chooses = [home, selector, namespaceSelector, accounts, names[0]].some((one) => one !== undefined);
    const holders = this.items.filter((item) => holds(item, address));
    if (chooses && !holders.some(isChosen)) return false;
    if (notSelector !== undefined && holders.some((item) => this.selects(notSelector, item))) return false;
    const { ports = [], notPorts = [] } = side;
    if (ports.length === 0 && notPorts.length === 0) return true;
    if (port === undefined || ![6, 17, 132, 136].includes(protocol)) return false;
    const isPort = (wanted: string | number): boolean => {
      const [first, last = first] = String(wanted).split(':');
      if (/^[0-9]+$/.test(first!)) return Number(first) <= port && port <= Number(last);
      return holders.some((item) => isChosen(item) && hasNamedPort(item, first!, port, protocol));
    };
    return (ports.length === 0 || ports.some(isPort)) && !notPorts.some(isPort);
  }

  private kubernetesDecides(policy: KubernetesPolicy, direction: Direction, packet: OraclePacket): Outcome {
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
    if (nodes === undefined) return this.of('WorkloadEndpoint').some(isThere);
    return this.of('Node').some(({ metadata: { labels = {} }, spec: { bgp, addresses = [] } }) => {
      const own = [bgp?.ipv4Address, bgp?.ipv6Address, ...addresses.map((one) => one.address)];
      const isOwn = own.some((text) => text?.split('/')[0] === address);
      return isOwn && labelsFit(nodes, (label) => labels[label]);
    });
  }

  private isPod(peer: Peer, home: string | undefined, pod: Workload): boolean {
    const { podSelector, namespaceSelector, namespaces, pods } = peer;
    const spaces = namespaceSelector ?? namespaces ?? pods?.namespaceSelector;
    return (
      pod.spec.orchestrator === 'k8s' &&
      labelsFit(podSelector ?? pods?.podSelector ?? {}, (label) => this.label(pod, label)) &&
      (spaces === undefined
        ? pod.metadata.namespace === home
        : labelsFit(spaces, (label) => this.label(pod, `pcns.${label}`)))
    );
  }

  private isKubernetesPort({ protocol = 'TCP', port, endPort }: Port, packet: OraclePacket): boolean {
    if (numberOf(protocol) !== packet.protocol) return false;
    if (port === undefined) return true;
    const actual = packet.destinationPort!;
    if (typeof port === 'number') return port <= actual && actual <= (endPort ?? port);
    return this.items.some(
      (item) => holds(item, packet.destination) && hasNamedPort(item, port, actual, packet.protocol),
    );
  }

  /** Whether the labels of the thing, those under a prefix, are what the selector wants. */
  private selects(selector: string | undefined, item: Item, prefix = '', all = true): boolean {
    const get = (label: string) => this.label(item, prefix + label);
    return selector === undefined || evaluate(parseSelector(selector), get, all);
  }

  /** What the thing is labelled itself, then what its profiles give it, the first that says something. */
  private label(item: Item, label: string): string | undefined {
    const { namespace, labels = {} } = item.metadata;
    if (label === 'projectcalico.org/namespace' && namespace !== undefined) return namespace;
    if (item.kind === 'WorkloadEndpoint' && label === 'projectcalico.org/orchestrator') {
      return item.spec.orchestrator ?? labels[label];
    }
    if (label === 'projectcalico.org/serviceaccount') return accountOf(item) ?? labels[label];
    if (labels[label] !== undefined) return labels[label];
    const profiles = item.kind === 'WorkloadEndpoint' ? (item.spec.profiles ?? []) : [`kns.${namespace}`];
    for (const profile of item.kind === 'GlobalNetworkSet' ? [] : profiles) {
      const value = this.inherited(profile, label);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  private inherited(name: string, label: string): string | undefined {
    const profile = this.of('Profile').find(({ metadata }) => metadata.name === name);
    if (profile !== undefined) return profile.spec.labelsToApply?.[label];
    const namespace = this.namespaceOf(name);
    if (namespace === undefined || !label.startsWith('pcns.')) return undefined;
    const own = label.slice('pcns.'.length);
    if (own === 'kubernetes.io/metadata.name' || own === 'projectcalico.org/name')
      return namespace.metadata.name;
    return namespace.metadata.labels?.[own];
  }
}

/** `all` is what `all()` means; `global()` is its opposite, where it may be written at all. */
function evaluate(selector: Selector, get: (label: string) => string | undefined, all: boolean): boolean {
  const value = 'label' in selector ? get(selector.label) : undefined;
  if (selector.type === 'all' || selector.type === 'global') return all === (selector.type === 'all');
  if (selector.type === 'not') return !evaluate(selector.operand, get, all);
  if (selector.type === 'and') return selector.operands.every((operand) => evaluate(operand, get, all));
  if (selector.type === 'or') return selector.operands.some((operand) => evaluate(operand, get, all));
  if (selector.type === '!=') return value !== selector.value;
  if (selector.type === 'not in') return value === undefined || !selector.values.includes(value);
  // What follows needs the label to be there.
  if (value === undefined || selector.type === 'has') return value !== undefined;
  if (selector.type === '==') return value === selector.value;
  if (selector.type === 'in') return selector.values.includes(value);
  if (selector.type === 'contains') return value.includes(selector.value);
  return selector.type === 'starts with' ? value.startsWith(selector.value) : value.endsWith(selector.value);
}

function labelsFit(selector: LabelSelector, get: (label: string) => string | undefined): boolean {
  return (
    Object.entries(selector.matchLabels ?? {}).every(([label, value]) => get(label) === value) &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = get(key);
      if (operator === 'In') return value !== undefined && values.includes(value);
      if (operator === 'NotIn') return value === undefined || !values.includes(value);
      return (value !== undefined) === (operator === 'Exists');
    })
  );
}

function accountOf(item: Item): string | undefined {
  const name = item.kind === 'WorkloadEndpoint' ? item.spec.serviceAccountName : undefined;
  return name !== undefined && name.length < 63 ? name : undefined;
}

function hasNamedPort(item: Item, name: string, port: number, protocol: number): boolean {
  const ports = item.kind === 'WorkloadEndpoint' ? (item.spec.ports ?? []) : [];
  return ports.some((one) => one.name === name && one.port === port && numberOf(one.protocol) === protocol);
}

function holds(item: Item, address: string): boolean {
  const nets = item.kind === 'WorkloadEndpoint' ? item.spec.ipNetworks : item.spec.nets;
  return (nets ?? []).some((net) => contains(net, address));
}

const isKubernetes = (policy: Policy): policy is KubernetesPolicy =>
  policy.kind === 'KubernetesNetworkPolicy' || policy.kind === 'KubernetesClusterNetworkPolicy';

function tierOf({ kind, spec }: Policy): string {
  if (kind === 'KubernetesClusterNetworkPolicy') return `kube-${spec.tier.toLowerCase()}`;
  return kind === 'KubernetesNetworkPolicy' ? 'default' : spec.tier;
}

function typesOf({ kind, spec }: Policy): readonly string[] {
  if (kind === 'NetworkPolicy' || kind === 'GlobalNetworkPolicy') return spec.types;
  if (kind === 'KubernetesNetworkPolicy' && (spec.policyTypes ?? []).length > 0) return spec.policyTypes!;
  const isIngress = kind === 'KubernetesNetworkPolicy' || (spec.ingress ?? []).length > 0;
  return [...(isIngress ? ['Ingress'] : []), ...((spec.egress ?? []).length > 0 ? ['Egress'] : [])];
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

function byOrder(a: Policy, b: Policy): number {
  const order = ({ kind, spec }: Policy): number => {
    if (kind === 'KubernetesClusterNetworkPolicy') return spec.priority;
    return kind === 'KubernetesNetworkPolicy' ? 1000 : (spec.order ?? Infinity);
  };
  const tie = ({ kind, metadata }: Policy): string => `${metadata.name}/${metadata.namespace ?? ''}/${kind}`;
  return order(a) - order(b) || (tie(a) < tie(b) ? -1 : 1);
}

const numberOf = (protocol: string | number): number => protocolNumber(protocol as Protocol);
const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);

function contains(net: string, address: string): boolean {
  const family = familyOf(net);
  if (family !== familyOf(address)) return false;
  const [base, length = family === 4 ? '32' : '128'] = net.split('/');
  const list = new BlockList();
  list.addSubnet(base!, Number(length), `ipv${family}`);
  return list.check(address, `ipv${family}`);
}
