/**
 * Kubernetes' ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2) as a GlobalNetworkPolicy of the tier kube-admin
 * or kube-baseline. A rule at fault fails closed, as the API asks of implementations that meet what they do not know:
 * an `Accept` matches nothing, everything else denies everything. A policy of which it is unknown where it stands or
 * whom it is for is left out as a whole.
 */
import { type Family, familyOf } from '../../net/address.ts';
import type { EntityRule } from '../entity-rule.ts';
import { type Net, type Port, parseNet } from '../fields.ts';
import type { Finding } from '../kinds/definition.ts';
import type { GlobalNetworkPolicy } from '../kinds/global-network-policy.ts';
import type {
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicySpec,
} from '../kinds/kubernetes-cluster-network-policy.ts';
import type { LabelSelector } from '../kinds/label-selector.ts';
import type { Rule } from '../rule.ts';
import { formatSelector } from '../selector/selector.ts';
import { type Report, convertLabelSelector, podSelectorText } from './label-selector.ts';
import { simplifyPorts } from './network-policy.ts';

export interface ConvertedClusterPolicy {
  /** Absent: nothing of the policy can be in force. */
  readonly spec?: GlobalNetworkPolicy['spec'];
  /** What was left out or replaced, by path in the Kubernetes resource. */
  readonly faults: readonly Finding[];
}

type Path = readonly (string | number)[];

const tiers: Readonly<Record<string, string>> = { Admin: 'kube-admin', Baseline: 'kube-baseline' };
const actions: Readonly<Record<string, 'Allow' | 'Deny' | 'Pass'>> = {
  Accept: 'Allow',
  Deny: 'Deny',
  Pass: 'Pass',
};

/** The annotation of a rule that holds the name it had in Kubernetes. */
const ruleNameAnnotation = 'name';

const maximumRules = 25;
const maximumPeers = 25;
const maximumNameLength = 100;
const maximumPriority = 1000;

/** Converts a policy. */
export function convertClusterNetworkPolicy(policy: {
  readonly spec: ClusterNetworkPolicySpec;
}): ConvertedClusterPolicy {
  const faults: Finding[] = [];
  const report: Report = (path, message, allowed) => {
    faults.push({ path, message, ...(allowed === undefined ? {} : { allowed }) });
    return undefined;
  };
  const { tier: statedTier, priority, subject, ingress = [], egress = [] } = policy.spec;
  const tier = Object.hasOwn(tiers, statedTier) ? tiers[statedTier] : undefined;
  if (tier === undefined) report(['spec', 'tier'], 'not a tier', Object.keys(tiers).join(', '));
  if (priority < 0 || priority > maximumPriority) {
    report(['spec', 'priority'], 'not a priority', `0 to ${maximumPriority}`);
  }
  const selected = convertPods(subject, ['spec', 'subject'], report);
  const rules = {
    ingress: convertRules(
      ingress.map(({ from, ...rule }) => ({ ...rule, peers: from })),
      'ingress',
      report,
    ),
    egress: convertRules(
      egress.map(({ to, ...rule }) => ({ ...rule, peers: to })),
      'egress',
      report,
    ),
  };
  if (tier === undefined || selected === undefined) return { faults };
  return {
    spec: {
      tier,
      order: priority,
      ...(rules.ingress.length === 0 ? {} : { ingress: rules.ingress }),
      ...(rules.egress.length === 0 ? {} : { egress: rules.egress }),
      ...selected,
      types: [
        ...(rules.ingress.length > 0 ? (['Ingress'] as const) : []),
        ...(rules.egress.length > 0 ? (['Egress'] as const) : []),
      ],
    },
    faults,
  };
}

type Direction = 'ingress' | 'egress';
const peersField: Readonly<Record<Direction, string>> = { ingress: 'from', egress: 'to' };

interface ClusterRule {
  readonly name?: string;
  readonly action: string;
  readonly peers: readonly ClusterNetworkPolicyPeer[];
  readonly protocols?: readonly ClusterNetworkPolicyProtocol[];
}

