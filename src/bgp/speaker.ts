/**
 * A BGP speaker (RFC 4271): peers and the port they meet at, what they tell each other (routing.ts), and what of it
 * the kernel gets (fib.ts). Changes of configuration touch only what changed: a session stays up unless something it
 * was opened with is different.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Address, type Family, familyOf, parseAddress } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { RouteKernel } from '../netlink/kernel.ts';
import { Advertiser } from './advertiser.ts';
import { DEFAULT_HOLD_TIME, type PeerConfig, type SpeakerConfig, peerChangeEffect } from './config.ts';
import { Fib } from './fib.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { SessionConfig } from './fsm/session.ts';
import { Learner } from './learner.ts';
import { Listener } from './listener.ts';
import { Peer, type PeerEvents } from './peer.ts';
import { POLICY_FIELDS, Policies } from './policies.ts';
import type { ExportContext } from './policy/export.ts';
import type { ImportContext } from './policy/import.ts';
import { localPrefOfMetric } from './policy/preference.ts';
import { RestartGate } from './restart-gate.ts';
import type { Source } from './rib/route.ts';
import { Routing } from './routing.ts';
import type { PeerStatus, RouteStatus, SpeakerStatus } from './status.ts';
import { afiSafi, familyOfAfiSafi } from './wire/afi-safi.ts';
import {
  CEASE_ADMINISTRATIVE_SHUTDOWN,
  CEASE_OTHER_CONFIGURATION_CHANGE,
  CEASE_PEER_DECONFIGURED,
} from './wire/iana.ts';
import type { RouteRefreshMessage } from './wire/message.ts';

/**
 * Milliseconds; Calico's `connect retry 5` and `error wait 5,30`, but for faster first tries: of two nodes that start
 * together one is late by moments.
 */
const CONNECT_TIMEOUT = 5000;
const CONNECT_RETRY_TIMES = [250, 500, 1000, 2000, 5000] as const;
const IDLE_HOLD_TIME = { initial: 1000, maximum: 30_000 };
/** RFC 4724 §3: twelve bits. */
const MAXIMUM_RESTART_TIME = 4095;
const FAMILIES: readonly Family[] = [4, 6];

export interface SpeakerOptions {
  readonly kernel: RouteKernel;
  /** Network namespace of the sockets; the process's own if left out. */
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A peer with both directions of its routes. */
interface Neighbor {
  readonly peer: Peer;
  readonly learner: Learner;
  /** While the session is up. */
  up?: { readonly negotiated: Negotiated; readonly source: Source; readonly advertiser: Advertiser };
  /** It was up in this process's life, so our forwarding state is what the peer knows (F bit). */
  known: boolean;
}

export class Speaker {
  private readonly fib: Fib;
  private readonly routing: Routing;
  private readonly listener: Listener;
  private policies: Policies;
  private readonly neighbors = new Map<string, Neighbor>();
  private gate: RestartGate | undefined;
  /** We have come back with our forwarding state intact. */
  private restarted = false;
  private stopping = false;

  private constructor(
    private readonly options: SpeakerOptions,
    private config: SpeakerConfig,
  ) {
    const { clock, log, kernel, namespace } = options;
    this.fib = new Fib({ kernel, config: config.kernel, clock, log });
    this.policies = new Policies(config);
    this.routing = new Routing({
      fib: this.fib,
      clock,
      log,
      programmed: (prefix) => !this.policies.prefixes.isService(prefix),
      gone: (prefix) => this.policies.prefixes.forget(prefix),
    });
    this.listener = new Listener({
      clock,
      log,
      ...(namespace === undefined ? {} : { namespace }),
      accept: (socket, remote, local) => this.accept(socket, remote, local),
    });
  }

  /**
   * Reads what is left of ours in the kernel and begins to speak. Rejects with a KernelError if the kernel cannot be
   * read; a port that is taken is in the status, and no error.
   */
  static async start(options: SpeakerOptions, config: SpeakerConfig): Promise<Speaker> {
    const speaker = new Speaker(options, config);
    await speaker.begin();
    return speaker;
  }

