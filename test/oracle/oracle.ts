/**
 * What becomes of a packet, the naive way: from resources straight to a verdict, nothing prepared and nothing shared
 * with the calculation (design D12) but the model's types, parser of selectors and numbers of protocols.
 */
import { BlockList } from 'node:net';
import type { EntityRule } from '../../src/model/entity-rule.ts';
import { type Protocol, protocolNumber } from '../../src/model/fields.ts';
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
type Of<Kind> = Extract<KnownResource, { kind: Kind }>;
type Workload = Of<'WorkloadEndpoint'>;
type KubernetesPolicy = Of<'KubernetesNetworkPolicy'>;
type Policy = Of<'NetworkPolicy'> | Of<'GlobalNetworkPolicy'> | KubernetesPolicy;
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
    this.policies = [...this.of('NetworkPolicy'), ...this.of('KubernetesNetworkPolicy'), ...ofWorkloads];
  }

  private of<Kind extends KnownResource['kind']>(kind: Kind): Of<Kind>[] {
    return this.resources.filter((one): one is Of<Kind> => one.kind === kind);
  }

  /** Whether the packet may leave its source and enter its destination, as far as they are workloads here. */
  judge(packet: OraclePacket): boolean {
    const from = this.workloadAt(packet.source);
    const to = this.workloadAt(packet.destination);
    return (
      (from === undefined || this.admits(from, 'egress', packet)) &&
      (to === undefined || this.admits(to, 'ingress', packet))
    );
  }

  private workloadAt(address: string): Workload | undefined {
    return this.of('WorkloadEndpoint').find(
      (workload) => workload.spec.node === this.node && holds(workload, address),
    );
  }

  /** Tiers in order, then profiles in order, then no. */
  private admits(workload: Workload, direction: Direction, packet: OraclePacket): boolean {
    const type = direction === 'ingress' ? 'Ingress' : 'Egress';
    const applying = this.policies.filter(
      (policy) => this.appliesTo(policy, workload) && typesOf(policy).includes(type),
    );
    const tiers = [...new Set(applying.map(tierOf))].toSorted(
      (a, b) => compare(this.tier(a)?.order ?? -Infinity, this.tier(b)?.order ?? -Infinity) || compare(a, b),
    );
    for (const name of tiers) {
      const tier = this.tier(name);
      if (tier === undefined) return false;
      const outcome = this.throughTier(
        applying.filter((policy) => tierOf(policy) === name).toSorted(byOrder),
        direction,
        packet,
      );
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
      const outcome =
        policy.kind === 'KubernetesNetworkPolicy'
          ? this.kubernetesAllows(policy, direction, packet)
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
    if (policy.kind === 'KubernetesNetworkPolicy') {
      return (
        workload.spec.orchestrator === 'k8s' &&
        labelsFit(policy.spec.podSelector, (label) => this.label(workload, label))
      );
    }
    const { selector, serviceAccountSelector } = policy.spec;
    const namespaces = policy.kind === 'GlobalNetworkPolicy' ? policy.spec.namespaceSelector : undefined;
    return (
      this.selects(selector, workload) &&
      this.selectsNamespace(namespaces, workload) &&
      this.selects(serviceAccountSelector, workload, 'pcsa.')
    );
  }

  private profileRules(name: string, direction: Direction): readonly Rule[] | undefined {
    const written = this.of('Profile').find(({ metadata }) => metadata.name === name);
    if (written !== undefined) return written.spec[direction] ?? [];
    const open = name === 'projectcalico-default-allow' || this.namespaceOf(name) !== undefined;
    return open ? [{ action: 'Allow' }] : undefined;
  }

  /** The Namespace that a profile `kns.NAME` stands for. */
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
    if (icmp?.type !== undefined && !icmpIs(icmp, packet)) return false;
    if (notICMP?.type !== undefined && (!isIcmp(packet) || icmpIs(notICMP, packet))) return false;
    return (
      this.isServed(source.services, namespace, packet.source) &&
      this.isServed(destination.services, namespace, packet.destination, packet) &&
      this.sideMatches(source, namespace, packet.source, packet.sourcePort, packet.protocol) &&
      this.sideMatches(destination, namespace, packet.destination, packet.destinationPort, packet.protocol)
    );
  }

  /** Whether an endpoint of the service, if there is one, has the address and, if given, the packet's port. */
  private isServed(
    service: EntityRule['services'],
    home: string | undefined,
    address: string,
    packet?: OraclePacket,
  ): boolean {
    if (service === undefined) return true;
    return this.of('KubernetesEndpointSlice').some(
      ({ metadata, spec: { endpoints, ports = [] } }) =>
        metadata.namespace === (service.namespace ?? home) &&
        metadata.labels?.['kubernetes.io/service-name'] === service.name &&
        endpoints.some(({ addresses }) => addresses.includes(address)) &&
        (packet === undefined ||
          ports.some(
            ({ protocol = 'TCP', port }) =>
              port === packet.destinationPort && numberOf(protocol) === packet.protocol,
          )),
    );
  }

  private sideMatches(
    side: EntityRule,
    policyNamespace: string | undefined,
    address: string,
    port: number | undefined,
    protocol: number,
  ): boolean {
    const { nets = [], notNets = [], selector, notSelector, namespaceSelector, serviceAccounts } = side;
    if (nets.length > 0 && !nets.some((net) => contains(net, address))) return false;
    if (notNets.some((net) => contains(net, address))) return false;
    const limited = selector !== undefined || notSelector !== undefined || serviceAccounts !== undefined;
    const home = namespaceSelector === undefined && limited ? policyNamespace : undefined;
    const { names = [], selector: accounts } = serviceAccounts ?? {};
    const isChosen = (item: Item): boolean =>
      this.selects(selector, item) &&
      this.selectsNamespace(namespaceSelector, item) &&
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

  private kubernetesAllows(policy: KubernetesPolicy, direction: Direction, packet: OraclePacket): Outcome {
    const { ingress = [], egress = [] } = policy.spec;
    const other = direction === 'ingress' ? packet.source : packet.destination;
    const rules =
      direction === 'ingress' ? ingress : egress.map(({ to, ...rest }) => ({ ...rest, from: to }));
    const allowed = rules.some(
      ({ from = [], ports = [] }) =>
        (from.length === 0 || from.some((peer) => this.isPeer(peer, policy.metadata.namespace!, other))) &&
        (ports.length === 0 || ports.some((port) => this.isKubernetesPort(port, packet))),
    );
    return allowed ? 'allow' : 'none';
  }

  private isPeer(peer: kubernetes.NetworkPolicyPeer, namespace: string, address: string): boolean {
    if (peer.ipBlock !== undefined) {
      const { cidr, except = [] } = peer.ipBlock;
      return contains(cidr, address) && !except.some((net) => contains(net, address));
    }
    const { podSelector = {}, namespaceSelector } = peer;
    return this.items.some(
      (item) =>
        item.kind === 'WorkloadEndpoint' &&
        item.spec.orchestrator === 'k8s' &&
        holds(item, address) &&
        labelsFit(podSelector, (label) => this.label(item, label)) &&
        (namespaceSelector === undefined
          ? item.metadata.namespace === namespace
          : labelsFit(namespaceSelector, (label) => this.label(item, `pcns.${label}`))),
    );
  }

  private isKubernetesPort(
    { protocol = 'TCP', port, endPort }: kubernetes.NetworkPolicyPort,
    packet: OraclePacket,
  ) {
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

  private selectsNamespace(selector: string | undefined, item: Item): boolean {
    return this.selects(selector, item, 'pcns.', item.metadata.namespace !== undefined);
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

const tierOf = ({ spec }: Policy): string => ('tier' in spec ? spec.tier : 'default');

function typesOf(policy: Policy): readonly string[] {
  if (policy.kind !== 'KubernetesNetworkPolicy') return policy.spec.types;
  const { policyTypes = [], egress = [] } = policy.spec;
  return policyTypes.length > 0 ? policyTypes : egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function byOrder(a: Policy, b: Policy): number {
  const order = (policy: Policy): number =>
    policy.kind === 'KubernetesNetworkPolicy' ? 1000 : (policy.spec.order ?? Infinity);
  const tie = ({ kind, metadata }: Policy): string => `${metadata.name}/${metadata.namespace ?? ''}/${kind}`;
  return compare(order(a), order(b)) || compare(tie(a), tie(b));
}

function compare<Value extends number | string>(a: Value, b: Value): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

const numberOf = (protocol: string | number): number => protocolNumber(protocol as Protocol);

const isIcmp = (packet: OraclePacket): boolean =>
  packet.protocol === (familyOf(packet.source) === 4 ? 1 : 58);

function icmpIs(
  wanted: { readonly type?: number; readonly code?: number },
  { icmp, ...packet }: OraclePacket,
): boolean {
  return (
    isIcmp(packet) && icmp?.type === wanted.type && (wanted.code === undefined || icmp?.code === wanted.code)
  );
}

const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);

function contains(net: string, address: string): boolean {
  const family = familyOf(net);
  if (family !== familyOf(address)) return false;
  const [base, length = family === 4 ? '32' : '128'] = net.split('/');
  const list = new BlockList();
  list.addSubnet(base!, Number(length), `ipv${family}`);
  return list.check(address, `ipv${family}`);
}
