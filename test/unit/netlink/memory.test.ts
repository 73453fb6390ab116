import { expect, it } from 'vitest';
import type { KernelEvent } from '../../../src/netlink/kernel.ts';
import { MemoryNetwork } from '../../../src/netlink/memory.ts';
import { describeRouteKernel } from '../../kernel/route-kernel-contract.ts';

describeRouteKernel('the route kernel in memory', async () => {
  const network = new MemoryNetwork();
  network.createNamespace('near');
  network.createNamespace('far');
  const near = network.open('near');
  const far = network.open('far');
  return {
    near,
    far,
    farName: 'far',
    dispose() {
      near.close();
      far.close();
    },
  };
});

it('lets a test provoke an overrun of every monitor', async () => {
  const network = new MemoryNetwork();
  network.createNamespace('near');
  const kernel = network.open('near');
  const events: KernelEvent[] = [];
  kernel.monitor({ topics: ['routes'], event: (event) => events.push(event) });
  network.overrun('near');
  await new Promise((resolve) => setImmediate(resolve));
  expect(events).toEqual([{ type: 'overrun' }]);
  expect(() => network.open('elsewhere')).toThrow('ENOENT');
  expect(() => network.createNamespace('near')).toThrow('EEXIST');
});
