/** Which single addresses of services a node announces: the last state decides, not the way there. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceAddressView } from '../../../../src/base/bgp-view.ts';
import { CalcGraph } from '../../../../src/calc/graph.ts';
import type { RoutingPlan } from '../../../../src/calc/output.ts';
import { decodeResource } from '../../../../src/model/decode.ts';
import { keyOf, keyText } from '../../../../src/model/resource.ts';
import { address } from '../../../../src/net/address.ts';
import { type Change, gone, put } from '../world.ts';

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';
const bgp = { ipv4Address: '172.16.0.1/24', ipv6Address: 'fd16::1/64' };
const one = put('Node', 'one', { bgp });
const excluded = put('Node', 'one', { bgp }, { [excludeLabel]: 'true' });
/** The node has another name in Kubernetes. */
const renamed = put('Node', 'one', { bgp, orchRefs: [{ orchestrator: 'k8s', nodeName: 'two' }] });

const ranges = (aggregation: 'Enabled' | 'Disabled' = 'Enabled'): Change =>
  put('BGPConfiguration', 'default', {
    serviceClusterIPs: [{ cidr: '10.96.0.0/16' }, { cidr: 'fd96::/112' }],
    serviceExternalIPs: [{ cidr: '203.0.113.0/28' }, { cidr: '198.51.100.7/32' }, { cidr: 'fd03::7/128' }],
    serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }, { cidr: 'fd19::/112' }],
    serviceLoadBalancerAggregation: aggregation,
  });

interface Service {
  readonly name: string;
  readonly policy?: 'Local' | 'Cluster';
  readonly type?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly balanced?: readonly string[];
}

function service({ name, policy, type, clusterIPs, externalIPs, balanced }: Service): Change {
  const resource = decodeResource('KubernetesService', {
    apiVersion: 'v1',
    kind: 'KubernetesService',
    metadata: { namespace: 'shop', name },
    spec: {
      type: type ?? 'LoadBalancer',
      ...(policy === undefined ? {} : { externalTrafficPolicy: policy }),
      ...(clusterIPs === undefined ? {} : { clusterIP: clusterIPs[0], clusterIPs }),
      ...(externalIPs === undefined ? {} : { externalIPs }),
    },
    ...(balanced === undefined
      ? {}
      : { status: { loadBalancer: { ingress: balanced.map((ip) => ({ ip })) } } }),
  });
  return { key: keyOf(resource), resource };
}

/** Of each endpoint its node; `!` before it: not ready; `?`: does not say. */
function slice(name: string, of: string | undefined, family: 4 | 6, ...nodes: readonly string[]): Change {
  const metadata = of === undefined ? undefined : { 'kubernetes.io/service-name': of };
  const spec = {
    addressType: `IPv${family}`,
    endpoints: nodes.map((text, index) => ({
      addresses: [family === 4 ? `10.65.0.${index + 1}` : `fd65::${index + 1}`],
      nodeName: text.replace(/^[!?]/, ''),
      ...(text.startsWith('?') ? {} : { conditions: { ready: !text.startsWith('!') } }),
    })),
  };
  // EndpointSlices have their fields beside metadata.
  const resource = decodeResource('KubernetesEndpointSlice', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'KubernetesEndpointSlice',
    metadata: { namespace: 'shop', name, ...(metadata === undefined ? {} : { labels: metadata }) },
    spec,
  });
  return { key: keyOf(resource), resource };
}

function play(...changes: readonly Change[]): { readonly graph: CalcGraph; readonly plan: RoutingPlan } {
  const graph = new CalcGraph({ nodeName: 'one' });
  for (const { key, resource } of changes) graph.update(key, resource);
  return { graph, plan: graph.flush().routing! };
}

const announced = (...changes: readonly Change[]): readonly string[] =>
  play(...changes).plan.serviceAddresses;

const web: Service = {
  name: 'web',
  policy: 'Local',
  clusterIPs: ['10.96.0.1', 'fd96::1'],
  externalIPs: ['203.0.113.1', '198.51.100.7'],
  balanced: ['192.0.2.1', 'fd19::1'],
};
const local = service(web);
const cluster = service({ ...web, policy: 'Cluster' });
const all4 = ['10.96.0.1/32', '192.0.2.1/32', '198.51.100.7/32', '203.0.113.1/32'];
const all6 = ['fd19::1/128', 'fd96::1/128'];

