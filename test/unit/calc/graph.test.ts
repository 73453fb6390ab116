import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { Consumer } from './consumer.ts';
import { type Change, gone, put, thisNode } from './world.ts';

function start(...changes: readonly Change[]) {
  const graph = new CalcGraph({ nodeName: thisNode });
  const consumer = new Consumer();
  const apply = (...more: readonly Change[]): number => {
    const before = consumer.volume;
    for (const { key, resource } of more) graph.update(key, resource);
    consumer.apply(graph.flush());
    return consumer.volume - before;
  };
  apply(...changes);
  return { graph, consumer, apply };
}

const profile = put('Profile', 'kns.n', { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] });

function pod(name: string, address: string, labels: Record<string, string>, spec: object = {}): Change {
  return put(
    'WorkloadEndpoint',
    `n/${name}`,
    {
      node: thisNode,
      orchestrator: 'k8s',
      pod: name,
      interfaceName: `cali-${name}`,
      ipNetworks: [address],
      profiles: ['kns.n'],
      ...spec,
    },
    labels,
  );
}

const web = pod('web', '10.0.0.1', { app: 'web' });
const toWeb = put('NetworkPolicy', 'n/to-web', {
  selector: "app == 'web'",
  ingress: [{ action: 'Allow', source: { selector: "role == 'client'" } }],
});

function policyIds(consumer: Consumer, endpoint: string, direction: 'ingress' | 'egress'): string[] {
  return consumer.endpoints.get(endpoint)!.tiers.flatMap((tier) => tier[direction]);
}

