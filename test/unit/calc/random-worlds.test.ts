/** Random small clusters that change at random, against the slow calculation of `naive.ts`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import type { ActivePolicy, CompiledPeer, CompiledRule, LocalEndpoint } from '../../../src/calc/output.ts';
import { Consumer } from './consumer.ts';
import { calculateNaively, type ExpectedEndpoint, type ExpectedPolicy } from './naive.ts';
import { calculateAfresh, type Change, gone, outcome, put, thisNode } from './world.ts';

const one = fc.constantFrom;
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
/** A record without the fields that came out undefined. */
const sparse = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .record(fields)
    .map((value) => Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)));

const atom = one(
  'all()',
  'has(a)',
  "a == 'x'",
  "a != 'x'",
  "a in {'x', 'y'}",
  "a not in {'x'}",
  "b == 'x'",
  "b starts with 'y'",
  '!has(b)',
  "projectcalico.org/namespace == 'n1'",
);
const selector = fc.oneof(
  { weight: 3, arbitrary: atom },
  fc.tuple(atom, one('&&', '||'), atom).map(([left, sign, right]) => `${left} ${sign} ${right}`),
  fc.tuple(atom, atom, atom).map(([first, second, third]) => `!(${first} && (${second} || ${third}))`),
);
const namespaceSelector = one("team == 'red'", 'has(team)', "team != 'red'", 'all()');
const accountSelector = one("level == 'high'", 'has(level)', 'all()');
const labels = sparse({ a: maybe(one('x', 'y', 'z')), b: maybe(one('x', 'y1')) }) as fc.Arbitrary<
  Record<string, string>
>;
const namespaceName = one('n1', 'n2');
const ports = fc.uniqueArray(one<unknown>(80, '1000:2000', 'http', 'dns'), { maxLength: 2 });

const entity = sparse({
  selector: maybe(selector),
  notSelector: maybe(selector),
  namespaceSelector: maybe(fc.oneof(namespaceSelector, one('global()'))),
  serviceAccounts: maybe(sparse({ names: maybe(fc.constant(['robot'])), selector: maybe(accountSelector) })),
  nets: maybe(one(['10.0.0.0/30'], ['10.0.0.1', '10.0.0.9'])),
  notNets: maybe(fc.constant(['10.0.0.8/29'])),
});
const rule = fc
  .record({
    action: one('Allow', 'Deny', 'Log', 'Pass'),
    protocol: maybe(one('TCP', 'UDP')),
    source: maybe(entity),
    destination: maybe(entity),
    ports,
    notPorts: ports,
  })
  .map(({ action, protocol, source, destination, ports: wanted, notPorts: unwanted }) => ({
    action,
    ...(protocol === undefined ? {} : { protocol }),
    ...(source === undefined ? {} : { source }),
    ...(protocol === undefined
      ? destination && { destination }
      : { destination: { ...destination, ports: wanted, notPorts: unwanted } }),
  }));
/** Of one of two services, by name alone or with the namespace. */
const toService = fc
  .tuple(one('Allow', 'Deny'), one('web', 'db'), one('n1', 'n2'))
  .map(([action, name, namespace]) => ({ action, destination: { services: { name, namespace } } }));
const policySpec = {
  tier: one('default', 'security', 'platform'),
  order: maybe(one(1, 2, 2.5)),
  selector: maybe(selector),
  serviceAccountSelector: maybe(accountSelector),
  types: maybe(one(['Ingress'], ['Egress'], ['Ingress', 'Egress'])),
  ingress: fc.array(rule, { maxLength: 2 }),
  egress: fc.array(fc.oneof({ weight: 4, arbitrary: rule }, toService), { maxLength: 2 }),
};
const address = fc.integer({ min: 0, max: 9 }).map((octet) => `10.0.0.${octet}/32`);
const net = one('10.0.0.0/29', '10.0.0.4/30', '10.0.0.5', '10.0.0.0/8', 'fd00::/64', 'fd00::1');

const endpoint = fc
  .record({
    index: fc.integer({ min: 0, max: 4 }),
    namespace: namespaceName,
    labels,
    node: one(thisNode, thisNode, 'two'),
    nets: fc.uniqueArray(fc.oneof(address, one('fd00::1/128')), { maxLength: 2 }),
    account: maybe(one('robot', 'human')),
    extra: fc.boolean(),
    ports: fc.array(fc.record({ name: one('http', 'dns'), protocol: one('TCP', 'UDP'), port: one(80, 53) }), {
      maxLength: 2,
    }),
  })
  .map((value) =>
    put(
      'WorkloadEndpoint',
      `${value.namespace}/w${value.index}`,
      {
        node: value.node,
        interfaceName: `cali${value.index}`,
        ipNetworks: value.nets,
        profiles: [`kns.${value.namespace}`, ...(value.extra ? ['ksa.robot'] : [])],
        ports: value.ports,
        ...(value.account === undefined ? {} : { serviceAccountName: value.account }),
      },
      value.labels,
    ),
  );

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: endpoint },
  fc
    .tuple(namespaceName, one('s0', 's1'), fc.uniqueArray(net, { maxLength: 3 }), labels)
    .map(([namespace, name, nets, own]) => put('NetworkSet', `${namespace}/${name}`, { nets }, own)),
  fc
    .tuple(one('g0', 'g1'), fc.uniqueArray(net, { maxLength: 3 }), labels)
    .map(([name, nets, own]) => put('GlobalNetworkSet', name, { nets }, own)),
  {
    weight: 4,
    arbitrary: fc
      .tuple(namespaceName, one('p0', 'p1'), sparse(policySpec))
      .map(([namespace, name, spec]) => put('NetworkPolicy', `${namespace}/${name}`, spec)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(one('p0', 'q0'), sparse({ ...policySpec, namespaceSelector: maybe(namespaceSelector) }))
      .map(([name, spec]) => put('GlobalNetworkPolicy', name, spec)),
  },
  fc
    .tuple(namespaceName, one('s0', 's1', 's2'), maybe(one('web', 'db')), fc.uniqueArray(one(80, 443)))
    .chain(([namespace, name, service, numbers]) =>
      fc.uniqueArray(one('10.0.0.1', '10.0.0.2', '10.0.0.9'), { maxLength: 3 }).map((addresses) =>
        put(
          'KubernetesEndpointSlice',
          `${namespace}/${name}`,
          {
            addressType: 'IPv4',
            endpoints: addresses.map((own) => ({ addresses: [own] })),
            ports: numbers.map((port) => ({ protocol: 'TCP', port })),
          },
          service === undefined ? {} : { 'kubernetes.io/service-name': service },
        ),
      ),
    ),
  fc
    .tuple(one('security', 'platform'), one(1, 2, 2_000_000), one('Deny', 'Pass'))
    .map(([name, order, defaultAction]) => put('Tier', name, { order, defaultAction })),
  fc
    .tuple(namespaceName, maybe(one('red', 'blue')), fc.array(rule, { maxLength: 1 }))
    .map(([namespace, team, ingress]) =>
      put('Profile', `kns.${namespace}`, {
        ingress,
        labelsToApply: {
          'pcns.projectcalico.org/name': namespace,
          ...(team === undefined ? {} : { 'pcns.team': team }),
        },
      }),
    ),
  maybe(one('high', 'low')).map((level) =>
    put('Profile', 'ksa.robot', { labelsToApply: level === undefined ? {} : { 'pcsa.level': level } }),
  ),
);

