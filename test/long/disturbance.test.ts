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

describeKernel('policy of a node, disturbed for long', () => {
  const bench = useLabs();

  it('holds through kill -9 at 100 random moments', async () => {
    await killAgent(await bench.up(topology('directory')), 100);
  });

  it('is repaired after 1,000 changes by strangers', async () => {
    await changeTable(await bench.up(topology('directory'), SHARED), 1000);
  });

  it('is out of the reach of strangers 50 times', async () => {
    await tryTable(await bench.up(topology('directory')), 50);
  });

  it('is repaired after storms of events', async () => {
    await stormOfEvents(await bench.up(topology('directory'), SHARED), {
      storms: 5,
      size: 100_000,
      rounds: 10,
    });
  });

  it('holds while the datastore is away for 60 s', async () => {
    const wanted = parseTopology(topology('etcd').replace('NAME', uniqueLabName()));
    const options = { ...bench.options, ...SHARED };
    const lab = await Lab.up(wanted, options);
    try {
      await loseDatastore(lab, () => Lab.up(wanted, options), 60_000);
    } finally {
      await lab.down();
    }
  });
});
