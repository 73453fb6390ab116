import { describe, expect, it } from 'vitest';
import { type Family, address } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import type { NewRoute, RouteChange, RouteKernel } from '../../../src/netlink/kernel.ts';
import { type Bench, NOWHERE, OTHER_PROTOCOL, PLAN, PROTOCOL, add, remove, replace } from './bench.ts';

export function describeRoutes(bench: Bench, family: Family): void {
  const plan = PLAN[family];
  const mine = { family, protocol: PROTOCOL } as const;
  describe(`IPv${family} routes`, () => {
    it('are read back as they were set', async () => {
      const { index } = await bench.wire();
      const routes: NewRoute[] = [
        { destination: plan.net, type: 'blackhole', protocol: PROTOCOL },
        { destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL },
        {
          destination: plan.everything,
          nextHops: [{ gateway: plan.gateway, interface: index }],
          metric: 7,
          protocol: PROTOCOL,
          table: 1000,
          preferredSource: plan.own,
        },
      ];
      expect(await bench.outcome(...routes.map(add))).toEqual([undefined, undefined, undefined]);
      const read = await bench.near.routes(mine);
      expect(read).toHaveLength(3);
      expect(read).toEqual(
        expect.arrayContaining([
          {
            destination: plan.net,
            type: 'blackhole',
            nextHops: [],
            metric: plan.defaultMetric,
            protocol: PROTOCOL,
            table: 254,
            scope: 'global',
          },
          {
            destination: plan.host,
            type: 'unicast',
            nextHops: [{ interface: index }],
            metric: plan.defaultMetric,
            protocol: PROTOCOL,
            table: 254,
            scope: family === 4 ? 'link' : 'global',
          },
          {
            destination: plan.everything,
            type: 'unicast',
            nextHops: [{ gateway: plan.gateway, interface: index }],
            metric: 7,
            protocol: PROTOCOL,
            table: 1000,
            scope: 'global',
            preferredSource: plan.own,
          },
        ]),
      );
    });

    it('have one holder for each destination, table and metric', async () => {
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
      expect(
        await bench.outcome(
          add(route),
          add(route),
          add({ ...route, type: 'unreachable', protocol: OTHER_PROTOCOL }),
          add({ ...route, metric: 5 }),
          add({ ...route, table: 1000 }),
        ),
      ).toEqual([undefined, 'EEXIST', 'EEXIST', undefined, undefined]);
      expect(await bench.near.routes(mine)).toHaveLength(3);
    });

    it('replace the holder of their key, whoever it is, or are added', async () => {
      const { index } = await bench.wire();
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: OTHER_PROTOCOL };
      const next = { destination: plan.net, nextHops: [{ gateway: plan.gateway }], protocol: PROTOCOL };
      expect(await bench.outcome(add(route), replace(next))).toEqual([undefined, undefined]);
      expect(await bench.near.routes({ family, protocol: OTHER_PROTOCOL })).toEqual([]);
      expect(await bench.near.routes(mine)).toMatchObject([
        { destination: plan.net, nextHops: [{ gateway: plan.gateway, interface: index }] },
      ]);
      expect(await bench.outcome(replace({ ...next, metric: 5 }))).toEqual([undefined]);
      expect(await bench.near.routes(mine)).toHaveLength(2);
    });

    it('are deleted by what is given of their key', async () => {
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
      await bench.apply(
        add({ ...route, metric: 5 }),
        add({ ...route, metric: 6 }),
        add({ ...route, table: 1000 }),
      );
      expect(
        await bench.outcome(
          remove({ destination: plan.net, metric: 7 }),
          remove({ destination: plan.net, protocol: OTHER_PROTOCOL }),
          remove({ destination: plan.host }),
          remove({ destination: plan.net, table: 1001 }),
          remove({ destination: plan.net, metric: 6 }),
        ),
      ).toEqual(['ESRCH', 'ESRCH', 'ESRCH', 'ESRCH', undefined]);
      expect(
        (await bench.near.routes(mine)).map((left) => `${left.table} ${left.metric}`).toSorted(),
      ).toEqual([`1000 ${plan.defaultMetric}`, '254 5']);
      expect(
        await bench.outcome(
          remove({ destination: plan.net, protocol: PROTOCOL }),
          remove({ destination: plan.net, type: 'blackhole', table: 1000 }),
          remove({ destination: plan.net }),
        ),
      ).toEqual([undefined, undefined, 'ESRCH']);
      expect(await bench.near.routes(mine)).toEqual([]);
    });

    it(`are deleted lowest metric first, and by type ${family === 4 ? 'too' : 'not at all'}`, async () => {
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
      await bench.apply(
        add({ ...route, metric: 6 }),
        add({ ...route, metric: 5 }),
        add({ ...route, metric: 7 }),
      );
      await bench.apply(remove({ destination: plan.net }));
      const metrics = async (): Promise<number[]> =>
        (await bench.near.routes(mine)).map((left) => left.metric).toSorted((a, b) => a - b);
      expect(await metrics()).toEqual([6, 7]);
      expect(await bench.outcome(remove({ destination: plan.net, type: 'unreachable' }))).toEqual([
        family === 4 ? 'ESRCH' : undefined,
      ]);
      expect(await metrics()).toEqual(family === 4 ? [6, 7] : [7]);
    });

    it('need a gateway that a connected route reaches', async () => {
      const { index } = await bench.wire();
      const via = (nextHop: NonNullable<NewRoute['nextHops']>[number]): RouteChange =>
        add({ destination: plan.net, nextHops: [nextHop], protocol: PROTOCOL });
      expect(
        await bench.outcome(
          via({ gateway: plan.stranger }),
          via({ gateway: plan.stranger, interface: index }),
          via({ interface: NOWHERE }),
          via({ gateway: plan.gateway, interface: NOWHERE }),
          add({ destination: plan.net, protocol: PROTOCOL }),
        ),
      ).toEqual([
        plan.unreachable,
        plan.unreachable,
        'ENODEV',
        family === 4 ? 'ENETUNREACH' : 'ENODEV',
        'ENODEV',
      ]);
      expect(await bench.outcome(via({ gateway: plan.gateway }))).toEqual([undefined]);
      expect((await bench.near.routes(mine))[0]!.nextHops).toEqual([
        { gateway: plan.gateway, interface: index },
      ]);
    });

    it('take any gateway on a link that is said to be on it', async () => {
      const { index } = await bench.wire();
      const hop = { gateway: plan.stranger, interface: index, onlink: true };
      const via = (nextHop: NonNullable<NewRoute['nextHops']>[number]): RouteChange =>
        add({ destination: plan.net, nextHops: [nextHop], protocol: PROTOCOL });
      expect(await bench.outcome(via({ gateway: plan.stranger, onlink: true }))).toEqual(['ENODEV']);
      expect(await bench.outcome(via(hop))).toEqual([undefined]);
      expect((await bench.near.routes(mine))[0]!.nextHops).toEqual([hop]);
    });

    it('spread over several next hops by weight', async () => {
      const { index } = await bench.wire();
      const other = address(family === 4 ? '192.0.2.10' : '2001:db8::10');
      const nextHops = [
        { gateway: plan.gateway, interface: index },
        { gateway: other, interface: index, weight: 3 },
      ];
      const route: NewRoute = { destination: plan.net, nextHops, protocol: PROTOCOL };
      expect(await bench.outcome(add(route))).toEqual([undefined]);
      expect((await bench.near.routes(mine)).map((read) => read.nextHops)).toEqual([nextHops]);
      const single = { ...route, nextHops: [nextHops[1]!] };
      expect(await bench.outcome(replace({ ...single, nextHops: [{ ...nextHops[1]!, weight: 1 }] }))).toEqual(
        [undefined],
      );
      expect((await bench.near.routes(mine)).map((read) => read.nextHops)).toEqual([
        [{ gateway: other, interface: index }],
      ]);
      expect(await bench.outcome(remove({ destination: plan.net }))).toEqual([undefined]);
    });

    it('need a source address that is ours', async () => {
      const { index } = await bench.wire();
      const route: NewRoute = {
        destination: plan.net,
        nextHops: [{ interface: index }],
        protocol: PROTOCOL,
        preferredSource: plan.stranger,
      };
      expect(await bench.outcome(add(route))).toEqual(['EINVAL']);
      const second = address(family === 4 ? '203.0.113.1' : '2001:db8:5::1');
      const prefixLength = family === 4 ? 32 : 128;
      await bench.near.addAddress({
        interface: index,
        address: second,
        prefixLength,
        noDuplicateDetection: true,
      });
      expect(await bench.outcome(add({ ...route, preferredSource: second }))).toEqual([undefined]);
      await bench.near.deleteAddress({ interface: index, address: second, prefixLength });
      const left = await bench.near.routes(mine);
      expect(left.map((read) => read.preferredSource)).toEqual(family === 4 ? [] : [undefined]);
    });

    it('vanish when their link goes down and do not come back', async () => {
      const { index } = await bench.wire();
      await bench.apply(
        add({ destination: plan.net, nextHops: [{ gateway: plan.gateway }], protocol: PROTOCOL }),
        add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }),
        add({ destination: plan.everything, type: 'blackhole', metric: 9, protocol: PROTOCOL }),
      );
      expect(await bench.near.routes(mine)).toHaveLength(3);
      await bench.near.changeLink(index, { up: false });
      const left = async (): Promise<string[]> =>
        (await bench.near.routes(mine)).map((route) => `${route.type} ${route.destination}`);
      expect(await left()).toEqual([`blackhole ${plan.everything}`]);
      const down = add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL });
      expect(await bench.outcome(down)).toEqual(['ENETDOWN']);
      await bench.near.changeLink(index, { up: true });
      expect(await left()).toEqual([`blackhole ${plan.everything}`]);
    });

    it('vanish with their link', async () => {
      const { index } = await bench.wire();
      await bench.apply(
        add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }),
      );
      await bench.near.deleteLink(index);
      expect(await bench.near.routes(mine)).toEqual([]);
    });

    it('are filtered by family, table and protocol', async () => {
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
      await bench.apply(
        add(route),
        add({ ...route, table: 1000 }),
        add({ ...route, metric: 5, protocol: OTHER_PROTOCOL }),
      );
      const count = async (filter: Parameters<RouteKernel['routes']>[0]): Promise<number> =>
        (await bench.near.routes(filter)).filter((read) => read.destination === plan.net).length;
      expect(await count(undefined)).toBe(3);
      expect(await count({ protocol: PROTOCOL })).toBe(2);
      expect(await count({ table: 1000 })).toBe(1);
      expect(await count({ table: 254, protocol: OTHER_PROTOCOL })).toBe(1);
      expect(await count({ table: 1234 })).toBe(0);
      expect(await count({ family: family === 4 ? 6 : 4 })).toBe(0);
    });

    it('apply in order, each for itself', async () => {
      const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
      const key = { destination: plan.net };
      expect(await bench.outcome(add(route), remove(key), remove(key), add(route), add(route))).toEqual([
        undefined,
        undefined,
        'ESRCH',
        undefined,
        'EEXIST',
      ]);
      expect(await bench.near.routes(mine)).toHaveLength(1);
      expect(await bench.near.changeRoutes([])).toEqual({ applied: 0, failures: [] });
    });

    it('are written by number as by text, batch after batch, each failure by its position', async () => {
      const { index } = await bench.wire();
      const batch = bench.near.routeBatch();
      const make = { nextHops: [{ gateway: plan.gateway, interface: index }], protocol: PROTOCOL };
      const send = async (): Promise<unknown> =>
        (await batch.send()).map(({ index: at, error }) => `${at} ${error.errno} ${error.operation}`);
      const [net, host] = [prefixBits(plan.net), prefixBits(plan.host)];
      batch.set('add', host, make);
      batch.clear();
      expect(batch.length).toBe(0);
      batch.set('add', net, make);
      batch.set('add', net, make);
      batch.set('replace', host, make);
      batch.delete(prefixBits(plan.everything), { protocol: PROTOCOL });
      expect([batch.length, batch.isFull]).toEqual([4, false]);
      expect(await send()).toEqual([
        `1 EEXIST add route ${plan.net}`,
        `3 ESRCH delete route ${plan.everything}`,
      ]);
      const left = async (): Promise<string[]> =>
        (await bench.near.routes(mine)).map(
          ({ destination, nextHops }) => `${destination} ${nextHops[0]!.gateway}`,
        );
      expect((await left()).toSorted()).toEqual(
        [`${plan.net} ${plan.gateway}`, `${plan.host} ${plan.gateway}`].toSorted(),
      );
      expect(batch.length).toBe(0);
      batch.delete(net, { protocol: PROTOCOL });
      expect(await send()).toEqual([]);
      expect(await left()).toEqual([`${plan.host} ${plan.gateway}`]);
      expect(await send()).toEqual([]);
    });
  });
}
