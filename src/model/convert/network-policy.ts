/**
 * Kubernetes NetworkPolicy (networking.k8s.io/v1) as a Calico policy. What is at fault is left out on its own and
 * reported: rules only allow, so leaving one out fails closed, and the others keep working.
 */
import { prefixContains } from '../../net/prefix.ts';
import type { EntityRule } from '../entity-rule.ts';
import { type Net, type Port, netPrefix, parseNet, parsePort } from '../fields.ts';
import type { Finding } from '../kinds/definition.ts';
import type {
  KubernetesNetworkPolicySpec,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../kinds/kubernetes-network-policy.ts';
import type { PolicySpec, PolicyType } from '../kinds/policy-spec.ts';
import type { Rule } from '../rule.ts';
import { formatSelector } from '../selector/selector.ts';
import { type Report, convertLabelSelector, podSelectorText } from './label-selector.ts';

/** Kubernetes policies come after those that users order lower. */
const kubernetesPolicyOrder = 1000;

export interface ConvertedPolicy {
  readonly spec: PolicySpec;
  /** What was left out, by path in the Kubernetes resource. */
  readonly faults: readonly Finding[];
}

type Path = readonly (string | number)[];

/** Converts a policy. A faulty podSelector selects the whole namespace, since nobody knows whom it was to protect. */
export function convertNetworkPolicy(policy: {
  readonly spec: KubernetesNetworkPolicySpec;
}): ConvertedPolicy {
  const faults: Finding[] = [];
  const report: Report = (path, message, allowed) => {
    faults.push({ path, message, ...(allowed === undefined ? {} : { allowed }) });
    return undefined;
  };
  const { podSelector, ingress = [], egress = [] } = policy.spec;
  const types = convertTypes(policy.spec, report);
  return {
    spec: {
      tier: 'default',
      order: kubernetesPolicyOrder,
      selector:
        podSelectorText(podSelector, ['spec', 'podSelector'], report) ?? podSelectorText({}, [], report)!,
      types,
      ...(types.includes('Ingress')
        ? {
            ingress: ingress.flatMap(({ from, ports }, index) =>
              convertRule('from', from, ports, ['spec', 'ingress', index], report),
            ),
          }
        : {}),
      ...(types.includes('Egress')
        ? {
            egress: egress.flatMap(({ to, ports }, index) =>
              convertRule('to', to, ports, ['spec', 'egress', index], report),
            ),
          }
        : {}),
    },
    faults,
  };
}

const policyTypes: readonly PolicyType[] = ['Ingress', 'Egress'];

/** The directions that the policy isolates. One that cannot be read isolates both. */
function convertTypes(spec: KubernetesNetworkPolicySpec, report: Report): PolicyType[] {
  const { policyTypes: stated = [], egress = [] } = spec;
  if (stated.length === 0) return egress.length > 0 ? [...policyTypes] : ['Ingress'];
  const unknown = stated.flatMap((type, index) =>
    policyTypes.some((known) => known === type) ? [] : [index],
  );
  for (const index of unknown)
    report(['spec', 'policyTypes', index], 'not a policy type', policyTypes.join(', '));
  return unknown.length > 0 ? [...policyTypes] : policyTypes.filter((type) => stated.includes(type));
}

/** One Calico rule for each pair of peer and protocol. */
function convertRule(
  side: 'from' | 'to',
  peers: readonly NetworkPolicyPeer[] | undefined,
  ports: readonly NetworkPolicyPort[] | undefined,
  path: Path,
  report: Report,
): Rule[] {
  const entities: (EntityRule | undefined)[] =
    peers === undefined || peers.length === 0
      ? [{}]
      : peers.map((peer, index) => convertPeer(peer, [...path, side, index], report));
  const protocols = convertPorts(ports ?? [], [...path, 'ports'], report);
  return entities
    .filter((entity) => entity !== undefined)
    .flatMap((entity) => protocols.map((match) => ruleFor(side, entity, match)));
}

function ruleFor(side: 'from' | 'to', peer: EntityRule, { protocol, ports }: ProtocolMatch): Rule {
  const portMatch: EntityRule = ports === undefined ? {} : { ports };
  const source = side === 'from' ? peer : {};
  const destination = side === 'from' ? portMatch : { ...peer, ...portMatch };
  return {
    action: 'Allow',
    ...(protocol === undefined ? {} : { protocol }),
    ...(Object.keys(source).length === 0 ? {} : { source }),
    ...(Object.keys(destination).length === 0 ? {} : { destination }),
  };
}

/** No protocol: any. No ports: any of the protocol. */
interface ProtocolMatch {
  readonly protocol?: KubernetesProtocol;
  readonly ports?: readonly Port[];
}

type KubernetesProtocol = 'TCP' | 'UDP' | 'SCTP';
const protocols: readonly KubernetesProtocol[] = ['TCP', 'UDP', 'SCTP'];

const everyPort = Symbol('every port');

/** A list without ports matches everything; a list whose ports are all at fault matches nothing. */
function convertPorts(entries: readonly NetworkPolicyPort[], path: Path, report: Report): ProtocolMatch[] {
  if (entries.length === 0) return [{}];
  const byProtocol = new Map<KubernetesProtocol, Port[] | typeof everyPort>();
  for (const [index, entry] of entries.entries()) {
    const stated = entry.protocol ?? 'TCP';
    const protocol = protocols.find((known) => known === stated);
    if (protocol === undefined) {
      report([...path, index, 'protocol'], 'not a protocol', protocols.join(', '));
      continue;
    }
    const match = convertPort(entry, [...path, index], report);
    if (match === undefined) continue;
    const known = byProtocol.get(protocol) ?? [];
    byProtocol.set(
      protocol,
      known === everyPort || match.port === undefined ? everyPort : [...known, match.port],
    );
  }
  return [...byProtocol].map(([protocol, ports]) =>
    ports === everyPort ? { protocol } : { protocol, ports: simplifyPorts(ports) },
  );
}

/** What one entry matches: without `port`, every port. */
function convertPort(
  { port, endPort }: NetworkPolicyPort,
  path: Path,
  report: Report,
): { readonly port?: Port } | undefined {
  if (port === undefined) {
    return endPort === undefined ? {} : report([...path, 'endPort'], 'endPort needs a port');
  }
  if (typeof port === 'string') {
    if (endPort !== undefined) return report([...path, 'endPort'], 'endPort needs a port number, not a name');
    const meaning = parsePort(port);
    if (meaning !== undefined && 'name' in meaning) return { port };
    return report([...path, 'port'], 'not the name of a port', 'a number without quotes, or a name');
  }
  if (port < 1 || port > 65535) return report([...path, 'port'], 'not a port number', '1 to 65535');
  if (endPort === undefined) return { port };
  if (endPort < port || endPort > 65535) {
    return report([...path, 'endPort'], 'not the end of a range', `${port} to 65535`);
  }
  return { port: endPort === port ? port : `${port}:${endPort}` };
}

/** Merges numbers and ranges that touch; names follow in the order they were written. */
export function simplifyPorts(ports: readonly Port[]): Port[] {
  const names = new Set<string>();
  const ranges: { first: number; last: number }[] = [];
  for (const port of ports) {
    const meaning = parsePort(port);
    if (meaning === undefined) continue;
    if ('name' in meaning) names.add(meaning.name);
    else ranges.push({ ...meaning });
  }
  ranges.sort((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const range of ranges) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.last + 1) {
      previous.last = Math.max(previous.last, range.last);
    } else {
      merged.push(range);
    }
  }
  return [...merged.map(({ first, last }) => (first === last ? first : `${first}:${last}`)), ...names];
}

