/**
 * What every RouteKernel does, said once: run on the real kernel and on the one in memory, so that tests on the
 * latter say something about the former.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import { type Family, address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import type {
  ChangeResult,
  KernelEvent,
  Link,
  NewRoute,
  RouteChange,
  RouteKernel,
} from '../../src/netlink/kernel.ts';

/** Two fresh namespaces, of which the second has a name by which the first can reach it. */
export interface ContractWorld {
  readonly near: RouteKernel;
  readonly far: RouteKernel;
  readonly farName: string;
  dispose(): void;
}

const PROTOCOL = 80;
const OTHER_PROTOCOL = 81;
const NOWHERE = 4711;

/** The same addresses in both families. */
const PLAN = {
  4: {
    own: address('192.0.2.1'),
    gateway: address('192.0.2.9'),
    stranger: address('198.51.100.1'),
    length: 24,
    connected: prefix('192.0.2.0/24'),
    net: prefix('10.65.0.0/26'),
    host: prefix('10.65.1.1/32'),
    everything: prefix('0.0.0.0/0'),
    defaultMetric: 0,
    unreachable: 'ENETUNREACH',
  },
  6: {
    own: address('2001:db8::1'),
    gateway: address('2001:db8::9'),
    stranger: address('2001:db8:bad::1'),
    length: 64,
    connected: prefix('2001:db8::/64'),
    net: prefix('fd65::/122'),
    host: prefix('fd65::1:1/128'),
    everything: prefix('::/0'),
    defaultMetric: 1024,
    unreachable: 'EHOSTUNREACH',
  },
} as const;

async function errnoOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (error instanceof KernelError) return error.errno;
    throw error;
  }
  return 'no error';
}

