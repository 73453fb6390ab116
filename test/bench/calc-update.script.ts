/**
 * How long the calculation takes from one changed resource to its delta, at 10,000 pods (a hundred of them local) and
 * 1,000 policies of five rules that all select every pod; and how that grows with ten times the policies.
 *
 *   npm run bench -- calc-update [PODS] [POLICIES]
 */
import { CalcGraph } from '../../src/calc/graph.ts';
import { keyOf, type Resource } from '../../src/model/resource.ts';

const apiVersion = 'projectcalico.org/v3';
const namespaces = 50;
const localShare = 100;
const runs = 200;
/** Milliseconds that a change may take. */
const target = 1;

function pod(index: number, local: boolean): Resource {
  const namespace = `ns${index % namespaces}`;
  return {
    apiVersion,
    kind: 'WorkloadEndpoint',
    metadata: { name: `w${index}`, namespace, labels: { app: `app${index % 1000}`, hash: `h${index}` } },
    spec: {
      node: local ? 'one' : 'two',
      orchestrator: 'k8s',
      pod: `w${index}`,
      interfaceName: `cali${index}`,
      ipNetworks: [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`],
      profiles: [`kns.${namespace}`],
    },
  };
}

function namespaceProfile(index: number): Resource {
  return {
    apiVersion,
    kind: 'Profile',
    metadata: { name: `kns.ns${index}` },
    spec: {
      ingress: [{ action: 'Allow' }],
      egress: [{ action: 'Allow' }],
      labelsToApply: { 'pcns.projectcalico.org/name': `ns${index}`, 'pcns.team': `t${index % 10}` },
    },
  };
}

/**
 * Every policy selects every pod by a selector of its own. Its rules select pods of their own, so that ten times the
 * policies do not make a pod a member of ten times the sets.
 */
function policy(index: number, revision = 0): Resource {
  const ingress = Array.from({ length: 5 }, (_, rule) => ({
    action: 'Allow',
    protocol: 'TCP',
    source: {
      selector: `app == 'app${index * 5 + rule}' && hash != 'x${index}'`,
      namespaceSelector: `team == 't${rule}'`,
    },
    destination: { ports: [1000 + rule, 2000 + index, 40_000 + revision] },
  }));
  return {
    apiVersion,
    kind: 'GlobalNetworkPolicy',
    metadata: { name: `p${index}` },
    spec: {
      tier: ['default', 'a', 'b'][index % 3],
      order: index,
      selector: `has(app) && hash != 'y${index}'`,
      types: ['Ingress'],
      ingress,
    },
  };
}

function tier(name: string, order: number): Resource {
  return { apiVersion, kind: 'Tier', metadata: { name }, spec: { order, defaultAction: 'Pass' } };
}

interface Measured {
  readonly name: string;
  /** Median milliseconds. */
  readonly milliseconds: number;
}

function measure(pods: number, policies: number): { load: number; memory: number; changes: Measured[] } {
  const graph = new CalcGraph({ nodeName: 'one' });
  const put = (resource: Resource) => graph.update(keyOf(resource), resource);
  const remove = (resource: Resource) => graph.update(keyOf(resource), undefined);
  const started = performance.now();
  for (let index = 0; index < namespaces; index++) put(namespaceProfile(index));
  put(tier('a', 1));
  put(tier('b', 2));
  for (let index = 0; index < policies; index++) put(policy(index));
  for (let index = 0; index < pods; index++) put(pod(index, index % localShare === 0));
  graph.flush();
  const load = performance.now() - started;
  const time = (name: string, change: (run: number) => void): Measured => {
    const times = Array.from({ length: runs }, (_, run) => {
      const before = performance.now();
      change(run);
      graph.flush();
      return performance.now() - before;
    });
    return { name, milliseconds: times.toSorted((a, b) => a - b)[runs >> 1]! };
  };
  const changes = [
    time('remote pod appears', (run) => put(pod(pods + run, false))),
    time('remote pod disappears', (run) => remove(pod(pods + run, false))),
    time('local pod appears', (run) => put(pod(pods + run, true))),
    time('local pod disappears', (run) => remove(pod(pods + run, true))),
    time('policy rewritten', (run) => put(policy(run % policies, run + 1))),
  ];
  return { load, memory: process.memoryUsage().rss / 2 ** 20, changes };
}

const pods = Number(process.argv[2] ?? 10_000);
const policies = Number(process.argv[3] ?? 1_000);
// The first round warms the machine up.
measure(1_000, 100);
const once = measure(pods, policies);
const tenfold = measure(pods, policies * 10);
const round = (value: number): number => Number(value.toPrecision(3));

console.log(`${pods} pods, ${policies} policies: loaded in ${Math.round(once.load)} ms`);
for (const [index, { name, milliseconds }] of once.changes.entries()) {
  const scaling = round(tenfold.changes[index]!.milliseconds / milliseconds);
  const line = `${name.padEnd(24)}${milliseconds.toFixed(3).padStart(9)} ms`;
  console.log(`${line}   at ten times the policies: ${scaling} times`);
  const result = {
    bench: 'calc-update',
    variant: name.replaceAll(' ', '-'),
    unit: 'ms',
    ours: round(milliseconds),
    peers: { target },
    ratio: { target: round(target / milliseconds) },
    memory: { ours: Math.round(once.memory) },
    scaling,
    runs,
    notes: `${pods} pods, ${policies} policies of five rules, all of which select every pod`,
  };
  console.log(`RESULT ${JSON.stringify(result)}`);
}
