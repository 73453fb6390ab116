/**
 * The peers there are: how they come, go over to another configuration, another name perhaps, and leave without a route
 * lost; and how far each is in telling its routes, which others wait for.
 */
import type { Family } from '../net/address.ts';
import { peerChangeEffect, type PeerConfig } from './config.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import { Handover } from './handover.ts';
import { Neighbor, type NeighborEnvironment } from './neighbor.ts';
import type { RestartGate } from './restart-gate.ts';
import { FAMILIES } from './rib/rib.ts';
import { CEASE_OTHER_CONFIGURATION_CHANGE, CEASE_PEER_DECONFIGURED } from './wire/iana.ts';

/** Seconds that the routes of a peer which left during a handover are kept: longer than any handover. */
const HANDOVER_STALE_TIME = 120;

export type NeighborsOptions = Omit<NeighborEnvironment, 'established' | 'lost' | 'endOfRib' | 'hasTold'>;

export class Neighbors {
  private readonly byName = new Map<string, Neighbor>();
  /** What a new neighbour has yet to tell before its routes count as delivered. */
  private readonly undelivered = new Map<Neighbor, Set<Family>>();
  private readonly handover: Handover;
  private readonly environment: NeighborEnvironment;
  private gate: RestartGate | undefined;

  constructor(private readonly options: NeighborsOptions) {
    this.handover = new Handover({
      clock: options.clock,
      over: (name) => this.remove(name, CEASE_PEER_DECONFIGURED),
    });
    this.environment = {
      ...options,
      established: (neighbor, negotiated) => this.established(neighbor, negotiated),
      lost: (neighbor) => this.lost(neighbor),
      endOfRib: (neighbor, family) => this.endOfRib(neighbor, family),
      hasTold: (neighbor, family) => this.hasTold(neighbor, family),
    };
  }

  [Symbol.iterator](): IterableIterator<Neighbor> {
    return this.byName.values();
  }

  get(name: string): Neighbor | undefined {
    return this.byName.get(name);
  }

  /** Has the gate told, from now on, of what they do. */
  follow(gate: RestartGate): void {
    this.gate = gate;
  }

  /** Whether a peer is no longer wanted, and stays for what it has told. */
  isLeaving(name: string): boolean {
    return this.handover.isLeaving(name);
  }

  /** Ends all sessions: without a word (RFC 4724), or with this Cease. */
  stop(cease: number | undefined): void {
    this.handover.stop();
    for (const neighbor of this.byName.values()) neighbor.stop(cease);
  }

  /**
   * Has exactly these, those that are no longer wanted as soon as nothing is lost with them. `resetAll`: every session is
   * opened anew.
   */
  reconfigure(peers: readonly PeerConfig[], resetAll: boolean): void {
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    const unwanted = [...this.byName.values()].filter(({ name }) => !wanted.has(name));
    for (const after of wanted.values()) {
      let neighbor = this.byName.get(after.name);
      if (neighbor === undefined) {
        neighbor = unwanted.find(
          ({ config: { address, port, interface: device } }) =>
            address === after.address && port === after.port && device === after.interface,
        );
        // The same session under another name, as when a node of the mesh becomes a reflector.
        if (neighbor !== undefined) this.rename(neighbor, after.name);
      }
      const effect = neighbor === undefined || resetAll ? 'reset' : peerChangeEffect(neighbor.config, after);
      if (neighbor !== undefined && effect !== 'reset') {
        this.handover.forget(neighbor.name);
        neighbor.changeConfig(after);
        // The other side may have ended it while it was leaving.
        neighbor.resume();
        if (effect === 'reopen') {
          this.expect(neighbor);
          neighbor.reopen();
        } else if (effect === 'export') {
          neighbor.exportAgain();
        }
        continue;
      }
      if (neighbor !== undefined) this.remove(neighbor.name, CEASE_OTHER_CONFIGURATION_CHANGE);
      this.add(after, { replaces: true });
    }
    for (const neighbor of unwanted) {
      if (this.byName.get(neighbor.name) !== neighbor || wanted.has(neighbor.name)) continue;
      if (neighbor.isUp) this.handover.leave(neighbor.name, neighbor.config.type === 'mesh');
      else if (!this.handover.isLeaving(neighbor.name)) this.remove(neighbor.name, CEASE_PEER_DECONFIGURED);
    }
  }