describe('CalcGraph', () => {
  it('describes a local endpoint', () => {
    const { consumer } = start(profile, pod('web', '10.0.0.1', {}, { mac: 'ee:ee:ee:00:00:01' }));
    expect(consumer.endpoints.get('n/web')).toEqual({
      key: 'n/web',
      workload: 'n/web',
      interfaceName: 'cali-web',
      mac: 'ee:ee:ee:00:00:01',
      addresses: ['10.0.0.1'],
      tiers: [],
      profiles: ['profile/Profile//kns.n'],
    });
  });

  it('gives out neither policies nor sets that no local endpoint needs', () => {
    const { consumer, apply } = start(
      profile,
      toWeb,
      pod('web', '10.0.0.1', { app: 'web' }, { node: 'two' }),
    );
    expect(consumer.policies.size).toBe(0);
    expect(consumer.sets.size).toBe(0);
    apply(web);
    expect([...consumer.policies.keys()]).toEqual(['default/NetworkPolicy/n/to-web']);
    expect(consumer.sets.size).toBe(1);
    apply(gone(web));
    expect(consumer.policies.size).toBe(0);
    expect(consumer.profiles.size).toBe(0);
    expect(consumer.sets.size).toBe(0);
  });

  it('gives out no sets of rules in a direction that the policy does not apply in', () => {
    const oneWay = put('NetworkPolicy', 'n/p', {
      types: ['Ingress'],
      egress: [{ action: 'Allow', destination: { selector: 'has(x)' } }],
    });
    expect(start(profile, web, oneWay).consumer.sets.size).toBe(0);
  });

  it('touches a set by one member when a remote pod appears, however many there are', () => {
    const others = Array.from({ length: 300 }, (_, index) =>
      pod(`c${index}`, `10.1.${index >> 8}.${index & 255}`, { role: 'client' }, { node: 'two' }),
    );
    const { apply } = start(profile, web, toWeb, ...others);
    const newcomer = pod('new', '10.2.0.1', { role: 'client' }, { node: 'two' });
    expect(apply(newcomer)).toBe(2);
    expect(apply(newcomer)).toBe(0);
    expect(apply(pod('new', '10.2.0.1', { role: 'client', unrelated: 'label' }, { node: 'two' }))).toBe(0);
    expect(apply(gone(newcomer))).toBe(2);
  });

  it('keeps the sets of a policy that is rewritten', () => {
    const { apply, consumer } = start(profile, web, toWeb);
    const rewritten = put('NetworkPolicy', 'n/to-web', {
      selector: "app == 'web'",
      ingress: [{ action: 'Deny', source: { selector: "role == 'client'" } }],
    });
    expect(apply(rewritten)).toBe(1);
    expect(consumer.policies.get('default/NetworkPolicy/n/to-web')!.ingress[0]!.action).toBe('deny');
  });

  it('orders policies by order, those without last, and ties by name', () => {
    const policy = (name: string, order?: number) =>
      put('GlobalNetworkPolicy', name, order === undefined ? {} : { order });
    const { consumer } = start(profile, web, policy('b'), policy('a'), policy('z', 1), policy('c', 2.5));
    expect(policyIds(consumer, 'n/web', 'ingress').map((id) => id.split('//')[1])).toEqual([
      'z',
      'c',
      'a',
      'b',
    ]);
  });

  it('orders tiers, with the built-in default among them', () => {
    const tier = (name: string, order: number) => put('Tier', name, { order, defaultAction: 'Pass' });
    const policy = (name: string) => put('GlobalNetworkPolicy', `${name}.p`, { tier: name });
    const { consumer } = start(
      profile,
      web,
      tier('late', 2_000_000),
      tier('early', 1),
      ...['late', 'default', 'early', 'kube-baseline', 'kube-admin'].map(policy),
    );
    expect(
      consumer.endpoints.get('n/web')!.tiers.map(({ name, defaultAction }) => [name, defaultAction]),
    ).toEqual([
      ['early', 'pass'],
      ['kube-admin', 'pass'],
      ['default', 'deny'],
      ['late', 'pass'],
      ['kube-baseline', 'pass'],
    ]);
  });

  it('closes what a policy of an unknown tier selects, before every other tier, until the tier comes', () => {
    const early = put('Tier', 'early', { order: 1 });
    const lost = put('GlobalNetworkPolicy', 'p', { tier: 'lost', ingress: [{ action: 'Allow' }] });
    const known = put('GlobalNetworkPolicy', 'q', { tier: 'early', ingress: [{ action: 'Allow' }] });
    const { consumer, apply } = start(profile, web, early, lost, known);
    expect(consumer.endpoints.get('n/web')!.tiers.map(({ name }) => name)).toEqual(['lost', 'early']);
    expect(consumer.policies.get('lost/GlobalNetworkPolicy//p')!.failClosed).toBe('tier lost does not exist');
    expect(consumer.problems.get('GlobalNetworkPolicy/p')).toBe('tier lost does not exist');
    apply(put('Tier', 'lost', { order: 5 }));
    expect(consumer.endpoints.get('n/web')!.tiers.map(({ name }) => name)).toEqual(['early', 'lost']);
    expect(consumer.policies.get('lost/GlobalNetworkPolicy//p')!.failClosed).toBeUndefined();
    expect(consumer.problems.size).toBe(0);
  });

  it('closes an endpoint by a profile that nobody defines, until it is defined', () => {
    const { consumer, apply } = start(web);
    const id = 'profile/Profile//kns.n';
    expect(consumer.profiles.get(id)!.failClosed).toBe('profile kns.n does not exist');
    apply(put('Namespace', 'n', {}));
    expect(consumer.profiles.get(id)!.failClosed).toBeUndefined();
    expect(consumer.profiles.get(id)!.ingress).toHaveLength(1);
  });

  it('knows the profile that allows everything without being told', () => {
    const { consumer } = start(pod('web', '10.0.0.1', {}, { profiles: ['projectcalico-default-allow'] }));
    const allow = consumer.profiles.get('profile/Profile//projectcalico-default-allow')!;
    expect(allow.failClosed).toBeUndefined();
    expect(allow.egress.map(({ action }) => action)).toEqual(['allow']);
  });

  it('leaves policies for host endpoints away from workloads', () => {
    const untracked = put('GlobalNetworkPolicy', 'p', {
      doNotTrack: true,
      applyOnForward: true,
      ingress: [{ action: 'Deny' }],
    });
    expect(start(profile, web, untracked).consumer.policies.size).toBe(0);
  });

  it('selects by the labels of namespace and service account, which follow their profiles', () => {
    const account = (level: string) =>
      put('Profile', 'ksa.n.robot', { labelsToApply: { 'pcsa.level': level } });
    const worker = pod('worker', '10.0.0.2', {}, { profiles: ['kns.n', 'ksa.n.robot'] });
    const policy = put('GlobalNetworkPolicy', 'p', {
      namespaceSelector: "team == 'red'",
      serviceAccountSelector: "level == 'high'",
    });
    const team = (value: string) => put('Namespace', 'n', {}, { team: value });
    const { consumer, apply } = start(worker, policy, team('red'), account('low'));
    expect(policyIds(consumer, 'n/worker', 'ingress')).toEqual([]);
    apply(account('high'));
    expect(policyIds(consumer, 'n/worker', 'ingress')).toEqual(['default/GlobalNetworkPolicy//p']);
    apply(team('blue'));
    expect(policyIds(consumer, 'n/worker', 'ingress')).toEqual([]);
  });

  it("lets an endpoint's own labels win over inherited ones", () => {
    const inherited = put('Profile', 'kns.n', { labelsToApply: { app: 'inherited', tier: 'inherited' } });
    const select = (selector: string) => put('GlobalNetworkPolicy', 'p', { selector });
    const { consumer, apply } = start(inherited, web, select("app == 'inherited'"));
    expect(policyIds(consumer, 'n/web', 'ingress')).toEqual([]);
    apply(select("app == 'web' && tier == 'inherited'"));
    expect(policyIds(consumer, 'n/web', 'ingress')).toHaveLength(1);
  });

  it('converts a Kubernetes policy, and reports the rule that it had to leave out', () => {
    const kubernetes = put('KubernetesNetworkPolicy', 'n/k', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }] }, { from: [{ podSelector: {} }] }],
    });
    const { consumer } = start(profile, web, kubernetes);
    const policy = consumer.policies.get('default/KubernetesNetworkPolicy/n/k')!;
    expect(policy.ingress).toHaveLength(1);
    expect(consumer.problems.get('KubernetesNetworkPolicy/n/k')).toMatch(/ipBlock/);
  });

  it('reports rules that it cannot enforce for as long as they are in use', () => {
    const http = put('NetworkPolicy', 'n/p', {
      ingress: [{ action: 'Allow', http: { methods: ['GET'] } }],
    });
    const { consumer, apply } = start(profile, web, http);
    expect(consumer.problems.get('NetworkPolicy/n/p')).toMatch(/ingress rule 0 never matches: http/);
    apply(gone(web));
    expect(consumer.problems.size).toBe(0);
  });

  it('reports a local endpoint without an interface and leaves it out', () => {
    const bare = put('WorkloadEndpoint', 'n/bare', { node: thisNode, profiles: ['kns.n'] });
    const { consumer, apply } = start(profile, bare);
    expect(consumer.endpoints.size).toBe(0);
    expect(consumer.problems.get('WorkloadEndpoint/n/bare')).toBe('interfaceName is missing');
    apply(gone(bare));
    expect(consumer.problems.size).toBe(0);
  });

  it('closes the namespace of a policy whose selector cannot be read', () => {
    const broken = put('NetworkPolicy', 'n/p', { selector: 'has(x)' });
    const resource = { ...broken.resource!, spec: { ...broken.resource!.spec, selector: 'a =' } } as never;
    const { consumer } = start(profile, web, { key: broken.key, resource });
    expect(policyIds(consumer, 'n/web', 'ingress')).toEqual(['default/NetworkPolicy/n/p']);
    expect(consumer.policies.get('default/NetworkPolicy/n/p')!.failClosed).toMatch(/selector cannot be read/);
    expect(consumer.problems.get('NetworkPolicy/n/p')).toMatch(/selector cannot be read/);
  });

  it('sets a global policy aside whose selector cannot be read, and nothing else', () => {
    const broken = put('GlobalNetworkPolicy', 'p', { selector: 'has(x)' });
    const resource = { ...broken.resource!, spec: { ...broken.resource!.spec, selector: 'a =' } } as never;
    const { consumer, apply } = start(profile, web, toWeb, { key: broken.key, resource });
    expect(policyIds(consumer, 'n/web', 'ingress')).toEqual(['default/NetworkPolicy/n/to-web']);
    expect(consumer.problems.get('GlobalNetworkPolicy/p')).toMatch(/column 3/);
    apply(broken);
    expect(consumer.problems.size).toBe(0);
  });

  it('ignores kinds that nothing depends on', () => {
    const info = put('ClusterInformation', 'default', { datastoreReady: true });
    expect(start().apply(info)).toBe(0);
  });
});
