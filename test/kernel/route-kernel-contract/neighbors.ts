import { describe, expect, it } from 'vitest';
import type { Family } from '../../../src/net/address.ts';
import { type Bench, NOWHERE, PLAN } from './bench.ts';

export function describeNeighbors(bench: Bench, family: Family): void {
  const plan = PLAN[family];
  describe(`IPv${family} neighbours`, () => {
    const mac = '02:00:00:00:00:09';

    it('are set for good, overwritten and deleted', async () => {
      const { index } = await bench.wire();
      const key = { interface: index, address: plan.gateway };
      const there = async (): Promise<unknown[]> =>
        (await bench.near.neighbors({ interface: index, family })).filter((entry) => entry.permanent);
      for (const lladdr of ['02:00:00:00:00:08', mac]) {
        await bench.near.changeNeighbors([{ operation: 'replace', neighbor: { ...key, mac: lladdr } }]);
      }
      expect(await there()).toEqual([{ ...key, mac, permanent: true, proxy: false }]);
      expect(await bench.near.changeNeighbors([{ operation: 'delete', neighbor: key }])).toMatchObject({
        applied: 1,
      });
      expect(await there()).toEqual([]);
      const again = await bench.near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
      expect(again.failures.map((failure) => failure.error.errno)).toEqual(['ENOENT']);
      const nowhere = { interface: NOWHERE, address: plan.gateway, mac };
      const lost = await bench.near.changeNeighbors([{ operation: 'replace', neighbor: nowhere }]);
      expect(lost.failures.map((failure) => failure.error.errno)).toEqual(['ENODEV']);
    });

    it('are answered for by proxy', async () => {
      const { index } = await bench.wire();
      const key = { interface: index, address: plan.stranger, proxy: true } as const;
      const there = async (): Promise<unknown[]> =>
        (await bench.near.neighbors({ family })).filter((entry) => entry.proxy);
      await bench.near.changeNeighbors([{ operation: 'replace', neighbor: key }]);
      expect(await there()).toEqual([{ ...key, permanent: false }]);
      await bench.near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
      expect(await there()).toEqual([]);
      const again = await bench.near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
      expect(again.failures.map((failure) => failure.error.errno)).toEqual(['ENOENT']);
    });

    it('are forgotten when their link goes down', async () => {
      const { index } = await bench.wire();
      const neighbor = { interface: index, address: plan.gateway, mac };
      await bench.near.changeNeighbors([{ operation: 'replace', neighbor }]);
      await bench.near.changeLink(index, { up: false });
      expect((await bench.near.neighbors({ interface: index })).filter((entry) => entry.permanent)).toEqual(
        [],
      );
    });
  });
}
