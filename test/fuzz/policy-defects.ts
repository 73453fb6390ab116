/** The defects that a differential test of policy must see (defect.ts). */
import type {
  ActivePolicy,
  CalcDelta,
  CompiledPeer,
  CompiledRule,
  LocalEndpoint,
  SetDelta,
} from '../../src/calc/output.ts';
import { type Change, type Defect, inside, mapValues, without } from './defect.ts';
import { hostDefects } from './host-defects.ts';
import { portPool } from './policy-pools.ts';
import type { Document } from './policy-world.ts';

const policies =
  (change: Change<ActivePolicy>): Change<CalcDelta> =>
  (delta) => ({
    ...delta,
    policies: mapValues(delta.policies, change),
    profiles: mapValues(delta.profiles, change),
  });

const rules = (change: Change<CompiledRule>): Change<CalcDelta> =>
  policies((policy) => ({
    ...policy,
    ingress: policy.ingress.map(change),
    egress: policy.egress.map(change),
  }));

const peers = (change: Change<CompiledPeer>): Change<CalcDelta> =>
  rules((rule) => ({ ...rule, source: change(rule.source), destination: change(rule.destination) }));

const endpoints =
  (change: Change<LocalEndpoint>): Change<CalcDelta> =>
  (delta) => ({ ...delta, endpoints: mapValues(delta.endpoints, change) });

const sets =
  (change: Change<SetDelta>): Change<CalcDelta> =>
  (delta) => ({ ...delta, sets: mapValues(delta.sets, change) });

const calicoPolicies = ['GlobalNetworkPolicy', 'NetworkPolicy', 'Profile'];
const kubernetesPolicies = ['KubernetesNetworkPolicy'];
const clusterPolicies = ['KubernetesClusterNetworkPolicy'];

