/** Peers that mean harm or are broken: what they do stays with them, and an honest session beside them holds. */
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpeakerStatus } from '../../src/bgp/status.ts';
import { encodeMessage } from '../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type Message, type WireOptions } from '../../src/bgp/wire/message.ts';
import { type Address, address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { tcpSocket } from '../../src/sys/socket.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 30_000, interval: 50 };
const WIRE: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4] };
const STRANGER = '10.99.0.66';

describeKernel('a peer that means harm', () => {
  let fabric: Fabric;
  let ours: RunningSpeaker;
  let honest: RunningSpeaker;

  beforeEach(async () => {
    fabric = await makeFabric(3);
    await fabric.ip(2, 'addr', 'add', `${STRANGER}/24`, 'dev', 'eth0');
    // A hold time of three seconds: whoever is not served for that long loses the session.
    const between = { holdTime: 3, asNumber: 64512 };
    honest = await startSpeaker(fabric.hosts[2]!, speakerConfig(3, [peerConfig(3, 1, between)]));
    ours = await startSpeaker(
      fabric.hosts[0]!,
      speakerConfig(1, [
        peerConfig(1, 2, { asNumber: 65002, passive: true, type: 'global' }),
        peerConfig(1, 3, between),
      ]),
    );
    await vi.waitFor(() => expect(peer(1)).toMatchObject({ state: 'Established', received: 2 }), EVENTUALLY);
  });
  afterEach(async () => {
    await ours.stop();
    await honest.stop();
    fabric.destroy();
  });

  const peer = (index: number): SpeakerStatus['peers'][number] => ours.speaker.status().peers[index]!;
  /** The honest session has been up all the time, and its routes are in the kernel. */
  const unharmed = async (since: string): Promise<void> => {
    expect(peer(1)).toMatchObject({ state: 'Established', since, received: 2 });
    expect(await fabric.ip(1, '-4', 'route', 'show', '10.65.3.0/26')).toMatch(/via 10\.99\.0\.3/);
  };

  function connect(source: string): Promise<Socket> {
    const descriptor = tcpSocket({
      family: 4,
      namespace: fabric.hosts[1]!,
      sourceAddress: source as Address,
    });
    const socket = new Socket({ fd: descriptor });
    socket.resume();
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        // Being cut off is what is expected.
        socket.on('error', () => undefined);
        resolve(socket);
      });
      socket.once('error', reject);
      socket.connect({ host: '10.99.0.1', port: 179 });
    });
  }

  const open: Message = {
    type: 'open',
    version: 4,
    asNumber: 65002,
    holdTime: 90,
    identifier: address('10.99.0.2'),
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'four-octet-as', asNumber: 65002 },
      { type: 'route-refresh' },
    ],
  };
  const route = (number: number): Message => ({
    type: 'update',
    withdrawn: [],
    announced: [
      {
        family: 4,
        prefixes: [prefix(`100.${(number >> 8) & 63}.${number & 255}.0/24`)],
        nextHop: { address: address('10.99.0.2') },
      },
    ],
    attributes: {
      origin: 'igp',
      asPath: [{ type: 'sequence', asNumbers: [65002, 1 + (number % 50_000)] }],
      multiExitDisc: number,
    },
  });
  const bytes = (...messages: readonly Message[]): Buffer =>
    Buffer.concat(messages.map((message) => encodeMessage(message, WIRE)));
  const greeting = (): Buffer => bytes(open, { type: 'keepalive' });

  /** Writes everything, as fast as it is taken. */
  async function pour(socket: Socket, chunks: Iterable<Buffer>): Promise<void> {
    for (const chunk of chunks) {
      if (socket.destroyed) return;
      if (!socket.write(chunk)) {
        await new Promise<void>((resolve) => {
          socket.once('drain', resolve);
          socket.once('close', () => resolve());
        });
      }
    }
  }

  it('that sends one octet at a time is understood', async () => {
    const { since } = peer(1);
    const socket = await connect('10.99.0.2');
    socket.setNoDelay(true);
    for (const octet of Buffer.concat([greeting(), bytes(route(1), route(2))])) {
      await new Promise<void>((resolve, reject) => {
        socket.write(Uint8Array.of(octet), (error) => (error ? reject(error) : resolve()));
      });
    }
    await vi.waitFor(() => expect(peer(0)).toMatchObject({ state: 'Established', received: 2 }), EVENTUALLY);
    await unharmed(since);
    socket.destroy();
  });

  it('that floods delays nobody and costs no more memory than its routes', async () => {
    const { since } = peer(1);
    const socket = await connect('10.99.0.2');
    await pour(socket, [greeting()]);
    await vi.waitFor(() => expect(peer(0).state).toBe('Established'), EVENTUALLY);
    const before = process.memoryUsage().rss;
    // The same 16,384 prefixes again and again, each time with other attributes.
    await pour(
      socket,
      (function* () {
        for (let number = 0; number < 60_000; number += 50) {
          yield bytes(...Array.from({ length: 50 }, (_, index) => route(number + index)));
        }
      })(),
    );
    await vi.waitFor(() => expect(peer(0).received).toBe(16_384), EVENTUALLY);
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
    await unharmed(since);
    socket.destroy();
    await vi.waitFor(() => expect(peer(0).received).toBe(0), EVENTUALLY);
    await unharmed(since);
  });

  it('that flaps harms only itself, and may come back', async () => {
    const { since } = peer(1);
    for (let round = 0; round < 100; round++) {
      const socket = await connect('10.99.0.2');
      socket.write(round % 2 === 0 ? greeting() : Buffer.alloc(64, 0x55));
      await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
    }
    await unharmed(since);
    // Damping holds it off for at most half a minute; an operator need not wait.
    await ours.speaker.look('clear', { peer: peer(0).name, how: 'hard' });
    await vi.waitFor(async () => {
      const socket = await connect('10.99.0.2');
      await pour(socket, [greeting(), bytes(route(1))]);
      try {
        await vi.waitFor(() => expect(peer(0)).toMatchObject({ state: 'Established', received: 1 }), {
          timeout: 2000,
          interval: 50,
        });
      } catch (error) {
        socket.destroy();
        throw error;
      }
    }, EVENTUALLY);
    await unharmed(since);
  });

  it('that opens 10,000 connections, known or not, leaves none behind', async () => {
    const { since } = peer(1);
    const descriptors = await openDescriptors();
    for (const source of [STRANGER, '10.99.0.2']) {
      for (let batch = 0; batch < 50; batch++) {
        const sockets = await Promise.all(
          Array.from({ length: 100 }, () => connect(source).catch(() => undefined)),
        );
        for (const socket of sockets) socket?.destroy();
      }
    }
    await unharmed(since);
    await vi.waitFor(async () => expect(await openDescriptors()).toBeLessThan(descriptors + 20), EVENTUALLY);
    await unharmed(since);
  });
});

/** How many descriptors this process, and so the speaker in it, has open. */
async function openDescriptors(): Promise<number> {
  const { readdir } = await import('node:fs/promises');
  return (await readdir('/proc/self/fd')).length;
}
