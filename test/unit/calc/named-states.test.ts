/**
 * Named states of a cluster, walked in many ways: what the deltas add up to depends on the last state alone, not on
 * the way there or on where flushes fell.
 */
import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { keyText } from '../../../src/model/resource.ts';
import { Consumer } from './consumer.ts';
import { calculateAfresh, type Change, gone, outcome, put, thisNode } from './world.ts';

interface State {
  readonly name: string;
  readonly resources: ReadonlyMap<string, Change>;
}

const empty: State = { name: 'nothing', resources: new Map() };

function withPut(state: State, name: string, ...changes: readonly Change[]): State {
  const resources = new Map(state.resources);
  for (const change of changes) resources.set(keyText(change.key), change);
  return { name, resources };
}

function without(state: State, name: string, ...changes: readonly Change[]): State {
  const resources = new Map(state.resources);
  for (const change of changes) resources.delete(keyText(change.key));
  return { name, resources };
}

const namespaceRed = put('Profile', 'kns.red', {
  ingress: [{ action: 'Allow' }],
  egress: [{ action: 'Allow' }],
  labelsToApply: { 'pcns.team': 'red', 'pcns.projectcalico.org/name': 'red' },
});
const namespaceRedMoved = put('Profile', 'kns.red', {
  ingress: [{ action: 'Allow', source: { selector: 'has(trusted)' } }],
  egress: [{ action: 'Allow' }],
  labelsToApply: { 'pcns.team': 'blue', 'pcns.projectcalico.org/name': 'red' },
});
const namespaceBlue = put('Namespace', 'blue', {}, { team: 'blue' });

function workload(name: string, spec: Record<string, unknown>, labels: Record<string, string>): Change {
  const base = { orchestrator: 'k8s', node: thisNode, pod: name.split('/')[1], profiles: ['kns.red'] };
  return put('WorkloadEndpoint', name, { ...base, interfaceName: 'cali1', ...spec }, labels);
}

const web = workload(
  'red/web',
  {
    ipNetworks: ['10.0.0.1/32', 'fd00::1/128'],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  },
  { app: 'web' },
);
const webRenamed = workload('red/web', { ipNetworks: ['10.0.0.1/32'] }, { app: 'cache' });
const webElsewhere = workload('red/web', { ipNetworks: ['10.0.0.1/32'], node: 'two' }, { app: 'web' });
const clientRemote = workload(
  'blue/client',
  { ipNetworks: ['10.0.1.1/32'], node: 'two', profiles: ['kns.blue'], serviceAccountName: 'caller' },
  { role: 'client' },
);
/** The same address as `clientRemote`, as when a pod is replaced before its predecessor is gone. */
const clientSuccessor = workload(
  'blue/client2',
  { ipNetworks: ['10.0.1.1/32'], interfaceName: 'cali2', profiles: ['kns.blue', 'nobody-defines-this'] },
  { role: 'client' },
);
const office = put('GlobalNetworkSet', 'office', { nets: ['10.0.1.0/24', '192.0.2.7'] }, { role: 'client' });
const lab = put('NetworkSet', 'red/lab', { nets: ['10.0.0.0/8', 'fd00::/16'] }, { trusted: 'yes' });