const podDefects: readonly Omit<Defect, 'hosts'>[] = [
  { name: 'notNets is ignored', delta: peers((peer) => ({ ...peer, notNets: [] })) },
  {
    name: 'only the first of nets counts',
    delta: peers((peer) => ({ ...peer, nets: peer.nets.slice(0, 1) })),
  },
  { name: 'notSelector is ignored', delta: peers((peer) => ({ ...peer, notSets: [] })) },
  { name: 'notPorts is ignored', delta: peers((peer) => ({ ...peer, notPorts: [], notNamedPortSets: [] })) },
  {
    name: 'the last port of a range is left out',
    delta: peers((peer) => ({
      ...peer,
      ports: peer.ports.map(({ first, last }) => ({ first, last: Math.max(first, last - 1) })),
    })),
  },
  {
    name: 'source and destination ports are swapped',
    delta: rules((rule) => ({
      ...rule,
      source: { ...rule.source, ports: rule.destination.ports },
      destination: { ...rule.destination, ports: rule.source.ports },
    })),
  },
  { name: 'notProtocol is ignored', delta: rules((rule) => without(rule, 'notProtocol')) },
  { name: 'ipVersion is ignored', delta: rules((rule) => without(rule, 'ipVersion')) },
  {
    name: 'the ICMP code is ignored',
    delta: rules((rule) => (rule.icmp === undefined ? rule : { ...rule, icmp: { type: rule.icmp.type } })),
  },
  {
    // reference §3.7 b: type and code negated one by one.
    name: 'a negated ICMP type and code excludes the whole type',
    delta: rules((rule) =>
      rule.notIcmp === undefined ? rule : { ...rule, notIcmp: { type: rule.notIcmp.type } },
    ),
  },
  {
    name: 'named ports match under any protocol',
    delta: sets((set) => {
      if (set.kind !== 'named-port') return set;
      const any = set.added.flatMap((member) => {
        const [host, , port] = member.split(',');
        return [6, 17, 132].map((protocol) => `${host},${protocol},${port}`);
      });
      return { ...set, added: [...new Set(any)] };
    }),
  },
  {
    name: 'IPv6 members of sets are lost',
    delta: sets((set) => ({ ...set, added: set.added.filter((member) => !member.includes(':')) })),
  },
  {
    name: 'Pass ends evaluation as Allow does',
    delta: rules((rule) => (rule.action === 'pass' ? { ...rule, action: 'allow' } : rule)),
  },
  {
    name: 'Log ends evaluation',
    delta: rules((rule) => (rule.action === 'log' ? { ...rule, action: 'allow' } : rule)),
  },
  {
    name: 'tiers are in reverse order',
    delta: endpoints((endpoint) => ({ ...endpoint, tiers: endpoint.tiers.toReversed() })),
  },
  {
    name: 'policies of a tier are in reverse order',
    delta: endpoints((endpoint) => ({
      ...endpoint,
      tiers: endpoint.tiers.map((tier) => ({
        ...tier,
        ingress: tier.ingress.toReversed(),
        egress: tier.egress.toReversed(),
      })),
    })),
  },
  {
    name: 'the end of a tier always denies',
    delta: endpoints((endpoint) => ({
      ...endpoint,
      tiers: endpoint.tiers.map((tier) => ({ ...tier, defaultAction: 'deny' })),
    })),
  },
  {
    name: 'what fails closed is empty instead',
    delta: policies((policy) => without(policy, 'failClosed')),
  },
  {
    name: 'profiles after the first are ignored',
    delta: endpoints((endpoint) => ({ ...endpoint, profiles: endpoint.profiles.slice(0, 1) })),
  },
  {
    name: 'namespaceSelector is ignored',
    documents: inside(calicoPolicies, (value) => delete value['namespaceSelector']),
  },
  {
    name: 'serviceAccounts is ignored',
    documents: inside(calicoPolicies, (value) => delete value['serviceAccounts']),
  },
  {
    name: 'the except of an ipBlock is ignored',
    documents: inside(kubernetesPolicies, (value) => delete value['except']),
  },
  { name: 'endPort is ignored', documents: inside(kubernetesPolicies, (value) => delete value['endPort']) },
  {
    name: 'both selectors of a peer are two peers',
    documents: inside(kubernetesPolicies, (value) => {
      for (const side of ['from', 'to']) {
        const list = value[side];
        if (!Array.isArray(list)) continue;
        value[side] = list.flatMap((peer: Record<string, unknown>) =>
          'podSelector' in peer && 'namespaceSelector' in peer
            ? [{ podSelector: peer['podSelector'] }, { namespaceSelector: peer['namespaceSelector'] }]
            : [peer],
        );
      }
    }),
  },
  {
    name: 'a service means its endpoints at any port',
    delta: sets((set) => {
      if (!set.description.startsWith('endpoints and ports of service')) return set;
      const any = set.added.flatMap((member) => {
        const [host, protocol] = member.split(',');
        return portPool.map((port) => `${host},${protocol},${port}`);
      });
      return { ...set, added: [...new Set(any)] };
    }),
  },
  {
    name: 'services of one name are one, whatever their namespace',
    documents: (documents) =>
      documents.map((one) =>
        one.kind === 'KubernetesEndpointSlice'
          ? { ...one, metadata: { ...one.metadata, namespace: 'n1' } }
          : one,
      ),
  },
  {
    name: 'only ready endpoints belong to a service',
    documents: inside(['KubernetesEndpointSlice'], (value) => {
      const { endpoints: all } = value as { endpoints?: { conditions: { ready: boolean } }[] };
      if (all !== undefined) value['endpoints'] = all.filter(({ conditions }) => conditions.ready);
    }),
  },
  {
    name: 'labels of network sets are lost',
    documents: (documents) =>
      documents.map((one) =>
        one.kind === 'NetworkSet' || one.kind === 'GlobalNetworkSet'
          ? { ...one, metadata: without(one.metadata, 'labels') as Document['metadata'] }
          : one,
      ),
  },
  {
    name: 'nodes of a ClusterNetworkPolicy are all nodes',
    documents: inside(clusterPolicies, (peer) => {
      if (peer['nodes'] !== undefined) peer['nodes'] = {};
    }),
  },
  {
    name: 'the Baseline tier comes before network policies',
    documents: inside(clusterPolicies, (spec) => {
      if (spec['tier'] === 'Baseline') spec['tier'] = 'Admin';
    }),
  },
  {
    name: 'staged policies are enforced',
    documents: (documents) =>
      documents.map((one) => {
        if (!one.kind.startsWith('Staged')) return one;
        const kind = one.kind.slice('Staged'.length) as Document['kind'];
        return { ...one, kind, spec: without(one.spec, 'stagedAction') };
      }),
  },
  {
    name: 'the kernel misses the last member of each set',
    kernel: sets((set) => ({ ...set, added: set.added.slice(0, -1) })),
  },
  {
    name: 'the kernel has the last rule of each policy first',
    kernel: policies((policy) => ({
      ...policy,
      ingress: [...policy.ingress.slice(-1), ...policy.ingress.slice(0, -1)],
      egress: [...policy.egress.slice(-1), ...policy.egress.slice(0, -1)],
    })),
  },
  {
    name: 'the kernel has ingress policy on egress',
    kernel: endpoints((endpoint) => ({
      ...endpoint,
      tiers: endpoint.tiers.map((tier) => ({ ...tier, egress: tier.ingress })),
    })),
  },
];

export const defects: readonly Defect[] = [
  ...podDefects.map((defect) => ({ ...defect, hosts: false })),
  ...hostDefects.map((defect) => ({ ...defect, hosts: true })),
];
