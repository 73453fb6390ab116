/** A one-way stream of datagrams between two workloads of a lab. */
import { createSocket } from 'node:dgram';
import type { Lab } from '../../src/lab/lab.ts';
import type { Address } from '../../src/net/address.ts';
import { udpSocket } from '../../src/sys/socket.ts';
import { eventually } from './fixture-lab.ts';

/**
 * Numbered datagrams, one every millisecond and never answered: an answer would make an established connection of a
 * datagram that slipped through, and let all later ones follow it.
 */
export class OneWay {
  private readonly received = new Set<number>();
  private sent = 0;
  private readonly sink;
  private readonly source;
  private readonly timer;

  constructor(lab: Lab, address: Address, port: number) {
    const any = '0.0.0.0' as Address;
    this.sink = createSocket('udp4');
    this.sink.bind({ fd: udpSocket({ namespace: lab.endpoint('x/b').namespace, address: any, port }) });
    this.sink.on('message', (datagram) => this.received.add(Number(datagram.toString())));
    this.source = createSocket('udp4');
    this.source.bind({ fd: udpSocket({ namespace: lab.endpoint('x/a').namespace, address: any, port: 0 }) });
    this.timer = setInterval(() => this.source.send(String(this.sent++), port, address), 1);
  }

  /** Sent and received so far. */
  get counts(): { readonly sent: number; readonly received: number } {
    return { sent: this.sent, received: this.received.size };
  }

  /** What came through of the next `count` datagrams. */
  async next(count: number): Promise<number> {
    const { sent, received } = this.counts;
    await eventually(
      () => this.sent >= sent + count,
      () => `${count} datagrams are sent`,
    );
    return this.received.size - received;
  }

  close(): void {
    clearInterval(this.timer);
    this.source.close();
    this.sink.close();
  }
}
