/**
 * A way into a lab for a client outside of it: connections to a port of our own loopback go on from inside a network
 * namespace of the lab.
 */
import { type AddressInfo, type Socket as NodeSocket, Socket, createServer } from 'node:net';
import { once } from 'node:events';
import { type Address, familyOf } from '../net/address.ts';
import { tcpSocket } from '../sys/socket.ts';

export interface Relay {
  /** On 127.0.0.1. */
  readonly port: number;
  close(): void;
}

/** Starts relaying to `address` and `port` as seen from `namespace`. */
export async function openRelay(namespace: string, address: Address, port: number): Promise<Relay> {
  const sockets = new Set<NodeSocket>();
  const server = createServer((outside) => {
    const inside = new Socket({ fd: tcpSocket({ namespace, family: familyOf(address) }) });
    for (const socket of [outside, inside]) {
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        outside.destroy();
        inside.destroy();
      });
      // The close event follows and says all that the other side can be told.
      socket.on('error', () => undefined);
    }
    inside.connect({ host: address, port });
    outside.pipe(inside).pipe(outside);
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
