/** The resources of a cluster, and what selectors select among them, looked up anew for every question. */
import { BlockList } from 'node:net';
import { type Protocol, protocolNumber } from '../../src/model/fields.ts';
import type { LabelSelector } from '../../src/model/kinds/label-selector.ts';
import type { KnownResource } from '../../src/model/registry.ts';
import { parseSelector } from '../../src/model/selector/parser.ts';
import type { Selector } from '../../src/model/selector/selector.ts';

export type Of<Kind> = Extract<KnownResource, { kind: Kind }>;
export type Workload = Of<'WorkloadEndpoint'>;
export type Host = Of<'HostEndpoint'>;
/** What selectors select. */
export type Item = Workload | Host | Of<'NetworkSet'> | Of<'GlobalNetworkSet'>;

export class World {
  readonly items: readonly Item[];

  constructor(private readonly resources: readonly KnownResource[]) {
    this.items = [
      ...this.of('WorkloadEndpoint'),
      ...this.of('HostEndpoint'),
      ...this.of('NetworkSet'),
      ...this.of('GlobalNetworkSet'),
    ];
  }

  of<Kind extends KnownResource['kind']>(kind: Kind): Of<Kind>[] {
    return this.resources.filter((one): one is Of<Kind> => one.kind === kind);
  }

  namespaceOf(profile: string): Of<'Namespace'> | undefined {
    return this.of('Namespace').find(({ metadata }) => `kns.${metadata.name}` === profile);
  }

  /** Whether the labels of the thing, those under a prefix, are what the selector wants. */
  selects(selector: string | undefined, item: Item, prefix = '', all = true): boolean {
    const get = (label: string) => this.label(item, prefix + label);
    return selector === undefined || evaluate(parseSelector(selector), get, all);
  }

  /** What the thing is labelled itself, then what its profiles give it, the first that says something. */
  label(item: Item, label: string): string | undefined {
    const { namespace, labels = {} } = item.metadata;
    if (label === 'projectcalico.org/namespace' && namespace !== undefined) return namespace;
    if (item.kind === 'WorkloadEndpoint' && label === 'projectcalico.org/orchestrator') {
      return item.spec.orchestrator ?? labels[label];
    }
    if (label === 'projectcalico.org/serviceaccount') return accountOf(item) ?? labels[label];
    if (labels[label] !== undefined) return labels[label];
    for (const profile of profilesOf(item)) {
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

/** What the thing inherits labels from: network sets have their namespace alone. */
function profilesOf(item: Item): readonly string[] {
  if (item.kind === 'WorkloadEndpoint' || item.kind === 'HostEndpoint') return item.spec.profiles ?? [];
  return item.kind === 'NetworkSet' ? [`kns.${item.metadata.namespace}`] : [];
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

export function labelsFit(selector: LabelSelector, get: (label: string) => string | undefined): boolean {
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

export function accountOf(item: Item): string | undefined {
  const name = item.kind === 'WorkloadEndpoint' ? item.spec.serviceAccountName : undefined;
  return name !== undefined && name.length < 63 ? name : undefined;
}

export function hasNamedPort(item: Item, name: string, port: number, protocol: number): boolean {
  const ports =
    item.kind === 'WorkloadEndpoint' || item.kind === 'HostEndpoint' ? (item.spec.ports ?? []) : [];
  return ports.some((one) => one.name === name && one.port === port && numberOf(one.protocol) === protocol);
}

export function holds(item: Item, address: string): boolean {
  return netsOf(item).some((net) => contains(net, address));
}

function netsOf(item: Item): readonly string[] {
  if (item.kind === 'HostEndpoint') return item.spec.expectedIPs ?? [];
  return (item.kind === 'WorkloadEndpoint' ? item.spec.ipNetworks : item.spec.nets) ?? [];
}

export const numberOf = (protocol: string | number): number => protocolNumber(protocol as Protocol);
export const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);

export function contains(net: string, address: string): boolean {
  const family = familyOf(net);
  if (family !== familyOf(address)) return false;
  const [base, length = family === 4 ? '32' : '128'] = net.split('/');
  const list = new BlockList();
  list.addSubnet(base!, Number(length), `ipv${family}`);
  return list.check(address, `ipv${family}`);
}