  private async begin(): Promise<void> {
    const { config, options } = this;
    const { enabled, restarting, peerWaitTime, deferralTime } = config.gracefulRestart;
    // Selection is deferred before anything is read or said.
    for (const family of FAMILIES) this.routing.hold(family);
    const found = await this.fib.start();
    this.restarted = enabled && (restarting ?? found[4] + found[6] > 0);
    options.log.info({ restarting: this.restarted, kernelRoutes: found }, 'bgp speaker starts');
    this.routing.originate(originated(config));
    this.gate = new RestartGate(
      {
        clock: options.clock,
        peerWaitTime,
        deferralTime,
        opened: (family, reason) => {
          this.routing.open(family);
          if (!this.restarted) return;
          for (const { peer, known } of this.neighbors.values()) {
            peer.changeConfig(peer.config, this.sessionConfig(peer.config, known));
          }
          options.log.info({ family, reason }, 'bgp restart complete: routes are selected and swept');
        },
      },
      this.restarted ? config.peers : [],
    );
    this.listen();
    for (const peer of config.peers) this.add(peer);
  }

  /** Goes over to another configuration. Only what differs is touched. Kernel protocol and table must be the same. */
  reconfigure(config: SpeakerConfig): void {
    const before = this.config;
    this.config = config;
    const differs = <Key extends keyof SpeakerConfig>(...keys: Key[]): boolean =>
      keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(config[key]));
    if (differs('kernel')) this.fib.changeMetrics(config.kernel.metric);
    const imports = this.importTexts();
    if (differs(...POLICY_FIELDS)) this.policies = new Policies(config);
    if (differs('services')) this.routing.reprogram();
    this.routing.originate(originated(config));
    this.reconfigurePeers(config, differs('routerId'));
    if (differs('nodeAddresses', ...POLICY_FIELDS)) {
      for (const neighbor of this.neighbors.values()) this.exportAgain(neighbor);
    }
    for (const [neighbor, before] of imports) {
      if (before !== this.policies.importText(neighbor.peer.config)) this.importAgain(neighbor);
    }
    this.listen();
  }

  private reconfigurePeers(config: SpeakerConfig, resetAll: boolean): void {
    const wanted = new Map(config.peers.map((peer) => [peer.name, peer]));
    for (const [name, { peer }] of this.neighbors) {
      if (!wanted.has(name)) this.remove(peer, CEASE_PEER_DECONFIGURED);
    }
    for (const [name, after] of wanted) {
      const neighbor = this.neighbors.get(name);
      const effect =
        neighbor === undefined || resetAll ? 'reset' : peerChangeEffect(neighbor.peer.config, after);
      if (neighbor !== undefined && effect === 'reset') {
        this.remove(neighbor.peer, CEASE_OTHER_CONFIGURATION_CHANGE);
      }
      if (neighbor === undefined || effect === 'reset') {
        this.add(after);
      } else {
        neighbor.peer.changeConfig(after, this.sessionConfig(after, neighbor.known));
        if (effect === 'export') this.exportAgain(neighbor);
      }
    }
  }

  /**
   * Ends. Gracefully: connections close without a word, so that peers keep our routes, and the kernel keeps theirs
   * (design D20). Otherwise peers are told, and the kernel's learned routes are taken out.
   */
  async stop({ graceful }: { readonly graceful: boolean }): Promise<void> {
    this.stopping = true;
    this.listener.close();
    this.gate?.stop();
    this.routing.stop();
    for (const { peer } of this.neighbors.values()) {
      peer.stop(graceful ? undefined : CEASE_ADMINISTRATIVE_SHUTDOWN);
    }
    if (!graceful) await this.fib.clear();
    await this.fib.stop();
  }

  status(): SpeakerStatus {
    const { problem } = this.listener;
    return {
      state: problem === undefined ? 'running' : 'failed',
      ...(problem === undefined ? {} : { problem }),
      asNumber: this.config.asNumber,
      routerId: this.config.routerId,
      restarting: this.restarting,
      peers: [...this.neighbors.values()].map(peerStatus),
      kernel: this.fib.status(),
    };
  }

  /** Every path of every prefix. */
  routes(): RouteStatus[] {
    return FAMILIES.flatMap((family) =>
      [...this.routing.rib.paths(family)].map(([prefix, { source, route, stale }, best]) => ({
        prefix,
        family,
        peer: source?.name,
        nextHop: route.nextHop?.address,
        asPath: route.attributes.asPath.flatMap(({ asNumbers }) => asNumbers).join(' '),
        localPreference: route.rank.localPref,
        best,
        stale,
      })),
    );
  }

  private get restarting(): boolean {
    return this.restarted && FAMILIES.some((family) => this.gate?.waiting(family) !== false);
  }

