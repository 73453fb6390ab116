import { expect, it } from 'vitest';
import { describeKernel } from './fixture-namespace.ts';
import { NODE, NODE_NAME, OUTSIDE, TestNode, ask, ip, tellSources } from './fixture-node.ts';

const POOL = (natOutgoing: boolean): string => `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: four}
spec: {cidr: 10.65.0.0/16, natOutgoing: ${natOutgoing}}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: six}
spec: {cidr: "fd65::/64", natOutgoing: ${natOutgoing}}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: else}
spec: {cidr: 10.66.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: ${NODE_NAME}}
spec: {bgp: {ipv4Address: ${NODE[4]}/24, ipv6Address: "${NODE[6]}/64"}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node-b}
spec: {addresses: [{address: ${OUTSIDE[4]}}, {address: "${OUTSIDE[6]}"}]}
`;

const FELIX = (spec: string): string => `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: ${spec}
`;

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const PORT = 8080;

describeKernel('NAT outgoing', () => {
  it("shows the outside the node's address, and other workloads the workload's own", async () => {
    await TestNode.with(POOL(true), async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B);
      const stops = [await tellSources(node.outside, PORT), await tellSources(b.namespace, PORT)];
      const seen = async (host: string): Promise<string | undefined> =>
        (await ask(a.namespace, host, PORT))?.split(' ')[0];
      for (const family of [4, 6] as const) {
        expect(await seen(OUTSIDE[family])).toBe(NODE[family]);
        expect(await seen(B[family])).toBe(A[family]);
      }
      await node.apply(FELIX('{natOutgoingExclusions: IPPoolsAndHostIPs}'));
      for (const family of [4, 6] as const) expect(await seen(OUTSIDE[family])).toBe(A[family]);
      await node.apply(FELIX('{iptablesNATOutgoingInterfaceFilter: other+}'));
      expect(await seen(OUTSIDE[4])).toBe(A[4]);
      await node.apply(FELIX('{iptablesNATOutgoingInterfaceFilter: wir+}'));
      expect(await seen(OUTSIDE[4])).toBe(NODE[4]);
      await node.apply(POOL(false));
      for (const family of [4, 6] as const) expect(await seen(OUTSIDE[family])).toBe(A[family]);
      for (const stop of stops) stop();
    });
  });

  it('uses NATOutgoingAddress and NATPortRange', async () => {
    await TestNode.with(
      `${POOL(true)}\n---\n${FELIX('{natOutgoingAddress: 192.0.2.77, natPortRange: "2000:2003"}')}`,
      async (node) => {
        const a = await node.addPod('a', A);
        const stop = await tellSources(node.outside, PORT);
        await ip(node.namespace, 'addr add 192.0.2.77/32 dev wire');
        const [four, six] = await Promise.all([
          ask(a.namespace, OUTSIDE[4], PORT),
          ask(a.namespace, OUTSIDE[6], PORT),
        ]);
        expect(four).toMatch(/^192\.0\.2\.77 200[0-3]$/);
        expect(six).toMatch(/^2001:db8::1 200[0-3]$/);
        stop();
      },
    );
  });
});
