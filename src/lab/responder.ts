/**
 * The servers of a lab's workloads, all in one process: each socket is made inside its pod's network namespace and
 * then driven by this process's event loop. TCP: accepts, writes the workload's name, closes. UDP: answers every
 * datagram with the name, a space and the datagram, so that a stream of numbered datagrams finds its numbers again.
 * SCTP: answers the first message of an association with the name.
 */
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Server, createServer } from 'node:net';
import type { Address } from '../net/address.ts';
import { closeSocket, tcpListenSocket, udpSocket } from '../sys/socket.ts';
import { serveSctp } from './sctp-socket.ts';

/** Protocols that have ports, so that somebody listens. */
export type ServedProtocol = 'TCP' | 'UDP' | 'SCTP';

export interface ServedPort {
  readonly protocol: ServedProtocol;
  readonly port: number;
}

/** What listens where, and what it calls itself. */
export interface ServedWorkload {
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServedPort[];
}

const EVERY_ADDRESS = ['0.0.0.0', '::'] as const;
/** Hundreds of probes arrive in one burst. */
const BACKLOG = 1024;

export class Responder {
  private readonly closers = new Map<string, (() => void)[]>();

  /** Names of the workloads that are served. */
  get names(): string[] {
    return [...this.closers.keys()];
  }

  /** Listens on all ports, both families. Rejects with a KernelError, leaving nothing open of this workload. */
  async serve(workload: ServedWorkload): Promise<void> {
    this.stop(workload.name);
    const closers: (() => void)[] = [];
    this.closers.set(workload.name, closers);
    try {
      const associations = workload.ports.filter(({ protocol }) => protocol === 'SCTP');
      if (associations.length > 0) {
        const ports = new Set(associations.map(({ port }) => port));
        closers.push(serveSctp(workload.namespace, workload.name, ports));
      }
      for (const { protocol, port } of workload.ports) {
        if (protocol === 'SCTP') continue;
        for (const address of EVERY_ADDRESS) {
          const listen = protocol === 'TCP' ? listenTcp : listenUdp;
          closers.push(await listen(workload, address as Address, port));
        }
      }
    } catch (error) {
      this.stop(workload.name);
      throw error;
    }
  }

  /** Stops serving one workload; its sockets no longer hold its namespace. */
  stop(name: string): void {
    for (const close of this.closers.get(name) ?? []) close();
    this.closers.delete(name);
  }

  close(): void {
    for (const name of this.names) this.stop(name);
  }
}

async function listenTcp(workload: ServedWorkload, address: Address, port: number): Promise<() => void> {
  const fd = tcpListenSocket({ namespace: workload.namespace, address, port });
  const server: Server = createServer((connection) => {
    // The client may be gone already; that is its business.
    connection.on('error', () => connection.destroy());
    connection.end(workload.name);
    connection.resume();
  });
  try {
    server.listen({ fd, backlog: BACKLOG });
    await once(server, 'listening');
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return () => server.close();
}

function listenUdp(workload: ServedWorkload, address: Address, port: number): () => void {
  const fd = udpSocket({ namespace: workload.namespace, address, port });
  const socket: DatagramSocket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const prefix = Buffer.from(`${workload.name} `, 'utf8');
  socket.on('message', (datagram, sender) => {
    // A reply that finds no way back is a lost datagram, as on any network.
    socket.send(Buffer.concat([prefix, datagram]), sender.port, sender.address, () => undefined);
  });
  try {
    // With a descriptor, bind takes effect before it returns.
    socket.bind({ fd });
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  // ICMP errors for earlier replies surface here; the socket lives on.
  socket.on('error', () => undefined);
  return () => socket.close();
}
