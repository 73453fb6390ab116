import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/explain/explanation.ts';
import { reachChanges } from '../../../src/explain/reach-changes.ts';
import { reach } from '../../../src/explain/reach.ts';
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
metadata: {name: n1}
spec: {bgp: {ipv4Address: 203.0.113.1/24}}
---
${podDocument({ node: 'n1', name: 'web', app: 'web', networks: "[10.65.0.3/32, 'fd65::3/128']" })}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {set: partners}}
spec: {nets: [198.51.100.0/25, 198.51.100.128/25, 'fd99::/64']}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1-all, labels: {host: n1}}
spec: {node: n1, interfaceName: '*'}
`;

const policy = (ingress: string): string => `
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {selector: app == "web", types: [Ingress], ingress: [${ingress}]}
`;
const FORWARDED = `
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: forwarded}
spec:
  selector: host == "n1"
  applyOnForward: true
  types: [Ingress]
  ingress:
    - {action: Deny, protocol: TCP, source: {nets: [192.0.2.0/24]}, destination: {ports: [8081]}}
    - {action: Allow}
`;
const PARTNERS = policy(
  '{action: Allow, protocol: TCP, source: {namespaceSelector: global(), selector: set == "partners"}}',
);

function changes(before: string, after: string) {
  return reachChanges(resourcesOf(CLUSTER + before), resourcesOf(CLUSTER + after), { outside: true });
}

describe('the world outside', () => {
  it('is one part where no rule tells its addresses apart', () => {
    const { sources, destinations, verdicts } = reach(resourcesOf(CLUSTER), {
      protocol: 6,
      port: 80,
      family: 4,
      outside: true,
    });
    expect(sources).toEqual(['shop/web', 'outside']);
    expect(destinations).toEqual(sources);
    expect(verdicts).toEqual([
      ['allow', 'allow'],
      ['allow', 'allow'],
    ]);
  });

  it.each([
    [4, '198.51.100.0/24'],
    [6, 'fd99::/64'],
  ] as const)('falls into the sets that rules name, in IPv%d', (family, partners) => {
    const asked = { protocol: 6, port: 80, family, to: 'shop/web', outside: true };
    const { sources, verdicts } = reach(resourcesOf(CLUSTER + PARTNERS), asked);
    const verdictOf = new Map(sources.map((name, index) => [name, verdicts[index]![0]]));
    expect(Object.fromEntries(verdictOf)).toEqual({
      'shop/web': 'allow',
      'rest of outside': 'deny',
      [partners]: 'allow',
    });
  });

  it('has neither the addresses of workloads nor those of nodes', () => {
    const onlyNode = policy('{action: Allow, source: {nets: [203.0.113.1/32, 10.65.0.3/32]}}');
    const asked = { protocol: 6, port: 80, family: 4, outside: true } as const;
    expect(reach(resourcesOf(CLUSTER + onlyNode), asked).sources).toEqual(['shop/web', 'outside']);
  });

  it('is compared between two states, and what fares alike has one name', () => {
    expect(changes('', policy('{action: Allow, protocol: TCP}'))).toEqual(
      expect.arrayContaining([
        {
          from: 'outside',
          to: 'shop/web',
          family: 4,
          protocol: 'udp',
          ports: '0-65535',
          before: 'allow',
          after: 'deny',
        },
      ]),
    );
    const opened = changes(PARTNERS, policy('{action: Allow, protocol: TCP, destination: {ports: [443]}}'));
    expect(opened.map(({ from, family, ports, after }) => [from, family, ports, after])).toEqual([
      ['rest of outside', 4, '443', 'allow'],
      ['198.51.100.0/24', 4, '0-442', 'deny'],
      ['198.51.100.0/24', 4, '444-65535', 'deny'],
      ['rest of outside', 6, '443', 'allow'],
      ['fd99::/64', 6, '0-442', 'deny'],
      ['fd99::/64', 6, '444-65535', 'deny'],
    ]);
  });

  it('is also told apart by ports and addresses that only policy of hosts names', () => {
    expect(changes('', FORWARDED)).toEqual([
      {
        from: '192.0.2.0/24',
        to: 'shop/web',
        family: 4,
        protocol: 'tcp',
        ports: '8081',
        before: 'allow',
        after: 'deny',
      },
    ]);
    const { verdict } = explain(
      resourcesOf(CLUSTER + FORWARDED),
      questionOf('192.0.0.0/16', 'shop/web:8081'),
    );
    expect(verdict).toBe('unknown');
  });
});