function convertRules(rules: readonly ClusterRule[], direction: Direction, report: Report): Rule[] {
  if (rules.length > maximumRules) report(['spec', direction], `more than ${maximumRules} rules`);
  return rules.flatMap((rule, index) => {
    const converted = convertRule(rule, direction, ['spec', direction, index], report);
    if (converted !== undefined) return converted;
    return rule.action === 'Accept' ? [] : [{ action: 'Deny', ...named(rule.name) }];
  });
}

/** One rule for each pair of peer and protocol; undefined if any part is at fault, for the whole then means another thing. */
function convertRule(
  rule: ClusterRule,
  direction: Direction,
  path: Path,
  report: Report,
): Rule[] | undefined {
  let sound = true;
  const watching: Report = (...fault) => {
    sound = false;
    return report(...fault);
  };
  const action = Object.hasOwn(actions, rule.action) ? actions[rule.action] : undefined;
  if (action === undefined) watching([...path, 'action'], 'not an action', Object.keys(actions).join(', '));
  if ((rule.name?.length ?? 0) > maximumNameLength) {
    report([...path, 'name'], `longer than ${maximumNameLength} characters`);
  }
  const peersPath = [...path, peersField[direction]];
  if (rule.peers.length === 0) watching(peersPath, 'needs at least one entry');
  if (rule.peers.length > maximumPeers) report(peersPath, `more than ${maximumPeers} entries`);
  const peers = rule.peers.flatMap((peer, index) =>
    convertPeer(peer, direction, [...peersPath, index], watching),
  );
  const matches = convertProtocols(rule.protocols ?? [], [...path, 'protocols'], watching);
  if (rule.protocols?.some(({ destinationNamedPort }) => destinationNamedPort !== undefined) === true) {
    for (const [index, peer] of rule.peers.entries()) {
      for (const field of ['networks', 'nodes'] as const) {
        if (peer[field] !== undefined) watching([...peersPath, index, field], `${field} have no named ports`);
      }
    }
  }
  if (!sound || action === undefined) return undefined;
  return peers.flatMap((peer) =>
    matches.map(({ protocol, ports }): Rule => {
      const portMatch: EntityRule = ports === undefined ? {} : { ports };
      const source = direction === 'ingress' ? peer : {};
      const destination = direction === 'ingress' ? portMatch : { ...peer, ...portMatch };
      return {
        action,
        ...(protocol === undefined ? {} : { protocol }),
        ...(Object.keys(source).length === 0 ? {} : { source }),
        ...(Object.keys(destination).length === 0 ? {} : { destination }),
        ...named(rule.name),
      };
    }),
  );
}

function named(name: string | undefined): Pick<Rule, 'metadata'> {
  return name === undefined ? {} : { metadata: { annotations: { [ruleNameAnnotation]: name } } };
}

interface SelectedPods {
  readonly selector: string;
  readonly namespaceSelector: string;
}

/** What `namespaces` or `pods` select, exactly one of which must be there. */
function convertPods(
  value: Readonly<Record<string, unknown>> & {
    readonly namespaces?: LabelSelector;
    readonly pods?: { readonly namespaceSelector: LabelSelector; readonly podSelector: LabelSelector };
  },
  path: Path,
  report: Report,
): SelectedPods | undefined {
  const unknown = Object.keys(value).filter((name) => name !== 'namespaces' && name !== 'pods');
  for (const name of unknown) report([...path, name], 'not supported');
  if (unknown.length > 0) return undefined;
  if ((value.namespaces === undefined) === (value.pods === undefined)) {
    return report(path, 'exactly one field must be given', 'namespaces or pods');
  }
  const own = value.namespaces === undefined ? 'pods' : 'namespaces';
  const at = value.namespaces === undefined ? [...path, own, 'namespaceSelector'] : [...path, own];
  const namespaces = convertLabelSelector(value.namespaces ?? value.pods!.namespaceSelector, at, report);
  const selector = podSelectorText(value.pods?.podSelector ?? {}, [...path, own, 'podSelector'], report);
  if (namespaces === undefined || selector === undefined) return undefined;
  return { selector, namespaceSelector: formatSelector(namespaces) };
}

