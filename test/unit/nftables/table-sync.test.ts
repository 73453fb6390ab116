import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.ts';
import { RejectedError } from '../../../src/nftables/kernel.ts';
import { MemoryNamespace, openMemoryNftables } from '../../../src/nftables/memory.ts';
import { Reconciler } from '../../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS } from '../../../src/nftables/render/options.ts';
import { PolicyRenderer } from '../../../src/nftables/render/renderer.ts';
import { TableSync } from '../../../src/nftables/table-sync.ts';
import { comparable } from './arbitrary-ruleset.ts';
import { delta, endpoint, policy, rule, wholeDelta } from './fixtures.ts';

async function start(ownership?: 'never') {
  const namespace = new MemoryNamespace();
  const kernel = openMemoryNftables({
    namespace,
    ...(ownership === undefined ? {} : { ownership }),
    events: { foreignChange: () => sync.invalidate(), closed: () => undefined },
  });
  await kernel.claim();
  const reconciler = new Reconciler();
  const renderer = new PolicyRenderer(DEFAULT_RENDER_OPTIONS, reconciler);
  const sync = new TableSync({ kernel, reconciler, renderer, log: silentLogger() });
  return { namespace, kernel, reconciler, renderer, sync };
}

describe('keeping the table in step', () => {
  it('makes the table what is desired, and does nothing the second time', async () => {
    const { kernel, reconciler, renderer, sync } = await start();
    renderer.apply(wholeDelta());
    expect((await sync.apply()).operations).toBeGreaterThan(100);
    expect(comparable((await kernel.dumpTable())!)).toEqual(comparable(reconciler.ruleset('margay')));
    expect(await sync.apply()).toEqual({ operations: 0, quarantined: [] });
  });

  it('repairs what a stranger changed, and what a stranger changes while it does', async () => {
    const { namespace, kernel, reconciler, renderer, sync } = await start('never');
    renderer.apply(wholeDelta());
    await sync.apply();
    namespace.actAsStranger([{ kind: 'flush-chain', chain: 'forward-egress' }]);
    await sync.apply();
    expect(comparable((await kernel.dumpTable())!)).toEqual(comparable(reconciler.ruleset('margay')));
    namespace.actAsStranger([{ kind: 'delete-table' }]);
    const applied = sync.apply();
    namespace.actAsStranger([{ kind: 'add-table' }, { kind: 'add-chain', chain: { name: 'theirs' } }]);
    await applied;
    await sync.apply();
    expect(comparable((await kernel.dumpTable())!)).toEqual(comparable(reconciler.ruleset('margay')));
  });

  it('quarantines the policy whose rule the kernel refuses, and the rest goes on', async () => {
    const { namespace, kernel, renderer, sync } = await start();
    const bad = policy('bad', { ingress: [rule({ id: 'bad/0' })] });
    const good = policy('good', { ingress: [rule({ id: 'good/0' })] });
    const tiers = [
      { name: 'default', defaultAction: 'deny', ingress: [bad.id, good.id], egress: [] },
    ] as const;
    renderer.apply(delta({ policies: [bad, good], endpoints: [endpoint('a', { tiers })] }));
    namespace.refuse = (operation) =>
      operation.kind === 'add-rule' && operation.rule.comment === 'bad/0' ? 'EOPNOTSUPP' : undefined;
    expect((await sync.apply()).quarantined).toEqual([bad.id]);
    const chains = new Map((await kernel.dumpTable())!.chains.map(({ chain, rules }) => [chain.name, rules]));
    expect(chains.get(`pi-${bad.id}`)!.map(({ comment }) => comment)).toEqual([
      'fail closed: add rule to pi-default/NetworkPolicy/prod/bad (bad/0): EOPNOTSUPP',
    ]);
    expect(chains.get(`pi-${good.id}`)!.map(({ comment }) => comment)).toEqual(['good/0']);
  });

  it("gives up with the kernel's error when no policy is to blame", async () => {
    const { namespace, sync } = await start();
    namespace.refuse = (operation) => (operation.kind === 'add-chain' ? 'ENOMEM' : undefined);
    await expect(sync.apply()).rejects.toBeInstanceOf(RejectedError);
    namespace.refuse = () => undefined;
    expect((await sync.apply()).operations).toBeGreaterThan(0);
  });
});
