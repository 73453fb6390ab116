/**
 * The calculation done the slow way for tests: all resources at once, every selector against every item, straight
 * from what the resources say. It shares the model with the real one and nothing else.
 */
import type { EntityRule } from '../../../src/model/entity-rule.ts';
import { netPrefix, parsePort, protocolNumber } from '../../../src/model/fields.ts';
import type { GlobalNetworkPolicy } from '../../../src/model/kinds/global-network-policy.ts';
import type { GlobalNetworkSet } from '../../../src/model/kinds/global-network-set.ts';
import type { KubernetesEndpointSlice } from '../../../src/model/kinds/kubernetes-endpoint-slice.ts';
import type { NetworkPolicy } from '../../../src/model/kinds/network-policy.ts';
import type { NetworkSet } from '../../../src/model/kinds/network-set.ts';
import type { WorkloadEndpoint } from '../../../src/model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../../../src/model/registry.ts';
import type { Rule } from '../../../src/model/rule.ts';
import { parseSelector } from '../../../src/model/selector/parser.ts';
import type { Selector } from '../../../src/model/selector/selector.ts';
import { prefixContains, type Prefix } from '../../../src/net/prefix.ts';
import { thisNode } from './world.ts';

type Labels = Readonly<Record<string, string>>;

/** Something with labels: who it is to selectors, and what addresses it has. */
interface Item {
  readonly resource: WorkloadEndpoint | NetworkSet | GlobalNetworkSet;
  readonly namespace: string | undefined;
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
  readonly account: string | undefined;
  readonly accountLabels: Labels;
}

/** One side of a rule with members in place of sets; an absent set is no constraint. */
interface ExpectedPeer {
  readonly nets: readonly string[];
  readonly notNets: readonly string[];
  readonly selected: readonly string[] | undefined;
  readonly notSelected: readonly string[] | undefined;
  readonly ports: readonly unknown[];
  readonly notPorts: readonly unknown[];
  readonly named: readonly (readonly string[])[];
  readonly notNamed: readonly (readonly string[])[];
}

export interface ExpectedEndpoint {
  readonly tiers: readonly {
    readonly name: string;
    readonly defaultAction: string;
    readonly ingress: readonly ExpectedPolicy[];
    readonly egress: readonly ExpectedPolicy[];
  }[];
  readonly profiles: readonly ExpectedPolicy[];
}

export type ExpectedPolicy =
  | { readonly id: string; readonly closed: true }
  | {
      readonly id: string;
      readonly closed: false;
      readonly rules: readonly { action: string; source: ExpectedPeer; destination: ExpectedPeer }[];
    };

/** What each endpoint of this node should be subject to. */
export function calculateNaively(resources: Iterable<KnownResource>): Map<string, ExpectedEndpoint> {
  const all = [...resources];
  const ofKind = <Kind extends KnownResource['kind']>(kind: Kind) =>
    all.filter((one): one is Extract<KnownResource, { kind: Kind }> => one.kind === kind);
  const profileLabels = (name: string, prefix: string): Labels => {
    const profile = ofKind('Profile').find((one) => one.metadata.name === name);
    return Object.fromEntries(
      Object.entries(profile?.spec.labelsToApply ?? {})
        .filter(([label]) => label.startsWith(prefix))
        .map(([label, value]) => [label.slice(prefix.length), value]),
    );
  };
  const items = [...ofKind('WorkloadEndpoint'), ...ofKind('NetworkSet'), ...ofKind('GlobalNetworkSet')].map(
    (resource): Item => {
      const { namespace, labels = {} } = resource.metadata;
      const profiles =
        resource.kind === 'WorkloadEndpoint' ? (resource.spec.profiles ?? []) : [`kns.${namespace}`];
      const inherited = (prefix: string) =>
        Object.assign({}, ...profiles.toReversed().map((name) => profileLabels(name, prefix))) as Labels;
      return {
        resource,
        namespace,
        labels,
        namespaceLabels: inherited('pcns.'),
        account: resource.kind === 'WorkloadEndpoint' ? resource.spec.serviceAccountName : undefined,
        accountLabels: inherited('pcsa.'),
      };
    },
  );
  const slices = ofKind('KubernetesEndpointSlice');
  const policies = [...ofKind('NetworkPolicy'), ...ofKind('GlobalNetworkPolicy')];
  const tiers = new Map(ofKind('Tier').map((tier) => [tier.metadata.name, tier.spec]));
  const locals = items.filter(
    (item) => item.resource.kind === 'WorkloadEndpoint' && item.resource.spec.node === thisNode,
  );
  return new Map(
    locals.map((item) => {
      const { metadata, spec } = item.resource as WorkloadEndpoint;
      const applying = policies.filter((policy) => applies(policy, item));
      const names = [...new Set(applying.map((policy) => policy.spec.tier))];
      const place = (name: string): number =>
        name === 'default' ? 1_000_000 : (tiers.get(name)?.order ?? Number.NEGATIVE_INFINITY);
      const compiled = (policy: NetworkPolicy | GlobalNetworkPolicy, direction: 'ingress' | 'egress') => {
        const id = `${policy.spec.tier}/${policy.kind}/${metadata0(policy)}`;
        return policy.spec.tier !== 'default' && !tiers.has(policy.spec.tier)
          ? ({ id, closed: true } as const)
          : ({
              id,
              closed: false,
              rules: (policy.spec[direction] ?? []).map((rule) =>
                expectedRule(rule, policy.metadata.namespace, items, slices),
              ),
            } as const);
      };
      return [
        `${metadata.namespace}/${metadata.name}`,
        {
          tiers: names
            .toSorted((a, b) => (place(a) === place(b) ? (a < b ? -1 : 1) : place(a) - place(b)))
            .map((name) => {
              const inTier = applying.filter((policy) => policy.spec.tier === name).toSorted(byOrder);
              const towards = (direction: 'ingress' | 'egress') =>
                inTier
                  .filter((policy) =>
                    policy.spec.types.includes(direction === 'ingress' ? 'Ingress' : 'Egress'),
                  )
                  .map((policy) => compiled(policy, direction));
              return {
                name,
                defaultAction: tiers.get(name)?.defaultAction === 'Pass' ? 'pass' : 'deny',
                ingress: towards('ingress'),
                egress: towards('egress'),
              };
            }),
          profiles: (spec.profiles ?? []).map((name) => {
            const profile = ofKind('Profile').find((one) => one.metadata.name === name);
            const id = `profile/Profile//${name}`;
            if (profile === undefined) return { id, closed: true } as const;
            const rules = [...(profile.spec.ingress ?? []), ...(profile.spec.egress ?? [])];
            return {
              id,
              closed: false,
              rules: rules.map((rule) => expectedRule(rule, undefined, items, slices)),
            } as const;
          }),
        },
      ];
    }),
  );
}

