/** One end of a conversation in a pod: takes requests (pair.ts, TalkRequest) from its parent, one at a time. */
import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import type { TalkRequest } from './pair.ts';

/** A connection that begins with this is echoed, any other is swallowed and its length told at the end. */
const PING = 'p';

async function serve(address: string, port: number): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    let received = 0;
    let echo: boolean | undefined;
    socket.on('data', (data) => {
      echo ??= data[0] === PING.charCodeAt(0);
      if (echo) socket.write(data);
      else received += data.length;
    });
    socket.on('end', () => socket.end(echo === true ? '' : String(received)));
    socket.on('error', () => socket.destroy());
  });
  server.listen(port, address);
  await once(server, 'listening');
  return 0;
}

async function open(address: string, port: number): Promise<Socket> {
  const socket = connect({ host: address, port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Gbit/s that the other end has got. */
async function send(address: string, port: number, milliseconds: number): Promise<number> {
  const socket = await open(address, port);
  const block = Buffer.alloc(1 << 18, 's');
  const start = performance.now();
  while (performance.now() - start < milliseconds) {
    if (!socket.write(block)) await once(socket, 'drain');
  }
  socket.end();
  const [told] = (await once(socket, 'data')) as [Buffer];
  const seconds = (performance.now() - start) / 1_000;
  return (Number(told.toString()) * 8) / seconds / 1e9;
}

/** Median microseconds of a round trip of one byte. */
async function ping(address: string, port: number, milliseconds: number): Promise<number> {
  const socket = await open(address, port);
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const before = performance.now();
    const answered = once(socket, 'data');
    socket.write(PING);
    await answered;
    times.push((performance.now() - before) * 1_000);
  }
  socket.destroy();
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

async function answer(request: TalkRequest): Promise<number> {
  switch (request.do) {
    case 'serve':
      return serve(request.address, request.port);
    case 'send':
      return send(request.address, request.port, request.milliseconds);
    case 'ping':
      return ping(request.address, request.port, request.milliseconds);
    default:
      return request satisfies never;
  }
}

process.on('message', (request: TalkRequest) => {
  answer(request).then(
    (number) => process.send!(number),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send!('ready');
