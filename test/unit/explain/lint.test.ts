import { describe, expect, it } from 'vitest';
import { lint } from '../../../src/explain/lint.ts';
import { resourcesOf } from '../../resources-of.ts';

const POD = `
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-web-eth0, namespace: shop, labels: {app: web}}
spec: {orchestrator: k8s, node: n1, pod: web, endpoint: eth0, ipNetworks: [10.65.0.3/32]}
---
`;

function policy(spec: string): string {
  return `${POD}apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: ${spec}\n`;
}

function findings(text: string): [string, string][] {
  return lint(resourcesOf(text)).map(({ check, subject }) => [check, subject]);
}

const id = 'default/NetworkPolicy/shop/p';

describe('lint', () => {
  it.each([
    ['a sound policy', '{selector: app == "web", ingress: [{action: Allow, source: {selector: all()}}]}', []],
    ['a policy for nobody', '{selector: app == "wbe"}', [['selects-nothing', 'NetworkPolicy/shop/p']]],
    [
      'peers that do not exist',
      '{ingress: [{action: Allow, source: {selector: app == "none"}}]}',
      [['never-matches', `${id}/ingress/0`]],
    ],
    [
      'a named port that nobody has',
      '{ingress: [{action: Allow, protocol: TCP, destination: {ports: [http]}}]}',
      [['never-matches', `${id}/ingress/0`]],
    ],
    [
      'a rule behind one that decides everything',
      '{ingress: [{action: Log}, {action: Deny}, {action: Allow, protocol: TCP}]}',
      [['shadowed', `${id}/ingress/2`]],
    ],
    [
      'egress without DNS',
      '{egress: [{action: Allow, protocol: TCP, destination: {ports: [443]}}]}',
      [['no-dns', id]],
    ],
    [
      'egress with DNS',
      '{egress: [{action: Allow, protocol: TCP, destination: {ports: [443]}}, {action: Allow, protocol: UDP, destination: {ports: ["50:60"]}}]}',
      [],
    ],
    ['a tier that does not exist', '{tier: gone}', [['problem', 'NetworkPolicy/shop/p']]],
  ])('on %s', (_, spec, expected) => {
    expect(findings(policy(spec))).toEqual(expected);
  });
});
