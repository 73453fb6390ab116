/** Short forms for suites of format `margay-conformance/v1`: pods, truth tables, resources. */

export type Fields = Readonly<Record<string, unknown>>;
export type Table = Record<string, string[]>;

/** Every port of every protocol, but `web` is another number or protocol in each namespace. */
const served = (web: { readonly port: number; readonly protocol: string }) => [
  { name: 'web', ...web },
  ...[80, 81, 90].flatMap((port) =>
    ['TCP', 'UDP', 'SCTP']
      .filter((protocol) => port !== web.port || protocol !== web.protocol)
      .map((protocol) => ({ port, protocol })),
  ),
];

const ports = {
  x: served({ port: 80, protocol: 'TCP' }),
  y: served({ port: 81, protocol: 'TCP' }),
  z: served({ port: 80, protocol: 'UDP' }),
};

const pods = [
  { namespace: 'x', name: 'a', node: 1, labels: { app: 'a', tier: 'front' }, ports: ports.x },
  { namespace: 'x', name: 'b', node: 2, labels: { app: 'b' }, serviceAccount: 'builder', ports: ports.x },
  { namespace: 'y', name: 'a', node: 2, labels: { app: 'a' }, ports: ports.y },
  { namespace: 'y', name: 'b', node: 1, labels: { app: 'b' }, serviceAccount: 'builder', ports: ports.y },
  { namespace: 'z', name: 'c', node: 1, labels: {}, ports: ports.z },
];

const names = pods.map(({ namespace, name }) => `${namespace}/${name}`);

function matches(pattern: string, name: string): boolean {
  return (
    pattern === '*' || pattern === name || (pattern.endsWith('/*') && name.startsWith(pattern.slice(0, -1)))
  );
}

function table(byDefault: boolean, pairs: readonly string[]): Table {
  const verdict = (from: string, to: string): boolean =>
    pairs.reduce((before, pair) => {
      const [, sign, source, destination] = /^([-+]) (\S+) > (\S+)$/.exec(pair)!;
      return matches(source!, from) && matches(destination!, to) ? sign === '+' : before;
    }, byDefault);
  return Object.fromEntries(
    names.map((from) => [from, names.filter((to) => to !== from && verdict(from, to))]),
  );
}

/** Everything open, but for pairs such as `- x/a > y/*`; what comes later, such as `+ * > y/b`, has the last word. */
export const open = (...pairs: readonly string[]): Table => table(true, pairs);
/** Everything closed, but for the pairs. */
export const closed = (...pairs: readonly string[]): Table => table(false, pairs);

export const probe = (port: number, expected: Table, protocol = 'TCP') => ({
  port,
  protocol,
  open: expected,
});

/** An echo request, or another that a host answers. */
export const ask = (
  protocol: 'ICMP' | 'ICMPv6',
  expected: Table,
  icmp?: { readonly type: number; readonly code?: number },
) => ({ protocol, open: expected, ...(icmp === undefined ? {} : { icmp }) });

const resource =
  (apiVersion: string, kind: string) =>
  (name: string, spec: Fields, namespace?: string): Fields => ({
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec,
  });

export const calico = (kind: string, name: string, spec: Fields, namespace?: string): Fields =>
  resource('projectcalico.org/v3', kind)(name, spec, namespace);
export const kubernetes = (name: string, namespace: string, spec: Fields): Fields =>
  resource('networking.k8s.io/v1', 'NetworkPolicy')(name, spec, namespace);
export const cluster = (name: string, spec: Fields): Fields =>
  resource('policy.networking.k8s.io/v1alpha2', 'ClusterNetworkPolicy')(name, spec);
export const global = (name: string, spec: Fields): Fields => calico('GlobalNetworkPolicy', name, spec);

export const suite = (name: string, cases: readonly { name: string; steps: readonly Fields[] }[]) => ({
  format: 'margay-conformance/v1',
  name,
  namespaces: {
    x: { labels: { team: 'red' } },
    y: { labels: { team: 'blue', env: 'prod' } },
    z: { labels: {} },
  },
  pods,
  cases,
});

export const judged = (name: string, ...steps: readonly Fields[]) => ({ name, steps });