/** The sides of rules that a peer stands for: networks of both families need two. None if the peer is at fault. */
function convertPeer(
  peer: ClusterNetworkPolicyPeer,
  direction: Direction,
  path: Path,
  report: Report,
): EntityRule[] {
  const { networks, nodes } = peer;
  // Only destinations have networks and nodes.
  if ((networks === undefined && nodes === undefined) || direction === 'ingress') {
    const selected = convertPods(peer, path, report);
    return selected === undefined ? [] : [selected];
  }
  if (Object.keys(peer).length > 1) {
    report(path, 'exactly one field must be given', 'networks, nodes, namespaces or pods');
    return [];
  }
  if (networks === undefined) {
    const selector = convertLabelSelector(nodes!, [...path, 'nodes'], report);
    return selector === undefined ? [] : [{ nodes: formatSelector(selector) }];
  }
  if (networks.length === 0) report([...path, 'networks'], 'needs at least one entry');
  const byFamily = new Map<Family, Net[]>();
  for (const [index, text] of networks.entries()) {
    const net = text.includes('/') ? parseNet(text) : undefined;
    if (net === undefined) {
      report([...path, 'networks', index], 'not a CIDR', 'a CIDR such as 10.0.0.0/8');
      continue;
    }
    byFamily.set(familyOf(net), [...(byFamily.get(familyOf(net)) ?? []), net]);
  }
  return [...byFamily.values()].map((nets) => ({ nets }));
}

/** No protocol: any, or that of the named ports. No ports: any of the protocol. */
interface ProtocolMatch {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly ports?: readonly Port[];
}

const transports = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

function convertProtocols(
  entries: readonly ClusterNetworkPolicyProtocol[],
  path: Path,
  report: Report,
): ProtocolMatch[] {
  if (entries.length === 0) return [{}];
  const byProtocol = new Map<'TCP' | 'UDP' | 'SCTP', Port[] | 'all'>();
  const names: string[] = [];
  for (const [index, entry] of entries.entries()) {
    const at = [...path, index];
    const fields = Object.keys(entry);
    const [field] = fields;
    if (fields.length !== 1 || field === undefined) {
      report(at, 'exactly one field must be given', 'tcp, udp, sctp or destinationNamedPort');
      continue;
    }
    if (entry.destinationNamedPort !== undefined) {
      names.push(entry.destinationNamedPort);
      continue;
    }
    if (field !== 'tcp' && field !== 'udp' && field !== 'sctp') {
      report([...at, field], 'not supported');
      continue;
    }
    const stated = entry[field]?.destinationPort;
    const known = byProtocol.get(transports[field]) ?? [];
    if (stated === undefined || known === 'all') {
      byProtocol.set(transports[field], 'all');
      continue;
    }
    const port = convertPort(stated, [...at, field, 'destinationPort'], report);
    if (port !== undefined) byProtocol.set(transports[field], [...known, port]);
  }
  return [
    ...[...byProtocol]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([protocol, ports]) =>
        ports === 'all' ? { protocol } : { protocol, ports: simplifyPorts(ports) },
      ),
    ...(names.length === 0 ? [] : [{ ports: simplifyPorts(names) }]),
  ];
}

function convertPort(
  {
    number,
    range,
  }: { readonly number?: number; readonly range?: { readonly start: number; readonly end: number } },
  path: Path,
  report: Report,
): Port | undefined {
  if ((number === undefined) === (range === undefined)) {
    return report(path, 'exactly one field must be given', 'number or range');
  }
  if (range === undefined) {
    if (number! >= 1 && number! <= 65535) return number;
    return report([...path, 'number'], 'not a port number', '1 to 65535');
  }
  const { start, end } = range;
  if (start >= 1 && end <= 65535 && start < end) return `${start}:${end}`;
  return report([...path, 'range'], 'not a range of ports', 'start less than end, both 1 to 65535');
}