const security = put('Tier', 'security', { order: 100, defaultAction: 'Pass' });
const securityLast = put('Tier', 'security', { order: 9_000_000, defaultAction: 'Deny' });
const toWeb = put('NetworkPolicy', 'red/to-web', {
  order: 10,
  selector: "app == 'web'",
  types: ['Ingress', 'Egress'],
  ingress: [
    {
      action: 'Allow',
      protocol: 'TCP',
      source: { selector: 'role == "client"', namespaceSelector: 'all()' },
      destination: { ports: ['http', 443] },
    },
    { action: 'Log', source: { notSelector: 'has(trusted)' } },
  ],
  egress: [{ action: 'Deny', destination: { nets: ['198.51.100.0/24'], notNets: ['198.51.100.1/32'] } }],
});
const toWebNarrowed = put('NetworkPolicy', 'red/to-web', {
  order: 5,
  selector: "app == 'web'",
  ingress: [
    {
      action: 'Allow',
      protocol: 'TCP',
      destination: { ports: ['http'] },
      source: { serviceAccounts: { names: ['caller'] }, namespaceSelector: "team == 'blue'" },
    },
  ],
});
const lockdown = put('GlobalNetworkPolicy', 'lockdown', {
  tier: 'security',
  order: 1,
  selector: 'all()',
  namespaceSelector: "team == 'red'",
  types: ['Ingress'],
  ingress: [
    { action: 'Pass', source: { selector: 'has(trusted) || role == "client"' } },
    { action: 'Allow', http: { methods: ['GET'] } },
    { action: 'Deny' },
  ],
});
const kubernetes = put('KubernetesNetworkPolicy', 'red/kube', {
  podSelector: {},
  ingress: [
    { from: [{ namespaceSelector: { matchLabels: { team: 'blue' } } }], ports: [{ port: 'http' }] },
    { from: [{ ipBlock: { cidr: 'not-a-cidr' } }] },
  ],
});
const node = (name: string, address: string): Change =>
  put('Node', name, { bgp: { ipv4Address: address } }, { rack: name === thisNode ? 'a' : 'b' });
const nodes = [node('one', '172.16.0.1/24'), node('two', '172.16.0.2/24'), node('three', '172.16.0.3/24')];
const block = put('BlockAffinity', 'one-10-0-0-0-26', {
  state: 'confirmed',
  node: 'one',
  cidr: '10.0.0.0/26',
});
const router = put('BGPPeer', 'router', {
  peerIP: '172.16.0.254',
  asNumber: 65000,
  nodeSelector: "rack == 'a'",
});
const mesh = put('BGPConfiguration', 'default', { nodeToNodeMeshEnabled: false, asNumber: 64600 });
const pool = put('IPPool', 'pool', { cidr: '10.0.0.0/16', natOutgoing: true });
const poolWithoutNat = put('IPPool', 'pool', { cidr: '10.0.0.0/16' });
const stagedDenial = put('StagedNetworkPolicy', 'red/to-web', {
  selector: "app == 'web'",
  ingress: [{ action: 'Deny', source: { selector: "role == 'client'" } }],
});
const stagedTier = put('StagedGlobalNetworkPolicy', 'security.later', {
  tier: 'security',
  egress: [{ action: 'Deny' }],
});
const host = put(
  'HostEndpoint',
  'one-eth0',
  { node: thisNode, interfaceName: 'eth0', expectedIPs: ['172.16.0.1'], profiles: ['kns.red'] },
  { role: 'client' },
);
const guard = (name: string, stage: object) =>
  put('GlobalNetworkPolicy', name, {
    selector: "role == 'client'",
    ingress: [{ action: 'Allow', source: { selector: "app == 'web'" } }],
    ...stage,
  });
const guards = [
  guard('guard', {}),
  guard('guard-forward', { applyOnForward: true }),
  guard('guard-early', { applyOnForward: true, preDNAT: true }),
  guard('guard-untracked', { applyOnForward: true, doNotTrack: true }),
];
const guardMoved = guard('guard-early', { applyOnForward: true });
const felix = put('FelixConfiguration', 'node.one', { defaultEndpointToHostAction: 'ACCEPT' });

const withWeb = withPut(empty, 'a pod', namespaceRed, web);
const withPolicy = withPut(withWeb, 'a policy', toWeb, clientRemote, namespaceBlue);
const withSets = withPut(withPolicy, 'network sets', office, lab);
const withTiers = withPut(withSets, 'a tier', security, lockdown);
const withSuccessor = withPut(withTiers, 'one address twice', clientSuccessor);
const withKubernetes = withPut(withSuccessor, 'a Kubernetes policy', kubernetes);
const withNodes = withPut(withKubernetes, 'nodes', ...nodes, block, router, pool, felix);
const withChanges = withPut(
  withNodes,
  'everything changed',
  namespaceRedMoved,
  toWebNarrowed,
  securityLast,
  mesh,
  poolWithoutNat,
  stagedDenial,
  stagedTier,
);
const withRename = withPut(withChanges, 'a pod relabelled', webRenamed);
const withMove = withPut(withRename, 'a pod moved away', webElsewhere);
const withoutTier = without(withChanges, 'a tier gone', security);
const withoutSets = without(withoutTier, 'network sets gone', office, lab);
const withoutClient = without(withSuccessor, 'the predecessor gone', clientRemote);
const withoutNamespace = without(withNodes, 'a namespace gone', namespaceRed);

