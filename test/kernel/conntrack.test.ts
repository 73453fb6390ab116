import { afterEach, expect, it } from 'vitest';
import type { Address } from '../../src/net/address.ts';
import { Conntrack } from '../../src/netlink/conntrack.ts';
import { datagrams } from './fixture-datagrams.ts';
import { describeKernel } from './fixture-namespace.ts';
import { TestNode, ask, podKey, podResource, tellSources } from './fixture-node.ts';
import { until } from './nftables-support.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const C = { 4: '10.65.0.4', 6: 'fd65::4' } as const;
const PORT = 8080;

describeKernel('connection tracking', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    while (closers.length > 0) closers.pop()!();
  });

  it('forgets connections that an address began or answers, and no others', async () => {
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B);
      const c = await node.addPod('c', C);
      for (const pod of [a, b, c]) closers.push(await tellSources(pod.namespace, PORT));
      const connect = async (): Promise<void> => {
        for (const family of [4, 6] as const) {
          for (const [from, to] of [
            [a, B],
            [b, A],
            [b, C],
          ] as const) {
            expect(await ask(from.namespace, to[family], PORT)).toBeDefined();
          }
        }
      };
      const conntrack = new Conntrack({ namespace: node.namespace });
      closers.push(() => conntrack.close());
      const filtering = new Conntrack({ namespace: node.namespace, readWholeUpTo: 0 });
      closers.push(() => filtering.close());
      await connect();
      expect(await conntrack.deleteByAddress([A[4]] as Address[])).toBe(2);
      expect(await filtering.deleteByAddress([A[6]] as Address[])).toBe(2);
      expect(await conntrack.deleteByAddress([A[4], A[6]] as Address[])).toBe(0);
      expect(await conntrack.deleteByAddress([C[4], C[6]] as Address[])).toBe(2);
      await connect();
      const many = Array.from({ length: 10 }, (_, index) => `10.65.1.${index}`);
      expect(await conntrack.deleteByAddress([...many, A[4]] as Address[])).toBe(2);
      expect(await conntrack.deleteByAddress([...many, B[6], C[6]] as Address[])).toBe(3);
    });
  });

  it('does not let a workload inherit the connections of the one that had its address', async () => {
    const [from, to] = [33_333, 44_444];
    const deny = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {selector: role == "server", types: [Ingress]}
`;
    for (const family of [4, 6] as const) {
      await TestNode.with('', async (node) => {
        const a = await node.addPod('a', A);
        const b = await node.addPod('b', B, { labels: '{role: server}' });
        const client = datagrams(a.namespace, family, from);
        const server = datagrams(b.namespace, family, to);
        const host = datagrams(node.namespace, family, from);
        closers.push(client.close, server.close, host.close);
        client.send(B[family], to, 'first');
        await until(() => server.heard.includes('first'));
        server.send(A[family], from, 'answer');
        await until(() => client.heard.includes('answer'));
        await node.apply(deny);
        client.send(B[family], to, 'second');
        await until(() => server.heard.includes('second'));

        await node.remove(podKey('b'));
        const namespace = await node.wirePod('next', B);
        await node.apply(podResource('next', B, { labels: '{role: server}' }));
        const next = datagrams(namespace, family, to);
        closers.push(next.close);
        client.send(B[family], to, 'third');
        // The host itself is not policed: when this is there, so is everything that was let through before.
        host.send(B[family], to, 'last');
        await until(() => next.heard.includes('last'));
        expect(next.heard).toEqual(['last']);
      });
    }
  });
});
