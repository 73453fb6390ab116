/** The port that peers connect to, and whom a connection that comes in is for: a peer, or one that a template admits. */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { socketScope } from '../sys/socket.ts';
import type { PeerConfig, SpeakerConfig } from './config.ts';
import { descriptorOf } from './connection.ts';
import type { Drain } from './drain.ts';
import { type DynamicNeighbors, isTemplate } from './dynamic-neighbors.ts';
import { Listener, type Reception } from './listener.ts';
import { Neighbor } from './neighbor.ts';
import type { Neighbors } from './neighbors.ts';
import type { NextHopTracker } from './next-hop-tracker.ts';

export interface AcceptorOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Network namespace of the sockets; the process's own if left out. */
  readonly namespace?: string;
  readonly neighbors: Neighbors;
  readonly dynamic: DynamicNeighbors;
  readonly drain: Drain;
  readonly nextHops: NextHopTracker;
}

export class Acceptor {
  private readonly listener: Listener;

  constructor(private readonly options: AcceptorOptions) {
    const { clock, log, namespace } = options;
    this.listener = new Listener({
      clock,
      log,
      ...(namespace === undefined ? {} : { namespace }),
      accept: (socket, remote, local) => this.accept(socket, remote, local),
    });
  }

  /** Why nobody can connect; undefined: they can. */
  get problem(): string | undefined {
    return this.listener.problem;
  }

  close(): void {
    this.listener.close();
  }

  /** Listens for these peers, and for whoever templates admit. */
  listen(listen: SpeakerConfig['listen'], peers: readonly PeerConfig[]): void {
    const single = peers.filter((peer) => !isTemplate(peer));
    this.listener.configure({
      ...listen,
      passwords: new Map<Address | Prefix, string>([
        ...this.options.dynamic.keys(),
        ...single.flatMap(({ address, password }) =>
          password === undefined ? [] : [[address, password] as const],
        ),
      ]),
      ttlSecurity: peers.some(({ ttlSecurity }) => ttlSecurity !== undefined),
    });
  }

  private accept(socket: Socket, remote: Address, local: Address | undefined): Reception {
    const candidates = [...this.options.neighbors].filter(
      ({ name, config }) =>
        config.address === remote && this.isOnLink(socket, config) && !this.options.neighbors.isLeaving(name),
    );
    const chosen =
      candidates.find(({ config }) => config.sourceAddress === local) ??
      candidates.find(({ config }) => config.sourceAddress === undefined) ??
      candidates[0];
    const neighbor = chosen ?? this.admit(remote, local);
    if (!(neighbor instanceof Neighbor)) return neighbor;
    neighbor.peer.accept(socket);
    return 'accepted';
  }

  /** The peer that a template makes of one that no other is configured for. */
  private admit(remote: Address, local: Address | undefined): Neighbor | Exclude<Reception, 'accepted'> {
    const { dynamic, drain, neighbors, log } = this.options;
    const config = drain.state === 'drained' ? undefined : dynamic.admit(remote, local);
    if (config === 'full') return 'refused';
    // One that is about to leave is not another.
    if (config === undefined || neighbors.get(config.name) !== undefined) return 'unknown';
    log.info({ peer: config.name, template: config.template }, 'bgp dynamic peer has come');
    return neighbors.come(config);
  }

  /** Link-local addresses mean nothing without their link. */
  private isOnLink(socket: Socket, { interface: name }: PeerConfig): boolean {
    if (name === undefined) return true;
    const descriptor = descriptorOf(socket);
    return (
      descriptor !== undefined && socketScope(descriptor) === this.options.nextHops.linkNamed(name)?.index
    );
  }
}