  private listen(): void {
    const { listen, peers } = this.config;
    this.listener.configure({
      ...listen,
      passwords: new Map(
        peers.flatMap(({ address, password }) => (password === undefined ? [] : [[address, password]])),
      ),
      ttlSecurity: peers.some(({ ttlSecurity }) => ttlSecurity !== undefined),
    });
  }

  private accept(socket: Socket, remote: Address, local: Address | undefined): boolean {
    const candidates = [...this.neighbors.values()].filter(({ peer }) => peer.config.address === remote);
    const chosen =
      candidates.find(({ peer }) => peer.config.sourceAddress === local) ??
      candidates.find(({ peer }) => peer.config.sourceAddress === undefined) ??
      candidates[0];
    chosen?.peer.accept(socket);
    return chosen !== undefined;
  }

  private add(config: PeerConfig): void {
    const { clock, log, namespace } = this.options;
    const { name } = config;
    const child = log.child({ peer: name });
    const learner = new Learner({
      rib: this.routing.rib,
      routes: this.routing.routes,
      clock,
      log: child,
      changed: () => this.routing.schedule(),
      endOfRib: (family) => this.gate?.endOfRib(name, family),
    });
    const peer = new Peer({
      config,
      session: this.sessionConfig(config, false),
      ...(namespace === undefined ? {} : { namespace }),
      clock,
      log: child,
      events: this.peerEvents,
    });
    this.neighbors.set(name, { peer, learner, known: false });
    peer.start();
  }

  private remove(peer: Peer, cease: number): void {
    const { name } = peer.config;
    const neighbor = this.neighbors.get(name);
    peer.stop(cease);
    neighbor?.learner.forget();
    this.neighbors.delete(name);
    this.gate?.peerRemoved(name);
  }

  private sessionConfig(peer: PeerConfig, known: boolean): SessionConfig {
    const { routerId, gracefulRestart } = this.config;
    return {
      localAs: peer.localAsNumber,
      routerId,
      peerAs: peer.asNumber,
      families: peer.families,
      passive: peer.passive,
      holdTime: peer.holdTime ?? DEFAULT_HOLD_TIME,
      keepaliveTime: peer.keepaliveTime,
      connectTimeout: CONNECT_TIMEOUT,
      connectRetryTimes: CONNECT_RETRY_TIMES,
      idleHoldTime: IDLE_HOLD_TIME,
      extendedMessages: true,
      extendedNextHop: false,
      gracefulRestart: gracefulRestart.enabled
        ? {
            restartTime: Math.min(peer.restartTime, MAXIMUM_RESTART_TIME),
            restarting: this.restarting,
            forwarding: this.restarted || known ? FAMILIES : [],
          }
        : undefined,
    };
  }

  private readonly peerEvents: PeerEvents = {
    established: (peer, negotiated) => this.established(peer, negotiated),
    lost: (peer, retain, restartTime) => {
      const neighbor = this.neighborOf(peer);
      if (neighbor === undefined || this.stopping) return;
      if (neighbor.up !== undefined) this.routing.detach(neighbor.up.advertiser);
      delete neighbor.up;
      neighbor.learner.lost(retain, restartTime);
      this.gate?.peerDown(peer.config.name);
      peer.changeConfig(peer.config, this.sessionConfig(peer.config, neighbor.known));
    },
    update: (peer, message) => this.neighborOf(peer)?.learner.update(message),
    refresh: (peer, message) => this.refresh(peer, message),
    drained: (peer) => {
      const up = this.neighborOf(peer)?.up;
      if (up !== undefined) this.routing.wake(up.advertiser);
    },
  };

  private established(peer: Peer, negotiated: Negotiated): void {
    const neighbor = this.neighborOf(peer);
    if (neighbor === undefined) return;
    const { config } = peer;
    const source: Source = {
      name: config.name,
      address: config.address,
      identifier: negotiated.peerIdentifier,
      external: negotiated.wire.external,
      reflectorClient: config.reflectorClient,
    };
    neighbor.learner.established(source, negotiated, this.importContext(peer, source));
    const restart = negotiated.gracefulRestart;
    this.gate?.peerUp(config.name, {
      restarting: restart?.restarting ?? false,
      families: restart?.families.map(({ family }) => family) ?? [],
    });
    const advertiser = new Advertiser({
      rib: this.routing.rib,
      routes: this.routing.routes,
      families: negotiated.families,
      wire: negotiated.wire,
      enhancedRouteRefresh: negotiated.enhancedRouteRefresh,
      context: this.exportContext(peer, source),
      congested: () => peer.congested,
      write: (bytes) => peer.write(bytes),
      send: (message) => peer.send(message),
      oversized: (prefix) =>
        this.options.log.warn({ peer: config.name, prefix }, 'bgp route not sent: attributes too long'),
    });
    neighbor.up = { negotiated, source, advertiser };
    neighbor.known = true;
    this.routing.attach(advertiser);
  }

