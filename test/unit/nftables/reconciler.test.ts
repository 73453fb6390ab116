import { describe, expect, it } from 'vitest';
import type { NftablesKernel, Operation } from '../../../src/nftables/kernel.ts';
import { MemoryNamespace, openMemoryNftables } from '../../../src/nftables/memory.ts';
import { Reconciler } from '../../../src/nftables/reconciler.ts';
import type { NamedSet, Rule } from '../../../src/nftables/ruleset.ts';
import { checkReconciliation } from './reconcile-property.ts';

async function openClaimed(): Promise<NftablesKernel> {
  const events = { foreignChange: () => undefined, closed: () => undefined };
  const kernel = openMemoryNftables({ namespace: new MemoryNamespace(), events });
  await kernel.claim();
  return kernel;
}

async function apply(kernel: NftablesKernel, reconciler: Reconciler): Promise<readonly Operation[]> {
  const plan = reconciler.plan();
  reconciler.committed(plan, await kernel.transaction(plan.operations));
  return plan.operations;
}

const rule = (comment: string): Rule => ({ comment, expr: [{ counter: null }, { accept: null }] });
const rules = (...comments: string[]): Rule[] => comments.map(rule);
const SET: NamedSet = { name: 's', type: ['ipv4_addr'], interval: true, verdicts: false };

describe('reconciliation', () => {
  it('makes any table out of any other, also after a restart', async () => {
    await checkReconciliation(async (use) => use(await openClaimed()), 150);
  });

  it('keeps handles of rules that did not change, whatever happens around them', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.loadActual(await kernel.dumpTable());
    reconciler.setChain({ name: 'c', rules: rules('a', 'b', 'c', 'd') });
    await apply(kernel, reconciler);
    const handleOf = async (): Promise<Map<string | undefined, number>> =>
      new Map((await kernel.dumpTable())!.chains[0]!.rules.map(({ comment, handle }) => [comment, handle]));
    const before = await handleOf();
    reconciler.setChain({ name: 'c', rules: rules('x', 'b', 'y', 'd', 'z') });
    const operations = await apply(kernel, reconciler);
    expect(operations.map(({ kind }) => kind)).toEqual([
      'delete-rule',
      'delete-rule',
      'add-rule',
      'add-rule',
      'add-rule',
    ]);
    const after = await handleOf();
    expect([...after.keys()]).toEqual(['x', 'b', 'y', 'd', 'z']);
    expect([after.get('b'), after.get('d')]).toEqual([before.get('b'), before.get('d')]);
  });

  it('plans nothing when the same is desired again', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.loadActual(await kernel.dumpTable());
    reconciler.setChain({ name: 'c', rules: rules('a') });
    reconciler.setSet(SET);
    reconciler.addElements('s', [{ key: '10.0.0.0/8' }]);
    await apply(kernel, reconciler);
    expect(reconciler.pending).toBe(false);
    reconciler.setChain({ name: 'c', rules: rules('a') });
    reconciler.removeSet('s');
    reconciler.setSet(SET);
    reconciler.addElements('s', [{ key: '10.0.0.0/8' }]);
    expect(reconciler.plan().operations).toEqual([]);
    expect(reconciler.pending).toBe(false);
  });

  it('drops the elements of a set that is declared anew with others', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.loadActual(await kernel.dumpTable());
    reconciler.setSet(SET);
    reconciler.addElements('s', [{ key: '10.0.0.0/8' }]);
    await apply(kernel, reconciler);
    reconciler.removeSet('s');
    reconciler.setSet(SET);
    reconciler.addElements('s', [{ key: '11.0.0.0/8' }]);
    expect(await apply(kernel, reconciler)).toEqual([
      { kind: 'delete-elements', set: SET, elements: [{ key: '10.0.0.0/8' }] },
      { kind: 'add-elements', set: SET, elements: [{ key: '11.0.0.0/8' }] },
    ]);
  });

  it('does not lose what became desired while a plan was on its way', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.loadActual(await kernel.dumpTable());
    reconciler.setSet(SET);
    reconciler.addElements('s', [{ key: '10.0.0.0/8' }]);
    reconciler.setChain({ name: 'c', rules: rules('a') });
    const other = { ...SET, name: 'other' };
    reconciler.setSet(other);
    reconciler.addElements('other', [{ key: '10.0.0.0/8' }]);
    const plan = reconciler.plan();
    reconciler.removeSet('other');
    reconciler.setSet(other);
    reconciler.addElements('other', [{ key: '12.0.0.0/8' }]);
    reconciler.removeElements('s', ['10.0.0.0/8']);
    reconciler.addElements('s', [{ key: '11.0.0.0/8' }]);
    reconciler.setChain({ name: 'c', rules: rules('a', 'b') });
    reconciler.committed(plan, await kernel.transaction(plan.operations));
    await apply(kernel, reconciler);
    const dump = (await kernel.dumpTable())!;
    expect(dump.sets.map(({ elements }) => elements.map(({ element }) => element.key))).toEqual([
      ['11.0.0.0/8'],
      ['12.0.0.0/8'],
    ]);
    expect(dump.chains[0]!.rules.map(({ comment }) => comment)).toEqual(['a', 'b']);
  });

  it('makes the table anew when a name is taken by something of another shape', async () => {
    const kernel = await openClaimed();
    await kernel.transaction([
      { kind: 'add-set', set: { ...SET, type: ['ipv6_addr'] } },
      { kind: 'add-chain', chain: { name: 'leftover' } },
    ]);
    const reconciler = new Reconciler();
    reconciler.setSet(SET);
    reconciler.setChain({ name: 'c', rules: rules('a') });
    reconciler.loadActual(await kernel.dumpTable());
    const operations = await apply(kernel, reconciler);
    expect(operations.slice(0, 2)).toEqual([{ kind: 'delete-table' }, { kind: 'add-table' }]);
    const dump = (await kernel.dumpTable())!;
    expect(dump.sets[0]!.set).toEqual(SET);
    expect(dump.chains.map(({ chain }) => chain.name)).toEqual(['c']);
    expect(reconciler.plan().operations).toEqual([]);
  });

  it('makes chains, and the maps that lead to them, in a transaction before that of the rules that look into these', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.loadActual(await kernel.dumpTable());
    reconciler.setChain({ name: 'tier', rules: rules('a') });
    await apply(kernel, reconciler);
    const map: NamedSet = {
      name: 'ports',
      type: ['inet_proto', 'inet_service'],
      interval: true,
      verdicts: true,
    };
    reconciler.setSet(map);
    reconciler.setChain({ name: 'policy', rules: rules('p') });
    reconciler.addElements('ports', [{ key: 'tcp,80-90', verdict: { jump: { target: 'policy' } } }]);
    reconciler.setChain({ name: 'tier', rules: rules('b') });
    const first = await apply(kernel, reconciler);
    expect(first.map(({ kind }) => kind)).toEqual(['add-set', 'add-chain', 'add-elements', 'add-rule']);
    const second = await apply(kernel, reconciler);
    expect(second.map(({ kind }) => kind)).toEqual(['delete-rule', 'add-rule']);
    expect(reconciler.plan().operations).toEqual([]);
  });

  it('makes a table that is gone', async () => {
    const kernel = await openClaimed();
    const reconciler = new Reconciler();
    reconciler.setChain({ name: 'c', rules: rules('a') });
    reconciler.loadActual(undefined);
    await kernel.transaction([{ kind: 'delete-table' }]);
    await apply(kernel, reconciler);
    expect((await kernel.dumpTable())!.chains[0]!.rules.length).toBe(1);
  });
});
