/**
 * Finds the router at the other end of a link by its advertisements, and lets it find us by ours (RFC 4861 §6.2), so
 * that a peering needs the name of an interface and nothing else. What the kernel does with advertisements
 * (`accept_ra`) is not touched.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import { type DatagramReader, readDatagrams } from '../netlink/datagram-reader.ts';
import { type RouterSocket, openRouterSocket } from '../sys/router-socket.ts';
import {
  ICMPV6_ROUTER_ADVERTISEMENT,
  ICMPV6_ROUTER_SOLICITATION,
  decodeRouterMessage,
  encodeAdvertisement,
  encodeSolicitation,
} from './router-advertisement.ts';

const ALL_NODES = 'ff02::1' as Address; // RFC 4291 §2.7.1
const ALL_ROUTERS = 'ff02::2' as Address;
/** Milliseconds between advertisements: at first, as often, and then. */
const FIRST_INTERVAL = 1000;
const FIRST_ADVERTISEMENTS = 3;
const INTERVAL = 10_000;
/** No more often are solicitations and newcomers answered. */
const LEAST_INTERVAL = 500;

export interface RouterDiscoveryOptions {
  readonly interface: string;
  readonly index: number;
  /** Network namespace by name or path; the calling thread's own if left out. */
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** A router on the link has said that it is there. */
  readonly heard: (router: Address) => void;
}

export class RouterDiscovery {
  private socket: RouterSocket | undefined;
  private reader: DatagramReader | undefined;
  private timer: TimerHandle | undefined;
  private sent = 0;
  private lastSent = Number.NEGATIVE_INFINITY;
  private readonly known = new Set<Address>();

  constructor(private readonly options: RouterDiscoveryOptions) {
    this.open();
  }

  stop(): void {
    this.timer?.cancel();
    this.reader?.stop();
    this.socket?.close();
    this.socket = undefined;
  }

  private open(): void {
    const { interface: name, index, namespace, clock, log } = this.options;
    try {
      const socket = openRouterSocket({
        interface: name,
        index,
        types: [ICMPV6_ROUTER_SOLICITATION, ICMPV6_ROUTER_ADVERTISEMENT],
        ...(namespace === undefined ? {} : { namespace }),
      });
      this.socket = socket;
      this.reader = readDatagrams(
        socket.input,
        (bytes) => this.receive(bytes),
        (errno) => {
          log.warn({ interface: name, errno }, 'router discovery lost its socket, opening another');
          this.stop();
          this.timer = clock.after(FIRST_INTERVAL, () => this.open());
        },
      );
      this.send(ALL_ROUTERS, encodeSolicitation());
      this.advertise();
    } catch (error) {
      log.warn({ interface: name, reason: describeError(error) }, 'router discovery cannot run');
      this.timer = clock.after(INTERVAL, () => this.open());
    }
  }

  private advertise(): void {
    const { clock } = this.options;
    this.timer?.cancel();
    this.lastSent = clock.now();
    this.sent++;
    this.send(ALL_NODES, encodeAdvertisement());
    this.timer = clock.after(this.sent < FIRST_ADVERTISEMENTS ? FIRST_INTERVAL : INTERVAL, () =>
      this.advertise(),
    );
  }

  private receive(packet: Uint8Array): void {
    const message = decodeRouterMessage(packet);
    if (message === undefined) return;
    const { clock, heard } = this.options;
    // Who does not know us yet is told at once.
    const isNew = message.type === 'advertisement' && !this.known.has(message.source);
    const asked = message.type === 'solicitation' || isNew;
    if (asked && clock.now() - this.lastSent >= LEAST_INTERVAL) this.advertise();
    if (message.type === 'solicitation') return;
    if (isNew) this.known.add(message.source);
    heard(message.source);
  }

  private send(to: Address, bytes: Uint8Array): void {
    const { log, interface: name } = this.options;
    try {
      this.socket?.send(to, bytes);
    } catch (error) {
      // A link that is going down, or whose address is still being made; another advertisement follows.
      log.debug({ interface: name, reason: describeError(error) }, 'router advertisement not sent');
    }
  }
}
