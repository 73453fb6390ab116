import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Fib } from '../../../src/bgp/fib.ts';
import { type PrefixId, type PrefixTables, prefixTables } from '../../../src/bgp/rib/prefix-table.ts';
import { type Family, address } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { prefix, type Prefix } from '../../../src/net/prefix.ts';
import { kernelError } from '../../../src/sys/kernel-error.ts';
import type { KernelEvent, NewRoute, Route, RouteKernel } from '../../../src/netlink/kernel.ts';
import { MemoryNetwork } from '../../../src/netlink/memory.ts';

const P4 = prefix('10.65.2.0/26');
const P6 = prefix('fd65::2:0/122');
const near = address('10.0.0.2');
const other = address('10.0.0.3');
const near6 = address('fd00::2');
const CONFIG = { protocol: 81, table: 254, metric: { 4: 1024, 6: 1024 } };

let network: MemoryNetwork;
let kernel: RouteKernel;
let clock: ManualClock;
let fib: Fib;
let prefixes: PrefixTables;
let eth0: number;
let events: KernelEvent[];

beforeEach(async () => {
  network = new MemoryNetwork();
  for (const name of ['a', 'b']) network.createNamespace(name);
  kernel = network.open('a');
  await kernel.createLink({ kind: 'veth', name: 'eth0', up: true, peer: { name: 'eth0', namespace: 'b' } });
  const far = network.open('b');
  await far.changeLink((await far.link('eth0'))!.index, { up: true });
  far.close();
  eth0 = (await kernel.link('eth0'))!.index;
  await kernel.addAddress({ interface: eth0, address: address('10.0.0.1'), prefixLength: 24 });
  await kernel.addAddress({
    interface: eth0,
    address: address('fd00::1'),
    prefixLength: 64,
    noDuplicateDetection: true,
  });
  clock = new ManualClock();
  prefixes = prefixTables(1);
  fib = new Fib({ kernel, config: CONFIG, prefixes, clock, log: silentLogger() });
  events = [];
  kernel.monitor({ topics: ['routes'], event: (event) => events.push(event) });
});

afterEach(async () => {
  await fib.stop();
  kernel.close();
});

/** As the RIB names it, which holds it for good here. */
function numberOf(destination: Prefix): [Family, PrefixId] {
  const { family, length, w0, w1, w2, w3 } = prefixBits(destination);
  const id = prefixes[family].findOrAdd(w0, w1, w2, w3, length);
  prefixes[family].hold(id);
  return [family, id];
}

async function put(...routes: NewRoute[]): Promise<void> {
  const { failures } = await kernel.changeRoutes(routes.map((route) => ({ operation: 'add', route })));
  expect(failures).toEqual([]);
}

/** Lets events arrive, then waits until the kernel is written. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  await fib.settled();
}

/** Lets the delayed read-back happen, too. */
async function resync(): Promise<void> {
  await settle();
  clock.advance(100);
  await settle();
}

async function ours(): Promise<string[]> {
  const routes = await kernel.routes({ protocol: 81 });
  return routes.map(describeRoute).toSorted();
}

function describeRoute({ destination, nextHops, metric }: Route): string {
  const ways = nextHops.map(({ gateway, weight = 1 }) => (weight === 1 ? gateway : `${gateway}*${weight}`));
  return `${destination} ${ways.join('+')} ${metric}`;
}

function own(destination: Prefix, gateway = near): NewRoute {
  return { destination, nextHops: [{ gateway, interface: eth0 }], metric: 1024, protocol: 81 };
}

