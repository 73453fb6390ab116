/** UDP sockets in namespaces. */
import { createSocket } from 'node:dgram';
import type { Address, Family } from '../../src/net/address.ts';
import { udpSocket } from '../../src/sys/socket.ts';

/** What a socket heard, and how it sends. */
interface Datagrams {
  readonly heard: string[];
  readonly send: (host: string, port: number, text: string) => void;
  readonly close: () => void;
}

/** A UDP socket in a namespace, on a port. */
export function datagrams(namespace: string, family: Family, port: number): Datagrams {
  const address = (family === 4 ? '0.0.0.0' : '::') as Address;
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  const heard: string[] = [];
  socket.on('message', (datagram) => heard.push(datagram.toString()));
  socket.bind({ fd: udpSocket({ namespace, address, port }) });
  return {
    heard,
    send: (host, to, text) => socket.send(text, to, host),
    close: () => socket.close(),
  };
}
