/** Peers that go by the oldest rules, or wait: one that refuses capabilities, and one that does not speak first. */
import { type Server, type Socket, createServer } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { decodeMessage, encodeMessage } from '../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../src/bgp/wire/framer.ts';
import { BASIC_WIRE, type Message, type ReceivedMessage } from '../../src/bgp/wire/message.ts';
import { notification } from '../../src/bgp/wire/notification.ts';
import { address } from '../../src/net/address.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { describeKernel } from '../kernel/fixture-namespace.ts';
import { type Fabric, makeFabric } from './fixture-fabric.ts';
import { type RunningSpeaker, peerConfig, speakerConfig, startSpeaker } from './fixture-speaker.ts';

const EVENTUALLY = { timeout: 20_000, interval: 50 };
const OPEN: Message = {
  type: 'open',
  version: 4,
  asNumber: 65002,
  holdTime: 90,
  identifier: address('10.99.0.2'),
  capabilities: [],
};

describeKernel('a session with a peer by hand', () => {
  let fabric: Fabric;
  let ours: RunningSpeaker | undefined;
  let server: Server | undefined;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    fabric = await makeFabric(2);
  });
  afterEach(async () => {
    await ours?.stop();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else server.close(() => resolve());
    });
    [ours, server] = [undefined, undefined];
    fabric.destroy();
  });

  /** Listens as host 2; each connection is another `answer`, given how to say something. */
  function listen(answer: (say: (message: Message) => void) => (message: ReceivedMessage) => void): void {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      const framer = new MessageFramer();
      const hear = answer((message) => socket.write(encodeMessage(message, BASIC_WIRE)));
      socket.on('data', (bytes: Uint8Array) => {
        framer.push(bytes);
        for (let next = framer.next(); next instanceof Uint8Array; next = framer.next()) {
          const message = decodeMessage(next, BASIC_WIRE);
          if (message.type === 'error') throw new Error(message.reason);
          hear(message);
        }
      });
    });
    inNamespace(fabric.hosts[1]!, () => server!.listen(179));
  }

  const start = async (fields: Parameters<typeof peerConfig>[2] = {}): Promise<void> => {
    const peer = peerConfig(1, 2, { asNumber: 65002, type: 'global', ...fields });
    ours = await startSpeaker(fabric.hosts[0]!, speakerConfig(1, [peer]));
  };

  it('which refuses capabilities comes up without, for IPv4 alone, and people can see why (RFC 5492 §3)', async () => {
    const told: ReceivedMessage[] = [];
    const opens: number[] = [];
    listen((say) => (message) => {
      told.push(message);
      if (message.type !== 'open') return;
      opens.push(message.capabilities.length);
      if (message.capabilities.length > 0) {
        say(notification(2, 4));
      } else {
        say(OPEN);
        say({ type: 'keepalive' });
      }
    });
    await start();
    await vi.waitFor(async () => {
      expect(ours!.speaker.status().peers[0]).toMatchObject({ state: 'Established', families: [4] });
      expect(told.some((message) => message.type === 'update' && message.announced.length > 0)).toBe(true);
    }, EVENTUALLY);
    expect(opens[0]).toBeGreaterThan(0);
    expect(opens.at(-1)).toBe(0);
    const [view] = await ours!.speaker.look('neighbors', undefined);
    expect(view!.session!.capabilities.join()).toMatch(/^none, because the peer refuses them/);
    const prefixes = told.flatMap((message) =>
      message.type === 'update' ? message.announced.flatMap((list) => list.prefixes) : [],
    );
    expect(prefixes).toEqual(['10.65.1.0/26']);
  });

  it('hears nothing from one that delays its OPEN until it speaks itself (RFC 4271 §8.1.1, DelayOpen)', async () => {
    const told: string[] = [];
    let speak: (() => void) | undefined;
    listen((say) => {
      speak = () => {
        say(OPEN);
        say({ type: 'keepalive' });
      };
      return (message) => told.push(message.type);
    });
    await start({ delayOpen: 240 });
    await vi.waitFor(() => expect(speak).toBeDefined(), EVENTUALLY);
    expect(ours!.speaker.status().peers[0]!.state).toBe('Connect');
    expect(told).toEqual([]);
    speak!();
    await vi.waitFor(
      () => expect(ours!.speaker.status().peers[0]).toMatchObject({ state: 'Established' }),
      EVENTUALLY,
    );
    expect(told.slice(0, 2)).toEqual(['open', 'keepalive']);
  });
});
