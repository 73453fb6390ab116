/**
 * BFD over UDP (RFC 5881 §4, RFC 5883 §5): one socket per family and port to receive, one per session to send, because
 * each session has a source port of its own.
 */
import { type Socket, createSocket } from 'node:dgram';
import { KernelError } from '../base/errors.ts';
import { type Address, type Family, familyOf, parseAddress } from '../net/address.ts';
import { onlyTimeToLive } from '../sys/packet-filter.ts';
import { closeSocket, sendDatagram, udpSocket } from '../sys/socket.ts';
import type { BfdArrival, BfdChannel, BfdTransport } from './bfd-engine.ts';
import type { BfdTarget } from './bfd-service.ts';
import { GTSM_TIME_TO_LIVE, TRAFFIC_CLASS } from './listener.ts';

const SINGLE_HOP_PORT = 3784; // RFC 5881 §4
const MULTIHOP_PORT = 4784; // RFC 5883 §5
/** RFC 5881 §4: the range of source ports. */
const FIRST_SOURCE_PORT = 49_152;
const LAST_SOURCE_PORT = 65_535;
/** Ports tried before one must be free. */
const PORT_ATTEMPTS = 100;

const ANY: Readonly<Record<Family, Address>> = { 4: '0.0.0.0' as Address, 6: '::' as Address };

export interface BfdSocketsOptions {
  /** Network namespace by name or path; the calling thread's own if left out. */
  readonly namespace?: string;
  readonly receive: (arrival: BfdArrival) => void;
}

export class BfdSockets implements BfdTransport {
  /** By family and port. */
  private readonly receivers = new Map<string, Socket>();
  private received = 0;

  constructor(private readonly options: BfdSocketsOptions) {}

  open({ remote, local, multihop, device }: BfdTarget): BfdChannel {
    this.listen(familyOf(remote), multihop);
    const fd = this.openSender(local, device);
    const port = multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT;
    return {
      send: (bytes) => {
        try {
          sendDatagram(fd, remote, bytes, port);
        } catch (error) {
          // A way that is gone, or a peer whose port is closed, is what the session itself is there to find out.
          if (!(error instanceof KernelError)) throw error;
        }
      },
      close: () => closeSocket(fd),
    };
  }

  whenRead(callback: () => void): void {
    // The loop reads sockets after timers and before immediates, and only so many datagrams at a time.
    const before = this.received;
    setImmediate(() => {
      if (this.received === before) callback();
      else this.whenRead(callback);
    });
  }

  close(): void {
    for (const socket of this.receivers.values()) socket.close();
    this.receivers.clear();
  }

  private listen(family: Family, multihop: boolean): void {
    const port = multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT;
    const key = `${family} ${port}`;
    if (this.receivers.has(key)) return;
    const fd = udpSocket({ address: ANY[family], port, ...this.inNamespace });
    try {
      // RFC 5881 §5: what has passed a router is not from this link. UDP knows no IP_MINTTL, hence a filter.
      if (!multihop) onlyTimeToLive(fd, family, GTSM_TIME_TO_LIVE);
    } catch (error) {
      closeSocket(fd);
      throw error;
    }
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.on('message', (bytes, { address }) => {
      this.received++;
      const [host = '', device] = address.split('%');
      const remote = parseAddress(host);
      if (remote === undefined) return;
      this.options.receive({ bytes, remote, multihop, ...(device === undefined ? {} : { device }) });
    });
    // Of a receiving socket: an ICMP error that some packet of ours has met, which says nothing about what comes in.
    socket.on('error', () => undefined);
    socket.bind({ fd });
    this.receivers.set(key, socket);
  }

  private openSender(local: Address, device: string | undefined): number {
    for (let attempt = 1; ; attempt++) {
      const range = LAST_SOURCE_PORT - FIRST_SOURCE_PORT + 1;
      try {
        return udpSocket({
          address: local,
          port: FIRST_SOURCE_PORT + Math.floor(Math.random() * range),
          timeToLive: GTSM_TIME_TO_LIVE,
          trafficClass: TRAFFIC_CLASS,
          ...(device === undefined ? {} : { device }),
          ...this.inNamespace,
        });
      } catch (error) {
        const taken = error instanceof KernelError && error.errno === 'EADDRINUSE';
        if (!taken || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  private get inNamespace(): { readonly namespace?: string } {
    const { namespace } = this.options;
    return namespace === undefined ? {} : { namespace };
  }
}
