import { describe, expect, it } from 'vitest';
import type { KernelEvent, NewRoute } from '../../../src/netlink/kernel.ts';
import { type Bench, PLAN, PROTOCOL, add, remove, until } from './bench.ts';

export function describeMonitors(bench: Bench): void {
  describe('monitors', () => {
    for (const family of [4, 6] as const) {
      const plan = PLAN[family];
      it(`announces that a down link takes an IPv${family} route away only for IPv6`, async () => {
        const { index } = await bench.wire();
        const seen: string[] = [];
        const monitor = bench.near.monitor({
          topics: ['routes', 'links'],
          event: (event) => {
            if (event.type === 'link' && event.link.index === index && !event.link.up) seen.push('link down');
            if (event.type !== 'route' && event.type !== 'route-deleted') return;
            if (event.route.protocol === PROTOCOL) seen.push(`${event.type} ${event.route.destination}`);
          },
        });
        await bench.apply(
          add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }),
        );
        await bench.near.changeLink(index, { up: false });
        await bench.apply(add({ destination: plan.net, type: 'blackhole', protocol: PROTOCOL }));
        await until(() => seen.includes(`route ${plan.net}`), 'the last event');
        expect(seen.filter((entry, position) => entry !== seen[position - 1])).toEqual([
          `route ${plan.host}`,
          'link down',
          ...(family === 4 ? [] : [`route-deleted ${plan.host}`]),
          `route ${plan.net}`,
        ]);
        monitor.close();
      });
    }
    it('tells a monitor of everything, in order, whoever did it', async () => {
      const events: KernelEvent[] = [];
      const monitor = bench.near.monitor({ event: (event) => events.push(event) });
      const { index } = await bench.wire();
      const neighbor = { interface: index, address: PLAN[4].gateway, mac: '02:00:00:00:00:09' };
      await bench.near.changeNeighbors([{ operation: 'replace', neighbor }]);
      await bench.near.changeNeighbors([{ operation: 'delete', neighbor }]);
      const route: NewRoute = {
        destination: PLAN[4].net,
        nextHops: [{ interface: index }],
        protocol: PROTOCOL,
      };
      await bench.apply(add(route), remove(route));
      await bench.near.deleteAddress({ interface: index, address: PLAN[4].own, prefixLength: 24 });
      await bench.near.deleteLink(index);
      const mentions = (event: KernelEvent): boolean => {
        switch (event.type) {
          case 'link':
          case 'link-deleted':
            return event.link.name === 'wire';
          case 'address':
          case 'address-deleted':
            return event.address.address === PLAN[4].own;
          case 'route':
          case 'route-deleted':
            return event.route.protocol === PROTOCOL;
          case 'neighbor':
          case 'neighbor-deleted':
            return event.neighbor.address === PLAN[4].gateway;
          case 'overrun':
            return true;
        }
      };
      await until(
        () => events.some((event) => event.type === 'link-deleted' && mentions(event)),
        'the last event',
      );
      // The kernel tells of a link's carrier when it gets round to it (net/core/link_watch.c), maybe much later.
      const told = events.filter(mentions).map((event) => event.type);
      const seen = told.filter(
        (type, position) =>
          type !== 'link' || position === told.indexOf('link') || told[position + 1] === 'link-deleted',
      );
      expect(seen.filter((type, position) => type !== seen[position - 1])).toEqual([
        'link',
        'address',
        'neighbor',
        'neighbor-deleted',
        'route',
        'route-deleted',
        'address-deleted',
        'link',
        'link-deleted',
      ]);
      monitor.close();
    });

    it('tells a monitor only of its topics, and nothing after it closed', async () => {
      const events: KernelEvent[] = [];
      const quiet: KernelEvent[] = [];
      const monitor = bench.near.monitor({ topics: ['routes'], event: (event) => events.push(event) });
      const closed = bench.near.monitor({ event: (event) => quiet.push(event) });
      closed.close();
      await bench.near.createLink({ kind: 'bridge', name: 'bridge', up: true });
      await bench.apply(add({ destination: PLAN[4].net, type: 'blackhole', protocol: PROTOCOL }));
      await until(() => events.some((event) => event.type === 'route'), 'the event of the route');
      expect(events.every((event) => event.type === 'route' || event.type === 'route-deleted')).toBe(true);
      expect(quiet).toEqual([]);
      monitor.close();
    });
  });
}
