/**
 * As part of an agent: opens a datastore (a JSON configuration), follows it until it is in sync, and prints how long
 * that took and what it cost.
 */
import type { DatastoreConfig } from '../../src/datastore/config.ts';
import { openDatastore } from '../../src/datastore/open.ts';
import { Syncer } from '../../src/datastore/syncer.ts';

async function main(): Promise<void> {
  const config = JSON.parse(process.argv[2]!) as DatastoreConfig;
  let resources = 0;
  const used = process.cpuUsage();
  const start = performance.now();
  const datastore = await openDatastore(config);
  const controller = new AbortController();
  await new Syncer(datastore, {
    updates: (batch) => {
      for (const event of batch) {
        if (event.type === 'invalid')
          throw new Error(`${event.key.kind} ${event.key.name} is invalid: ${event.error.message}`);
        resources++;
      }
    },
    inSync: () => controller.abort(),
    problem: (error) => {
      if (error !== undefined) throw error;
    },
  }).run(controller.signal);
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  await datastore.close();
  const memory = Math.round(process.resourceUsage().maxRSS / 1_024);
  process.stdout.write(
    `${JSON.stringify({ milliseconds, processor: (user + system) / 1_000, resources, memory })}\n`,
  );
}

void main();
