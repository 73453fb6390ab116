/**
 * Random small clusters for differential tests: resources of every kind that policy looks at, drawn from pools so
 * small that labels, ports and addresses meet often.
 */
import { ValidationError } from '../../src/model/problem.ts';
import { decodeResource } from '../../src/model/decode.ts';
import { type KnownKind, type KnownResource, kindDefinition } from '../../src/model/registry.ts';
import { clusterSpec, kubernetesSpec } from './kubernetes-policies.ts';
import { makeHosts, stageOf } from './policy-hosts.ts';
import { type Place, localPods, remotePods, strangers, thisNode } from './policy-places.ts';
import { type Fields, namespaces, portNames, portPool } from './policy-pools.ts';
import type { Random } from './random.ts';

const otherNode = 'two';

/** A resource as it is written down. */
export interface Document {
  readonly apiVersion: string;
  readonly kind: KnownKind;
  readonly metadata: Fields & { readonly name: string; readonly namespace?: string };
  readonly spec: Fields;
}

const accounts = ['robot', 'human'] as const;
const services = ['shop', 'db'] as const;
const serviceLabel = 'kubernetes.io/service-name';

/** Protocols of rules; `icmp` stands for the ICMP of a family, with type and code. */
const protocolPool = [
  undefined,
  undefined,
  undefined,
  'TCP',
  'TCP',
  'TCP',
  'UDP',
  'SCTP',
  'icmp',
  'icmp',
  'icmp',
  'ICMP',
  'UDPLite',
  47,
  6,
] as const;

/** The resources of a random cluster, with host endpoints of the node where they are wanted. */
export function makeDocuments(random: Random, hosts = false): Document[] {
  return new WorldMaker(random, hosts).make();
}

/** Reads documents as the datastore would. Throws a ValidationError. */
export function decodeDocuments(documents: readonly Document[]): KnownResource[] {
  return documents.map((one) => decodeResource(one.kind, one));
}

class WorldMaker {
  private readonly made: Document[] = [];

  constructor(
    private readonly random: Random,
    private readonly hasHosts: boolean,
  ) {}

  make(): Document[] {
    const { random } = this;
    for (const name of namespaces) {
      // One that is missing leaves its pods without labels of their namespace, and closed.
      if (random.chance(0.06)) continue;
      this.put('Namespace', { name, labels: this.labels(['team', 'env']) }, () => ({}));
    }
    if (random.chance(0.15)) this.profile(`kns.${random.one(namespaces)}`, 'pcns.');
    for (const namespace of namespaces) {
      for (const account of accounts) {
        if (random.chance(0.8)) this.profile(`ksa.${namespace}.${account}`, 'pcsa.');
      }
    }
    if (random.chance(0.5)) this.profile('extra', '');
    for (const [name, chance] of [
      ['security', 0.8],
      ['platform', 0.6],
    ] as const) {
      const spec = { order: random.one([10, 500, 2_000_000]), defaultAction: random.one(['Deny', 'Pass']) };
      if (random.chance(chance)) this.put('Tier', { name }, () => spec);
    }
    for (const [index, pod] of localPods.entries()) {
      if (random.chance(0.95)) this.pod(`local${index}`, pod, thisNode, pod.interfaceName);
    }
    for (const [index, pod] of remotePods.entries()) {
      if (random.chance(0.9)) this.pod(`remote${index}`, pod, otherNode, 'cali0');
    }
    for (const [name, place] of [
      ['two', strangers[1]],
      ['three', strangers[2]],
    ] as const) {
      this.put('Node', { name, labels: this.labels(['rack']) }, () => ({
        bgp: { ipv4Address: `${place![4]}/24` },
        addresses: [{ address: place![6], type: 'InternalIP' }],
      }));
    }
    if (this.hasHosts) {
      for (const { kind, metadata, spec } of makeHosts(random, (keys) => this.labels(keys))) {
        this.put(kind, metadata, () => spec);
      }
    }
    for (let index = random.integer(0, 3); index > 0; index--) this.networkSet(index);
    for (let index = random.integer(1, 7); index > 0; index--) this.slice(index);
    for (let index = random.integer(2, 9); index > 0; index--) this.policy(index);
    return this.made;
  }

  /** Adds a resource, drawn again until it is valid: pools do not know which fields exclude each other. */
  private put(kind: KnownKind, metadata: Document['metadata'], spec: () => Fields): void {
    const { apiVersion } = kindDefinition(kind)!;
    for (let attempt = 0; attempt < 50; attempt++) {
      const document = { apiVersion, kind, metadata, spec: spec() };
      try {
        decodeResource(kind, document);
        this.made.push(document);
        return;
      } catch (error) {
        if (!(error instanceof ValidationError)) throw error;
      }
    }
    throw new Error(`no valid ${kind} in 50 attempts`);
  }

