import { afterEach, expect, it } from 'vitest';
import { decodeResource } from '../../src/model/decode.ts';
import { keyOf } from '../../src/model/resource.ts';
import { runChecked } from '../../src/sys/process.ts';
import { describeKernel } from './fixture-namespace.ts';
import { OUTSIDE, TestNode, ask, ip, tellSources } from './fixture-node.ts';

const A = { 4: '10.65.0.2', 6: 'fd65::2' } as const;
const PORT = 8080;
const SIZE = 50_000;

const hex = (value: number): string => value.toString(16);
/** CIDRs with gaps between them: every second /29, and every second /64. */
const net4 = (index: number): string => {
  const base = 0x0b00_0000 + index * 16;
  return `${base >>> 24}.${(base >>> 16) & 255}.${(base >>> 8) & 255}.${base & 255}`;
};
const net6 = (index: number): string => `2001:db9:${hex((index * 2) >>> 16)}:${hex((index * 2) & 0xffff)}::`;

const nets = (from: number): string[] =>
  Array.from({ length: SIZE }, (_, index) => [`${net4(from + index)}/29`, `${net6(from + index)}/64`]).flat();

const networkSet = (list: readonly string[]) =>
  decodeResource('GlobalNetworkSet', {
    apiVersion: 'projectcalico.org/v3',
    metadata: { name: 'many', labels: { list: 'many' } },
    spec: { nets: list },
  });

const POLICY = `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: out}
spec:
  selector: projectcalico.org/orchestrator == "k8s"
  egress:
    - {action: Deny, destination: {selector: list == "many"}}
    - {action: Allow}
`;

const closers: (() => void)[] = [];
afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});

describeKernel('a network set of 100,000 CIDRs', () => {
  it('matches what is in them and nothing between them, and changes by one CIDR as the set does', async () => {
    await TestNode.with(POLICY, async (node) => {
      const last = SIZE - 1;
      // Within the first and the last CIDR, behind them, and in one that is added later.
      const places = {
        first: [net4(0).replace(/0$/, '1'), `${net6(0)}1`],
        gap: [net4(0).replace(/0$/, '9'), `${net6(0).replace(/0::$/, '1::')}1`],
        last: [net4(last), `${net6(last)}1`],
        later: [net4(SIZE), `${net6(SIZE)}1`],
      };
      for (const [four, six] of Object.values(places)) {
        await ip(node.outside, `addr add ${four}/32 dev lo\n -6 addr add ${six}/128 dev lo nodad`);
      }
      const a = await node.addPod('a', A);
      closers.push(await tellSources(node.outside, PORT));
      const reached = async (): Promise<string[]> => {
        const found: string[] = [];
        for (const [name, both] of Object.entries(places)) {
          const answers = await Promise.all(both.map((place) => ask(a.namespace, place, PORT)));
          const open = answers.map((answer) => answer !== undefined);
          expect(open, name).toEqual([open[0], open[0]]);
          if (open[0]) found.push(name);
        }
        return found;
      };
      // Neighbours find each other first.
      while ((await ask(a.namespace, OUTSIDE[6], PORT)) === undefined);
      expect(await reached()).toEqual(['first', 'gap', 'last', 'later']);
      await node.put(networkSet(nets(0)));
      expect(node.dataplane.status().problems).toEqual([]);
      expect(await reached()).toEqual(['gap', 'later']);
      const before = await runChecked('nft', ['-a', 'list', 'chains'], { namespace: node.namespace });
      // One of each family goes, one of each comes.
      const changed = await node.put(networkSet(nets(1)));
      const [delta] = [...changed.sets.values()];
      expect(changed.sets.size).toBe(1);
      expect([delta!.added.length, delta!.removed.length]).toEqual([2, 2]);
      expect(await reached()).toEqual(['first', 'gap']);
      expect(await runChecked('nft', ['-a', 'list', 'chains'], { namespace: node.namespace })).toBe(before);
      await node.remove(keyOf(networkSet([])));
      expect(await reached()).toEqual(['first', 'gap', 'last', 'later']);
    });
  }, 120_000);
});
