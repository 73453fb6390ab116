/** Calculation output for tests of rendering, and every rule shape that rendering knows. */
import type {
  ActivePolicy,
  CalcDelta,
  CompiledPeer,
  CompiledRule,
  LocalEndpoint,
  NetworkPlan,
  SetDelta,
} from '../../../src/calc/output.ts';
import { address } from '../../../src/net/address.ts';
import { type Prefix, prefix } from '../../../src/net/prefix.ts';

export function peer(fields: Partial<CompiledPeer> = {}): CompiledPeer {
  return {
    nets: [],
    notNets: [],
    sets: [],
    notSets: [],
    ports: [],
    namedPortSets: [],
    notPorts: [],
    notNamedPortSets: [],
    ...fields,
  };
}

export function rule(fields: Partial<CompiledRule> = {}): CompiledRule {
  return {
    id: 'default/NetworkPolicy/prod/web/ingress/0',
    action: 'allow',
    source: peer(),
    destination: peer(),
    ...fields,
  };
}

export function policy(name: string, fields: Partial<ActivePolicy> = {}): ActivePolicy {
  const id = `default/NetworkPolicy/prod/${name}`;
  return {
    id,
    tier: 'default',
    kind: 'NetworkPolicy',
    namespace: 'prod',
    name,
    ingress: [],
    egress: [],
    ...fields,
  };
}

export function profile(name: string, fields: Partial<ActivePolicy> = {}): ActivePolicy {
  return {
    id: `profile/Profile//${name}`,
    tier: 'profile',
    kind: 'Profile',
    namespace: '',
    name,
    ingress: [rule({ id: `profile/Profile//${name}/ingress/0` })],
    egress: [rule({ id: `profile/Profile//${name}/egress/0` })],
    ...fields,
  };
}

export function endpoint(name: string, fields: Partial<LocalEndpoint> = {}): LocalEndpoint {
  return {
    key: `prod/node1-k8s-${name}-eth0`,
    workload: `prod/${name}`,
    interfaceName: `cali${name}`,
    mac: undefined,
    addresses: [address('10.65.0.2'), address('fd65::2')],
    tiers: [],
    profiles: [],
    ...fields,
  };
}

export function delta(fields: {
  readonly sets?: Readonly<Record<string, SetDelta | undefined>>;
  readonly networks?: NetworkPlan;
  readonly policies?: readonly ActivePolicy[];
  readonly profiles?: readonly ActivePolicy[];
  readonly endpoints?: readonly LocalEndpoint[];
  readonly gone?: { readonly policies?: readonly string[]; readonly endpoints?: readonly string[] };
}): CalcDelta {
  const gone = (keys: readonly string[] = []): [string, undefined][] => keys.map((key) => [key, undefined]);
  return {
    sets: new Map(Object.entries(fields.sets ?? {})),
    policies: new Map<string, ActivePolicy | undefined>([
      ...(fields.policies ?? []).map((one): [string, ActivePolicy] => [one.id, one]),
      ...gone(fields.gone?.policies),
    ]),
    profiles: new Map((fields.profiles ?? []).map((one) => [one.id, one])),
    endpoints: new Map<string, LocalEndpoint | undefined>([
      ...(fields.endpoints ?? []).map((one): [string, LocalEndpoint] => [one.key, one]),
      ...gone(fields.gone?.endpoints),
    ]),
    hostEndpoints: new Map(),
    ...(fields.networks === undefined ? {} : { networks: fields.networks }),
    problems: new Map(),
  };
}

const NETWORKS: NetworkPlan = {
  outgoing: { masqueraded: 'IP pools with natOutgoing', pools: 'IP pools', nodes: 'nodes' },
  pools: 'IP pools',
  services: 'ranges of services',
};

/** The sets of {@link NETWORKS}. */
const NETWORK_SETS: Readonly<Record<string, SetDelta>> = Object.fromEntries(
  [...Object.values(NETWORKS.outgoing!), NETWORKS.services!].map((id: string) => [
    id,
    { kind: 'addresses', description: id, added: ['10.65.0.0/16', 'fd65::/64'], removed: [] },
  ]),
);

export const WEB_SET: SetDelta = {
  kind: 'addresses',
  description: 'app == "web"',
  added: ['10.65.0.2/32', '10.65.1.0/26', '255.255.255.255/32', 'fd65::2/128', 'fd65:1::/64'],
  removed: [],
};

export const HTTP_SET: SetDelta = {
  kind: 'named-port',
  description: 'http of app == "web"',
  added: ['10.65.0.2,6,8080', '10.65.0.3,17,53', 'fd65::2,6,8080'],
  removed: [],
};