describe('learned routes in the kernel', () => {
  it('lead nowhere where that is wanted, and somewhere again after that', async () => {
    await fib.start();
    for (const [at, hop] of [
      [P4, near],
      [P6, near6],
    ] as const) {
      fib.blackhole(...numberOf(at));
      await settle();
      expect((await kernel.routes({ protocol: 81 })).map(({ type, nextHops }) => [type, nextHops])).toEqual([
        ['blackhole', []],
      ]);
      fib.set(...numberOf(at), [hop]);
      await settle();
      expect(await ours()).toEqual([`${at} ${hop} 1024`]);
      fib.blackhole(...numberOf(at));
      fib.delete(...numberOf(at));
      await settle();
      expect(await ours()).toEqual([]);
    }
  });

  it('share traffic among next hops by weight', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near, other], [1, 4]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near}+${other}*4 1024`]);
    fib.set(...numberOf(P4), [near, other], [1, 1]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near}+${other} 1024`]);
    fib.set(...numberOf(P4), [near], [1]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });

  it('come, change and go', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    fib.set(...numberOf(P6), [near6]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`, `${P6} ${near6} 1024`]);
    fib.set(...numberOf(P4), [other]);
    await settle();
    expect(await ours()).toContain(`${P4} ${other} 1024`);
    fib.delete(...numberOf(P4));
    fib.delete(...numberOf(P4));
    await settle();
    expect(await ours()).toEqual([`${P6} ${near6} 1024`]);
    expect(fib.status()).toEqual({ installed: 1, stale: 0, unresolved: 0, problems: [] });
  });

  it('that change again, or go, while they are being written are written once more after that', async () => {
    await fib.start();
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    for (const at of [P4, P6]) fib.set(...numberOf(at), [at === P4 ? near : near6]);
    await turn();
    fib.set(...numberOf(P4), [other]);
    fib.delete(...numberOf(P6));
    await settle();
    expect(await ours()).toEqual([`${P4} ${other} 1024`]);
    // Another one is on its way while this one goes and comes again.
    fib.delete(...numberOf(P4));
    await turn();
    fib.set(...numberOf(P4), [near]);
    fib.set(...numberOf(P6), [near6]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`, `${P6} ${near6} 1024`]);
    expect(fib.status()).toEqual({ installed: 2, stale: 0, unresolved: 0, problems: [] });
  });

  it('that the kernel refuses when something else is wanted already are written as they are then', async () => {
    await fib.start();
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const error = kernelError('add route', 'ENETUNREACH');
    let answer = (): void => {};
    vi.spyOn(kernel, 'changeRoutes').mockImplementationOnce(
      (changes) =>
        new Promise((resolve) => {
          answer = () => resolve({ applied: 0, failures: changes.map((change) => ({ change, error })) });
        }),
    );
    for (const at of [P4, P6]) fib.set(...numberOf(at), [at === P4 ? near : near6]);
    await turn();
    fib.set(...numberOf(P4), [other]);
    fib.delete(...numberOf(P6));
    answer();
    await settle();
    expect(await ours()).toEqual([`${P4} ${other} 1024`]);
    expect(fib.status()).toEqual({ installed: 1, stale: 0, unresolved: 0, problems: [] });
  });

  it('are looked at again when somebody changes them while they are being written', async () => {
    await fib.start();
    const stranger = network.open('a');
    const change = kernel.changeRoutes.bind(kernel);
    vi.spyOn(kernel, 'changeRoutes').mockImplementationOnce(async (changes) => {
      const result = await change(changes);
      await stranger.changeRoutes([{ operation: 'delete', route: { destination: P4 } }]);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      return result;
    });
    fib.set(...numberOf(P4), [near]);
    await settle();
    stranger.close();
    await resync();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });

  it('have all next hops that can be reached', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near, address('192.0.2.1'), other]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near}+${other} 1024`]);
  });

  it('are not touched when they are right already after a restart', async () => {
    await put(own(P4), own(P6, near6));
    await settle();
    events.length = 0;
    for (const family of [4, 6] as const) fib.hold(family);
    expect(await fib.start()).toEqual({ 4: 1, 6: 1 });
    fib.set(...numberOf(P4), [near]);
    fib.set(...numberOf(P6), [near6]);
    for (const family of [4, 6] as const) fib.release(family);
    await settle();
    expect(events).toEqual([]);
  });

  it('stay while their family is held, and are swept when it is released (RFC 4724 §4.1)', async () => {
    await put(own(P4), own(P6, near6));
    for (const family of [4, 6] as const) fib.hold(family);
    await fib.start();
    await settle();
    expect(fib.status()).toMatchObject({ installed: 2, stale: 2 });
    fib.release(6);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
    fib.release(4);
    await settle();
    expect(await ours()).toEqual([]);
  });

  it('wait for a route to their next hop, and go when it goes', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [address('192.0.2.1')]);
    await settle();
    expect(fib.status()).toMatchObject({ installed: 0, unresolved: 1 });
    const cover = {
      destination: prefix('192.0.2.0/24'),
      protocol: 4,
      nextHops: [{ gateway: other, interface: eth0 }],
    };
    await put(cover);
    await resync();
    expect(await ours()).toEqual([`${P4} ${other} 1024`]);
    await kernel.changeRoutes([{ operation: 'delete', route: { destination: cover.destination } }]);
    await resync();
    expect(await ours()).toEqual([]);
    expect(fib.status()).toMatchObject({ installed: 0, unresolved: 1 });
  });

  it('go at once when their link or the route to their next hop goes, and come back with it', async () => {
    const far = network.open('b');
    const port = (await far.link('eth0'))!.index;
    await fib.start();
    const told: (readonly [string, boolean])[] = [];
    fib.nextHops.onChange((changes) => {
      for (const [host, ways] of changes) told.push([host, ways !== undefined]);
    });
    fib.set(...numberOf(P4), [near]);
    fib.set(...numberOf(P6), [address('2001:db8::1')]);
    await put({
      destination: prefix('2001:db8::/64'),
      protocol: 4,
      nextHops: [{ gateway: near6, interface: eth0 }],
    });
    // The clock stands still: nothing waits for the kernel to be read again.
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`, `${P6} ${near6} 1024`]);
    await kernel.changeRoutes([{ operation: 'delete', route: { destination: prefix('2001:db8::/64') } }]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
    await far.changeLink(port, { up: false });
    await settle();
    expect(await ours()).toEqual([]);
    await far.changeLink(port, { up: true });
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
    far.close();
    expect(told).toEqual([
      ['2001:db8::1', true],
      ['2001:db8::1', false],
      [near, false],
      [near, true],
    ]);
  });

  it('come back when somebody deletes them', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    await settle();
    await kernel.changeRoutes([{ operation: 'delete', route: { destination: P4 } }]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });

  it('never replace a route of another program', async () => {
    await put({ ...own(P4, other), protocol: 4 });
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    await settle();
    expect(await ours()).toEqual([]);
    expect(fib.status().problems).toEqual([`${P4}: a route of another program has the same metric`]);
    await kernel.changeRoutes([{ operation: 'delete', route: { destination: P4, protocol: 4 } }]);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
    expect(fib.status().problems).toEqual([]);
  });

  it('move to another metric without a moment without route', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    await settle();
    events.length = 0;
    fib.changeMetrics({ 4: 500, 6: 500 });
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 500`]);
    expect(events.map(({ type }) => type)).toEqual(['route', 'route-deleted']);
  });

  it.each([
    ['after lost events', () => network.overrun('a'), 100],
    ['once a minute', () => undefined, 60_050],
  ])('are compared with the kernel %s', async (_, cause, milliseconds) => {
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    await settle();
    const read = vi.spyOn(kernel, 'routes');
    cause();
    await settle();
    clock.advance(milliseconds);
    await settle();
    expect(read).toHaveBeenCalledTimes(1);
    read.mockRestore();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });

  it('are tried again when the kernel could not be written', async () => {
    await fib.start();
    const write = vi.spyOn(kernel, 'changeRoutes').mockRejectedValueOnce(new Error('no buffer space'));
    fib.set(...numberOf(P4), [near]);
    await settle();
    expect(write).toHaveBeenCalledTimes(1);
    expect(await ours()).toEqual([]);
    clock.advance(1000);
    await settle();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });

  it('all go when cleared, and all stay when stopped', async () => {
    await fib.start();
    fib.set(...numberOf(P4), [near]);
    fib.set(...numberOf(P6), [near6]);
    await settle();
    await fib.clear();
    expect(await ours()).toEqual([]);
    fib.set(...numberOf(P4), [near]);
    await settle();
    await fib.stop();
    expect(await ours()).toEqual([`${P4} ${near} 1024`]);
  });
});
