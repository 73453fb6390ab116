import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { type HostPlace, evaluateHost } from '../../../src/explain/evaluate-host.ts';
import { PolicyState } from '../../../src/explain/policy-state.ts';
import { keyOf } from '../../../src/model/resource.ts';
import { parseResources } from '../../../src/model/yaml.ts';
import { address } from '../../../src/net/address.ts';

const HOST = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: wire, labels: {host: guarded}}
spec: {node: one, interfaceName: wire}
`;
const guard = (name: string, spec: string): string => `
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: ${name}}
spec: {selector: host == "guarded", applyOnForward: true, ${spec}}
`;
const PRE_DNAT = (rules: string): string =>
  guard('early', `preDNAT: true, types: [Ingress], ingress: [${rules}]`);
const FORWARD = (rules: string): string => guard('late', `types: [Ingress, Egress], ingress: [${rules}]`);
const deny = (port: number): string => `{action: Deny, protocol: TCP, destination: {ports: [${port}]}}`;
const ALLOW = '{action: Allow}';

const FAILSAFES = { inbound: [{ protocol: 6, port: 22 }], outbound: [{ protocol: 6, port: 179 }] };

/** What becomes of a TCP packet to one of four ports; 22 is a failsafe port. */
function verdicts(policies: string, place: HostPlace = 'intoHost', sourcePort?: number) {
  const graph = new CalcGraph({ nodeName: 'one' });
  for (const { resource } of parseResources(HOST + policies)) graph.update(keyOf(resource!), resource);
  const delta = graph.flush();
  const state = new PolicyState();
  state.apply(delta);
  return [22, 80, 81, 82].map((destinationPort) => {
    const [source, destination] = [address('192.0.2.1'), address('198.51.100.1')];
    const ports = { destinationPort, ...(sourcePort === undefined ? {} : { sourcePort }) };
    const packet = { source, destination, protocol: 6, ...ports };
    return evaluateHost(state.hostEndpoints.get('wire')!, place, packet, state, FAILSAFES).verdict;
  });
}

describe('what passes a host', () => {
  it('is not policed by normal policy, nor where there is none', () => {
    expect(verdicts('')).toEqual(['allow', 'allow', 'allow', 'allow']);
  });

  it('is denied by preDNAT policy, but for failsafe ports, and by what applies on forward', () => {
    const early = PRE_DNAT(`${deny(22)}, ${deny(80)}, ${ALLOW}`);
    const late = FORWARD(`${deny(22)}, ${deny(81)}, ${ALLOW}`);
    expect(verdicts(early)).toEqual(['allow', 'deny', 'allow', 'allow']);
    expect(verdicts(late)).toEqual(['deny', 'allow', 'deny', 'allow']);
    // What the first stage allows passes the second; what it does not decide may be denied there.
    expect(verdicts(early + late)).toEqual(['deny', 'deny', 'allow', 'allow']);
    expect(verdicts(PRE_DNAT(deny(80)) + late)).toEqual(['deny', 'deny', 'deny', 'allow']);
  });

  it('is denied at the end of a tier of forward policy, in the directions that it has', () => {
    expect(verdicts(FORWARD(ALLOW), 'outOfHost')).toEqual(['deny', 'deny', 'deny', 'deny']);
    expect(verdicts(PRE_DNAT(deny(80)), 'outOfHost')).toEqual(['allow', 'allow', 'allow', 'allow']);
  });
});

describe('what begins or ends at a host', () => {
  it('is not asked about again once policy before connection tracking accepts it', () => {
    const untracked = guard('first', `doNotTrack: true, types: [Ingress], ingress: [${deny(80)}, ${ALLOW}]`);
    const early = PRE_DNAT(`${deny(81)}`);
    const all = guard('normal', 'types: [Ingress]');
    expect(verdicts(untracked + early + all, 'toHost')).toEqual(['allow', 'deny', 'allow', 'allow']);
    expect(verdicts(early + all, 'toHost')).toEqual(['allow', 'deny', 'deny', 'deny']);
  });

  it('passes before connection tracking as an answer of a failsafe port, and needs normal policy after', () => {
    const untracked = guard('first', 'doNotTrack: true, types: [Ingress], ingress: [{action: Deny}]');
    const normal = guard('normal', `types: [Ingress], ingress: [${deny(80)}, ${ALLOW}]`);
    expect(verdicts(untracked + normal, 'toHost', 1)).toEqual(['allow', 'deny', 'deny', 'deny']);
    expect(verdicts(untracked + normal, 'toHost', 179)).toEqual(['allow', 'deny', 'allow', 'allow']);
  });
});
