import { MemoryDatastore } from '../../../src/datastore/memory.ts';
import { State } from '../../../src/datastore/state.ts';
import { networkSet, testDatastoreContract } from '../../datastore-contract.ts';

testDatastoreContract('memory', async () => {
  const state = new State();
  const backdoor = new MemoryDatastore(state);
  return {
    open: async () => new MemoryDatastore(state),
    putInvalid: async (key) => {
      backdoor.putRaw(key, { ...networkSet(key.name), spec: { nets: ['ten'] } });
    },
    compact: async () => backdoor.compact(state.revision),
    dispose: () => backdoor.close(),
  };
});