const nets = (...texts: string[]): Prefix[] => texts.map(prefix);

/** Every shape of rule, by what is special about it. */
export const RULE_SHAPES: Readonly<Record<string, CompiledRule>> = {
  'no match at all': rule(),
  deny: rule({ action: 'deny' }),
  pass: rule({ action: 'pass' }),
  log: rule({ action: 'log' }),
  'IPv4 only': rule({ ipVersion: 4 }),
  'IPv6 only': rule({ ipVersion: 6, protocol: 6 }),
  'a protocol': rule({ protocol: 47 }),
  tcp: rule({ protocol: 6 }),
  'not a protocol': rule({ notProtocol: 17 }),
  'a port': rule({ protocol: 6, destination: peer({ ports: [{ first: 80, last: 80 }] }) }),
  'a port range': rule({ protocol: 17, destination: peer({ ports: [{ first: 5000, last: 5010 }] }) }),
  'sctp ports of both sides': rule({
    protocol: 132,
    source: peer({ ports: [{ first: 1, last: 1023 }] }),
    destination: peer({ ports: [{ first: 9, last: 9 }] }),
  }),
  'udplite port': rule({ protocol: 136, source: peer({ ports: [{ first: 9, last: 9 }] }) }),
  'several ports': rule({
    protocol: 6,
    destination: peer({
      ports: [
        { first: 80, last: 80 },
        { first: 8000, last: 8080 },
        { first: 443, last: 443 },
      ],
    }),
  }),
  'all ports': rule({ protocol: 6, destination: peer({ ports: [{ first: 0, last: 65_535 }] }) }),
  'ports up to the last': rule({
    protocol: 6,
    destination: peer({
      ports: [
        { first: 22, last: 22 },
        { first: 60_000, last: 65_535 },
      ],
    }),
  }),
  'a port without a protocol': rule({ destination: peer({ ports: [{ first: 53, last: 53 }] }) }),
  'not a port': rule({ protocol: 6, destination: peer({ notPorts: [{ first: 22, last: 22 }] }) }),
  'not a port range': rule({ protocol: 6, source: peer({ notPorts: [{ first: 0, last: 1023 }] }) }),
  'not several ports': rule({
    protocol: 17,
    destination: peer({
      notPorts: [
        { first: 53, last: 53 },
        { first: 123, last: 123 },
      ],
    }),
  }),
  'not a port of any protocol': rule({ destination: peer({ notPorts: [{ first: 22, last: 22 }] }) }),
  'an IPv4 net': rule({ source: peer({ nets: nets('10.0.0.0/12') }) }),
  'a byte-aligned IPv4 net': rule({ destination: peer({ nets: nets('10.0.0.0/8') }) }),
  'an IPv4 address': rule({ source: peer({ nets: nets('10.1.2.3/32') }) }),
  'an IPv6 net': rule({ source: peer({ nets: nets('fd00::/13') }) }),
  'a byte-aligned IPv6 net': rule({ source: peer({ nets: nets('fd00::/64') }) }),
  'an IPv6 address': rule({ destination: peer({ nets: nets('fd00::1/128') }) }),
  'everything in IPv4': rule({ source: peer({ nets: nets('0.0.0.0/0') }) }),
  'several nets of both families': rule({
    source: peer({ nets: nets('10.0.0.0/8', '192.168.0.0/16', 'fd00::/8', 'fe80::/10') }),
  }),
  'nets that touch and overlap': rule({
    source: peer({ nets: nets('10.0.0.0/24', '10.0.1.0/25', '10.0.0.128/25', '10.0.2.0/24') }),
  }),
  'the last addresses': rule({
    source: peer({ nets: nets('255.255.255.0/24', '1.0.0.0/8', 'ffff::/16', '::/64') }),
  }),
  'not an IPv4 net': rule({ source: peer({ notNets: nets('10.0.0.0/12') }) }),
  'not a byte-aligned IPv4 net': rule({ source: peer({ notNets: nets('10.0.0.0/8') }) }),
  'not an IPv6 net': rule({ protocol: 6, destination: peer({ notNets: nets('fd00::/8') }) }),
  'not several nets': rule({ destination: peer({ notNets: nets('10.0.0.0/8', '172.16.0.0/12') }) }),
  'a net but not a part of it': rule({
    source: peer({ nets: nets('10.0.0.0/8'), notNets: nets('10.1.0.0/16') }),
  }),
  'a selector': rule({ source: peer({ sets: ['s:web'] }) }),
  'a selector and a port': rule({
    protocol: 6,
    source: peer({ sets: ['s:web'] }),
    destination: peer({ ports: [{ first: 80, last: 80 }] }),
  }),
  'not a selector': rule({ destination: peer({ notSets: ['s:web'] }) }),
  'a named port': rule({ protocol: 6, destination: peer({ namedPortSets: ['n:http'] }) }),
  'a named port without a protocol': rule({ destination: peer({ namedPortSets: ['n:http'] }) }),
  'a named source port or numbers': rule({
    protocol: 17,
    source: peer({ ports: [{ first: 53, last: 53 }], namedPortSets: ['n:http'] }),
  }),
  'a named port or a number, logged': rule({
    action: 'log',
    protocol: 6,
    destination: peer({ ports: [{ first: 80, last: 80 }], namedPortSets: ['n:http'] }),
  }),
  'not a named port': rule({ destination: peer({ notNamedPortSets: ['n:http'] }) }),
  'an ICMP type': rule({ protocol: 1, icmp: { type: 8 } }),
  'an ICMP type and code': rule({ protocol: 1, icmp: { type: 3, code: 1 } }),
  'an ICMPv6 type and code 0': rule({ protocol: 58, icmp: { type: 128, code: 0 } }),
  'an ICMP type of both families': rule({ icmp: { type: 8 } }),
  'not an ICMP type': rule({ protocol: 1, notIcmp: { type: 8 } }),
  'not an ICMP type and code': rule({ protocol: 58, notIcmp: { type: 1, code: 4 } }),
  'icmp and a net': rule({ protocol: 1, icmp: { type: 8 }, source: peer({ nets: nets('10.0.0.0/8') }) }),
  'everything at once': rule({
    protocol: 6,
    source: peer({
      nets: nets('10.0.0.0/8', '192.168.0.0/16'),
      notNets: nets('10.1.0.0/16'),
      sets: ['s:web'],
      notSets: ['s:other'],
      notPorts: [{ first: 0, last: 1023 }],
    }),
    destination: peer({
      sets: ['s:other'],
      ports: [
        { first: 80, last: 80 },
        { first: 443, last: 443 },
      ],
      namedPortSets: ['n:http'],
      notNamedPortSets: ['n:http'],
    }),
  }),
};

