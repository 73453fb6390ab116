import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { type Address, addressFromInteger } from '../../src/net/address.ts';
import { prefixBits } from '../../src/net/prefix-bits.ts';
import { type Prefix, hostPrefix, prefix } from '../../src/net/prefix.ts';
import { NetlinkConnection, type OutgoingMessage } from '../../src/netlink/connection.ts';
import type { KernelEvent, NewRoute } from '../../src/netlink/kernel.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { NLM_F_CREATE, NLM_F_EXCL } from '../../src/netlink/message.ts';
import {
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_NEWROUTE,
  RTNLGRP_IPV4_ROUTE,
} from '../../src/netlink/rtnetlink/constants.ts';
import { encodeRouteMake } from '../../src/netlink/rtnetlink/route.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE } from '../../src/netlink/socket.ts';
import { describeKernel, useNamespaces } from './fixture-namespace.ts';

const COUNT = 10_000;
const PROTOCOL = 81;

function destination(index: number): Prefix {
  return hostPrefix(addressFromInteger(4, 0x0a000000n + BigInt(index)) as Address);
}

function addBlackhole(index: number): OutgoingMessage {
  const route: NewRoute = { destination: destination(index), type: 'blackhole', protocol: PROTOCOL };
  return {
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: (out) => {
      const start = out.length;
      encodeRouteMake(out, 4, route);
      out.setU8(start + 1, 32);
      out.setU32(start + 16, 0x0a000000 + index);
    },
    operation: () => `add route ${route.destination}`,
  };
}

async function withConnection<T>(
  options: ConstructorParameters<typeof NetlinkConnection>[0],
  body: (connection: NetlinkConnection) => Promise<T>,
): Promise<T> {
  const connection = new NetlinkConnection(options);
  try {
    return await body(connection);
  } finally {
    connection.close();
  }
}

