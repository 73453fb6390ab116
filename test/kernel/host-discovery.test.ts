import { expect, it } from 'vitest';
import { CalcGraph } from '../../src/calc/graph.ts';
import { evaluateHost } from '../../src/explain/evaluate-host.ts';
import { PolicyState } from '../../src/explain/policy-state.ts';
import { keyOf } from '../../src/model/resource.ts';
import { parseResources } from '../../src/model/yaml.ts';
import { address } from '../../src/net/address.ts';
import { hostPlaces, strangers, thisNode } from '../fuzz/policy-places.ts';
import { ProbeLab } from '../fuzz/probe-lab.ts';
import { describeKernel } from './fixture-namespace.ts';

const CLOSED = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: all, labels: {host: guarded}}
spec: {node: ${thisNode}, interfaceName: '*'}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny}
spec: {selector: host == 'guarded', types: [Ingress, Egress], ingress: [{action: Deny}], egress: [{action: Deny}]}
`;
const ECHO = 128;

describeKernel('what a host cannot do without', () => {
  it('is ICMPv6 of multicast listeners, routers and neighbours, which passes host endpoints whatever policy says', async () => {
    const graph = new CalcGraph({ nodeName: thisNode });
    for (const { resource } of parseResources(CLOSED)) graph.update(keyOf(resource!), resource!);
    const lab = await ProbeLab.open();
    try {
      const delta = graph.flush();
      await lab.program(delta);
      const [host, stranger] = [address(hostPlaces[0]![6]), address(strangers[0]![6])];
      const types = [130, 131, 132, 133, 134, 135, 136, 143, ECHO];
      const packets = [
        { source: stranger, destination: host },
        { source: host, destination: stranger },
      ].flatMap((ends) => types.map((type) => ({ ...ends, protocol: 58, icmp: { type, code: 0 } })));
      const expected = packets.map(({ icmp }) => icmp.type !== ECHO);
      expect(await lab.probe(packets, expected)).toEqual(expected);
      // And explain knows.
      const state = new PolicyState();
      state.apply(delta);
      const failsafes = { inbound: [], outbound: [] };
      const explained = packets.map((packet) =>
        evaluateHost(
          state.hostEndpoints.get('all')!,
          packet.source === host ? 'fromHost' : 'toHost',
          packet,
          state,
          failsafes,
        ),
      );
      expect(explained.map(({ verdict }) => verdict === 'allow')).toEqual(expected);
      expect(explained[0]!.decidedBy).toEqual(['host-discovery']);
    } finally {
      lab.close();
    }
  });
});
