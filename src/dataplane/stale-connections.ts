/**
 * Connections of addresses that lost their workload. They are taken out of connection tracking, in the background
 * because that may take tens of milliseconds; a workload that gets such an address waits for it.
 */
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { Conntrack } from '../netlink/conntrack.ts';

export class StaleConnections {
  /** Released, and not yet looked at. */
  private released = new Set<Address>();
  /** Being looked at. */
  private underWay: ReadonlySet<Address> = new Set();
  private running: Promise<void> | undefined;
  private conntrack: Conntrack | undefined;
  private closed = false;

  constructor(
    private readonly open: () => Conntrack,
    private readonly log: Logger,
  ) {}

  /** These addresses have no workload any more, or another one. */
  add(addresses: Iterable<Address>): void {
    for (const address of addresses) this.released.add(address);
  }

  has(address: Address): boolean {
    return this.released.has(address) || this.underWay.has(address);
  }

  /** Resolves when everything that was added before is clean; never rejects. */
  async clean(): Promise<void> {
    while (this.running !== undefined) await this.running;
    if (this.released.size === 0 || this.closed) return;
    this.running = this.cleanOnce().finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  close(): void {
    this.closed = true;
    this.conntrack?.close();
  }

  private async cleanOnce(): Promise<void> {
    const addresses = [...this.released];
    this.underWay = this.released;
    this.released = new Set();
    try {
      this.conntrack ??= this.open();
      const connections = await this.conntrack.deleteByAddress(addresses);
      this.log.debug({ addresses: addresses.length, connections }, 'connections of released addresses ended');
    } catch (error) {
      if (this.closed) return;
      this.conntrack?.close();
      this.conntrack = undefined;
      this.log.warn(
        { reason: describeError(error), addresses },
        'connections of released addresses cannot be ended; they last until they time out',
      );
    }
    this.underWay = new Set();
  }
}