function metadata0(policy: NetworkPolicy | GlobalNetworkPolicy): string {
  return `${policy.metadata.namespace ?? ''}/${policy.metadata.name}`;
}

function byOrder(a: NetworkPolicy | GlobalNetworkPolicy, b: NetworkPolicy | GlobalNetworkPolicy): number {
  const order = (policy: typeof a) => policy.spec.order ?? Number.MAX_VALUE;
  const tie = (policy: typeof a) =>
    `${policy.metadata.name}/${policy.metadata.namespace ?? ''}/${policy.kind}`;
  return order(a) - order(b) || (tie(a) < tie(b) ? -1 : 1);
}

function applies(policy: NetworkPolicy | GlobalNetworkPolicy, item: Item): boolean {
  const { spec } = policy;
  if (policy.kind === 'NetworkPolicy' && item.namespace !== policy.metadata.namespace) return false;
  const namespaces = 'namespaceSelector' in spec ? spec.namespaceSelector : undefined;
  return (
    (spec.selector === undefined || selects(spec.selector, ownLabels(item))) &&
    (namespaces === undefined || inNamespaces(namespaces, item)) &&
    (spec.serviceAccountSelector === undefined || selects(spec.serviceAccountSelector, item.accountLabels))
  );
}

/** The labels that a selector of endpoints sees, as far as tests use them. */
function ownLabels(item: Item): Labels {
  return {
    ...item.labels,
    ...(item.namespace === undefined ? {} : { 'projectcalico.org/namespace': item.namespace }),
  };
}

/** `all()` means any namespace at all, `global()` none. */
function inNamespaces(selector: string, item: Item): boolean {
  if (selector === 'all()') return item.namespace !== undefined;
  if (selector === 'global()') return item.namespace === undefined;
  return selects(selector, item.namespaceLabels);
}

function expectedRule(
  rule: Rule,
  namespace: string | undefined,
  items: readonly Item[],
  slices: readonly KubernetesEndpointSlice[],
) {
  const protocol = rule.protocol === undefined ? undefined : protocolNumber(rule.protocol);
  return {
    action: rule.action.toLowerCase(),
    source: expectedPeer(rule.source ?? {}, protocol, namespace, items),
    destination: withService(
      expectedPeer(rule.destination ?? {}, protocol, namespace, items),
      rule.destination?.services,
      namespace,
      slices,
    ),
  };
}

