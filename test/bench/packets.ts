/** Packets of new flows, made by hand and sent one system call each. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { address } from '../../src/net/address.ts';
import {
  AF_INET,
  SOCK_DGRAM,
  SOCK_RAW,
  bind,
  close,
  receiveNow,
  sendto,
  setsockopt,
  socket,
} from '../../src/sys/libc.ts';
import { inNamespace } from '../../src/sys/netns.ts';
import { tcpListenSocket } from '../../src/sys/socket.ts';
import type { Row } from './stage.ts';

const IPPROTO_RAW = 255;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const FIRST_PORT = 1_024;
const PORTS_OF_A_SOURCE = 60_000;

function bytesOf(host: string): number[] {
  return host.split('.').map(Number);
}

function socketAddress(host: string, port: number): Uint8Array {
  return Uint8Array.from([AF_INET, 0, port >> 8, port & 255, ...bytesOf(host), 0, 0, 0, 0, 0, 0, 0, 0]);
}

/** The Internet checksum (RFC 1071) of bytes, on top of a sum that was begun. */
function checksum(bytes: Uint8Array, begun = 0): number {
  let sum = begun;
  for (let index = 0; index < bytes.length; index += 2) sum += (bytes[index]! << 8) | bytes[index + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Source and destination port come first. UDP: four bytes, no checksum. TCP: a SYN without options. */
const SEGMENTS = {
  udp: { protocol: IPPROTO_UDP, rest: [0, 12, 0, 0, 1, 2, 3, 4] },
  tcp: { protocol: IPPROTO_TCP, rest: [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0] },
} as const;
const TCP_CHECKSUM = 16;

/** Sends first packets, each of a flow of its own, from a namespace with a raw socket; sources are 198.18.x.y. */
class FlowSender {
  private readonly fd: number;
  private readonly packet: Uint8Array;
  private readonly segment: Uint8Array;
  private readonly to: Uint8Array;
  private flow = 0;

  constructor(
    namespace: string,
    private readonly kind: keyof typeof SEGMENTS,
    destination: string,
    port: number,
  ) {
    this.fd = inNamespace(namespace, () => socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
    this.to = socketAddress(destination, 0);
    const { protocol, rest } = SEGMENTS[kind];
    const segment = [0, 0, port >> 8, port & 255, ...rest];
    // The kernel fills in length, id and checksum of the IPv4 header.
    const header = [0x45, 0, 0, 20 + segment.length, 0, 0, 0, 0, 64, protocol, 0, 0, 198, 18, 0, 0];
    this.packet = Uint8Array.from([...header, ...bytesOf(destination), ...segment]);
    this.segment = this.packet.subarray(20);
  }

  /** The first packet of the next flow. */
  send(): void {
    const source = Math.floor(this.flow / PORTS_OF_A_SOURCE) + 2;
    const port = FIRST_PORT + (this.flow++ % PORTS_OF_A_SOURCE);
    const { packet, segment } = this;
    packet[14] = source >> 8;
    packet[15] = source & 255;
    segment[0] = port >> 8;
    segment[1] = port & 255;
    if (this.kind === 'tcp') {
      segment.fill(0, TCP_CHECKSUM, TCP_CHECKSUM + 2);
      const addresses = ~checksum(packet.subarray(12, 20)) & 0xffff;
      const sum = checksum(segment, addresses + IPPROTO_TCP + segment.length);
      segment[TCP_CHECKSUM] = sum >> 8;
      segment[TCP_CHECKSUM + 1] = sum & 255;
    }
    sendto(this.fd, packet, this.to);
  }

  close(): void {
    close(this.fd);
  }
}

function udpReceiver(namespace: string, host: string, port: number): number {
  return inNamespace(namespace, () => {
    const fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 1 << 16);
    bind(fd, socketAddress(host, port));
    return fd;
  });
}

/** A sender of new flows and whether what it sends arrives. */
export function firstPacketTo(
  row: Row,
  host: string,
  port: number,
): { arrives(): Promise<boolean>; close(): void } {
  const sender = new FlowSender(row.client, 'udp', host, port);
  const receiver = udpReceiver(row.pod, host, port);
  const buffer = new Uint8Array(64);
  return {
    async arrives() {
      sender.send();
      const deadline = performance.now() + 20;
      while (performance.now() < deadline) {
        if (receiveNow(receiver, buffer) !== undefined) return true;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return false;
    },
    close() {
      sender.close();
      close(receiver);
    },
  };
}

/** Packets that an interface has received. */
function receivedPackets(namespace: string, device: string): number {
  const text = inNamespace(namespace, () => readFileSync('/proc/thread-self/net/dev', 'utf8'));
  const line = text.split('\n').find((row) => row.trim().startsWith(`${device}:`));
  return Number(line?.split(':')[1]?.trim().split(/\s+/)[1]);
}

/** First packets to a pod as fast as one thread sends them. */
export class FlowStream {
  private readonly sender: FlowSender;
  private readonly close: () => void;
  /** Where a packet shows that the flow was let: at the pod, or as the pod's answer at the client. */
  private readonly proof: string;

  constructor(kind: keyof typeof SEGMENTS, row: Row, host: string, port: number) {
    this.sender = new FlowSender(row.client, kind, host, port);
    if (kind === 'udp') {
      const fd = udpReceiver(row.pod, host, port);
      this.close = () => close(fd);
      this.proof = row.pod;
    } else {
      const server = createServer();
      server.listen({ fd: tcpListenSocket({ address: address(host), port, namespace: row.pod }) });
      this.close = () => server.close();
      this.proof = row.client;
    }
  }

  /**
   * Sends so many and waits until all were let. Flows per second. A TCP flow is a SYN, its answer, and the reset that
   * the client's kernel sends for it. Throws if some are lost.
   */
  run(count: number): number {
    const expected = receivedPackets(this.proof, 'eth0') + count;
    const before = performance.now();
    for (let sent = 0; sent < count; sent++) this.sender.send();
    const deadline = performance.now() + 5_000;
    let received: number;
    while ((received = receivedPackets(this.proof, 'eth0')) < expected) {
      if (performance.now() > deadline) {
        throw new Error(`${expected - received} of ${count} first packets were lost`);
      }
    }
    return (count * 1_000) / (performance.now() - before);
  }

  end(): void {
    this.sender.close();
    this.close();
  }
}