  private labels(keys: readonly string[]): Record<string, string> {
    const { random } = this;
    return Object.fromEntries(
      keys.filter(() => random.chance(0.7)).map((key) => [key, random.one(['x', 'y', 'xy'])]),
    );
  }

  private profile(name: string, prefix: string): void {
    const { random } = this;
    const labels = Object.entries(this.labels(prefix === 'pcns.' ? ['team', 'env'] : ['level', 'a']));
    const isNamespace = prefix === 'pcns.';
    this.put('Profile', { name }, () => ({
      ...(isNamespace || random.chance(0.3) ? { ingress: this.rules('ingress', false, true) } : {}),
      ...(isNamespace || random.chance(0.3) ? { egress: this.rules('egress', false, true) } : {}),
      labelsToApply: Object.fromEntries(labels.map(([label, value]) => [prefix + label, value])),
    }));
  }

  private pod(name: string, place: Place, node: string, interfaceName: string): void {
    const { random } = this;
    const namespace = random.one(namespaces);
    const account = random.chance(0.7) ? random.one(accounts) : undefined;
    const families = random.chance(0.85) ? ([4, 6] as const) : [random.one([4, 6])];
    this.put('WorkloadEndpoint', { name, namespace, labels: this.labels(['a', 'b', 'role']) }, () => ({
      orchestrator: random.chance(0.9) ? 'k8s' : 'cni',
      node,
      pod: name,
      interfaceName,
      ipNetworks: families.map((family) => `${place[family]}/${family === 4 ? 32 : 128}`),
      profiles: [
        ...(random.chance(0.95) ? [`kns.${namespace}`] : []),
        ...(account === undefined ? [] : [`ksa.${namespace}.${account}`]),
        ...(random.chance(0.1) ? ['extra'] : []),
      ],
      ...(account === undefined ? {} : { serviceAccountName: account }),
      ports: random.some(portNames, 0, 3).map((portName) => ({
        name: portName,
        protocol: random.one(['TCP', 'TCP', 'UDP', 'SCTP']),
        port: random.one([53, 80, 81, 443, 8080]),
      })),
    }));
  }