function withService(
  peer: ExpectedPeer,
  service: EntityRule['services'],
  home: string | undefined,
  slices: readonly KubernetesEndpointSlice[],
): ExpectedPeer {
  if (service === undefined) return peer;
  const members = slices
    .filter(({ metadata: { namespace, labels } }) => {
      return (
        namespace === (service.namespace ?? home) && labels?.['kubernetes.io/service-name'] === service.name
      );
    })
    .flatMap(({ spec }) =>
      spec.endpoints.flatMap(({ addresses: own }) =>
        own.flatMap((address) => (spec.ports ?? []).map(({ port }) => `${address},6,${port}`)),
      ),
    );
  return { ...peer, named: [[...new Set(members)].toSorted()] };
}

function expectedPeer(
  entity: EntityRule,
  protocol: number | undefined,
  policyNamespace: string | undefined,
  items: readonly Item[],
): ExpectedPeer {
  const { selector, notSelector, namespaceSelector, serviceAccounts, ports = [], notPorts = [] } = entity;
  const limited = selector !== undefined || notSelector !== undefined || serviceAccounts !== undefined;
  const home = namespaceSelector === undefined && limited ? policyNamespace : undefined;
  const constrains =
    selector !== undefined ||
    namespaceSelector !== undefined ||
    serviceAccounts?.selector !== undefined ||
    (serviceAccounts?.names?.length ?? 0) > 0 ||
    home !== undefined;
  const chosen = items.filter(
    (item) =>
      (selector === undefined || selects(selector, ownLabels(item))) &&
      (namespaceSelector === undefined || inNamespaces(namespaceSelector, item)) &&
      (home === undefined || item.namespace === home) &&
      (serviceAccounts?.selector === undefined || selects(serviceAccounts.selector, item.accountLabels)) &&
      (serviceAccounts?.names === undefined ||
        serviceAccounts.names.length === 0 ||
        (item.account !== undefined && serviceAccounts.names.includes(item.account))),
  );
  const numbers = (list: typeof ports) => list.map(parsePort).filter((port) => port && 'first' in port);
  const named = (list: typeof ports) =>
    list
      .map(parsePort)
      .filter((port) => port !== undefined && 'name' in port)
      .map(({ name }) => membersOfPort(chosen, name, protocol));
  return {
    nets: (entity.nets ?? []).map(netPrefix),
    notNets: (entity.notNets ?? []).map(netPrefix),
    selected: constrains ? addresses(chosen) : undefined,
    notSelected:
      notSelector === undefined
        ? undefined
        : addresses(items.filter((item) => selects(notSelector, ownLabels(item)))),
    ports: numbers(ports),
    notPorts: numbers(notPorts),
    named: named(ports),
    notNamed: named(notPorts),
  };
}

/** Addresses and nets of items, without those that others hold. */
function addresses(items: readonly Item[]): string[] {
  const all = [...new Set(items.flatMap(({ resource }) => netsOf(resource)))];
  return all.filter((one) => !all.some((other) => other !== one && prefixContains(other, one))).toSorted();
}

function netsOf(resource: Item['resource']): Prefix[] {
  const nets = resource.kind === 'WorkloadEndpoint' ? resource.spec.ipNetworks : resource.spec.nets;
  return (nets ?? []).map(netPrefix);
}

function membersOfPort(items: readonly Item[], wanted: string, protocol: number | undefined): string[] {
  const members = new Set<string>();
  for (const { resource } of items) {
    if (resource.kind !== 'WorkloadEndpoint') continue;
    for (const { name, protocol: own, port } of resource.spec.ports ?? []) {
      if (name !== wanted || (protocol !== undefined && protocolNumber(own) !== protocol)) continue;
      for (const net of netsOf(resource)) members.add(`${net.split('/')[0]},${protocolNumber(own)},${port}`);
    }
  }
  return [...members].toSorted();
}

function selects(text: string, labels: Labels): boolean {
  return evaluate(parseSelector(text), labels);
}

function evaluate(selector: Selector, labels: Labels): boolean {
  switch (selector.type) {
    case 'all':
    case 'global':
      return true;
    case 'not':
      return !evaluate(selector.operand, labels);
    case 'and':
      return selector.operands.every((operand) => evaluate(operand, labels));
    case 'or':
      return selector.operands.some((operand) => evaluate(operand, labels));
    case 'has':
    case '==':
    case '!=':
    case 'contains':
    case 'starts with':
    case 'ends with':
    case 'in':
    case 'not in': {
      const value = labels[selector.label];
      if (selector.type === 'has') return value !== undefined;
      if (selector.type === '==') return value === selector.value;
      if (selector.type === '!=') return value !== selector.value;
      if (selector.type === 'in') return value !== undefined && selector.values.includes(value);
      if (selector.type === 'not in') return value === undefined || !selector.values.includes(value);
      if (value === undefined) return false;
      if (selector.type === 'contains') return value.includes(selector.value);
      return selector.type === 'starts with'
        ? value.startsWith(selector.value)
        : value.endsWith(selector.value);
    }
  }
}
