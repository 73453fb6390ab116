import { expect, it } from 'vitest';
import type { ForeignChange } from '../../../src/nftables/kernel.ts';
import { MemoryNamespace, openMemoryNftables } from '../../../src/nftables/memory.ts';
import { describeKernelContract } from './kernel-contract.ts';

describeKernelContract('nf_tables in memory', () => {
  const namespace = new MemoryNamespace();
  return {
    open(ownership) {
      const foreignChanges: ForeignChange[] = [];
      const events = {
        foreignChange: (change: ForeignChange) => foreignChanges.push(change),
        closed: () => undefined,
      };
      const kernel = openMemoryNftables({
        namespace,
        events,
        ...(ownership === undefined ? {} : { ownership }),
      });
      return { kernel, foreignChanges };
    },
    stranger: async (operations) => namespace.actAsStranger(operations),
    settle: async (condition) => expect(condition()).toBe(true),
  };
});

it('counts transactions of a shared table that met a stranger', async () => {
  const namespace = new MemoryNamespace();
  const events = { foreignChange: () => undefined, closed: () => undefined };
  const kernel = openMemoryNftables({ namespace, events, ownership: 'never' });
  await kernel.claim();
  namespace.strangerCommits = 3;
  await kernel.transaction([{ kind: 'add-chain', chain: { name: 'a' } }]);
  expect(kernel.retries).toBe(3);
});
