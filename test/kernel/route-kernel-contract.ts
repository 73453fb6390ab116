/**
 * What every RouteKernel does, said once: run on the real kernel and on the one in memory, so that tests on the
 * latter say something about the former.
 */
import { describe, expect, it } from 'vitest';
import { describeAddresses } from './route-kernel-contract/addresses.ts';
import {
  Bench,
  type ContractWorld,
  PLAN,
  PROTOCOL,
  add,
  errnoOf,
  remove,
} from './route-kernel-contract/bench.ts';
import { describeLinks } from './route-kernel-contract/links.ts';
import { describeMonitors } from './route-kernel-contract/monitor.ts';
import { describeNeighbors } from './route-kernel-contract/neighbors.ts';
import { describeRoutes } from './route-kernel-contract/routes.ts';

export function describeRouteKernel(title: string, open: () => Promise<ContractWorld>): void {
  describe(title, () => {
    const bench = new Bench(open);

    describeLinks(bench);
    for (const family of [4, 6] as const) {
      describeAddresses(bench, family);
      describeRoutes(bench, family);
      describeNeighbors(bench, family);
    }
    describeMonitors(bench);

    it('reaches IPv4 destinations by an IPv6 next hop (RFC 8950)', async () => {
      const { index } = await bench.wire();
      const nextHops = [{ gateway: PLAN[6].gateway, interface: index }];
      expect(await bench.outcome(add({ destination: PLAN[4].net, nextHops, protocol: PROTOCOL }))).toEqual([
        undefined,
      ]);
      expect((await bench.near.routes({ protocol: PROTOCOL }))[0]).toMatchObject({
        destination: PLAN[4].net,
        nextHops,
        scope: 'global',
      });
    });

    it('answers nothing once closed', async () => {
      bench.near.close();
      expect(await errnoOf(bench.near.links())).toBe('EBADF');
      expect(await errnoOf(bench.near.changeRoutes([remove({ destination: PLAN[4].net })]))).toBe('EBADF');
    });
  });
}
