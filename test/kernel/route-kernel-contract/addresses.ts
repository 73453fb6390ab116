import { describe, expect, it } from 'vitest';
import type { Family } from '../../../src/net/address.ts';
import { type Bench, NOWHERE, PLAN, errnoOf } from './bench.ts';

export function describeAddresses(bench: Bench, family: Family): void {
  const plan = PLAN[family];
  describe(`IPv${family} addresses`, () => {
    it('come and go with their connected route', async () => {
      const { index } = await bench.wire();
      const own = { interface: index, address: plan.own, prefixLength: plan.length };
      const listed = (await bench.near.addresses({ interface: index, family })).filter(
        (entry) => entry.scope === 'global',
      );
      expect(listed).toEqual([{ ...own, scope: 'global', tentative: false }]);
      const connected = async (): Promise<number> =>
        (await bench.near.routes({ family, table: 254 })).filter(
          (route) => route.destination === plan.connected,
        ).length;
      expect(await connected()).toBe(1);
      expect(await errnoOf(bench.near.addAddress(own))).toBe('EEXIST');
      await bench.near.deleteAddress(own);
      expect(await connected()).toBe(0);
      expect(await errnoOf(bench.near.deleteAddress(own))).toBe('EADDRNOTAVAIL');
    });

    it(`${family === 4 ? 'stay when' : 'go when'} their link goes down`, async () => {
      const { index } = await bench.wire();
      await bench.near.changeLink(index, { up: false });
      const left = (await bench.near.addresses({ interface: index, family })).map((entry) => entry.address);
      expect(left).toEqual(family === 4 ? [plan.own] : []);
      await bench.near.changeLink(index, { up: true });
      const routes = await bench.near.routes({ family, table: 254 });
      const connected = routes.filter((route) => route.destination === plan.connected);
      expect(connected.map((route) => route.preferredSource)).toEqual(family === 4 ? [plan.own] : []);
    });

    it('remember who made them', async () => {
      const { index } = await bench.wire();
      const prefixLength = family === 4 ? 32 : 128;
      await bench.near.addAddress({ interface: index, address: plan.stranger, prefixLength, protocol: 80 });
      const listed = await bench.near.addresses({ interface: index, family });
      const protocols = new Map(listed.map(({ address, protocol }) => [address, protocol]));
      expect(protocols.get(plan.stranger)).toBe(80);
      expect(protocols.get(plan.own)).toBeUndefined();
    });

    it('need a link', async () => {
      const nowhere = { interface: NOWHERE, address: plan.own, prefixLength: plan.length };
      expect(await errnoOf(bench.near.addAddress(nowhere))).toBe('ENODEV');
      expect(await errnoOf(bench.near.deleteAddress(nowhere))).toBe('ENODEV');
    });
  });
}