/** Waits for a condition with a deadline; the event loop runs meanwhile. */
async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function describeRouteKernel(title: string, open: () => Promise<ContractWorld>): void {
  describe(title, () => {
    let world: ContractWorld;
    let near: RouteKernel;
    let far: RouteKernel;

    beforeEach(async () => {
      world = await open();
      ({ near, far } = world);
    });

    afterEach(() => world.dispose());

    /** A veth pair across the namespaces, both ends up, with our plan's addresses on the near one. */
    async function wire(): Promise<Link> {
      await near.createLink({
        kind: 'veth',
        name: 'wire',
        up: true,
        peer: { name: 'wire', namespace: world.farName },
      });
      const link = (await near.link('wire'))!;
      await far.changeLink((await far.link('wire'))!.index, { up: true });
      for (const family of [4, 6] as const) {
        await near.addAddress({
          interface: link.index,
          address: PLAN[family].own,
          prefixLength: PLAN[family].length,
          noDuplicateDetection: true,
        });
      }
      return (await near.link('wire'))!;
    }

    const apply = (...changes: RouteChange[]): Promise<ChangeResult<RouteChange>> =>
      near.changeRoutes(changes);

    async function outcome(...changes: RouteChange[]): Promise<(string | undefined)[]> {
      const { applied, failures } = await apply(...changes);
      expect(applied + failures.length).toBe(changes.length);
      return changes.map((change) => failures.find((failure) => failure.change === change)?.error.errno);
    }

    const add = (route: NewRoute): RouteChange => ({ operation: 'add', route });
    const replace = (route: NewRoute): RouteChange => ({ operation: 'replace', route });
    const remove = (route: Extract<RouteChange, { operation: 'delete' }>['route']): RouteChange => ({
      operation: 'delete',
      route,
    });

    describe('links', () => {
      it('begins with the loopback, index 1, up', async () => {
        expect(await near.links()).toMatchObject([
          { index: 1, name: 'lo', loopback: true, up: true, carrier: true, mtu: 65536 },
        ]);
        expect(await near.link(1)).toEqual(await near.link('lo'));
      });

      it('has no link of another name or index', async () => {
        expect(await near.link('nowhere')).toBeUndefined();
        expect(await near.link(NOWHERE)).toBeUndefined();
        expect(await errnoOf(near.changeLink(NOWHERE, { up: true }))).toBe('ENODEV');
        expect(await errnoOf(near.deleteLink(NOWHERE))).toBe('ENODEV');
      });

      it('makes a veth pair across namespaces with all its settings at once', async () => {
        await near.createLink({
          kind: 'veth',
          name: 'cali0',
          mtu: 1400,
          mac: 'ee:ee:ee:ee:ee:ee',
          alias: 'margay: default/pod',
          up: true,
          peer: { name: 'eth0', namespace: world.farName, mtu: 1400, mac: '02:00:00:00:00:01' },
        });
        const host = (await near.link('cali0'))!;
        const pod = (await far.link('eth0'))!;
        expect(host).toMatchObject({
          kind: 'veth',
          mtu: 1400,
          mac: 'ee:ee:ee:ee:ee:ee',
          alias: 'margay: default/pod',
          loopback: false,
          up: true,
          carrier: false,
          link: pod.index,
        });
        expect(pod).toMatchObject({ kind: 'veth', mtu: 1400, mac: '02:00:00:00:00:01', up: false });
        expect(pod.link).toBe(host.index);
        expect(await near.link('eth0')).toBeUndefined();
      });

      it('has a carrier on a veth when both ends are up', async () => {
        await wire();
        expect(await near.link('wire')).toMatchObject({ up: true, carrier: true });
        await far.changeLink((await far.link('wire'))!.index, { up: false });
        expect(await near.link('wire')).toMatchObject({ up: true, carrier: false });
      });

      it('refuses a name that is taken, on either end, and leaves nothing behind', async () => {
        await near.createLink({ kind: 'bridge', name: 'one' });
        expect(await errnoOf(near.createLink({ kind: 'bridge', name: 'one' }))).toBe('EEXIST');
        expect(await errnoOf(near.createLink({ kind: 'veth', name: 'two', peer: { name: 'one' } }))).toBe(
          'EEXIST',
        );
        expect((await near.links()).map((link) => link.name)).toEqual(['lo', 'one']);
      });

      it('refuses what a link cannot have, and leaves nothing behind', async () => {
        const bridge = { kind: 'bridge' } as const;
        expect(await errnoOf(near.createLink({ ...bridge, name: 'sixteen-letters-' }))).toBe('ERANGE');
        expect(await errnoOf(near.createLink({ ...bridge, name: 'a/b' }))).toBe('EINVAL');
        expect(await errnoOf(near.createLink({ ...bridge, name: 'b', mtu: 60 }))).toBe('EINVAL');
        expect(await errnoOf(near.createLink({ ...bridge, name: 'b', alias: 'x'.repeat(300) }))).toBe(
          'ERANGE',
        );
        expect(
          await errnoOf(
            near.createLink({ kind: 'veth', name: 'b', peer: { name: 'c', namespace: '/none' } }),
          ),
        ).toBe('ENOENT');
        expect((await near.links()).map((link) => link.name)).toEqual(['lo']);
      });

      it('changes name, MTU, MAC, alias and state', async () => {
        await near.createLink({ kind: 'veth', name: 'old', peer: { name: 'peer' } });
        const { index } = (await near.link('old'))!;
        await near.changeLink(index, { name: 'new', mtu: 9000, mac: '02:00:00:00:00:02', alias: 'mine' });
        expect(await near.link('old')).toBeUndefined();
        expect(await near.link('new')).toMatchObject({
          index,
          mtu: 9000,
          mac: '02:00:00:00:00:02',
          alias: 'mine',
          up: false,
        });
        await near.changeLink(index, { up: true, alias: '' });
        const link = (await near.link(index))!;
        expect(link.up).toBe(true);
        expect(link.alias).toBeUndefined();
        expect(await errnoOf(near.changeLink(index, { name: 'peer' }))).toBe('EEXIST');
        expect(await errnoOf(near.changeLink(index, { mtu: 60 }))).toBe('EINVAL');
      });

      it('puts ports into a bridge and takes them out', async () => {
        await near.createLink({ kind: 'bridge', name: 'bridge' });
        await near.createLink({ kind: 'veth', name: 'port', peer: { name: 'peer' } });
        const bridge = (await near.link('bridge'))!;
        const port = (await near.link('port'))!;
        await near.changeLink(port.index, { master: bridge.index });
        expect((await near.link('port'))!.master).toBe(bridge.index);
        await near.changeLink(port.index, { master: 0 });
        expect((await near.link('port'))!.master).toBeUndefined();
        await near.changeLink(port.index, { master: bridge.index });
        await near.deleteLink(bridge.index);
        expect((await near.link('port'))!.master).toBeUndefined();
      });

      it('moves a link to another namespace, down and bare', async () => {
        await near.createLink({ kind: 'veth', name: 'host', up: true, peer: { name: 'pod' } });
        const pod = (await near.link('pod'))!;
        await near.changeLink(pod.index, { up: true });
        await near.addAddress({ interface: pod.index, address: PLAN[4].own, prefixLength: 24 });
        await near.changeLink(pod.index, { namespace: world.farName });
        expect(await near.link('pod')).toBeUndefined();
        const moved = (await far.link('pod'))!;
        expect(moved).toMatchObject({ name: 'pod', kind: 'veth', up: false });
        expect(moved.mac).toBe(pod.mac);
        expect(await far.addresses({ interface: moved.index, family: 4 })).toEqual([]);
        expect(await errnoOf(near.changeLink(1, { namespace: world.farName })), 'the loopback stays').toBe(
          'EINVAL',
        );
      });

      it('deletes both ends of a veth pair', async () => {
        const link = await wire();
        await near.deleteLink(link.index);
        expect(await near.link('wire')).toBeUndefined();
        expect(await far.link('wire')).toBeUndefined();
        expect(await errnoOf(near.deleteLink(link.index))).toBe('ENODEV');
        expect(await errnoOf(near.deleteLink(1)), 'the loopback stays').toBe('EOPNOTSUPP');
      });
    });

    for (const family of [4, 6] as const) describeFamily(family);

    function describeFamily(family: Family): void {
      const plan = PLAN[family];
      const mine = { family, protocol: PROTOCOL } as const;

      describe(`IPv${family} addresses`, () => {
        it('come and go with their connected route', async () => {
          const { index } = await wire();
          const own = { interface: index, address: plan.own, prefixLength: plan.length };
          const listed = (await near.addresses({ interface: index, family })).filter(
            (entry) => entry.scope === 'global',
          );
          expect(listed).toEqual([{ ...own, scope: 'global', tentative: false }]);
          const connected = async (): Promise<number> =>
            (await near.routes({ family, table: 254 })).filter(
              (route) => route.destination === plan.connected,
            ).length;
          expect(await connected()).toBe(1);
          expect(await errnoOf(near.addAddress(own))).toBe('EEXIST');
          await near.deleteAddress(own);
          expect(await connected()).toBe(0);
          expect(await errnoOf(near.deleteAddress(own))).toBe('EADDRNOTAVAIL');
        });

        it('need a link', async () => {
          const nowhere = { interface: NOWHERE, address: plan.own, prefixLength: plan.length };
          expect(await errnoOf(near.addAddress(nowhere))).toBe('ENODEV');
          expect(await errnoOf(near.deleteAddress(nowhere))).toBe('ENODEV');
        });
      });

      describe(`IPv${family} routes`, () => {
        it('are read back as they were set', async () => {
          const { index } = await wire();
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
          expect(await outcome(...routes.map(add))).toEqual([undefined, undefined, undefined]);
          const read = await near.routes(mine);
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
            await outcome(
              add(route),
              add(route),
              add({ ...route, type: 'unreachable', protocol: OTHER_PROTOCOL }),
              add({ ...route, metric: 5 }),
              add({ ...route, table: 1000 }),
            ),
          ).toEqual([undefined, 'EEXIST', 'EEXIST', undefined, undefined]);
          expect(await near.routes(mine)).toHaveLength(3);
        });

        it('replace the holder of their key, whoever it is, or are added', async () => {
          const { index } = await wire();
          const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: OTHER_PROTOCOL };
          const next = { destination: plan.net, nextHops: [{ gateway: plan.gateway }], protocol: PROTOCOL };
          expect(await outcome(add(route), replace(next))).toEqual([undefined, undefined]);
          expect(await near.routes({ family, protocol: OTHER_PROTOCOL })).toEqual([]);
          expect(await near.routes(mine)).toMatchObject([
            { destination: plan.net, nextHops: [{ gateway: plan.gateway, interface: index }] },
          ]);
          expect(await outcome(replace({ ...next, metric: 5 }))).toEqual([undefined]);
          expect(await near.routes(mine)).toHaveLength(2);
        });

        it('are deleted by what is given of their key', async () => {
          const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
          await apply(
            add({ ...route, metric: 5 }),
            add({ ...route, metric: 6 }),
            add({ ...route, table: 1000 }),
          );
          expect(
            await outcome(
              remove({ destination: plan.net, metric: 7 }),
              remove({ destination: plan.net, protocol: OTHER_PROTOCOL }),
              remove({ destination: plan.host }),
              remove({ destination: plan.net, table: 1001 }),
              remove({ destination: plan.net, metric: 6 }),
            ),
          ).toEqual(['ESRCH', 'ESRCH', 'ESRCH', 'ESRCH', undefined]);
          expect((await near.routes(mine)).map((left) => [left.table, left.metric]).toSorted()).toEqual([
            [1000, plan.defaultMetric],
            [254, 5],
          ]);
          expect(
            await outcome(
              remove({ destination: plan.net, protocol: PROTOCOL }),
              remove({ destination: plan.net, type: 'blackhole', table: 1000 }),
              remove({ destination: plan.net }),
            ),
          ).toEqual([undefined, undefined, 'ESRCH']);
          expect(await near.routes(mine)).toEqual([]);
        });

        it('need a gateway that a connected route reaches', async () => {
          const { index } = await wire();
          const via = (nextHop: NonNullable<NewRoute['nextHops']>[number]): RouteChange =>
            add({ destination: plan.net, nextHops: [nextHop], protocol: PROTOCOL });
          expect(
            await outcome(
              via({ gateway: plan.stranger }),
              via({ gateway: plan.stranger, interface: index }),
              via({ interface: NOWHERE }),
              via({ gateway: plan.gateway, interface: NOWHERE }),
            ),
          ).toEqual([plan.unreachable, plan.unreachable, 'ENODEV', family === 4 ? 'ENETUNREACH' : 'ENODEV']);
          expect(await outcome(via({ gateway: plan.gateway }))).toEqual([undefined]);
          expect((await near.routes(mine))[0]!.nextHops).toEqual([
            { gateway: plan.gateway, interface: index },
          ]);
        });

        it('take any gateway on a link that is said to be on it', async () => {
          const { index } = await wire();
          const hop = { gateway: plan.stranger, interface: index, onlink: true };
          const via = (nextHop: NonNullable<NewRoute['nextHops']>[number]): RouteChange =>
            add({ destination: plan.net, nextHops: [nextHop], protocol: PROTOCOL });
          expect(await outcome(via({ gateway: plan.stranger, onlink: true }))).toEqual(['ENODEV']);
          expect(await outcome(via(hop))).toEqual([undefined]);
          expect((await near.routes(mine))[0]!.nextHops).toEqual([hop]);
        });

        it('spread over several next hops by weight', async () => {
          const { index } = await wire();
          const other = address(family === 4 ? '192.0.2.10' : '2001:db8::10');
          const nextHops = [
            { gateway: plan.gateway, interface: index },
            { gateway: other, interface: index, weight: 3 },
          ];
          const route: NewRoute = { destination: plan.net, nextHops, protocol: PROTOCOL };
          expect(await outcome(add(route))).toEqual([undefined]);
          expect((await near.routes(mine)).map((read) => read.nextHops)).toEqual([nextHops]);
          const single = { ...route, nextHops: [nextHops[1]!] };
          expect(await outcome(replace({ ...single, nextHops: [{ ...nextHops[1]!, weight: 1 }] }))).toEqual([
            undefined,
          ]);
          expect((await near.routes(mine)).map((read) => read.nextHops)).toEqual([
            [{ gateway: other, interface: index }],
          ]);
          expect(await outcome(remove({ destination: plan.net }))).toEqual([undefined]);
        });

        it('need a source address that is ours', async () => {
          const { index } = await wire();
          const route: NewRoute = {
            destination: plan.net,
            nextHops: [{ interface: index }],
            protocol: PROTOCOL,
            preferredSource: plan.stranger,
          };
          expect(await outcome(add(route))).toEqual(['EINVAL']);
        });

        it('vanish when their link goes down and do not come back', async () => {
          const { index } = await wire();
          await apply(
            add({ destination: plan.net, nextHops: [{ gateway: plan.gateway }], protocol: PROTOCOL }),
            add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }),
            add({ destination: plan.everything, type: 'blackhole', metric: 9, protocol: PROTOCOL }),
          );
          expect(await near.routes(mine)).toHaveLength(3);
          await near.changeLink(index, { up: false });
          const left = async (): Promise<string[]> =>
            (await near.routes(mine)).map((route) => `${route.type} ${route.destination}`);
          expect(await left()).toEqual([`blackhole ${plan.everything}`]);
          const down = add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL });
          expect(await outcome(down)).toEqual(['ENETDOWN']);
          await near.changeLink(index, { up: true });
          expect(await left()).toEqual([`blackhole ${plan.everything}`]);
        });

        it('vanish with their link', async () => {
          const { index } = await wire();
          await apply(add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }));
          await near.deleteLink(index);
          expect(await near.routes(mine)).toEqual([]);
        });

        it('are filtered by family, table and protocol', async () => {
          const route: NewRoute = { destination: plan.net, type: 'blackhole', protocol: PROTOCOL };
          await apply(
            add(route),
            add({ ...route, table: 1000 }),
            add({ ...route, metric: 5, protocol: OTHER_PROTOCOL }),
          );
          const count = async (filter: Parameters<RouteKernel['routes']>[0]): Promise<number> =>
            (await near.routes(filter)).filter((read) => read.destination === plan.net).length;
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
          expect(await outcome(add(route), remove(key), remove(key), add(route), add(route))).toEqual([
            undefined,
            undefined,
            'ESRCH',
            undefined,
            'EEXIST',
          ]);
          expect(await near.routes(mine)).toHaveLength(1);
          expect(await near.changeRoutes([])).toEqual({ applied: 0, failures: [] });
        });
      });

      describe(`IPv${family} neighbours`, () => {
        const mac = '02:00:00:00:00:09';

        it('are set for good, overwritten and deleted', async () => {
          const { index } = await wire();
          const key = { interface: index, address: plan.gateway };
          const there = async (): Promise<unknown[]> =>
            (await near.neighbors({ interface: index, family })).filter((entry) => entry.permanent);
          for (const lladdr of ['02:00:00:00:00:08', mac]) {
            await near.changeNeighbors([{ operation: 'replace', neighbor: { ...key, mac: lladdr } }]);
          }
          expect(await there()).toEqual([{ ...key, mac, permanent: true, proxy: false }]);
          expect(await near.changeNeighbors([{ operation: 'delete', neighbor: key }])).toMatchObject({
            applied: 1,
          });
          expect(await there()).toEqual([]);
          const again = await near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
          expect(again.failures.map((failure) => failure.error.errno)).toEqual(['ENOENT']);
          const nowhere = { interface: NOWHERE, address: plan.gateway, mac };
          const lost = await near.changeNeighbors([{ operation: 'replace', neighbor: nowhere }]);
          expect(lost.failures.map((failure) => failure.error.errno)).toEqual(['ENODEV']);
        });

        it('are answered for by proxy', async () => {
          const { index } = await wire();
          const key = { interface: index, address: plan.stranger, proxy: true } as const;
          const there = async (): Promise<unknown[]> =>
            (await near.neighbors({ family })).filter((entry) => entry.proxy);
          await near.changeNeighbors([{ operation: 'replace', neighbor: key }]);
          expect(await there()).toEqual([{ ...key, permanent: false }]);
          await near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
          expect(await there()).toEqual([]);
          const again = await near.changeNeighbors([{ operation: 'delete', neighbor: key }]);
          expect(again.failures.map((failure) => failure.error.errno)).toEqual(['ENOENT']);
        });

        it('are forgotten when their link goes down', async () => {
          const { index } = await wire();
          const neighbor = { interface: index, address: plan.gateway, mac };
          await near.changeNeighbors([{ operation: 'replace', neighbor }]);
          await near.changeLink(index, { up: false });
          expect((await near.neighbors({ interface: index })).filter((entry) => entry.permanent)).toEqual([]);
        });
      });

      it(`announces that a down link takes an IPv${family} route away only for IPv6`, async () => {
        const { index } = await wire();
        const seen: string[] = [];
        const monitor = near.monitor({
          topics: ['routes', 'links'],
          event: (event) => {
            if (event.type === 'link' && event.link.index === index && !event.link.up) seen.push('link down');
            if (event.type !== 'route' && event.type !== 'route-deleted') return;
            if (event.route.protocol === PROTOCOL) seen.push(`${event.type} ${event.route.destination}`);
          },
        });
        await apply(add({ destination: plan.host, nextHops: [{ interface: index }], protocol: PROTOCOL }));
        await near.changeLink(index, { up: false });
        await apply(add({ destination: plan.net, type: 'blackhole', protocol: PROTOCOL }));
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

    it('reaches IPv4 destinations by an IPv6 next hop (RFC 8950)', async () => {
      const { index } = await wire();
      const nextHops = [{ gateway: PLAN[6].gateway, interface: index }];
      expect(await outcome(add({ destination: PLAN[4].net, nextHops, protocol: PROTOCOL }))).toEqual([
        undefined,
      ]);
      expect((await near.routes({ protocol: PROTOCOL }))[0]).toMatchObject({
        destination: PLAN[4].net,
        nextHops,
        scope: 'global',
      });
    });

    it('loses IPv4 routes with the address that they prefer as source', async () => {
      const { index } = await wire();
      const nextHops = [{ interface: index }];
      const second = { interface: index, address: address('203.0.113.1'), prefixLength: 32 };
      await near.addAddress(second);
      await apply(
        add({ destination: PLAN[4].net, nextHops, protocol: PROTOCOL, preferredSource: second.address }),
        add({ destination: PLAN[4].host, nextHops, protocol: PROTOCOL }),
      );
      await near.deleteAddress(second);
      expect((await near.routes({ protocol: PROTOCOL })).map((route) => route.destination)).toEqual([
        PLAN[4].host,
      ]);
    });

    it('tells a monitor of everything, in order, whoever did it', async () => {
      const events: KernelEvent[] = [];
      const monitor = near.monitor({ event: (event) => events.push(event) });
      const { index } = await wire();
      const neighbor = { interface: index, address: PLAN[4].gateway, mac: '02:00:00:00:00:09' };
      await near.changeNeighbors([{ operation: 'replace', neighbor }]);
      await near.changeNeighbors([{ operation: 'delete', neighbor }]);
      const route: NewRoute = {
        destination: PLAN[4].net,
        nextHops: [{ interface: index }],
        protocol: PROTOCOL,
      };
      await apply(add(route), remove(route));
      await near.deleteAddress({ interface: index, address: PLAN[4].own, prefixLength: 24 });
      await near.deleteLink(index);
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
      const seen = events.filter(mentions).map((event) => event.type);
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
      const monitor = near.monitor({ topics: ['routes'], event: (event) => events.push(event) });
      const closed = near.monitor({ event: (event) => quiet.push(event) });
      closed.close();
      await near.createLink({ kind: 'bridge', name: 'bridge', up: true });
      await apply(add({ destination: PLAN[4].net, type: 'blackhole', protocol: PROTOCOL }));
      await until(() => events.some((event) => event.type === 'route'), 'the event of the route');
      expect(events.every((event) => event.type === 'route' || event.type === 'route-deleted')).toBe(true);
      expect(quiet).toEqual([]);
      monitor.close();
    });

    it('answers nothing once closed', async () => {
      near.close();
      expect(await errnoOf(near.links())).toBe('EBADF');
      expect(await errnoOf(near.changeRoutes([remove({ destination: PLAN[4].net })]))).toBe('EBADF');
    });
  });
}
