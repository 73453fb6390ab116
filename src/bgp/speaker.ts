/**
 * A BGP speaker (RFC 4271): peers and the port they meet at, what they tell each other (routing.ts), and what of it
 * the kernel gets (fib.ts). Changes of configuration touch only what changed: a session stays up unless something it
 * was opened with is different.
 */
import type { Socket } from 'node:net';
import type { BgpQuestions } from '../base/bgp-view.ts';
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Address, Family } from '../net/address.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';
import type { RouteKernel } from '../netlink/kernel.ts';
import { socketScope } from '../sys/socket.ts';
import { awaitedPeers } from './awaited-peers.ts';
import type { BfdService } from './bfd-service.ts';
import { type DrainConfig, type PeerConfig, type SpeakerConfig, peerChangeEffect } from './config.ts';
import { descriptorOf } from './connection.ts';
import { DynamicNeighbors, isTemplate } from './dynamic-neighbors.ts';
import { Fib } from './fib.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import { Handover } from './handover.ts';
import { Listener, type Reception } from './listener.ts';
import { LookingGlass } from './looking-glass.ts';
import { Monitoring } from './monitoring.ts';
import { Neighbor, type NeighborEnvironment } from './neighbor.ts';
import { POLICY_FIELDS, Policies } from './policies.ts';
import { RestartGate } from './restart-gate.ts';
import { FAMILIES } from './rib/rib.ts';
import { routeStatus } from './route-status.ts';
import { Routing } from './routing.ts';
import { Slice } from './slice.ts';
import type { DrainState, KernelStatus, RouteStatus, SpeakerStatus } from './status.ts';
import { Unnumbered } from './unnumbered.ts';
import {
  CEASE_ADMINISTRATIVE_SHUTDOWN,
  CEASE_OTHER_CONFIGURATION_CHANGE,
  CEASE_PEER_DECONFIGURED,
} from './wire/iana.ts';

/** Seconds that the routes of a peer which left during a handover are kept: longer than any handover. */
const HANDOVER_STALE_TIME = 120;

export interface SpeakerOptions {
  readonly kernel: RouteKernel;
  /** Network namespace of the sockets; the process's own if left out. */
  readonly namespace?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once, when the first peer is to be watched. */
  readonly bfd: () => BfdService;
}

