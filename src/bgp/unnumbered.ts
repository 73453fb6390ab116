/**
 * Peers of which only the interface is known: each takes the address of the router that is heard there. Another router
 * takes its place only when the session with the first is down.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { PeerConfig } from './config.ts';
import { RouterDiscovery } from './router-discovery.ts';
import type { PeerStatus } from './status.ts';

/** The address of a peer that is to be found. */
const TO_BE_FOUND = '::' as Address;

export interface UnnumberedOptions {
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The link of this name, if it can carry anything. */
  readonly link: (name: string) => { readonly index: number; readonly alive: boolean } | undefined;
  /** Whether a peer has a session that is up. */
  readonly isUp: (peer: string) => boolean;
  /** Some peer has been found, or found anew. */
  readonly found: () => void;
}

interface Watched {
  readonly index: number;
  readonly discovery: RouterDiscovery;
}

export class Unnumbered {
  private peers: readonly PeerConfig[] = [];
  private readonly watched = new Map<string, Watched>();
  /** By interface. */
  private readonly routers = new Map<string, Address>();

  private readonly since: string;

  constructor(private readonly options: UnnumberedOptions) {
    this.since = new Date(options.clock.wall()).toISOString();
  }

  /** Looks on the interfaces of these peers, as far as they are there, and on no others. */
  follow(peers: readonly PeerConfig[]): void {
    this.peers = peers.filter(({ address }) => address === TO_BE_FOUND);
    const wanted = new Map<string, number>();
    for (const { interface: name } of this.peers) {
      const link = name === undefined ? undefined : this.options.link(name);
      if (name !== undefined && link?.alive === true) wanted.set(name, link.index);
    }
    for (const [name, { index, discovery }] of this.watched) {
      if (wanted.get(name) === index) continue;
      discovery.stop();
      this.watched.delete(name);
    }
    for (const [name, index] of wanted) if (!this.watched.has(name)) this.watch(name, index);
  }

  /** The peers with the addresses that were found; without those that were not. */
  resolve(peers: readonly PeerConfig[]): PeerConfig[] {
    return peers.flatMap((peer) => {
      if (peer.address !== TO_BE_FOUND) return [peer];
      const address = this.routers.get(peer.interface ?? '');
      return address === undefined ? [] : [{ ...peer, address }];
    });
  }

  /** The status of those that were not found. */
  missing(peers: readonly PeerConfig[]): PeerStatus[] {
    return peers
      .filter((peer) => peer.address === TO_BE_FOUND && !this.routers.has(peer.interface ?? ''))
      .map(({ name, type, address, port, asNumber, families, interface: device = '' }) => ({
        name,
        type,
        address,
        port,
        asNumber,
        state: 'Idle',
        since: this.since,
        families,
        received: 0,
        stale: 0,
        advertised: 0,
        info:
          this.options.link(device)?.alive === true
            ? `No router is heard on interface ${device}`
            : `Interface ${device} is down or not there`,
      }));
  }

  stop(): void {
    for (const { discovery } of this.watched.values()) discovery.stop();
    this.watched.clear();
  }

  private watch(name: string, index: number): void {
    const { clock, log, namespace, found, isUp } = this.options;
    const discovery = new RouterDiscovery({
      interface: name,
      index,
      ...(namespace === undefined ? {} : { namespace }),
      clock,
      log,
      heard: (router) => {
        const known = this.routers.get(name);
        const inUse = this.peers.some((peer) => peer.interface === name && isUp(peer.name));
        if (known === router || (known !== undefined && inUse)) return;
        log.info({ interface: name, address: router }, 'bgp peer found by its router advertisement');
        this.routers.set(name, router);
        found();
      },
    });
    this.watched.set(name, { index, discovery });
  }
}