  private refresh(peer: Peer, message: RouteRefreshMessage): void {
    const neighbor = this.neighborOf(peer);
    const family = familyOfAfiSafi(message);
    if (neighbor?.up === undefined || family === undefined) return;
    if (message.subtype === 'request') {
      neighbor.up.advertiser.refresh(family);
      this.routing.wake(neighbor.up.advertiser);
    } else if (message.subtype !== 'unknown') {
      neighbor.learner.refreshMarker(family, message.subtype);
    }
  }

  private exportAgain({ peer, learner, up }: Neighbor): void {
    if (up === undefined) return;
    const source = { ...up.source, reflectorClient: peer.config.reflectorClient };
    if (source.reflectorClient !== up.source.reflectorClient) learner.renew(source);
    up.advertiser.changePolicy(this.exportContext(peer, source));
    this.routing.wake(up.advertiser);
  }

  /** Another import policy: the peer is asked to tell all again (RFC 2918), or the session begins anew. */
  private importAgain({ peer, learner, up }: Neighbor): void {
    if (up === undefined || this.neighborOf(peer) === undefined) return;
    learner.changeContext(this.importContext(peer, up.source));
    if (!up.negotiated.routeRefresh) {
      this.remove(peer, CEASE_OTHER_CONFIGURATION_CHANGE);
      this.add(peer.config);
      return;
    }
    for (const family of up.negotiated.families) {
      peer.send({ type: 'route-refresh', ...afiSafi(family), subtype: 'request' });
    }
  }

  private importTexts(): Map<Neighbor, string> {
    return new Map(
      [...this.neighbors.values()].map((neighbor) => [
        neighbor,
        this.policies.importText(neighbor.peer.config),
      ]),
    );
  }

  private importContext(peer: Peer, { external }: Source): ImportContext {
    const { config } = peer;
    return {
      external,
      localAs: config.localAsNumber,
      routerId: this.config.routerId,
      clusterId: this.config.clusterId,
      allowedOwnAs: config.allowedOwnAs,
      ownAddresses: Object.values(this.ownAddresses(peer)),
      filters: this.policies.importFilters(config),
    };
  }

  private exportContext(peer: Peer, source: Source): ExportContext {
    const { metric } = this.config.kernel;
    return {
      peer: source,
      localAs: peer.config.localAsNumber,
      clusterId: this.config.clusterId,
      nextHopMode: peer.config.nextHopMode,
      ownAddresses: this.ownAddresses(peer),
      sharedNetworks: this.fib.networksOf(peer.config.address),
      ownLocalPref: { 4: localPrefOfMetric(metric[4]), 6: localPrefOfMetric(metric[6]) },
      policy: this.policies.exportPolicy(peer.config),
    };
  }

  /** Our next hops towards a peer: the session's own address, the node's address in the other family. */
  private ownAddresses(peer: Peer): Partial<Record<Family, Address>> {
    const local = parseAddress(peer.localAddress ?? '');
    return {
      ...this.config.nodeAddresses,
      ...(local === undefined ? {} : { [familyOf(local)]: local }),
    };
  }

  /** The neighbour of a peer, unless the peer was replaced meanwhile. */
  private neighborOf(peer: Peer): Neighbor | undefined {
    const neighbor = this.neighbors.get(peer.config.name);
    return neighbor?.peer === peer ? neighbor : undefined;
  }
}

/** The prefixes that are ours to announce. */
function originated({ blocks, outsideWorkloads, services }: SpeakerConfig): Prefix[] {
  const ranges = services.filter(({ advertised }) => advertised).map(({ cidr }) => cidr);
  return [...blocks, ...outsideWorkloads, ...ranges];
}

function peerStatus({ peer, learner, up }: Neighbor): PeerStatus {
  const { name, type, address, port, asNumber, families } = peer.config;
  return {
    name,
    type,
    address,
    port,
    asNumber,
    state: peer.state,
    since: new Date(peer.since).toISOString(),
    families: up?.negotiated.families ?? families,
    received: learner.received,
    stale: learner.stale,
    advertised: up?.advertiser.advertised ?? 0,
    info: peer.info,
  };
}
