import { describe, expect, it } from 'vitest';
import { type Explanation, type Question, explain } from '../../../src/explain/explanation.ts';
import { formatExplanation } from '../../../src/explain/format.ts';
import { type Party, parseDestination } from '../../../src/explain/question.ts';
import { resourcesOf } from '../../resources-of.ts';
import { podDocument } from './pod-document.ts';
import { questionOf } from './question-of.ts';

const CLUSTER = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: red}}
---
${podDocument({ node: 'n1', name: 'web', app: 'web', networks: "[10.65.0.3/32, 'fd65::3/128']", ports: '[{name: http, protocol: TCP, port: 8080}]' })}
---
${podDocument({ node: 'n2', name: 'client', app: 'client', networks: '[10.65.0.2/32]' })}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == "web"
  types: [Ingress]
  ingress:
    - {action: Allow, protocol: TCP, source: {selector: app == "front"}, destination: {ports: [http]}}
    - {action: Allow, protocol: TCP, source: {nets: [10.9.0.0/16]}, destination: {ports: [443]}}
    - {action: Allow, protocol: TCP, source: {selector: app == "client", ports: ['1:1023']}, destination: {ports: [22]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}}
`;

function ask(source: string, destination: string, more: Partial<Question> = {}): Explanation {
  return explain(resourcesOf(CLUSTER), { ...questionOf(source, destination), ...more });
}

const web = 'default/NetworkPolicy/shop/web';

describe('explain', () => {
  it('walks egress of the source and ingress of the destination, on whatever nodes they are', () => {
    const { verdict, paths } = ask('client', 'web:http');
    expect(verdict).toBe('deny');
    expect(paths.map(({ packet }) => packet)).toEqual([
      { source: '10.65.0.2', destination: '10.65.0.3', protocol: 6, destinationPort: 8080 },
    ]);
    expect(
      paths[0]!.walks.map(({ direction, workload, decidedBy }) => [direction, workload, decidedBy]),
    ).toEqual([
      ['egress', 'shop/client', ['profile/Profile//kns.shop/egress/0']],
      ['ingress', 'shop/web', ['default/ingress/end-of-tier']],
    ]);
  });

  it('says who misses a selector, and what would let the packet through', () => {
    const explanation = ask('client', 'web:http');
    const [nearest] = explanation.nearest;
    expect(nearest!.rule).toBe(`${web}/ingress/0`);
    expect(nearest!.failed.map(({ field }) => field)).toEqual(['source.selector']);
    expect(nearest!.failed[0]!.found).toContain('10.65.0.2 (shop/client app=client pcns.team=red');
    expect(formatExplanation(explanation, { all: false })).toContain(
      'label the source 10.65.0.2 (shop/client',
    );
  });

  it('answers for every part of a CIDR that policy tells apart', () => {
    const { verdict, paths } = ask('10.0.0.0/8', 'web:443');
    expect(verdict).toBe('unknown');
    expect(paths.map(({ packet, verdict: one }) => [packet.source, one])).toEqual([
      ['10.0.0.0', 'deny'],
      ['10.9.0.0', 'allow'],
    ]);
    expect(ask('10.9.128.0/17', 'web:443').verdict).toBe('allow');
  });

  it('does not guess a source port that a rule looks at', () => {
    expect(ask('client', 'web:22').verdict).toBe('unknown');
    expect(ask('client', 'web:22', { sourcePort: 1000 }).verdict).toBe('allow');
    expect(ask('client', 'web:22', { sourcePort: 1024 }).verdict).toBe('deny');
  });

  it('takes an address for the workload that has it, and knows when no policy is asked', () => {
    expect(ask('10.65.0.2', '10.65.0.3:80').destination).toEqual({
      name: 'shop/web (10.65.0.3)',
      kind: 'address',
      workloadEndpoint: 'n1-k8s-web-eth0',
    });
    expect(ask('192.0.2.1', '192.0.2.2:80')).toMatchObject({ verdict: 'allow', paths: [{ walks: [] }] });
    expect(ask('web', 'web:1').notes).toEqual([expect.stringContaining('reaches itself')]);
  });

  it('tells of policies that do not apply why not', () => {
    const reasons = ask('client', 'web:80').bystanders.map(({ policy, direction, reason }) => [
      policy,
      direction,
      reason.split(':')[0],
    ]);
    expect(reasons).toEqual([
      [web, 'egress', 'its types do not include Egress'],
      ['default/KubernetesNetworkPolicy/shop/db', 'egress', 'its types do not include Egress'],
      ['default/KubernetesNetworkPolicy/shop/db', 'ingress', 'its selector does not select the workload'],
    ]);
  });

  it('refuses what it cannot ask', () => {
    expect(() => ask('nobody', 'web:80')).toThrow('there is no workload shop/nobody');
    expect(() => ask('client', 'web:https')).toThrow('no port named "https"');
    expect(() => ask('client', '[fd65::3]:80')).toThrow('no addresses of one family');
  });
});

describe('parseDestination', () => {
  const parsed = (text: string): [Party, unknown] => {
    const { party, service } = parseDestination(text, { namespace: 'default' });
    return [party, service];
  };

  it.each([
    ['shop/web', { kind: 'workload', namespace: 'shop', name: 'web' }, { protocol: 6 }],
    ['web:53/UDP', { kind: 'workload', namespace: 'default', name: 'web' }, { protocol: 17, port: 53 }],
    ['web:http', { kind: 'workload', namespace: 'default', name: 'web' }, { protocol: 6, port: 'http' }],
    ['10.0.0.1:80', { kind: 'address', address: '10.0.0.1' }, { protocol: 6, port: 80 }],
    ['10.0.0.0/8:80/sctp', { kind: 'cidr', cidr: '10.0.0.0/8' }, { protocol: 132, port: 80 }],
    ['10.0.0.1/32', { kind: 'address', address: '10.0.0.1' }, { protocol: 6 }],
    ['fd00::1', { kind: 'address', address: 'fd00::1' }, { protocol: 6 }],
    ['[fd00::/8]:80', { kind: 'cidr', cidr: 'fd00::/8' }, { protocol: 6, port: 80 }],
    ['web:8/icmp', expect.anything(), { protocol: 'icmp', icmp: { type: 8, code: 0 } }],
    ['web:3.1/icmp', expect.anything(), { protocol: 'icmp', icmp: { type: 3, code: 1 } }],
  ])('reads %s', (text, party, service) => {
    expect(parsed(text)).toEqual([party, service]);
  });

  it.each(['web:80/ftp', 'web:70000', 'a/b/c:80', 'web:x/icmp', 'web:80/47', ''])('refuses %j', (text) => {
    expect(() => parsed(text)).toThrow();
  });
});