const withHost = withPut(withNodes, 'a host endpoint', host, ...guards);
const withGuardMoved = withPut(withHost, 'a guard at another stage', guardMoved);
const withoutHost = without(withGuardMoved, 'no host endpoint', host);
const withoutStaged = without(withChanges, 'staged policies gone', stagedDenial, stagedTier);

const walks: readonly (readonly State[])[] = [
  [empty, withWeb, withPolicy, withSets, withTiers, withSuccessor, withKubernetes, withNodes, withChanges],
  [withChanges, withoutStaged, withChanges, withRename, withMove, withoutTier, withoutSets],
  [withSuccessor, withoutClient, withTiers, withoutClient, withPolicy, empty],
  [withNodes, withHost, withGuardMoved, withoutHost, withGuardMoved, withoutNamespace],
  [withNodes, withoutNamespace, withNodes, withoutSets, withTiers],
];

/** The changes from one state to another. */
function difference(from: State, to: State): Change[] {
  const changes: Change[] = [];
  for (const [key, change] of from.resources) if (!to.resources.has(key)) changes.push(gone(change));
  for (const [key, change] of to.resources) if (from.resources.get(key) !== change) changes.push(change);
  return changes;
}

type Flush = 'after each key' | 'after each state' | 'at the end';
const flushes: readonly Flush[] = ['after each key', 'after each state', 'at the end'];
const arrangements: readonly {
  readonly name: string;
  readonly states: (walk: readonly State[]) => readonly State[];
  readonly keys: (changes: readonly Change[]) => readonly Change[];
}[] = [
  { name: 'forward', states: (walk) => walk, keys: (changes) => changes },
  { name: 'forward, keys reversed', states: (walk) => walk, keys: (changes) => changes.toReversed() },
  { name: 'reversed', states: (walk) => walk.toReversed(), keys: (changes) => changes },
  {
    name: 'there, back and there again',
    states: (walk) => [...walk, ...walk.toReversed(), ...walk],
    keys: (changes) => changes,
  },
  {
    name: 'every key twice',
    states: (walk) => walk,
    keys: (changes) => changes.flatMap((one) => [one, one]),
  },
];

describe('a walk through named states', () => {
  for (const walk of walks) {
    for (const { name, states, keys } of arrangements) {
      for (const flush of flushes) {
        const path = states(walk);
        it(`${name}, flushed ${flush}: ${path.map((state) => state.name).join(' → ')}`, () => {
          const graph = new CalcGraph({ nodeName: thisNode });
          const consumer = new Consumer();
          let current = empty;
          if (flush !== 'at the end') consumer.apply(graph.flush());
          for (const state of path) {
            for (const { key, resource } of keys(difference(current, state))) {
              graph.update(key, resource);
              if (flush === 'after each key') consumer.apply(graph.flush());
            }
            current = state;
            if (flush === 'at the end') continue;
            if (flush === 'after each state') consumer.apply(graph.flush());
            expect(consumer.snapshot(), state.name).toEqual(expected(state));
          }
          consumer.apply(graph.flush());
          expect(consumer.snapshot()).toEqual(expected(current));
        });
      }
    }
  }
});

const expectations = new Map<State, unknown>();

function expected(state: State): unknown {
  let value = expectations.get(state);
  if (value === undefined) {
    value = calculateAfresh(outcome(state.resources.values()).values());
    expectations.set(state, value);
  }
  return value;
}
