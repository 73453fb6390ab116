import { it } from 'vitest';
import { openNftables } from '../../src/nftables/linux.ts';
import { checkReconciliation } from '../unit/nftables/reconcile-property.ts';
import { testNamespace } from './nftables-support.ts';

it('makes any table out of any other in the kernel, also after a restart', async () => {
  const namespace = testNamespace();
  await checkReconciliation(async (use) => {
    const events = { foreignChange: () => undefined, closed: () => undefined };
    const kernel = openNftables({ table: 'margay', namespace, events });
    try {
      await kernel.claim();
      await use(kernel);
      await kernel.transaction([{ kind: 'delete-table' }]);
    } finally {
      kernel.close();
    }
  }, 40);
});