  private networkSet(index: number): void {
    const { random } = this;
    const namespace = random.chance(0.5) ? random.one(namespaces) : undefined;
    const metadata = {
      name: `set${index}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: this.labels(['a', 'b', 'role']),
    };
    const kind = namespace === undefined ? 'GlobalNetworkSet' : 'NetworkSet';
    this.put(kind, metadata, () => ({
      nets: random.some([...this.nets(4), ...this.nets(6)], 1, 4),
    }));
  }

  /** Some endpoints of a service, pods or not; a service may have several slices and a name without any. */
  private slice(index: number): void {
    const { random } = this;
    const family = random.one([4, 6] as const);
    const labels = random.chance(0.95) ? { [serviceLabel]: random.one(services) } : {};
    this.put(
      'KubernetesEndpointSlice',
      { name: `slice${index}`, namespace: random.one(['n1', 'n1', 'n2', 'n3']), labels },
      () => ({
        addressType: `IPv${family}`,
        endpoints: random
          .some([...localPods, ...remotePods, ...strangers], 3, 10)
          .map((place) => ({ addresses: [place[family]], conditions: { ready: random.chance(0.8) } })),
        ports: Array.from({ length: random.integer(2, 9) }, () => ({
          name: random.one(portNames),
          ...(random.chance(0.7) ? { protocol: random.one(['TCP', 'TCP', 'UDP', 'SCTP']) } : {}),
          ...(random.chance(0.95) ? { port: random.one(portPool) } : {}),
        })),
      }),
    );
  }

  private nets(family: 4 | 6): string[] {
    return family === 4
      ? ['10.65.0.0/29', '10.65.0.4/31', '10.65.0.0/16', '10.65.0.3', '10.66.0.0/24', '192.0.2.0/24'].concat([
          '192.0.2.0/29',
          '198.51.100.0/24',
          '0.0.0.0/1',
          '10.65.0.6/32',
          '10.64.0.0/10',
        ])
      : [
          'fd65::/125',
          'fd65::4/127',
          'fd65::/64',
          'fd65::3',
          'fd66::/64',
          '2001:db8::/64',
          '2001:db8::/125',
        ].concat(['2001:db8:1::/48', '8000::/1', 'fd65::6/128', 'fd64::/14']);
  }

  private policy(index: number): void {
    const { random } = this;
    const namespace = random.one(namespaces);
    const order = random.one([undefined, 1, 1, 2.5, 1000, 2000]);
    const types = random.one<readonly string[] | undefined>([
      undefined,
      ['Ingress'],
      ['Egress'],
      ['Ingress', 'Egress'],
    ]);
    const tier = random.one(['default', 'default', 'default', 'security', 'platform', 'kube-baseline']);
    const common = (namespaced: boolean): Fields => {
      const directions =
        types ?? random.one<readonly string[]>([['Ingress'], ['Egress'], ['Ingress', 'Egress'], []]);
      return {
        tier,
        ...(order === undefined ? {} : { order }),
        ...(random.chance(0.7) ? { selector: this.selector() } : {}),
        ...(random.chance(0.1) ? { serviceAccountSelector: this.selector(['level']) } : {}),
        ...(types === undefined ? {} : { types }),
        ...(directions.includes('Ingress') ? { ingress: this.rules('ingress', namespaced) } : {}),
        ...(directions.includes('Egress') ? { egress: this.rules('egress', namespaced) } : {}),
      };
    };
    const kind = random.one([
      'GlobalNetworkPolicy',
      // Only global policies are for hosts.
      this.hasHosts ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
      'KubernetesNetworkPolicy',
    ] as const);
    const share = random.fraction();
    // Staged policies stand among the others and decide nothing.
    if (share < 0.15) {
      const staged = random.one(['StagedGlobalNetworkPolicy', 'StagedNetworkPolicy'] as const);
      const isNamespaced = staged === 'StagedNetworkPolicy';
      this.put(staged, { name: `s${index}`, ...(isNamespaced ? { namespace } : {}) }, () => ({
        stagedAction: 'Set',
        ...common(isNamespaced),
      }));
    } else if (share < 0.28) {
      this.put('KubernetesClusterNetworkPolicy', { name: `c${index}` }, () => clusterSpec(random));
    } else if (kind === 'GlobalNetworkPolicy') {
      this.put(kind, { name: `g${index}` }, () => ({
        ...common(false),
        ...(random.chance(this.hasHosts ? 0.05 : 0.2)
          ? { namespaceSelector: this.selector(['team', 'env']) }
          : {}),
        ...(this.hasHosts ? stageOf(random) : {}),
      }));
    } else if (kind === 'NetworkPolicy') {
      this.put(kind, { name: `p${index}`, namespace }, () => common(true));
    } else {
      this.put(kind, { name: `k${index}`, namespace }, () => kubernetesSpec(random));
    }
  }

  private selector(keys: readonly string[] = ['a', 'b', 'role'], depth = 0): string {
    const { random } = this;
    const kind = random.integer(0, depth > 1 ? 9 : 12);
    const key = random.one(keys);
    const value = random.one(['x', 'y', 'xy']);
    if (kind === 0) return 'all()';
    if (kind === 1) return `has(${key})`;
    if (kind === 2) return `!has(${key})`;
    if (kind <= 4) return `${key} == '${value}'`;
    if (kind === 5) return `${key} != '${value}'`;
    if (kind === 6) return `${key} in {'x', '${value}'}`;
    if (kind === 7) return `${key} not in {'${value}', 'z'}`;
    if (kind === 8)
      return `${key} ${random.one(['starts with', 'ends with', 'contains'])} '${random.one(['x', 'y'])}'`;
    if (kind === 9 && keys.includes('role')) {
      const label = random.one(['namespace', 'orchestrator', 'serviceaccount']);
      return `projectcalico.org/${label} ${random.one(['==', '!='])} '${random.one(['n1', 'k8s', 'robot'])}'`;
    }
    const left = this.selector(keys, depth + 1);
    const right = this.selector(keys, depth + 1);
    return random.one([`${left} && ${right}`, `(${left}) || ${right}`, `!(${left} && ${right})`]);
  }

  private rules(direction: 'ingress' | 'egress', namespaced: boolean, isProfile = false): Fields[] {
    const { random } = this;
    return Array.from({ length: random.integer(isProfile ? 1 : 0, 4) }, () => {
      for (;;) {
        const rule = this.rule(direction, namespaced, isProfile);
        if (this.isValid(rule, direction, namespaced)) return rule;
      }
    });
  }

  private isValid(rule: Fields, direction: 'ingress' | 'egress', namespaced: boolean): boolean {
    const kind = namespaced ? 'NetworkPolicy' : 'GlobalNetworkPolicy';
    const metadata = { name: 'x', ...(namespaced ? { namespace: 'n1' } : {}) };
    try {
      decodeResource(kind, {
        apiVersion: kindDefinition(kind)!.apiVersion,
        metadata,
        spec: { [direction]: [rule] },
      });
      return true;
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      return false;
    }
  }

  private rule(direction: 'ingress' | 'egress', namespaced: boolean, isProfile: boolean): Fields {
    const { random } = this;
    const protocol = random.one(protocolPool);
    const protocolFields = protocol === undefined ? {} : { protocol };
    const icmpVersion = random.one([4, 6] as const);
    const isIcmp = protocol === 'icmp';
    const family = isIcmp ? icmpVersion : random.one([4, 6] as const);
    const hasPorts = protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP' || protocol === 6;
    const action = random.one(
      isProfile
        ? ['Allow', 'Allow', 'Allow', 'Deny', 'Log', 'Pass']
        : ['Allow', 'Allow', 'Allow', 'Deny', 'Deny', 'Log', 'Pass'],
    );
    if (random.chance(0.1)) {
      return {
        action,
        ...(hasPorts ? protocolFields : {}),
        ...this.service(direction, namespaced, hasPorts),
      };
    }
    const side = (): Fields =>
      this.side(family, protocol === undefined ? 'named' : hasPorts ? 'all' : 'none');
    return {
      action,
      ...(isIcmp ? { protocol: icmpVersion === 4 ? 'ICMP' : 'ICMPv6' } : protocolFields),
      ...(random.chance(0.1) ? { ipVersion: family } : {}),
      ...(random.chance(0.12) ? { notProtocol: random.one(['TCP', 'UDP', 'ICMP', 17, 'SCTP']) } : {}),
      ...(isIcmp && random.chance(0.7) ? { icmp: this.icmp(icmpVersion) } : {}),
      ...(isIcmp && random.chance(0.4) ? { notICMP: this.icmp(icmpVersion) } : {}),
      ...(random.chance(0.45) ? { source: side() } : {}),
      ...(random.chance(0.55) ? { destination: side() } : {}),
      ...(random.chance(0.03) ? this.service(direction, namespaced, hasPorts) : {}),
    };
  }

  /** The side of a rule that may name a service, in place of whatever it says else. */
  private service(direction: 'ingress' | 'egress', namespaced: boolean, hasPorts: boolean): Fields {
    const { random } = this;
    const isOwn = namespaced && random.chance(0.5);
    const name = {
      name: random.one(services),
      ...(isOwn ? {} : { namespace: random.one(['n1', 'n1', 'n2', 'n3']) }),
    };
    if (direction === 'egress') return { destination: { services: name } };
    const ports = hasPorts && random.chance(0.3) ? { ports: [random.one(portPool), '1000:2000'] } : {};
    return { source: { services: name, ...ports } };
  }

  private icmp(family: 4 | 6): Fields {
    const { random } = this;
    const type = random.one(family === 4 ? [0, 3, 8] : [1, 128, 129]);
    return random.chance(0.6) ? { type, code: random.integer(0, 1) } : { type };
  }

  private side(family: 4 | 6, ports: 'all' | 'named' | 'none'): Fields {
    const { random } = this;
    const maybe = (chance: number, fields: () => Fields): Fields => (random.chance(chance) ? fields() : {});
    const port = (): unknown =>
      ports === 'named' || random.chance(0.3)
        ? random.one(portNames)
        : random.one([...portPool, '1000:1010', '50:100', '80:81', '0:65535', '1005:65535', '0:80']);
    const portList = (): unknown[] => Array.from({ length: random.integer(1, 3) }, port);
    const chance = ports === 'all' ? 0.6 : ports === 'named' ? 0.12 : 0;
    return {
      ...maybe(0.18, () => ({ nets: random.some(this.nets(family), 1, 3) })),
      ...maybe(0.15, () => ({ notNets: random.some(this.nets(family), 1, 2) })),
      ...maybe(0.3, () => ({ selector: this.selector() })),
      ...maybe(0.13, () => ({ notSelector: this.selector() })),
      ...maybe(0.15, () => ({
        namespaceSelector: random.chance(0.25)
          ? random.one(['all()', 'global()'])
          : this.selector(['team', 'env']),
      })),
      ...maybe(0.1, () => ({
        serviceAccounts: {
          ...maybe(0.6, () => ({ names: random.some(accounts, 1, 2) })),
          ...maybe(0.5, () => ({ selector: this.selector(['level']) })),
        },
      })),
      ...maybe(chance, () => ({ ports: portList() })),
      ...maybe(chance / 3, () => ({ notPorts: portList() })),
    };
  }
}
