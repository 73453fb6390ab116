import { describe, expect, it } from 'vitest';
import { type Explanation, explain } from '../../../src/explain/explanation.ts';
import { formatExplanation } from '../../../src/explain/format.ts';
import { reachChanges } from '../../../src/explain/reach-changes.ts';
import { smallestChange } from '../../../src/explain/remedy.ts';
import { schemas } from '../../../src/explain/schemas.ts';
import { resourcesOf } from '../../resources-of.ts';
import { podDocument } from './pod-document.ts';
import { questionOf } from './question-of.ts';

const CLUSTER = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1, labels: {rack: a}}
spec: {bgp: {ipv4Address: 172.16.0.1/24, ipv6Address: 'fd16::1/64'}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n2}
spec: {bgp: {ipv4Address: 172.16.0.2/24, ipv6Address: 'fd16::2/64'}}
---
${podDocument({ node: 'n1', name: 'web', app: 'web', networks: "[10.65.0.3/32, 'fd65::3/128']" })}
---
${podDocument({ node: 'n1', name: 'near', app: 'client', networks: "[10.65.0.4/32, 'fd65::4/128']" })}
---
${podDocument({ node: 'n2', name: 'far', app: 'client', networks: "[10.65.0.66/32, 'fd65::66/128']" })}
`;

const document = (kind: string, name: string, spec: string): string => `
---
apiVersion: projectcalico.org/v3
kind: ${kind}
metadata: {name: ${name}}
spec: ${spec}`;

const policy = (name: string, spec: string): string => document('GlobalNetworkPolicy', name, spec);
const felix = (name: string, spec: string): string => document('FelixConfiguration', name, spec);

const OPEN = policy(
  'open',
  '{selector: all(), types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}',
);

function ask(source: string, destination: string, more = '', family?: 4 | 6): Explanation {
  return explain(resourcesOf(CLUSTER + OPEN + more), {
    ...questionOf(source, destination),
    ...(family === undefined ? {} : { family }),
  });
}

const decided = (id: string) => ({ verdict: 'deny', paths: [{ decidedBy: [id] }, { decidedBy: [id] }] });
const vxlan = 'VXLAN from a workload';
const ipip = 'IP-in-IP from a workload';

describe('tunnels of workloads', () => {
  it.each(['web', 'far', 'node/n1', 'node/n2'])(
    'are denied to %s in both families, whatever policy allows',
    (destination) => {
      const open = felix('default', '{defaultEndpointToHostAction: Accept}');
      expect(ask('near', `${destination}:4789/udp`, open)).toMatchObject(decided(vxlan));
      expect(ask('near', `${destination}:4788/udp`, open).verdict).toBe('allow');
      expect(ask('near', `${destination}:4789/tcp`, open).verdict).toBe('allow');
      const packet = { ...questionOf('near', destination), service: { protocol: 4 } };
      expect(explain(resourcesOf(CLUSTER + OPEN + open), packet)).toMatchObject(decided(ipip));
    },
  );

  it('are those that a workload sends, not those that it gets, nor those of hosts', () => {
    expect(ask('192.0.2.1', 'web:4789/udp').verdict).toBe('allow');
    expect(ask('node/n2', 'web:4789/udp').verdict).toBe('allow');
    expect(ask('node/n2', 'node/n1:4789/udp').verdict).toBe('allow');
  });

  it('are denied before egress policy is asked, and after the host endpoint of all interfaces', () => {
    const closed = `
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all, labels: {host: n1}}
spec: {node: n1, interfaceName: '*'}
${policy('closed', '{order: 1, selector: host == "n1", applyOnForward: true, types: [Ingress], ingress: [{action: Deny}]}')}`;
    const { walks, decidedBy } = ask('near', 'web:4789/udp', closed).paths[0]!;
    expect(decidedBy).toEqual(['default/GlobalNetworkPolicy//closed/ingress/0']);
    expect(walks.map(({ stage, direction }) => `${stage ?? 'policy'} ${direction}`).slice(0, 3)).toEqual([
      'forward ingress',
      'tunnel egress',
      'policy egress',
    ]);
  });

  it('pass where FelixConfiguration of the node lets them, and VXLAN has the port that it says', () => {
    const both = felix(
      'default',
      '{allowVXLANPacketsFromWorkloads: true, allowIPIPPacketsFromWorkloads: true}',
    );
    expect(ask('near', 'far:4789/udp', both).verdict).toBe('allow');
    expect(
      explain(resourcesOf(CLUSTER + OPEN + both), { ...questionOf('near', 'far'), service: { protocol: 4 } })
        .verdict,
    ).toBe('allow');
    const moved = felix('node.n1', '{vxlanPort: 8472}');
    expect(ask('near', 'far:8472/udp', moved)).toMatchObject(decided(vxlan));
    expect(ask('near', 'far:4789/udp', moved).verdict).toBe('allow');
    expect(ask('far', 'near:4789/udp', moved)).toMatchObject(decided(vxlan));
  });

  it('leave UDP of an unknown port in doubt', () => {
    expect(
      explain(resourcesOf(CLUSTER + OPEN), { ...questionOf('near', 'far'), service: { protocol: 17 } }),
    ).toMatchObject({
      verdict: 'unknown',
      paths: [{ decidedBy: [vxlan] }, { decidedBy: [vxlan] }],
    });
  });

  it('are told with the setting to change, to people and to programs, and with no remedy in policy', () => {
    const world = resourcesOf(
      CLUSTER +
        policy(
          'web',
          '{selector: app == "web", ingress: [{action: Allow, protocol: UDP, destination: {ports: [1]}}]}',
        ),
    );
    const question = questionOf('near', 'web:4789/udp');
    const answer = explain(world, question);
    expect(formatExplanation(answer, { all: false })).toContain(
      `verdict: deny by ${vxlan} (FelixConfiguration allowVXLANPacketsFromWorkloads)`,
    );
    expect(answer.paths[0]!.walks[0]).toMatchObject({ setting: 'allowVXLANPacketsFromWorkloads' });
    expect(() => schemas.explain.parse(answer)).not.toThrow();
    expect(smallestChange(world, question, answer)).toBeUndefined();
    expect(
      smallestChange(
        world,
        { ...question, service: { protocol: 17, port: 2 } },
        explain(world, questionOf('near', 'web:2/udp')),
      ),
    ).toBeDefined();
  });

  it('are left out of what a change of policy opens', () => {
    const closed = policy('web', '{selector: app == "web", types: [Ingress]}');
    const opened = reachChanges(resourcesOf(CLUSTER + closed), resourcesOf(CLUSTER), {
      about: new Set(['shop/near']),
    });
    const some = opened.filter(
      ({ from, to, protocol, family }) =>
        [from, to, protocol, family].join(' ') === 'shop/near shop/web udp 4',
    );
    expect(some.map(({ ports }) => ports)).toEqual(['0-4788', '4790-65535']);
  });
});

describe('ICMPv6 that IPv6 needs', () => {
  const closed = policy(
    'closed',
    '{order: 1, selector: all(), types: [Ingress, Egress], ingress: [{action: Deny}], egress: [{action: Deny}]}',
  );
  const icmp = (type: number) => (destination: string) =>
    ask('near', `${destination}:${type}/icmp`, closed, 6);

  it.each([130, 131, 132, 133, 135, 136])(
    'passes from a workload to its own host before its egress policy, type %d',
    (type) => {
      const answer = icmp(type)('node/n1');
      expect(answer).toMatchObject({
        verdict: 'allow',
        paths: [{ decidedBy: ['neighbour-discovery'], walks: [{ stage: 'discovery', direction: 'egress' }] }],
      });
      expect(() => schemas.explain.parse(answer)).not.toThrow();
    },
  );

  it('is judged by policy where it goes elsewhere, and where it is another type', () => {
    for (const destination of ['web', 'far', 'node/n2']) expect(icmp(135)(destination).verdict).toBe('deny');
    for (const type of [128, 134, 143]) expect(icmp(type)('node/n1').verdict).toBe('deny');
    expect(ask('near', 'node/n1:8/icmp', closed, 4).verdict).toBe('deny');
  });
});