/** A change, or the deletion of what one put before, and whether to flush then. */
const step = fc.record({
  change,
  undo: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, fc.nat()),
  flush: fc.boolean(),
});

function expandPeer(peer: CompiledPeer, consumer: Consumer) {
  const members = (id: string) => [...consumer.sets.get(id)!.members].toSorted();
  const [selected] = peer.sets.map(members);
  const [notSelected] = peer.notSets.map(members);
  return {
    nets: peer.nets,
    notNets: peer.notNets,
    selected,
    notSelected,
    ports: peer.ports,
    notPorts: peer.notPorts,
    named: peer.namedPortSets.map(members),
    notNamed: peer.notNamedPortSets.map(members),
  };
}

function expandRules(rules: readonly CompiledRule[], consumer: Consumer) {
  return rules.map(({ action, source, destination }) => ({
    action,
    source: expandPeer(source, consumer),
    destination: expandPeer(destination, consumer),
  }));
}

function expandPolicy(
  policy: ActivePolicy,
  rules: readonly CompiledRule[],
  consumer: Consumer,
): ExpectedPolicy {
  const { id, failClosed } = policy;
  if (failClosed !== undefined) return { id, closed: true };
  return { id, closed: false, rules: expandRules(rules, consumer) as never };
}

function expandEndpoint(endpoint: LocalEndpoint, consumer: Consumer): ExpectedEndpoint {
  const policies = (ids: readonly string[], direction: 'ingress' | 'egress') =>
    ids.map((id) => {
      const policy = consumer.policies.get(id)!;
      return expandPolicy(policy, policy[direction], consumer);
    });
  return {
    tiers: endpoint.tiers.map(({ name, defaultAction, ingress, egress }) => ({
      name,
      defaultAction,
      ingress: policies(ingress, 'ingress'),
      egress: policies(egress, 'egress'),
    })),
    profiles: endpoint.profiles.map((id) => {
      const profile = consumer.profiles.get(id)!;
      return expandPolicy(profile, [...profile.ingress, ...profile.egress], consumer);
    }),
  };
}

/** A set whose members the named ports hold already is left out of a rule; so is its expectation. */
function withoutCoveredSets(expected: ExpectedEndpoint): ExpectedEndpoint {
  const trim = (policy: ExpectedPolicy): ExpectedPolicy =>
    policy.closed
      ? policy
      : {
          ...policy,
          rules: policy.rules.map(({ action, source, destination }) => ({
            action,
            source: trimPeer(source),
            destination: trimPeer(destination),
          })),
        };
  const trimPeer = <Peer extends { named: readonly unknown[]; ports: readonly unknown[] }>(
    peer: Peer,
  ): Peer => (peer.named.length > 0 && peer.ports.length === 0 ? { ...peer, selected: undefined } : peer);
  return {
    tiers: expected.tiers.map((tier) => ({
      ...tier,
      ingress: tier.ingress.map(trim),
      egress: tier.egress.map(trim),
    })),
    profiles: expected.profiles.map(trim),
  };
}

describe('a random cluster', () => {
  it('comes to what the slow calculation says, whatever happened on the way', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), (steps) => {
        const graph = new CalcGraph({ nodeName: thisNode });
        const consumer = new Consumer();
        const history: Change[] = [];
        for (const { change: next, undo, flush } of steps) {
          const made =
            undo === undefined || history.length === 0 ? next : gone(history[undo % history.length]!);
          history.push(made);
          graph.update(made.key, made.resource);
          if (flush) consumer.apply(graph.flush());
        }
        consumer.apply(graph.flush());
        const resources = [...outcome(history).values()];
        expect(consumer.snapshot()).toEqual(calculateAfresh(resources));
        const expected = calculateNaively(resources);
        expect([...consumer.endpoints.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
        for (const [key, endpointState] of consumer.endpoints) {
          expect(expandEndpoint(endpointState, consumer), key).toEqual(
            withoutCoveredSets(expected.get(key)!),
          );
        }
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
