import { describeKernelContract } from '../unit/nftables/kernel-contract.ts';
import { openTable, testNamespace, until } from './nftables-support.ts';

describeKernelContract('nf_tables in the kernel', () => {
  const namespace = testNamespace();
  return {
    open: (ownership) => openTable(namespace, ownership),
    stranger: async (operations) => {
      const { kernel } = openTable(namespace, 'never');
      try {
        return await kernel.transaction(operations);
      } finally {
        kernel.close();
      }
    },
    settle: until,
  };
});