export class Speaker {
  private readonly fib: Fib;
  private readonly routing: Routing;
  private readonly listener: Listener;
  private readonly handover: Handover;
  private readonly unnumbered: Unnumbered;
  private readonly dynamic: DynamicNeighbors;
  private readonly environment: NeighborEnvironment;
  private readonly lookingGlass: LookingGlass;
  private policies: Policies;
  /** By name. */
  private readonly neighbors = new Map<string, Neighbor>();
  /** What a new neighbour has yet to tell before its routes count as delivered. */
  private readonly undelivered = new Map<Neighbor, Set<Family>>();
  private gate: RestartGate | undefined;
  /** We have come back with our forwarding state intact. */
  private restarted = false;
  private drain: DrainState = 'serving';
  private drainTimer: TimerHandle | undefined;
  private begun = false;
  private bfd: BfdService | undefined;
  private readonly monitoring: Monitoring;

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
      programmed: (prefix) => this.isProgrammed(prefix),
    });
    const inNamespace = namespace === undefined ? {} : { namespace };
    this.listener = new Listener({
      clock,
      log,
      ...inNamespace,
      accept: (socket, remote, local) => this.accept(socket, remote, local),
    });
    this.fib.nextHops.onLink((name) => {
      for (const neighbor of this.neighbors.values()) {
        if (neighbor.config.interface === name) neighbor.followLink();
      }
      if (this.config.peers.some((peer) => peer.interface === name)) this.seekPeers();
    });
    this.unnumbered = new Unnumbered({
      clock,
      log,
      ...inNamespace,
      link: (name) => this.fib.nextHops.linkNamed(name),
      isUp: (name) => this.neighbors.get(name)?.isUp === true,
      found: () => {
        this.reconfigurePeers(false);
        this.listen();
      },
    });
    this.dynamic = new DynamicNeighbors({
      clock,
      log,
      neighbors: () => this.neighbors.values(),
      remove: (name) => {
        log.info({ peer: name }, 'bgp dynamic peer has left');
        this.remove(name, CEASE_PEER_DECONFIGURED);
      },
    });
    this.dynamic.follow(config.peers);
    this.handover = new Handover({ clock, over: (name) => this.remove(name, CEASE_PEER_DECONFIGURED) });
    this.monitoring = new Monitoring({
      clock,
      log,
      ...inNamespace,
      neighbor: (name) => this.neighbors.get(name),
    });
    this.lookingGlass = new LookingGlass({
      clock,
      self: () => this.config,
      rib: this.routing.rib,
      fib: this.fib,
      neighbors: () => this.neighbors.values(),
      ownMetric: (family) => this.config.kernel.metric[family],
      programmed: (prefix) => this.isProgrammed(prefix),
    });
    this.environment = {
      clock,
      slice: new Slice(clock),
      log,
      ...inNamespace,
      fib: this.fib,
      monitors: this.monitoring.monitors,
      routing: this.routing,
      config: () => this.config,
      policies: () => this.policies,
      restart: () => ({ restarted: this.restarted, waiting: this.restarting }),
      draining: () => this.drain !== 'serving',
      established: (neighbor, negotiated) => this.established(neighbor, negotiated),
      lost: (neighbor) => this.lost(neighbor),
      endOfRib: (neighbor, family) => this.endOfRib(neighbor, family),
      hasTold: (neighbor, family) => this.hasTold(neighbor, family),
      bfd: () => (this.bfd ??= options.bfd()),
    };
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
    if (config.drain !== undefined) this.drain = 'drained';
    // Selection is deferred before anything is read or said.
    for (const family of FAMILIES) this.routing.hold(family);
    const found = await this.fib.start();
    const left = {
      gateways: this.fib.gatewaysInUse(),
      networksOf: (host: Address) => this.fib.networksOf(host),
    };
    this.restarted = enabled && (restarting ?? found[4] + found[6] > 0);
    this.fib.reachBy(gateways(config));
    this.begun = true;
    this.seekPeers();
    options.log.info({ restarting: this.restarted, kernelRoutes: found }, 'bgp speaker starts');
    this.decide();
    this.aggregate();
    this.routing.originate(originated(config));
    this.gate = new RestartGate(
      {
        clock: options.clock,
        peerWaitTime,
        deferralTime,
        opened: (family, reason) => {
          this.routing.open(family);
          if (!this.restarted) return;
          for (const neighbor of this.neighbors.values()) neighbor.renewSession();
          options.log.info({ family, reason }, 'bgp restart complete: routes are selected');
        },
        told: (family, reason) => {
          this.routing.confirm(family);
          if (this.restarted)
            options.log.info({ family, reason }, 'bgp sweeps the kernel of what no peer told');
        },
      },
      this.restarted && this.drain !== 'drained' ? awaitedPeers(config.peers, left) : [],
    );
    this.monitoring.follow(config.monitoring);
    this.listen();
    for (const peer of this.unnumbered.resolve(this.wantedPeers)) this.add(peer, { replaces: false });
  }

  /** Goes over to another configuration. Only what differs is touched. Kernel protocol and table must be the same. */
  reconfigure(config: SpeakerConfig): void {
    const before = this.config;
    this.config = config;
    const differs = <Key extends keyof SpeakerConfig>(...keys: Key[]): boolean =>
      keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(config[key]));
    if (differs('kernel')) this.fib.changeMetrics(config.kernel.metric);
    if (differs('peers')) {
      this.fib.reachBy(gateways(config));
      this.dynamic.follow(config.peers);
    }
    this.seekPeers();
    const imports = this.importTexts();
    if (differs(...POLICY_FIELDS)) this.policies = new Policies(config);
    if (differs('services', 'kernel')) this.routing.reprogram();
    if (differs('decision')) this.decide();
    if (differs('aggregates', 'asNumber', 'routerId', 'confederation')) this.aggregate();
    this.routing.originate(originated(config));
    if (differs('monitoring')) this.monitoring.follow(config.monitoring);
    if (differs('drain')) this.turnDrain(config.drain);
    this.reconfigurePeers(differs('routerId', 'confederation'));
    if (differs('nodeAddresses', 'drain', ...POLICY_FIELDS)) {
      for (const neighbor of this.neighbors.values()) neighbor.exportAgain();
    }
    this.importChanges(imports);
    this.listen();
  }

  /** In the name of the AS that others see (RFC 5065 §4). */
  private aggregate(): void {
    const { aggregates, confederation, asNumber, routerId } = this.config;
    const aggregator = { asNumber: confederation?.identifier ?? asNumber, address: routerId };
    this.routing.aggregate(aggregates, aggregator);
  }

  private decide(): void {
    this.routing.rib.setDecision(this.config.decision);
    this.routing.schedule();
  }

  /** Looks for peers of which only the interface is known. */
  private seekPeers(): void {
    if (this.begun) this.unnumbered.follow(this.wantedPeers);
  }

  /** Whether what peers say of a prefix is for the kernel. */
  private isProgrammed(prefix: PrefixBits): boolean {
    return this.config.kernel.install !== false && !this.policies.prefixes.isService(prefix);
  }

  /** Peers to have sessions with: none on a drained node. */
  private get wantedPeers(): readonly PeerConfig[] {
    if (this.drain === 'drained') return [];
    return [...this.config.peers.filter((peer) => !isTemplate(peer)), ...this.dynamic.resolve()];
  }

  /** Begins to drain, with the sessions' end after its delay, or serves again. */
  private turnDrain(drain: DrainConfig | undefined): void {
    const { clock, log } = this.options;
    this.drainTimer?.cancel();
    if (drain === undefined) {
      log.info('bgp serves again');
      this.drain = 'serving';
      return;
    }
    if (this.drain === 'drained') return;
    log.info({ delay: drain.delay, communication: drain.communication }, 'bgp drains: peers are told');
    this.drain = 'draining';
    this.drainTimer = clock.after(drain.delay * 1000, () => {
      this.drain = 'drained';
      for (const name of this.neighbors.keys()) {
        this.remove(name, CEASE_ADMINISTRATIVE_SHUTDOWN, drain.communication);
      }
      log.info('bgp drained: sessions have ended');
    });
  }

  private reconfigurePeers(resetAll: boolean): void {
    const wanted = new Map(this.unnumbered.resolve(this.wantedPeers).map((peer) => [peer.name, peer]));
    const unwanted = [...this.neighbors.values()].filter(({ name }) => !wanted.has(name));
    for (const after of wanted.values()) {
      let neighbor = this.neighbors.get(after.name);
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
      if (this.neighbors.get(neighbor.name) !== neighbor || wanted.has(neighbor.name)) continue;
      if (neighbor.isUp) this.handover.leave(neighbor.name, neighbor.config.type === 'mesh');
      else if (!this.handover.isLeaving(neighbor.name)) this.remove(neighbor.name, CEASE_PEER_DECONFIGURED);
    }
  }

  /** The neighbour goes on under another name, which its configuration is about to say. */
  private rename(neighbor: Neighbor, name: string): void {
    this.handover.forget(neighbor.name);
    this.gate?.peerRemoved(neighbor.name);
    this.neighbors.delete(neighbor.name);
    this.neighbors.set(name, neighbor);
  }

  /** Where import policy is not what it was, peers tell all again. */
  private importChanges(before: ReadonlyMap<Neighbor, string>): void {
    for (const [neighbor, text] of before) {
      const { config, name } = neighbor;
      if (this.neighbors.get(name) !== neighbor || this.policies.importText(config) === text) continue;
      if (!neighbor.importAgain()) neighbor.reopen();
    }
  }

  /**
   * Ends. Gracefully: connections close without a word, so that peers keep our routes, and the kernel keeps theirs
   * (design D20). Otherwise peers are told, and the kernel's learned routes are taken out.
   */
  async stop({ graceful }: { readonly graceful: boolean }): Promise<void> {
    this.handover.stop();
    this.unnumbered.stop();
    this.dynamic.stop();
    this.drainTimer?.cancel();
    this.listener.close();
    this.gate?.stop();
    this.routing.stop();
    for (const neighbor of this.neighbors.values()) {
      neighbor.stop(graceful ? undefined : CEASE_ADMINISTRATIVE_SHUTDOWN);
    }
    await this.monitoring.close();
    await this.bfd?.stop();
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
      drain: this.drain,
      peers: [
        ...[...this.neighbors.values()].map((neighbor) => neighbor.status()),
        ...this.unnumbered.missing(this.wantedPeers),
      ],
      dynamic: this.dynamic.status(),
      kernel: this.kernelStatus(),
    };
  }

  /** Asks the looking glass. */
  look<Name extends keyof BgpQuestions>(
    name: Name,
    params: BgpQuestions[Name]['params'],
  ): Promise<BgpQuestions[Name]['result']> {
    return this.lookingGlass.answer(name, params);
  }

  /** Every path of every prefix. */
  routes(): RouteStatus[] {
    return FAMILIES.flatMap((family) => routeStatus(this.routing.rib, family));
  }

  private kernelStatus(): KernelStatus {
    const status = this.fib.status();
    // What leads nowhere is not even handed on to the kernel.
    return { ...status, unresolved: status.unresolved + this.routing.rib.unreachable };
  }

  private get restarting(): boolean {
    return this.restarted && FAMILIES.some((family) => this.gate?.waiting(family) !== false);
  }

  private listen(): void {
    const { listen } = this.config;
    const peers = this.unnumbered.resolve(this.config.peers);
    const single = peers.filter((peer) => !isTemplate(peer));
    this.listener.configure({
      ...listen,
      passwords: new Map<Address | Prefix, string>([
        ...this.dynamic.keys(),
        ...single.flatMap(({ address, password }) =>
          password === undefined ? [] : [[address, password] as const],
        ),
      ]),
      ttlSecurity: peers.some(({ ttlSecurity }) => ttlSecurity !== undefined),
    });
  }

  private accept(socket: Socket, remote: Address, local: Address | undefined): Reception {
    const candidates = [...this.neighbors.values()].filter(
      ({ name, config }) =>
        config.address === remote && this.isOnLink(socket, config) && !this.handover.isLeaving(name),
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
    const config = this.drain === 'drained' ? undefined : this.dynamic.admit(remote, local);
    if (config === 'full') return 'refused';
    // One that is about to leave is not another.
    if (config === undefined || this.neighbors.has(config.name)) return 'unknown';
    this.options.log.info({ peer: config.name, template: config.template }, 'bgp dynamic peer has come');
    this.gate?.peerCame(config);
    return this.add(config, { replaces: false });
  }

  /** Link-local addresses mean nothing without their link. */
  private isOnLink(socket: Socket, { interface: name }: PeerConfig): boolean {
    if (name === undefined) return true;
    const descriptor = descriptorOf(socket);
    return descriptor !== undefined && socketScope(descriptor) === this.fib.nextHops.linkNamed(name)?.index;
  }

  private add(config: PeerConfig, { replaces }: { readonly replaces: boolean }): Neighbor {
    const neighbor = new Neighbor(this.environment, config);
    this.neighbors.set(config.name, neighbor);
    if (replaces) this.expect(neighbor);
    neighbor.start();
    return neighbor;
  }

  /** What goes for its sake stays until it has told what it has. */
  private expect(neighbor: Neighbor): void {
    this.handover.expect(neighbor.name);
    this.undelivered.set(neighbor, new Set(neighbor.config.families));
  }

  private remove(name: string, cease: number, communication?: string): void {
    const neighbor = this.neighbors.get(name);
    if (neighbor === undefined) return;
    neighbor.remove(cease, communication);
    this.neighbors.delete(name);
    this.undelivered.delete(neighbor);
    this.gate?.peerRemoved(name);
    this.handover.forget(name);
  }

  private established(neighbor: Neighbor, { gracefulRestart, families: carried }: Negotiated): void {
    const families = gracefulRestart?.families.map(({ family }) => family) ?? [];
    this.gate?.peerUp(neighbor.name, {
      families,
      restarting: gracefulRestart?.restarting ?? false,
      restartingToo: this.restarting,
    });
    // A peer without graceful restart need not mark the end of what it tells.
    for (const family of FAMILIES) {
      if (!families.includes(family) || !carried.includes(family)) this.deliver(neighbor, family);
    }
  }

  private lost(neighbor: Neighbor): number | undefined {
    const { name } = neighbor;
    this.gate?.peerDown(name);
    this.routing.schedule();
    if (!this.handover.isLeaving(name)) return undefined;
    // The other side was quicker. Its routes serve until ours have come by another way.
    neighbor.stop();
    return HANDOVER_STALE_TIME;
  }

  private endOfRib(neighbor: Neighbor, family: Family): void {
    this.gate?.endOfRib(neighbor.name, family);
    // Others may have waited for it.
    this.routing.schedule();
    this.deliver(neighbor, family);
  }

  /**
   * Whether a peer of our AS has from us all that others are about to tell. A client that restarts sweeps its kernel by
   * our end-of-RIB, and has what we reflect from nobody else (RFC 4456 §6).
   */
  private hasTold(neighbor: Neighbor, family: Family): boolean {
    for (const name of this.gate?.telling(family) ?? []) {
      const reflected =
        neighbor.config.reflectorClient || this.neighbors.get(name)?.config.reflectorClient === true;
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

  private importTexts(): Map<Neighbor, string> {
    return new Map(
      [...this.neighbors.values()].map((neighbor) => [neighbor, this.policies.importText(neighbor.config)]),
    );
  }
}

/** Gateways of peers that have one of their own. */
function gateways({ peers }: SpeakerConfig): Map<Address, Address> {
  return new Map(
    peers.flatMap(({ address, reachableBy }) => (reachableBy === undefined ? [] : [[address, reachableBy]])),
  );
}

/** The prefixes that are ours to announce. */
function originated({ blocks, outsideWorkloads, services, serviceAddresses }: SpeakerConfig): Prefix[] {
  const ranges = services.filter(({ advertised }) => advertised).map(({ cidr }) => cidr);
  return [...blocks, ...outsideWorkloads, ...ranges, ...serviceAddresses];
}