/** Waits for a condition with a deadline; the event loop runs meanwhile. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describeKernel('a netlink connection', () => {
  const [namespace, storm] = useNamespaces(2) as [string, string];
  const here = { protocol: NETLINK_ROUTE, namespace };

  it('dumps the only link of a fresh namespace', async () => {
    await withConnection(here, async (connection) => {
      const links = await connection.dump({ type: RTM_GETLINK, body: (out) => void out.reserve(16) });
      expect(links).toHaveLength(1);
    });
  });

  it('keeps the answers of many requests and dumps at once apart', async () => {
    await withConnection({ protocol: NETLINK_NETFILTER, namespace }, async (connection) => {
      const getGeneration: OutgoingMessage = { type: (10 << 8) | 16, body: (out) => out.u32le(0) };
      const getTables: OutgoingMessage = { type: (10 << 8) | 1, body: (out) => out.u32le(0) };
      const answers = await Promise.all(
        Array.from({ length: 100 }, async (_, index) =>
          index % 2 === 0 ? connection.request(getGeneration) : connection.dump(getTables),
        ),
      );
      expect(answers.map((messages) => messages.length)).toEqual(
        Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 1 : 0)),
      );
      expect(await connection.batch([])).toEqual({ failures: [], replies: [] });
    });
  });

  it(`sets ${COUNT} routes in one system call and reads them back`, async () => {
    const kernel = openLinuxKernel({ namespace });
    try {
      const messages = Array.from({ length: COUNT }, (_, index) => addBlackhole(index));
      const first = await withConnection(here, (connection) => connection.batch(messages));
      expect(first).toEqual({ failures: [], replies: [] });
      const routes = await kernel.routes({ family: 4, protocol: PROTOCOL });
      expect(new Set(routes.map((route) => route.destination))).toEqual(
        new Set(Array.from({ length: COUNT }, (_, index) => destination(index))),
      );
      const again = await withConnection(here, (connection) => connection.batch(messages));
      expect(again.failures).toHaveLength(COUNT);
      expect(again.failures[COUNT - 1]!.error.message).toBe(`add route ${destination(COUNT - 1)}: EEXIST`);
      const removed = await kernel.changeRoutes(routes.map((route) => ({ operation: 'delete', route })));
      expect(removed).toEqual({ applied: COUNT, failures: [] });
      expect(await kernel.routes({ protocol: PROTOCOL })).toEqual([]);
    } finally {
      kernel.close();
    }
  });

  it('says which message of a batch failed, and applies the others', async () => {
    await withConnection(here, async (connection) => {
      const { failures } = await connection.batch([0, 1, 1, 2, 0, 3].map(addBlackhole));
      expect(failures.map(({ index, error }) => [index, error.errno])).toEqual([
        [2, 'EEXIST'],
        [4, 'EEXIST'],
      ]);
    });
    const kernel = openLinuxKernel({ namespace });
    try {
      const routes = await kernel.routes({ protocol: PROTOCOL });
      expect(routes).toHaveLength(4);
      await kernel.changeRoutes(routes.map((route) => ({ operation: 'delete', route })));
    } finally {
      kernel.close();
    }
  });

  it("shows the kernel's own words of an extended acknowledgement", async () => {
    const kernel = openLinuxKernel({ namespace });
    try {
      const { failures } = await kernel.changeRoutes([
        {
          operation: 'add',
          route: {
            destination: prefix('10.1.0.0/16'),
            nextHops: [{ gateway: '192.0.2.1' as Address }],
            protocol: PROTOCOL,
          },
        },
      ]);
      expect(failures[0]!.error.message).toBe(
        'add route 10.1.0.0/16: ENETUNREACH (Nexthop has invalid gateway)',
      );
    } finally {
      kernel.close();
    }
  });

  it('refuses a batch longer than its send buffer whole, and goes on', async () => {
    await withConnection({ ...here, sendBuffer: 8192 }, async (connection) => {
      const messages = Array.from({ length: 1000 }, (_, index) => addBlackhole(index));
      await expect(connection.batch(messages)).rejects.toThrow('EMSGSIZE');
      const fitting = Math.floor(connection.sendLimit / 64);
      expect((await connection.batch(messages.slice(0, fitting))).failures).toEqual([]);
      const kernel = openLinuxKernel({ namespace });
      const routes = await kernel.routes({ protocol: PROTOCOL });
      expect(routes).toHaveLength(fitting);
      await kernel.changeRoutes(routes.map((route) => ({ operation: 'delete', route })));
      kernel.close();
    });
  });

  it('sends in the background in order, each failure with its message, while the event loop turns', async () => {
    await withConnection(here, async (connection) => {
      const all = Array.from({ length: COUNT }, (_, index) => addBlackhole(index));
      let turns = 0;
      let written = false;
      const first = connection.batch(all, { inBackground: true });
      const second = connection.batch([...all.slice(0, 2), addBlackhole(COUNT)], { inBackground: true });
      // In the foreground, but not before them.
      const third = connection.batch([addBlackhole(COUNT), addBlackhole(COUNT + 1)]);
      void first.then(() => (written = true));
      await until(() => written || ++turns === 1_000_000, 'the first batch');
      expect(turns).toBeGreaterThan(1);
      expect(await first).toEqual({ failures: [], replies: [] });
      expect((await second).failures.map(({ index, error }) => [index, error.errno])).toEqual([
        [0, 'EEXIST'],
        [1, 'EEXIST'],
      ]);
      expect((await third).failures.map(({ index }) => index)).toEqual([0]);
    });
    const kernel = openLinuxKernel({ namespace });
    const routes = await kernel.routes({ protocol: PROTOCOL });
    expect(routes).toHaveLength(COUNT + 2);
    await kernel.changeRoutes(routes.map((route) => ({ operation: 'delete', route })));
    kernel.close();
  });

  it('gives the memory of a batch of routes back only when the kernel is done with it, though it is closed', async () => {
    const kernel = openLinuxKernel({ namespace });
    const batch = kernel.routeBatch();
    while (!batch.isFull) {
      batch.set('add', prefixBits(destination(batch.length)), { type: 'blackhole', protocol: PROTOCOL });
    }
    const count = batch.length;
    const sent = batch.send();
    kernel.close();
    await expect(sent).rejects.toThrow('EBADF');
    const other = openLinuxKernel({ namespace });
    const routes = await other.routes({ protocol: PROTOCOL });
    expect(routes).toHaveLength(count);
    await other.changeRoutes(routes.map((route) => ({ operation: 'delete', route })));
    other.close();
  });

  it('refuses a batch in the background that is too long, and goes on', async () => {
    await withConnection({ ...here, sendBuffer: 8192 }, async (connection) => {
      const messages = Array.from({ length: 1000 }, (_, index) => addBlackhole(index));
      await expect(connection.batch(messages, { inBackground: true })).rejects.toThrow('EMSGSIZE');
      expect((await connection.batch([], { inBackground: true })).failures).toEqual([]);
    });
  });

  it('keeps its descriptor until what is being sent is sent, though it is closed', async () => {
    const all = Array.from({ length: COUNT }, (_, index) => addBlackhole(index));
    const kernel = openLinuxKernel({ namespace });
    const connection = new NetlinkConnection(here);
    const batch = connection.batch(all, { inBackground: true });
    connection.close();
    await expect(batch).rejects.toThrow('EBADF');
    let found = 0;
    while (found < COUNT) found = (await kernel.routes({ protocol: PROTOCOL })).length;
    await kernel.changeRoutes(
      all.map((_, index) => ({ operation: 'delete', route: { destination: destination(index) } })),
    );
    expect(await kernel.routes({ protocol: PROTOCOL })).toEqual([]);
    kernel.close();
  });

  it('rejects what is under way when it closes, and what comes later', async () => {
    let reason: unknown = 'not closed';
    const connection = new NetlinkConnection({ ...here, closed: (why) => (reason = why) });
    const request = connection.request({ type: RTM_NEWLINK, body: (out) => void out.reserve(16) });
    connection.close();
    connection.close();
    await expect(request).rejects.toThrow('EBADF');
    await expect(connection.batch([])).rejects.toThrow('EBADF');
    expect(reason).toBeUndefined();
  });

  it('tells of an overrun after a storm, lives, and then misses nothing', async () => {
    const kernel = openLinuxKernel({ namespace: storm });
    const events: KernelEvent[] = [];
    kernel.monitor({
      topics: ['routes'],
      receiveBuffer: 4096,
      event: (event) => events.push(event),
      closed: (reason) => {
        throw reason;
      },
    });
    try {
      const seen = (index: number): boolean =>
        events.some((event) => event.type === 'route' && event.route.destination === destination(index));
      await withConnection({ protocol: NETLINK_ROUTE, namespace: storm }, async (connection) => {
        // The kernel works all of it off before our event loop can read a single event.
        await connection.batch(Array.from({ length: COUNT }, (_, index) => addBlackhole(index)));
        await until(() => events.some((event) => event.type === 'overrun'), 'the overrun event');
        const last = events.findIndex((event) => event.type === 'overrun');
        for (let index = COUNT; index < COUNT + 3; index++) {
          await connection.batch([addBlackhole(index)]);
          await until(() => seen(index), `the event of route ${index}`);
        }
        expect(events.slice(last + 1), 'nothing older than the overrun follows it').toHaveLength(3);
      });
      expect(await kernel.routes({ protocol: PROTOCOL })).toHaveLength(COUNT + 3);
    } finally {
      kernel.close();
    }
  });

  it('tells nothing of the changes of a port it is deaf to, and all of others', async () => {
    await withConnection(here, async (own) => {
      await withConnection(here, async (other) => {
        const told: number[] = [];
        const monitor = new NetlinkConnection({
          ...here,
          deafTo: own.portId,
          notification: (message) => told.push(message.portId),
        });
        try {
          monitor.join(RTNLGRP_IPV4_ROUTE);
          await own.batch([addBlackhole(40_001), addBlackhole(40_002)]);
          await other.batch([addBlackhole(40_003), addBlackhole(40_004)]);
          await until(() => told.length >= 2, 'what the other changed');
          expect(told).toEqual([other.portId, other.portId]);
        } finally {
          monitor.close();
        }
      });
    });
  });

  it('rejects a batch whose answers did not fit into the receive queue (ENOBUFS)', async () => {
    await withConnection(
      { protocol: NETLINK_ROUTE, namespace: storm, receiveBuffer: 4096 },
      async (connection) => {
        const again = Array.from({ length: 1000 }, (_, index) => addBlackhole(index));
        await expect(connection.batch(again)).rejects.toThrow('ENOBUFS');
        expect((await connection.batch([addBlackhole(0)])).failures, 'usable afterwards').toHaveLength(1);
      },
    );
  });

  it('works in a worker thread, in another namespace than the main thread', async () => {
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      require('tsx/cjs/api').register();
      const { openLinuxKernel } = require(workerData.linux);
      const kernel = openLinuxKernel({ namespace: workerData.namespace });
      kernel.links().then((links) => {
        kernel.close();
        parentPort.postMessage(links);
      });`;
    const linux = new URL('../../src/netlink/linux.ts', import.meta.url).pathname;
    const worker = new Worker(script, { eval: true, workerData: { linux, namespace } });
    try {
      const links = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(links).toMatchObject([{ name: 'lo', index: 1, up: true, loopback: true }]);
    } finally {
      await worker.terminate();
    }
  });
});
