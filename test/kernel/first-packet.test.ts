import { expect, it } from 'vitest';
import { describeKernel } from './fixture-namespace.ts';
import { NODE_NAME, OUTSIDE, TestNode, podKey, podResource } from './fixture-node.ts';
import { until } from './nftables-support.ts';
import { ALLOWED, FORBIDDEN, listenFor, startSenders } from './packet-sender.ts';

const PODS = 60;

/** Unassigned addresses of the node's blocks lead nowhere; so nobody has a connection with one. */
const POLICY = `
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: ${NODE_NAME}-10-65-0-0-26}
spec: {state: confirmed, node: ${NODE_NAME}, cidr: 10.65.0.0/26, type: host, deleted: false}
---
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: ${NODE_NAME}-fd65-0000-0000-0000-0000-0000-0000-0000-122}
spec: {state: confirmed, node: ${NODE_NAME}, cidr: "fd65::/122", type: host, deleted: false}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: some, namespace: shop}
spec:
  types: [Ingress, Egress]
  ingress: [{action: Allow, protocol: ${ALLOWED}}]
  egress: [{action: Allow, protocol: ${ALLOWED}}]
`;

const address = (index: number) => ({
  4: `10.65.0.${index + 2}`,
  6: `fd65::${(index + 2).toString(16)}`,
});

describeKernel('policy at the birth of a workload', () => {
  it(`is in force before the first packet of ${PODS} workloads, from them and to them, and until the last`, async () => {
    await TestNode.with(POLICY, async (node) => {
      const pods: { readonly name: string; readonly namespace: string }[] = [];
      for (let index = 0; index < PODS; index++) {
        const name = `p${index}`;
        pods.push({ name, namespace: await node.wirePod(name, address(index)) });
      }
      const outside = {
        forbidden: listenFor(node.outside, FORBIDDEN),
        allowed: listenFor(node.outside, ALLOWED),
      };
      const inside = pods.map(({ namespace }) => ({
        forbidden: listenFor(namespace, FORBIDDEN),
        allowed: listenFor(namespace, ALLOWED),
      }));
      const stop = await startSenders([
        ...pods.map((pod) => ({ ...pod, targets: [OUTSIDE[4], OUTSIDE[6]] })),
        {
          name: 'outside',
          namespace: node.outside,
          targets: pods.flatMap((_, index) => Object.values(address(index))),
        },
      ]);
      try {
        for (const [index, { name }] of pods.entries()) {
          await node.apply(podResource(name, address(index)));
        }
        await until(() => outside.allowed.heard.size === 2 * PODS, 20_000);
        await until(() => inside.every(({ allowed }) => allowed.heard.size === 2), 20_000);
        for (const { name } of pods) await node.remove(podKey(name));
      } finally {
        await stop();
      }
      expect([...outside.forbidden.heard]).toEqual([]);
      expect(inside.flatMap(({ forbidden }) => [...forbidden.heard])).toEqual([]);
      for (const { forbidden, allowed } of [outside, ...inside]) {
        forbidden.close();
        allowed.close();
      }
    });
  });
});