function convertPeer(peer: NetworkPolicyPeer, path: Path, report: Report): EntityRule | undefined {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (ipBlock !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined) {
      return report([...path, 'ipBlock'], 'ipBlock cannot be combined with podSelector or namespaceSelector');
    }
    return convertIPBlock(ipBlock, [...path, 'ipBlock'], report);
  }
  if (podSelector === undefined && namespaceSelector === undefined) {
    return report(path, 'empty peer', 'podSelector, namespaceSelector or ipBlock');
  }
  const selector = podSelectorText(podSelector ?? {}, [...path, 'podSelector'], report);
  if (selector === undefined) return undefined;
  if (namespaceSelector === undefined) return { selector };
  const namespaces = convertLabelSelector(namespaceSelector, [...path, 'namespaceSelector'], report);
  return namespaces === undefined ? undefined : { selector, namespaceSelector: formatSelector(namespaces) };
}

function convertIPBlock(
  { cidr, except = [] }: NonNullable<NetworkPolicyPeer['ipBlock']>,
  path: Path,
  report: Report,
): EntityRule | undefined {
  const net = cidr.includes('/') ? parseNet(cidr) : undefined;
  if (net === undefined) return report([...path, 'cidr'], 'not a CIDR', 'a CIDR such as 10.0.0.0/8');
  const notNets: Net[] = [];
  for (const [index, text] of except.entries()) {
    const exception = text.includes('/') ? parseNet(text) : undefined;
    if (exception === undefined || !prefixContains(netPrefix(net), netPrefix(exception))) {
      return report([...path, 'except', index], 'not a CIDR inside the block', `a CIDR inside ${net}`);
    }
    notNets.push(exception);
  }
  return { nets: [net], ...(notNets.length === 0 ? {} : { notNets }) };
}
