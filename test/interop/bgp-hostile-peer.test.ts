/** A peer that opens thousands of connections, sends one byte at a time, floods and flaps, beside one that behaves. */
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { encodeMessage } from '../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../src/bgp/wire/framer.ts';
import { BASIC_WIRE, type Message } from '../../src/bgp/wire/message.ts';
import type { PeerStatus } from '../../src/bgp/status.ts';
import { address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import { tcpSocket } from '../../src/sys/socket.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import {
  type RunningSpeaker,
  SpeakerProcess,
  peerConfig,
  speakerConfig,
  startSpeaker,
} from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 30_000, interval: 50 };
const CONNECTIONS = 10_000;
const AT_A_TIME = 250;
/** Descriptors beyond those of a quiet speaker that a flood may cost it. */
const TOLERATED = 80;

/** Until it is connected, or will never be. */
function settled(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
}

describeKernel('a speaker beside a hostile peer', () => {
  let fabric: Fabric;
  let speaker: SpeakerProcess;
  let friend: RunningSpeaker;
  let since: string;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    fabric = await makeFabric(3);
    const hostile = peerConfig(1, 3, { asNumber: 65003, passive: true });
    speaker = await SpeakerProcess.start(fabric.hosts[0]!, speakerConfig(1, [peerConfig(1, 2), hostile]));
    friend = await startSpeaker(fabric.hosts[1]!, speakerConfig(2, [peerConfig(2, 1, { passive: true })]));
    await vi.waitFor(async () => expect(await peer(2)).toMatchObject({ state: 'Established' }), EVENTUALLY);
    since = (await peer(2)).since;
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await friend.stop();
    await speaker.stop();
    fabric.destroy();
  });

  async function peer(host: number): Promise<PeerStatus> {
    return (await speaker.status()).peers.find(({ name }) => name.endsWith(`_${host}`))!;
  }

  const descriptors = (): number => readdirSync(`/proc/${speaker.pid}/fd`).length;

  /** A connection from host `from`, as whatever that host is to the speaker. */
  function connect(from: number): Socket {
    const namespace = fabric.hosts[from - 1]!;
    const socket = new Socket({ fd: tcpSocket({ namespace, family: 4 }) });
    sockets.add(socket);
    // Resets are what is expected.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
    socket.connect({ host: '10.99.0.1', port: 179 });
    return socket;
  }

  async function expectFriendUntouched(): Promise<void> {
    expect(await peer(2)).toMatchObject({ state: 'Established', since, received: 2 });
  }

  const OPEN: Message = {
    type: 'open',
    version: 4,
    asNumber: 65003,
    holdTime: 90,
    identifier: address('10.99.0.3'),
    capabilities: [{ type: 'multiprotocol', afi: 1, safi: 1 }],
  };

  it.each([
    ['that is configured', [peerConfig(1, 3, { asNumber: 65003, passive: true })]],
    ['that nobody knows', []],
    [
      'that a template makes a peer',
      [
        peerConfig(1, 3, {
          name: 'template',
          type: 'dynamic',
          asNumber: 65003,
          dynamicNeighbors: { prefixes: [prefix('10.99.0.0/24')], limit: 10 },
        }),
      ],
    ],
  ])(
    'takes 10,000 connections of one address %s for no more than a few',
    async (_, hostile) => {
      if (hostile[0]?.type !== 'mesh') {
        await speaker.stop();
        speaker = await SpeakerProcess.start(
          fabric.hosts[0]!,
          speakerConfig(1, [peerConfig(1, 2), ...hostile]),
        );
        await vi.waitFor(
          async () => expect(await peer(2)).toMatchObject({ state: 'Established' }),
          EVENTUALLY,
        );
        since = (await peer(2)).since;
      }
      const quiet = descriptors();
      for (let opened = 0; opened < CONNECTIONS; opened += AT_A_TIME) {
        const batch = Array.from({ length: AT_A_TIME }, () => connect(3));
        await Promise.all(batch.map(settled));
        expect(descriptors()).toBeLessThan(quiet + AT_A_TIME + TOLERATED);
      }
      // Those that were not reset are the few that may be open; nobody closes the others on our side.
      await vi.waitFor(() => {
        expect(sockets.size).toBeLessThanOrEqual(TOLERATED);
        expect(descriptors()).toBeLessThan(quiet + TOLERATED);
      }, EVENTUALLY);
      await expectFriendUntouched();
    },
    120_000,
  );

  it('has a session with one that sends a byte at a time', async () => {
    const socket = connect(3);
    const framer = new MessageFramer();
    const types: number[] = [];
    socket.on('data', (bytes: Uint8Array) => {
      framer.push(bytes);
      for (let next = framer.next(); next !== undefined; next = framer.next()) {
        if (next instanceof Uint8Array) types.push(next[18]!);
      }
    });
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const update: Message = {
      type: 'update',
      withdrawn: [],
      announced: [
        { family: 4, prefixes: [prefix('10.65.3.0/26')], nextHop: { address: address('10.99.0.3') } },
      ],
      attributes: { origin: 'igp', asPath: [{ type: 'sequence', asNumbers: [65003] }] },
    };
    for (const message of [OPEN, { type: 'keepalive' } as const, update]) {
      for (const byte of encodeMessage(message, { ...BASIC_WIRE, external: true, families: [4] })) {
        await new Promise<void>((resolve) => socket.write(Uint8Array.of(byte), () => resolve()));
      }
    }
    await vi.waitFor(async () => {
      expect(await peer(3)).toMatchObject({ state: 'Established', received: 1 });
    }, EVENTUALLY);
    // OPEN, KEEPALIVE
    expect(types.slice(0, 2)).toEqual([1, 4]);
    await expectFriendUntouched();
  });

  it('outlives one that sends megabytes of nothing, and one that comes and goes', async () => {
    const quiet = descriptors();
    const noise = new Uint8Array(1 << 16);
    for (let flood = 0; flood < 8; flood++) {
      const socket = connect(3);
      await once(socket, 'connect');
      const gone = once(socket, 'close');
      for (let sent = 0; sent < 64; sent++) socket.write(noise);
      // The first header is no header: NOTIFICATION, and the connection is closed.
      await gone;
    }
    for (let flap = 0; flap < 300; flap++) {
      const socket = connect(3);
      await settled(socket);
      if (flap % 2 === 0) socket.write(encodeMessage(OPEN, BASIC_WIRE));
      socket.destroy();
    }
    await vi.waitFor(() => expect(descriptors()).toBeLessThan(quiet + 10), EVENTUALLY);
    await expectFriendUntouched();
  });
});
