import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, type Server, Socket, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { type Address, type Family, address } from '../../src/net/address.ts';
import { prefix } from '../../src/net/prefix.ts';
import {
  type SocketOptions,
  closeSocket,
  sendDatagram,
  setMd5Key,
  setTimeToLive,
  tcpListenSocket,
  tcpSocket,
  udpSocket,
} from '../../src/sys/socket.ts';
import { onlyTimeToLive } from '../../src/sys/packet-filter.ts';
import { describeKernel, useNamespaces } from './fixture-namespace.ts';

const LOOPBACK: Readonly<Record<Family, Address>> = { 4: address('127.0.0.1'), 6: address('::1') };

async function listen(
  family: Family,
  options: SocketOptions,
): Promise<{ server: Server; fd: number; port: number }> {
  const fd = tcpListenSocket({ ...options, address: LOOPBACK[family], port: 0 });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen({ fd });
  await once(server, 'listening');
  return { server, fd, port: (server.address() as AddressInfo).port };
}

/** Connects and echoes; resolves with what came back, or 'refused', or 'silence' if nothing was answered. */
async function echo(family: Family, port: number, options: SocketOptions): Promise<string> {
  const socket = new Socket({ fd: tcpSocket({ ...options, family, sourceAddress: LOOPBACK[family] }) });
  socket.setTimeout(300, () => socket.destroy(Object.assign(new Error('silence'), { code: 'silence' })));
  try {
    socket.connect({ host: LOOPBACK[family], port });
    socket.end('hello');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

describeKernel('sockets made by descriptor', () => {
  const [namespace] = useNamespaces(1);

  for (const family of [4, 6] as const) {
    const here = LOOPBACK[family];

    it(`lets only datagrams of one hop limit into a socket over IPv${family}`, async () => {
      const receiver = createSocket(family === 4 ? 'udp4' : 'udp6');
      const fd = udpSocket({ namespace: namespace!, address: here, port: 0 });
      onlyTimeToLive(fd, family, 255);
      receiver.bind({ fd });
      const { port } = receiver.address();
      const received: string[] = [];
      const last = new Promise<void>((resolve) => {
        receiver.on('message', (bytes) => {
          received.push(bytes.toString());
          if (bytes.toString() === 'last') resolve();
        });
      });
      for (const [text, timeToLive] of [
        ['low', 254],
        ['first', 255],
        ['least', 1],
        ['last', 255],
      ] as const) {
        const sender = udpSocket({ namespace: namespace!, address: here, port: 0, timeToLive });
        sendDatagram(sender, here, Buffer.from(text), port);
        closeSocket(sender);
      }
      await last;
      receiver.close();
      expect(received).toEqual(['first', 'last']);
    });

    it(`carries TCP over IPv${family} between a server and a client of another namespace`, async () => {
      const { server, port } = await listen(family, { namespace: namespace! });
      try {
        expect(await echo(family, port, { namespace: namespace! })).toBe('hello');
        expect(await echo(family, port, {}), 'the port exists in that namespace only').toBe('ECONNREFUSED');
      } finally {
        server.close();
      }
    });

    it(`carries UDP over IPv${family} in another namespace`, async () => {
      const ends = [0, 1].map(() => createSocket(family === 4 ? 'udp4' : 'udp6'));
      const [one, two] = ends as [ReturnType<typeof createSocket>, ReturnType<typeof createSocket>];
      try {
        for (const end of ends) {
          // With a descriptor, bind takes effect at once and 'listening' is emitted before it returns.
          end.bind({ fd: udpSocket({ namespace: namespace!, address: here, port: 0 }) });
        }
        two.send('ping', one.address().port, here);
        const [message] = (await once(one, 'message')) as [Buffer];
        expect(message.toString()).toBe('ping');
      } finally {
        for (const end of ends) end.close();
      }
    });

    it(`lets only peers with the key in over IPv${family} (RFC 2385)`, async () => {
      const key = 'correct horse';
      const { server, fd, port } = await listen(family, {
        namespace: namespace!,
        md5Keys: [{ peer: here, key }],
      });
      try {
        const client = (word: string): Promise<string> =>
          echo(family, port, { namespace: namespace!, md5Keys: [{ peer: here, key: word }] });
        expect(await client(key)).toBe('hello');
        expect(await client('wrong')).toBe('silence');
        expect(await echo(family, port, { namespace: namespace! }), 'unsigned').toBe('silence');
        setMd5Key(fd, here, 'new key');
        expect(await client('new key'), 'key changed while listening').toBe('hello');
        setMd5Key(fd, here, undefined);
        expect(await echo(family, port, { namespace: namespace! }), 'key removed').toBe('hello');
        setMd5Key(fd, prefix(family === 4 ? '127.0.0.0/8' : '::/64'), key);
        expect(await client(key), 'key of a whole prefix').toBe('hello');
        expect(await client('wrong')).toBe('silence');
      } finally {
        server.close();
      }
    });

    it(`drops IPv${family} segments below the minimum TTL (RFC 5082 §3)`, async () => {
      const { server, fd, port } = await listen(family, { namespace: namespace!, timeToLive: 255 });
      setTimeToLive(fd, family, 'minimumTimeToLive', 255);
      try {
        expect(await echo(family, port, { namespace: namespace!, timeToLive: 255 })).toBe('hello');
        expect(await echo(family, port, { namespace: namespace!, timeToLive: 64 })).toBe('silence');
      } finally {
        server.close();
      }
    });

    it(`binds an IPv${family} address that is not there yet, but only when told`, () => {
      const later = address(family === 4 ? '192.0.2.7' : '2001:db8::7');
      const options = { namespace: namespace!, address: later, port: 179 };
      expect(() => tcpListenSocket(options)).toThrow('EADDRNOTAVAIL');
      closeSocket(tcpListenSocket({ ...options, freeBind: true }));
    });

    it(`binds an IPv${family} socket to a device of its namespace`, async () => {
      const { server, port } = await listen(family, {
        namespace: namespace!,
        device: 'lo',
        trafficClass: 0xc0,
      });
      try {
        expect(await echo(family, port, { namespace: namespace!, device: 'lo' })).toBe('hello');
        expect(() => tcpSocket({ family, namespace: namespace!, device: 'nowhere' })).toThrow('ENODEV');
      } finally {
        server.close();
      }
    });
  }
});