  /** The neighbour goes on under another name, which its configuration is about to say. */
  private rename(neighbor: Neighbor, name: string): void {
    this.handover.forget(neighbor.name);
    this.gate?.peerRemoved(neighbor.name);
    this.byName.delete(neighbor.name);
    this.byName.set(name, neighbor);
  }

  /** Where import policy is not what it was, peers tell all again. */
  importChanges(before: ReadonlyMap<Neighbor, string>): void {
    for (const [neighbor, text] of before) {
      const { config, name } = neighbor;
      if (this.byName.get(name) !== neighbor || this.options.policies().importText(config) === text) continue;
      if (!neighbor.importAgain()) neighbor.reopen();
    }
  }

  /** `replaces`: others that go for its sake wait until it has told what it has. */
  add(config: PeerConfig, { replaces }: { readonly replaces: boolean }): Neighbor {
    const neighbor = new Neighbor(this.environment, config);
    this.byName.set(config.name, neighbor);
    if (replaces) this.expect(neighbor);
    neighbor.start();
    return neighbor;
  }

  /** One that nobody configured has connected. */
  come(config: PeerConfig): Neighbor {
    this.gate?.peerCame(config);
    return this.add(config, { replaces: false });
  }

  /** What goes for its sake stays until it has told what it has. */
  private expect(neighbor: Neighbor): void {
    this.handover.expect(neighbor.name);
    this.undelivered.set(neighbor, new Set(neighbor.config.families));
  }

  /** Ends a session with this Cease (RFC 4486), and forgets the peer. */
  remove(name: string, cease: number, communication?: string): void {
    const neighbor = this.byName.get(name);
    if (neighbor === undefined) return;
    neighbor.remove(cease, communication);
    this.byName.delete(name);
    this.undelivered.delete(neighbor);
    this.gate?.peerRemoved(name);
    this.handover.forget(name);
  }

  private established(neighbor: Neighbor, { gracefulRestart, families: carried }: Negotiated): void {
    const families = gracefulRestart?.families.map(({ family }) => family) ?? [];
    this.gate?.peerUp(neighbor.name, {
      families,
      restarting: gracefulRestart?.restarting ?? false,
      restartingToo: this.options.restart().waiting,
    });
    // A peer without graceful restart need not mark the end of what it tells.
    for (const family of FAMILIES) {
      if (!families.includes(family) || !carried.includes(family)) this.deliver(neighbor, family);
    }
  }

  private lost(neighbor: Neighbor): number | undefined {
    const { name } = neighbor;
    this.gate?.peerDown(name);
    this.options.routing.schedule();
    if (!this.handover.isLeaving(name)) return undefined;
    // The other side was quicker. Its routes serve until ours have come by another way.
    neighbor.stop();
    return HANDOVER_STALE_TIME;
  }

  private endOfRib(neighbor: Neighbor, family: Family): void {
    this.gate?.endOfRib(neighbor.name, family);
    // Others may have waited for it.
    this.options.routing.schedule();
    this.deliver(neighbor, family);
  }

  /**
   * Whether a peer of our AS has from us all that others are about to tell. A client that restarts sweeps its kernel by
   * our end-of-RIB, and has what we reflect from nobody else (RFC 4456 §6).
   */
  private hasTold(neighbor: Neighbor, family: Family): boolean {
    for (const name of this.gate?.telling(family) ?? []) {
      const reflected =
        neighbor.config.reflectorClient || this.byName.get(name)?.config.reflectorClient === true;
      if (name !== neighbor.name && reflected) return false;
    }
    return true;
  }

  private deliver(neighbor: Neighbor, family: Family): void {
    const missing = this.undelivered.get(neighbor);
    if (missing === undefined) return;
    missing.delete(family);
    if (missing.size > 0) return;
    this.undelivered.delete(neighbor);
    this.handover.delivered(neighbor.name);
  }

  /** What import policy each goes by, for {@link importChanges}. */
  importTexts(): Map<Neighbor, string> {
    return new Map(
      [...this.byName.values()].map((neighbor) => [
        neighbor,
        this.options.policies().importText(neighbor.config),
      ]),
    );
  }
}
