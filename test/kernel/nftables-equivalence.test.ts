import { describe, expect, it } from 'vitest';
import { address } from '../../src/net/address.ts';
import { Reconciler } from '../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS, type RenderOptions } from '../../src/nftables/render/options.ts';
import { PolicyRenderer } from '../../src/nftables/render/renderer.ts';
import { type Ruleset, toJson } from '../../src/nftables/ruleset.ts';
import { RULE_SHAPES, delta, endpoint, peer, policy, rule, wholeDelta } from '../unit/nftables/fixtures.ts';
import { listTable, nftFile, openTable, testNamespace } from './nftables-support.ts';

/** Loads what was rendered our way and nft's way and returns both listings. */
async function bothWays(reconciler: Reconciler): Promise<[ours: unknown, theirs: unknown, value: Ruleset]> {
  const ours = testNamespace();
  const theirs = testNamespace();
  const { kernel } = openTable(ours);
  await kernel.claim();
  reconciler.loadActual(await kernel.dumpTable());
  await kernel.transaction(reconciler.plan().operations);
  const value = reconciler.ruleset('margay');
  await nftFile(theirs, ['-j'], JSON.stringify(toJson(value)));
  return [await listTable(ours), await listTable(theirs), value];
}

describe('our netlink path against nft -j -f of the same value', () => {
  it('shows the same table with all rule shapes, tiers, profiles and sets', async () => {
    const reconciler = new Reconciler();
    new PolicyRenderer(DEFAULT_RENDER_OPTIONS, reconciler).apply(wholeDelta());
    const [ours, theirs] = await bothWays(reconciler);
    expect(ours).toEqual(theirs);
  });

  it('shows the same table with other options: reject, limited log, accept to host, two prefixes', async () => {
    const options: RenderOptions = {
      interfacePrefixes: ['cali', 'tap'],
      families: [6],
      endpointToHostAction: 'Accept',
      denyAction: 'reject',
      dropInvalid: false,
      passMark: 0x80000000,
      logPrefix: '%t %k %n %p',
      logLimit: { rate: 10, per: 'minute', burst: 5 },
      allowSpoofing: true,
      blockedTunnels: { vxlanPort: undefined, ipip: false },
      natOutgoing: {
        addresses: { 6: address('2001:db8::1') },
        ports: { first: 2000, last: 3000 },
        excludeNodes: true,
        outputInterface: 'eth*',
      },
    };
    const reconciler = new Reconciler();
    new PolicyRenderer(options, reconciler).apply(wholeDelta());
    const [ours, theirs] = await bothWays(reconciler);
    expect(ours).toEqual(theirs);
  });

  it.each(['deny', 'pass'] as const)(
    'shows the same table with tiers by port that end in %s',
    async (end) => {
      const port = (first: number, last = first) => ({ destination: peer({ ports: [{ first, last }] }) });
      const policies = [
        policy('one', { ingress: [rule({ protocol: 6, ...port(80) })] }),
        policy('two', {
          ingress: [rule({ protocol: 6, ...port(80, 90) }), rule({ protocol: 17, ...port(53) })],
        }),
        policy('three', { ingress: [rule({ protocol: 17, ...port(65_000, 65_535) })] }),
        policy('four', { ingress: [rule({ ...port(0, 21) }), rule({ protocol: 132, ...port(443) })] }),
        policy('all', { ingress: [rule({ action: 'pass', protocol: 1 })] }),
      ];
      for (const some of [policies, policies.slice(0, 4)]) {
        const ingress = some.map(({ id }) => id);
        const tiers = [{ name: 'default', defaultAction: end, ingress, egress: [] }];
        const reconciler = new Reconciler();
        const renderer = new PolicyRenderer(DEFAULT_RENDER_OPTIONS, reconciler);
        renderer.apply(delta({ policies: some, endpoints: [endpoint('a', { tiers })] }));
        const [ours, theirs, value] = await bothWays(reconciler);
        expect(ours).toEqual(theirs);
        expect(value.sets.filter(({ verdicts, type }) => verdicts && type[0] === 'inet_service').length).toBe(
          4,
        );
      }
    },
  );

  it('plans nothing against what the kernel returns for all rule shapes', async () => {
    const { kernel } = openTable(testNamespace());
    await kernel.claim();
    const first = new Reconciler();
    new PolicyRenderer(DEFAULT_RENDER_OPTIONS, first).apply(wholeDelta());
    first.loadActual(await kernel.dumpTable());
    await kernel.transaction(first.plan().operations);
    const restarted = new Reconciler();
    new PolicyRenderer(DEFAULT_RENDER_OPTIONS, restarted).apply(wholeDelta());
    restarted.loadActual(await kernel.dumpTable());
    expect(restarted.plan().operations).toEqual([]);
  });

  it.each(Object.keys(RULE_SHAPES))('agrees on a rule with %s', async (shape) => {
    const one = policy('one', { ingress: [RULE_SHAPES[shape]!] });
    const { sets } = wholeDelta();
    const reconciler = new Reconciler();
    const renderer = new PolicyRenderer(DEFAULT_RENDER_OPTIONS, reconciler);
    renderer.apply({
      ...delta({
        policies: [one],
        endpoints: [
          endpoint('a', {
            tiers: [{ name: 'default', defaultAction: 'deny', ingress: [one.id], egress: [] }],
          }),
        ],
      }),
      sets,
    });
    const [ours, theirs] = await bothWays(reconciler);
    expect(ours).toEqual(theirs);
  });
});