/** A policy with every shape in both directions. */
export function shapesPolicy(): ActivePolicy {
  const shapes = Object.values(RULE_SHAPES);
  const id = 'default/NetworkPolicy/prod/shapes';
  return policy('shapes', {
    ingress: shapes.map((shape, index) => ({ ...shape, id: `${id}/ingress/${index}` })),
    egress: shapes.map((shape, index) => ({ ...shape, id: `${id}/egress/${index}` })),
  });
}

/** Two endpoints, three tiers, all shapes. */
export function wholeDelta(): CalcDelta {
  const shapes = shapesPolicy();
  const admin = policy('admin', {
    id: 'kube-admin/GlobalNetworkPolicy//admin',
    tier: 'kube-admin',
    ingress: [rule({ id: 'kube-admin/GlobalNetworkPolicy//admin/ingress/0', action: 'pass' })],
  });
  const broken = policy('broken', { failClosed: 'services are not supported' });
  const tiers = [
    { name: 'kube-admin', defaultAction: 'pass', ingress: [admin.id], egress: [] },
    { name: 'default', defaultAction: 'deny', ingress: [shapes.id, broken.id], egress: [shapes.id] },
  ] as const;
  const kns = profile('kns.prod');
  return delta({
    sets: {
      's:web': WEB_SET,
      's:other': { ...WEB_SET, added: [], description: 'other' },
      'n:http': HTTP_SET,
      ...NETWORK_SETS,
    },
    networks: NETWORKS,
    policies: [shapes, admin, broken],
    profiles: [kns],
    endpoints: [
      endpoint('a', { tiers, profiles: [kns.id] }),
      endpoint('b', {
        tiers,
        profiles: [kns.id, 'profile/Profile//missing'],
        addresses: [address('10.65.0.3')],
        qos: {
          packetRate: { ingress: { rate: 1000, burst: 5 }, egress: { rate: 10, burst: 20 } },
          maxConnections: { ingress: 7, egress: 4_294_967_295 },
          dscp: 46,
        },
        allowSpoofedSourcePrefixes: [prefix('10.99.0.0/16'), prefix('fd99::1/128'), prefix('fd99::/64')],
      }),
    ],
  });
}
