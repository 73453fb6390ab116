/** A process of its own that uses a directory datastore as its arguments say: `<root> <task> …`. */
import { join } from 'node:path';
import { ConflictError } from '../../../src/datastore/datastore.ts';
import { DirectoryDatastore } from '../../../src/datastore/directory/directory.ts';
import { DirectoryLock } from '../../../src/datastore/directory/lock.ts';
import { networkSet, networkSetKey } from '../../datastore-contract.ts';

const [root, task, ...rest] = process.argv.slice(2) as [string, string, ...string[]];

const tasks: Record<string, () => Promise<void>> = {
  /** `count <times>`: increments the counter by compare-and-swap. */
  async count() {
    const datastore = await DirectoryDatastore.open(root);
    for (let done = 0; done < Number(rest[0]);) {
      const current = await datastore.get(networkSetKey('counter'));
      const count = Number(current.metadata.annotations?.['count'] ?? '0') + 1;
      const metadata = { ...current.metadata, annotations: { count: String(count) } };
      try {
        await datastore.update({ ...current, metadata });
        done++;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
    await datastore.close();
  },

  /** `watch <from> <until>`: prints `type name revision` of each event until that revision. */
  async watch() {
    const datastore = await DirectoryDatastore.open(root);
    const signal = new AbortController().signal;
    for await (const batch of datastore.watch({ from: Number(rest[0]), signal })) {
      for (const event of batch) {
        process.stdout.write(`${event.type} ${event.key.name} ${event.revision}\n`);
        if (event.revision >= Number(rest[1])) {
          await datastore.close();
          return;
        }
      }
    }
  },

  /** `hold`: takes the lock and never gives it back. */
  async hold() {
    const lock = new DirectoryLock(join(root, '.margay', 'writer'));
    await lock.acquire();
    process.stdout.write('held\n');
    setInterval(() => {}, 1_000);
  },

  /** `write <count>`: creates sets as fast as it can, until it is killed. */
  async write() {
    const datastore = await DirectoryDatastore.open(root);
    for (let index = 0; index < Number(rest[0]); index++) {
      await datastore.create(networkSet(`w-${process.pid}-${index}`));
      if (index === 0) process.stdout.write('writing\n');
    }
    await datastore.close();
  },
};

await tasks[task]!();
