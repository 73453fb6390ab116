import { describe, expect, it } from 'vitest';
import { type Explanation, explain } from '../../../src/explain/explanation.ts';
import { formatExplanation } from '../../../src/explain/format.ts';
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
spec: {bgp: {ipv4Address: 172.16.0.1/24}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n2}
spec: {bgp: {ipv4Address: 172.16.0.2/24}, addresses: [{address: 'fd16::2', type: InternalIP}]}
---
${podDocument({ node: 'n1', name: 'web', app: 'web', networks: '[10.65.0.3/32]', ports: '[{name: http, protocol: TCP, port: 8080}]' })}
---
${podDocument({ node: 'n2', name: 'client', app: 'client', networks: '[10.65.0.66/32]' })}
---
${podDocument({ node: 'n1', name: 'near', app: 'client', networks: '[10.65.0.4/32]' })}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1-all, labels: {host: n1}}
spec: {node: n1, interfaceName: '*'}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: other, labels: {host: none}}
spec: {node: n1, interfaceName: eth7, expectedIPs: [192.0.2.7]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: forwarded}
spec:
  selector: host == "n1"
  order: 1
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [8081]}}, {action: Allow, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: web, port: 80, targetPort: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.65.0.3]}, {addresses: [10.65.0.99], conditions: {ready: false}}]
ports: [{name: web, port: 8080, protocol: TCP}]
`;

const resources = resourcesOf(CLUSTER);

function ask(source: string, destination: string, world = resources): Explanation {
  return explain(world, questionOf(source, destination));
}

const rule = (index: number): string => `default/GlobalNetworkPolicy//forwarded/ingress/${index}`;

describe('explain about hosts and services', () => {
  it('asks the host endpoint of the destination’s host about what it forwards', () => {
    const denied = ask('client', 'web:8081');
    expect(denied).toMatchObject({ verdict: 'deny', paths: [{ decidedBy: [rule(0)] }] });
    expect(formatExplanation(denied, { all: false })).toContain(
      'ingress of host endpoint n1-all of n1, forward',
    );
    expect(ask('client', 'web:8080')).toMatchObject({ verdict: 'allow' });
    expect(ask('client', 'web:53/udp')).toMatchObject({
      verdict: 'deny',
      paths: [{ decidedBy: ['default/ingress/end-of-tier'] }],
    });
  });

  it('asks the host endpoint of all interfaces, and no other, between workloads of one host', () => {
    expect(ask('near', 'web:8081')).toMatchObject({
      verdict: 'deny',
      paths: [{ decidedBy: [rule(0)], walks: [{ stage: 'forward', direction: 'ingress' }, {}, {}] }],
    });
    expect(ask('near', 'web:8080').verdict).toBe('allow');
    const named = resources.map((one) =>
      one.kind === 'HostEndpoint' && one.spec.interfaceName === '*'
        ? { ...one, spec: { ...one.spec, interfaceName: 'eth0' } }
        : one,
    );
    expect(ask('near', 'web:8081', named)).toMatchObject({ verdict: 'allow', paths: [{ walks: [{}, {}] }] });
  });

  it('asks no forward policy about what preDNAT policy let in, though about what leaves', () => {
    const early = resourcesOf(`
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: early}
spec:
  selector: host == "n1"
  preDNAT: true
  applyOnForward: true
  types: [Ingress]
  ingress: [{action: Allow, protocol: TCP}]
`);
    for (const source of ['near', 'client']) {
      expect(ask(source, 'web:8081', [...resources, ...early]).verdict).toBe('allow');
      expect(ask(source, 'web:53/udp', [...resources, ...early]).verdict).toBe('deny');
    }
    const leaving = resourcesOf(`
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: leaving}
spec: {selector: host == "n1", order: 2, applyOnForward: true, types: [Egress]}
`);
    expect(ask('client', 'web:8080', [...resources, ...early, ...leaving])).toMatchObject({
      verdict: 'deny',
      paths: [{ decidedBy: ['default/egress/end-of-tier'] }],
    });
  });

  it('asks a host about itself, whatever name or address it is called by', () => {
    for (const host of ['node/n1', 'hep/n1-all', '172.16.0.1']) {
      expect(ask('client', `${host}:8081`)).toMatchObject({
        verdict: 'deny',
        paths: [{ decidedBy: [rule(0)] }],
      });
      expect(ask('client', `${host}:9000`)).toMatchObject({
        verdict: 'allow',
        paths: [{ decidedBy: [rule(1)] }],
      });
    }
    expect(ask('node/n1', 'node/n1:1').notes[0]).toContain('reaches itself');
  });

  it('knows that failsafe ports are open, and what a host does with packets of its own workloads', () => {
    expect(ask('192.0.2.1', 'node/n1:22')).toMatchObject({
      verdict: 'allow',
      paths: [{ decidedBy: ['failsafe-in'] }],
    });
    expect(ask('near', 'node/n1:9000')).toMatchObject({
      verdict: 'deny',
      paths: [{ decidedBy: ['workload to host'] }],
    });
  });

  it('lets a host reach its own workloads, and asks the host of another', () => {
    expect(ask('node/n1', 'web:8081').verdict).toBe('allow');
    expect(ask('node/n2', 'web:8081')).toMatchObject({ verdict: 'deny', paths: [{ decidedBy: [rule(0)] }] });
  });

  it('asks about what is behind a service, by the port that it has there', () => {
    const answer = ask('client', 'svc/web:80');
    expect(answer).toMatchObject({
      verdict: 'allow',
      destination: { name: 'service shop/web', kind: 'service' },
      paths: [{ packet: { destination: '10.65.0.3', destinationPort: 8080 } }],
    });
    expect(ask('client', 'svc/shop/web:web').paths).toHaveLength(1);
    expect(() => ask('client', 'svc/web:81')).toThrow(/no ready endpoint with that port/);
    expect(() => ask('client', 'svc/nothing:80')).toThrow(/has no EndpointSlice/);
  });

  it('says what there is instead of what is not', () => {
    expect(() => ask('node/n3', 'web:1')).toThrow(/there is no Node n3/);
  });
});
