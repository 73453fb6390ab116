import { afterEach, expect, it } from 'vitest';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from './fixture-namespace.ts';
import { OUTSIDE, TestNode, ask, tellSources } from './fixture-node.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const B = { 4: '10.65.0.3', 6: 'fd65::3' } as const;
const PORT = 8080;

const staged = (action: string) => `
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: would-deny, namespace: shop}
spec:
  stagedAction: ${action}
  ${action === 'Set' ? 'selector: role == "server"\n  ingress: [{action: Log}, {action: Deny, protocol: TCP}]' : ''}
`;

/** Packets that a rule of the table has counted. */
async function counted(namespace: string, comment: string): Promise<number | undefined> {
  const text = await runChecked('nft', ['list', 'table', 'inet', 'margay'], { namespace });
  const line = text.split('\n').find((one) => one.includes(`comment "${comment}"`));
  const packets = /counter packets (\d+)/.exec(line ?? '')?.[1];
  return packets === undefined ? undefined : Number(packets);
}

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

describeKernel('staged policies', () => {
  it('count what they would have decided and decide nothing, alone in their tier and before others', async () => {
    await TestNode.with(staged('Set'), async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B, { labels: '{role: server}' });
      closers.push(await tellSources(b.namespace, PORT));
      const rule = 'default/StagedNetworkPolicy/shop/would-deny/ingress/1';
      for (const family of [4, 6] as const) expect(await ask(a.namespace, B[family], PORT)).toBeDefined();
      expect(await counted(node.namespace, rule)).toBe(2);
      await node.apply(`
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: would-deny, namespace: shop}
spec: {selector: role == "server", ingress: [{action: Allow, ipVersion: 4}]}
`);
      expect(await ask(a.namespace, B[4], PORT)).toBeDefined();
      expect(await ask(a.namespace, B[6], PORT)).toBeUndefined();
      expect(await counted(node.namespace, rule)).toBeGreaterThanOrEqual(4);
      await node.apply(staged('Delete'));
      expect(await counted(node.namespace, rule)).toBeUndefined();
    });
  });
});

describeKernel('ClusterNetworkPolicy', () => {
  it('decides in the Admin tier before the Baseline tier, which decides before the namespace', async () => {
    const cluster = (tier: string, action: string) => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: ${tier.toLowerCase()}}
spec:
  tier: ${tier}
  priority: 10
  subject: {namespaces: {}}
  ingress: [{action: ${action}, from: [{namespaces: {}}]}]
`;
    await TestNode.with('', async (node) => {
      const a = await node.addPod('a', A);
      const b = await node.addPod('b', B);
      closers.push(await tellSources(b.namespace, PORT));
      const open = async (): Promise<boolean> => (await ask(a.namespace, B[4], PORT)) !== undefined;
      expect(await open()).toBe(true);
      await node.apply(cluster('Baseline', 'Deny'));
      expect(await open()).toBe(false);
      await node.apply(cluster('Admin', 'Pass'));
      expect(await open()).toBe(false);
      await node.apply(cluster('Admin', 'Accept'));
      expect(await open()).toBe(true);
    });
  });

  it('knows nodes by their labels, at every address, and no pod or network set by them', async () => {
    const node = (labels: string): string => `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: other, labels: ${labels}}
spec: {bgp: {ipv4Address: ${OUTSIDE[4]}/24}, addresses: [{address: "${OUTSIDE[6]}"}]}
`;
    const policy = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: nodes}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{nodes: {matchExpressions: [{key: pod, operator: DoesNotExist}]}}]}]
`;
    await TestNode.with([policy, node('{}')].join('---'), async (lab) => {
      const a = await lab.addPod('a', A);
      const b = await lab.addPod('b', B);
      closers.push(await tellSources(lab.outside, PORT), await tellSources(b.namespace, PORT));
      const open = async (places: Readonly<Record<4 | 6, string>>): Promise<boolean[]> => {
        const answers = await Promise.all(
          ([4, 6] as const).map((family) => ask(a.namespace, places[family], PORT)),
        );
        return answers.map((answer) => answer !== undefined);
      };
      expect(await open(B)).toEqual([true, true]);
      expect(await open(OUTSIDE)).toEqual([false, false]);
      await lab.apply(node('{pod: none}'));
      // Neighbours find each other first.
      while ((await ask(a.namespace, OUTSIDE[6], PORT)) === undefined);
      expect(await open(OUTSIDE)).toEqual([true, true]);
      await lab.apply(node('{}'));
      expect(await open(OUTSIDE)).toEqual([false, false]);
    });
  });
});
