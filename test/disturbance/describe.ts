/** The disturbances of a node's policy as tests: how many of each is up to who runs them. */
import { it } from 'vitest';
import { Lab } from '../../src/lab/lab.ts';
import { parseTopology } from '../../src/lab/topology-file.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { uniqueLabName, useLabs } from '../kernel/lab-fixture.ts';
import { changeTable, killAgent, loseDatastore, stormOfEvents, topology, tryTable } from './suite.ts';

export interface Amounts {
  readonly kills: number;
  /** Changes by strangers to a table that is open to them. */
  readonly changes: number;
  /** Tries of strangers at a table that the kernel keeps for us. */
  readonly tries: number;
  readonly storms: number;
  /** Milliseconds without the datastore. */
  readonly away: number;
}

const SHARED = { agentOptions: ['--no-table-ownership'] };

export function describeDisturbances({ kills, changes, tries, storms, away }: Amounts): void {
  describeKernel('policy of a node', () => {
    const bench = useLabs();

    it(`holds through kill -9 at ${kills} random moments`, async () => {
      await killAgent(await bench.up(topology('directory')), kills);
    });

    it(`is repaired after ${changes} changes by strangers in a table that is open to them`, async () => {
      await changeTable(await bench.up(topology('directory'), SHARED), changes);
    });

    it(`is out of the reach of strangers ${tries} times where the kernel keeps the table for us`, async () => {
      await tryTable(await bench.up(topology('directory')), tries);
    });

    it(`is repaired after more events than sockets hold, ${storms} times`, async () => {
      await stormOfEvents(await bench.up(topology('directory'), SHARED), {
        storms,
        size: 100_000,
        rounds: 10,
      });
    });

    it(`holds while the datastore is away for ${away / 1000} s, even through a restart of the agent`, async () => {
      const wanted = parseTopology(topology('etcd').replace('NAME', uniqueLabName()));
      const options = { ...bench.options, ...SHARED };
      const lab = await Lab.up(wanted, options);
      try {
        await loseDatastore(lab, () => Lab.up(wanted, options), away);
      } finally {
        await lab.down();
      }
    });
  });
}