describe('addresses of services', () => {
  it.each<[string, readonly Change[], readonly string[]]>([
    ['Local, endpoint here', [ranges(), one, local, slice('a', 'web', 4, 'one')], all4],
    [
      'Local, endpoints of both families',
      [ranges(), one, local, slice('a', 'web', 4, 'one'), slice('b', 'web', 6, 'one')],
      [...all4, ...all6],
    ],
    ['Local, endpoint of IPv6 alone', [ranges(), one, local, slice('b', 'web', 6, 'one')], all6],
    ['Local, endpoint that does not say', [ranges(), one, local, slice('a', 'web', 4, '?one')], all4],
    ['Local, not ready', [ranges(), one, local, slice('a', 'web', 4, '!one')], []],
    ['Local, elsewhere', [ranges(), one, local, slice('a', 'web', 4, 'two')], []],
    ['Local, of another service', [ranges(), one, local, slice('a', 'shop', 4, 'one')], []],
    ['Local, of no service', [ranges(), one, local, slice('a', undefined, 4, 'one')], []],
    ['Local, no slice', [ranges(), one, local], []],
    ['Local, excluded node', [ranges(), excluded, local, slice('a', 'web', 4, 'one')], []],
    [
      'Local, node named otherwise in Kubernetes',
      [ranges(), renamed, local, slice('a', 'web', 4, 'two')],
      all4,
    ],
    ['Local, no ranges', [one, local, slice('a', 'web', 4, 'one')], []],
    ['Local, no Node', [ranges(), local, slice('a', 'web', 4, 'one')], []],
    [
      'Cluster, the range of one address',
      [ranges(), one, cluster, slice('a', 'web', 4, 'two')],
      ['198.51.100.7/32'],
    ],
    ['Cluster, none ready', [ranges(), one, cluster, slice('a', 'web', 4, '!two')], []],
    ['Cluster, excluded node', [ranges(), excluded, cluster, slice('a', 'web', 4, 'two')], []],
    [
      'Cluster, aggregation Disabled',
      [ranges('Disabled'), one, cluster, slice('a', 'web', 4, 'two')],
      ['192.0.2.1/32', '198.51.100.7/32'],
    ],
    [
      'Cluster is the default',
      [
        ranges('Disabled'),
        one,
        service({ name: 'web', clusterIPs: ['10.96.0.1'], balanced: ['192.0.2.1'] }),
        slice('a', 'web', 4, 'two'),
      ],
      ['192.0.2.1/32'],
    ],
    ['headless', [ranges(), one, service({ ...web, clusterIPs: ['None'] }), slice('a', 'web', 4, 'one')], []],
    [
      'ExternalName',
      [ranges(), one, service({ ...web, type: 'ExternalName' }), slice('a', 'web', 4, 'one')],
      [],
    ],
    [
      'an address outside',
      [
        ranges(),
        one,
        service({ ...web, externalIPs: ['203.0.113.77'], balanced: [] }),
        slice('a', 'web', 4, 'one'),
      ],
      ['10.96.0.1/32'],
    ],
    [
      'a load balancer address that is only in a range of external ones',
      [
        ranges(),
        one,
        service({ ...web, clusterIPs: ['10.96.9.9'], externalIPs: [], balanced: ['203.0.113.1'] }),
        slice('a', 'web', 4, 'one'),
      ],
      ['10.96.9.9/32'],
    ],
  ])('%s', (_name, changes, expected) => {
    expect(announced(...changes)).toEqual(expected);
    expect(announced(...changes.toReversed())).toEqual(expected);
  });

  it('that two services have go with the last', () => {
    const other = service({ ...web, name: 'other' });
    const both = [ranges(), one, local, other, slice('a', 'web', 4, 'one'), slice('b', 'other', 4, 'one')];
    expect(announced(...both)).toEqual(all4);
    expect(announced(...both, gone(local))).toEqual(all4);
    expect(announced(...both, gone(local), slice('b', 'other', 4, '!one'))).toEqual([]);
  });

  it('say nothing of themselves when endpoints come that change nothing', () => {
    const { graph } = play(ranges(), one, local, slice('a', 'web', 4, 'one'));
    const { key, resource } = slice('c', 'web', 4, 'one', 'two', '!one');
    graph.update(key, resource);
    expect(graph.flush().routing).toBeUndefined();
  });

  it('follow an endpoint that becomes unready, ready again, and moves, and a slice that goes over to another service', () => {
    const { graph } = play(ranges(), one, local);
    const after = ({ key, resource }: Change): readonly string[] | undefined => {
      graph.update(key, resource);
      return graph.flush().routing?.serviceAddresses;
    };
    expect(after(slice('a', 'web', 4, 'one'))).toEqual(all4);
    expect(after(slice('a', 'web', 4, '!one'))).toEqual([]);
    expect(after(slice('a', 'web', 4, 'two', 'one'))).toEqual(all4);
    expect(after(slice('a', 'other', 4, 'two', 'one'))).toEqual([]);
    expect(after(slice('a', 'web', 4, 'one'))).toEqual(all4);
    expect(after(gone(slice('a', 'web', 4)))).toEqual([]);
  });

  it.each<[string, readonly Change[], Partial<ServiceAddressView> | undefined]>([
    [
      '203.0.113.1',
      [local, slice('a', 'web', 4, 'one')],
      { kind: 'external', announced: true, reason: 'local-endpoint' },
    ],
    [
      '203.0.113.1',
      [local, slice('a', 'web', 4, 'two')],
      { kind: 'external', announced: false, reason: 'no-local-endpoint' },
    ],
    [
      'fd96::1',
      [local, slice('a', 'web', 4, 'one')],
      { kind: 'cluster', announced: false, reason: 'no-local-endpoint' },
    ],
    [
      '192.0.2.1',
      [cluster, slice('a', 'web', 4, 'one')],
      { kind: 'load-balancer', announced: false, reason: 'range-announced' },
    ],
    ['198.51.100.7', [cluster, slice('a', 'web', 4, 'two')], { announced: true, reason: 'ready-endpoint' }],
    ['198.51.100.7', [cluster, slice('a', 'web', 4, '!one')], { announced: false, reason: 'no-endpoint' }],
    [
      '198.51.100.7',
      [local, excluded, slice('a', 'web', 4, 'one')],
      { announced: false, reason: 'node-excluded' },
    ],
    [
      '203.0.113.77',
      [service({ ...web, externalIPs: ['203.0.113.77'] })],
      { announced: false, reason: 'outside-ranges' },
    ],
    ['203.0.113.1', [service({ ...web, clusterIPs: ['None'] })], { announced: false, reason: 'not-proxied' }],
    ['203.0.113.9', [local], undefined],
  ])('explain why %s is announced or not', (text, changes, expected) => {
    const { graph } = play(ranges(), one, ...changes);
    const found = graph.servicesWith(address(text));
    expect(found).toEqual(
      expected === undefined ? [] : [expect.objectContaining({ service: 'shop/web', ...expected })],
    );
  });

  it('depend on the last state alone, whatever came before, twice or in another order', () => {
    const node = fc.constantFrom('one', 'two', '!one', '!two', '?one');
    const change = fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom(ranges(), ranges('Disabled'), one, one, renamed) },
      { weight: 1, arbitrary: fc.constantFrom(ranges(), one, excluded, gone(ranges()), gone(one)) },
      {
        weight: 4,
        arbitrary: fc
          .record({
            name: fc.constantFrom('web', 'other'),
            policy: fc.constantFrom<'Local' | 'Cluster'>('Local', 'Cluster'),
            clusterIPs: fc.constantFrom(['10.96.0.1', 'fd96::1'], ['10.96.0.2'], ['10.96.0.3'], ['None']),
            externalIPs: fc.subarray(['203.0.113.1', '198.51.100.7', 'fd03::7']),
            balanced: fc.subarray(['192.0.2.1', 'fd19::1', '198.51.100.7']),
          })
          .map(service),
      },
      { weight: 1, arbitrary: fc.constantFrom('web', 'other').map((name) => gone(service({ name }))) },
      {
        weight: 6,
        arbitrary: fc
          .tuple(
            fc.constantFrom('a', 'b', 'c'),
            fc.constantFrom('web', 'web', 'other', undefined),
            fc.constantFrom<4 | 6>(4, 6),
            fc.array(node, { minLength: 1, maxLength: 4 }),
          )
          .map(([name, of, family, nodes]) => slice(name, of, family, ...nodes)),
      },
      { weight: 1, arbitrary: fc.constantFrom('a', 'b', 'c').map((name) => gone(slice(name, 'web', 4))) },
    );
    let some = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.boolean()), { minLength: 10, maxLength: 40 }), (tail) => {
        const steps = [...[ranges(), one, local].map((step) => [step, true] as const), ...tail];
        const graph = new CalcGraph({ nodeName: 'one' });
        let plan = graph.flush().routing!;
        for (const [{ key, resource }, flushes] of steps) {
          graph.update(key, resource);
          if (flushes) plan = graph.flush().routing ?? plan;
        }
        plan = graph.flush().routing ?? plan;
        const last = new Map(steps.map(([step]) => [keyText(step.key), step]));
        const ways = [
          [...last.values()],
          [...last.values()].toReversed(),
          [...last.values(), ...last.values()],
        ];
        for (const way of ways) expect(announced(...way)).toEqual(plan.serviceAddresses);
        if (plan.serviceAddresses.length > 0) some++;
      }),
    );
    expect(some).toBeGreaterThan(5);
  });
});
