import { describe, expect, it } from 'vitest';
import type { ActivePolicy } from '../../src/calc/output.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import type { ActiveHostEndpoint } from '../../src/nftables/render/host-endpoints.ts';
import { Reconciler } from '../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS, type RenderOptions } from '../../src/nftables/render/options.ts';
import { PolicyRenderer } from '../../src/nftables/render/renderer.ts';
import { settle } from '../../src/nftables/settle.ts';
import { type Rule, type Ruleset, toJson } from '../../src/nftables/ruleset.ts';
import {
  RULE_SHAPES,
  delta,
  endpoint,
  peer,
  policy,
  profile,
  rule,
  wholeDelta,
} from '../unit/nftables/fixtures.ts';
import { listTable, nftFile, openTable, testNamespace } from './nftables-support.ts';

/** Loads what was rendered our way and nft's way and returns both listings. */
async function bothWays(reconciler: Reconciler): Promise<[ours: unknown, theirs: unknown, value: Ruleset]> {
  const ours = testNamespace();
  const theirs = testNamespace();
  const { kernel } = openTable(ours);
  await kernel.claim();
  reconciler.loadActual(await kernel.dumpTable());
  await settle(kernel, reconciler);
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

  it('shows the same table with host endpoints, one of an interface and one of all, at every stage', async () => {
    const reconciler = new Reconciler();
    const renderer = new PolicyRenderer(
      {
        ...DEFAULT_RENDER_OPTIONS,
        failsafes: {
          inbound: [
            { protocol: 6, port: 22, net: prefix('10.0.0.0/8') },
            { protocol: 6, port: 23, net: prefix('fd00::1/128') },
            { protocol: 132, port: 24, net: prefix('::/0') },
          ],
          outbound: [{ protocol: 17, port: 53 }],
        },
      },
      reconciler,
    );
    const early = policy('early', { stage: 'preDNAT', ingress: [rule()] });
    const untracked = policy('untracked', { stage: 'untracked', ingress: [rule()], egress: [rule()] });
    const plain = policy('plain', { ingress: [rule()], egress: [rule()] });
    renderer.apply(delta({ policies: [early, untracked, plain], profiles: [profile('open')] }));
    const tiers = ({ id }: ActivePolicy) => [
      { name: 'default', defaultAction: 'pass', ingress: [id], egress: [id] } as const,
    ];
    const host = (key: string, interfaceName: string): ActiveHostEndpoint => ({
      interfaces: [interfaceName],
      endpoint: {
        key,
        interfaceName,
        expectedAddresses: [],
        profiles: ['profile/Profile//open'],
        tiers: {
          normal: tiers(plain),
          forward: tiers(plain),
          preDNAT: tiers(early),
          untracked: tiers(untracked),
        },
      },
    });
    renderer.setHostEndpoints([host('one', 'eth0'), host('all', '*')]);
    const [ours, theirs] = await bothWays(reconciler);
    expect(ours).toEqual(theirs);
    renderer.setHostEndpoints([]);
    const { chains } = reconciler.ruleset('margay');
    expect(chains.filter(({ name }) => name.startsWith('host-') || name.startsWith('failsafe'))).toEqual([]);
  });

  it('shows the same table with other options: reject, limited log, accept to host, two prefixes', async () => {
    const options: RenderOptions = {
      interfacePrefixes: ['cali', 'tap'],
      families: [6],
      endpointToHostAction: 'Accept',
      denyAction: 'reject',
      dropInvalid: false,
      passMark: 0x40000000,
      acceptMark: 0x80000000,
      flushOnChange: true,
      serviceLoop: 'reject',
      failsafes: { inbound: [{ protocol: 6, port: 22 }], outbound: [] },
      interfaceExclude: [],
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

  it('shows the same table with every statement that no rule of policy has, and plans nothing against it', async () => {
    const connection = { '&': [{ ct: { key: 'mark' } }, 0x4000_0000] } as const;
    const flags = { '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, 18] } as const;
    const counted = { counter: null } as const;
    const rules: Rule[] = [
      { expr: [{ mangle: { key: { payload: { protocol: 'ip', field: 'dscp' } }, value: 46 } }] },
      { expr: [{ mangle: { key: { payload: { protocol: 'ip6', field: 'dscp' } }, value: 10 } }] },
      { expr: [{ limit: { rate: 1000, per: 'second', burst: 5, inv: true } }, counted, { drop: null }] },
      {
        expr: [
          { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 6 } },
          { 'ct count': { val: 7, inv: true } },
          { reject: { type: 'tcp reset' } },
        ],
      },
      { expr: [{ match: { op: '!=', left: connection, right: 0x4000_0000 } }, counted, { accept: null }] },
      { expr: [{ match: { op: '==', left: flags, right: 2 } }, counted, { accept: null }] },
    ];
    const desired = (): Reconciler => {
      const reconciler = new Reconciler();
      reconciler.setChain({ name: 'all', rules });
      return reconciler;
    };
    const [ours, theirs] = await bothWays(desired());
    expect(ours).toEqual(theirs);
    const { kernel } = openTable(testNamespace());
    await kernel.claim();
    const first = desired();
    first.loadActual(await kernel.dumpTable());
    await settle(kernel, first);
    const again = desired();
    again.loadActual(await kernel.dumpTable());
    expect(again.plan().operations).toEqual([]);
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
          7,
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
    await settle(kernel, first);
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
