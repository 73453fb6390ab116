/** Longer forms of all of them: test/long/disturbance.test.ts. */
import { it } from 'vitest';
import { Lab } from '../../src/lab/lab.ts';
import { parseTopology } from '../../src/lab/topology-file.ts';
import {
  changeTable,
  killAgent,
  loseDatastore,
  stormOfEvents,
  topology,
  tryTable,
} from '../disturbance/suite.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { uniqueLabName, useLabs } from '../kernel/lab-fixture.ts';

const SHARED = { agentOptions: ['--no-table-ownership'] };

describeKernel('policy of a node', () => {
  const bench = useLabs();

  it('holds through kill -9 at random moments', async () => {
    await killAgent(await bench.up(topology('directory')), 8);
  });

  it('is repaired whatever strangers change in a table that is open to them', async () => {
    await changeTable(await bench.up(topology('directory'), SHARED), 30);
  });

  it('is out of the reach of strangers where the kernel keeps the table for us', async () => {
    await tryTable(await bench.up(topology('directory')), 3);
  });

  it('is repaired after more events than sockets hold', async () => {
    await stormOfEvents(await bench.up(topology('directory'), SHARED), {
      storms: 1,
      size: 100_000,
      rounds: 10,
    });
  });

  it('holds while the datastore is away, even through a restart of the agent', async () => {
    const wanted = parseTopology(topology('etcd').replace('NAME', uniqueLabName()));
    const options = { ...bench.options, ...SHARED };
    const lab = await Lab.up(wanted, options);
    try {
      await loseDatastore(lab, () => Lab.up(wanted, options), 3_000);
    } finally {
      await lab.down();
    }
  });
});
