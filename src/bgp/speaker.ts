/**
 * A BGP speaker (RFC 4271): its peers (neighbors.ts) and the port they meet at (acceptor.ts), what they tell each other
 * (routing.ts), and what of it the kernel gets (fib.ts). Changes of configuration touch only what changed: a session
 * stays up unless something it was opened with is different.
 */
import { randomInt } from 'node:crypto';
import type { BgpQuestions } from '../base/bgp-view.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Address } from '../net/address.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { Prefix } from '../net/prefix.ts';
import type { RouteKernel } from '../netlink/kernel.ts';
import { Acceptor } from './acceptor.ts';
import { awaitedPeers } from './awaited-peers.ts';
import type { BfdService } from './bfd-service.ts';
import type { PeerConfig, SpeakerConfig } from './config.ts';
import { Drain } from './drain.ts';
import { DynamicNeighbors, isTemplate } from './dynamic-neighbors.ts';
import { Fib } from './fib.ts';
import { LookingGlass } from './looking-glass.ts';
import { Monitoring } from './monitoring.ts';
import { Neighbors } from './neighbors.ts';
import { POLICY_FIELDS, Policies } from './policies.ts';
import { RestartGate } from './restart-gate.ts';
import { prefixTables } from './rib/prefix-table.ts';
import { FAMILIES } from './rib/rib.ts';
import { routeStatus } from './route-status.ts';
import { Routing } from './routing.ts';
import { Slice } from './slice.ts';
import type { KernelStatus, RouteStatus, SpeakerStatus } from './status.ts';
import { Unnumbered } from './unnumbered.ts';
import { CEASE_ADMINISTRATIVE_SHUTDOWN, CEASE_PEER_DECONFIGURED } from './wire/iana.ts';

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
  private readonly acceptor: Acceptor;
  private readonly unnumbered: Unnumbered;
  private readonly dynamic: DynamicNeighbors;
  private readonly lookingGlass: LookingGlass;
  private policies: Policies;
  private readonly neighbors: Neighbors;
  private gate: RestartGate | undefined;
  /** We have come back with our forwarding state intact. */
  private restarted = false;
  private readonly drain: Drain;
  private begun = false;
  private bfd: BfdService | undefined;
  private readonly monitoring: Monitoring;

  private constructor(
    private readonly options: SpeakerOptions,
    private config: SpeakerConfig,
  ) {
    const { clock, log, kernel, namespace } = options;
    // Peers choose destinations: where they lie in memory must not be foreseen.
    const prefixes = prefixTables(randomInt(2 ** 32));
    this.fib = new Fib({ kernel, config: config.kernel, prefixes, clock, log });
    this.policies = new Policies(config);
    this.routing = new Routing({
      fib: this.fib,
      prefixes,
      clock,
      log,
      programmed: (prefix) => this.whyNotProgrammed(prefix) === undefined,
    });
    const inNamespace = namespace === undefined ? {} : { namespace };
    this.fib.nextHops.onLink((name) => {
      for (const neighbor of this.neighbors) {
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
      neighbors: () => this.neighbors,
      remove: (name) => {
        log.info({ peer: name }, 'bgp dynamic peer has left');
        this.neighbors.remove(name, CEASE_PEER_DECONFIGURED);
      },
    });
    this.dynamic.follow(config.peers);
    this.monitoring = new Monitoring({
      clock,
      log,
      ...inNamespace,
      neighbor: (name) => this.neighbors.get(name),
    });
    this.neighbors = new Neighbors({
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
      draining: () => this.drain.state !== 'serving',
      bfd: () => (this.bfd ??= options.bfd()),
    });
    this.drain = new Drain(
      {
        clock,
        log,
        drained: (communication) => {
          for (const { name } of this.neighbors) {
            this.neighbors.remove(name, CEASE_ADMINISTRATIVE_SHUTDOWN, communication);
          }
        },
      },
      config.drain,
    );
    const { neighbors, dynamic, drain } = this;
    this.acceptor = new Acceptor({
      clock,
      log,
      ...inNamespace,
      neighbors,
      dynamic,
      drain,
      nextHops: this.fib.nextHops,
    });
    this.lookingGlass = new LookingGlass({
      clock,
      self: () => this.config,
      rib: this.routing.rib,
      fib: this.fib,
      neighbors: () => this.neighbors,
      ownMetric: (family) => this.config.kernel.metric[family],
      whyNotProgrammed: (prefix) => this.whyNotProgrammed(prefix),
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
          for (const neighbor of this.neighbors) neighbor.renewSession();
          options.log.info({ family, reason }, 'bgp restart complete: routes are selected');
        },
        told: (family, reason) => {
          this.routing.confirm(family);
          if (this.restarted)
            options.log.info({ family, reason }, 'bgp sweeps the kernel of what no peer told');
        },
      },
      this.restarted && this.drain.state !== 'drained' ? awaitedPeers(config.peers, left) : [],
    );
    this.neighbors.follow(this.gate);
    this.monitoring.follow(config.monitoring);
    this.listen();
    for (const peer of this.unnumbered.resolve(this.wantedPeers))
      this.neighbors.add(peer, { replaces: false });
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
    const imports = this.neighbors.importTexts();
    if (differs(...POLICY_FIELDS)) this.policies = new Policies(config);
    const unprogrammed = ({ pools }: SpeakerConfig): string =>
      JSON.stringify(pools.filter(({ programmed }) => programmed === false));
    if (differs('services', 'kernel') || unprogrammed(before) !== unprogrammed(config)) {
      this.routing.reprogram();
    }
    if (differs('decision')) this.decide();
    if (differs('aggregates', 'asNumber', 'routerId', 'confederation')) this.aggregate();
    this.routing.originate(originated(config));
    if (differs('monitoring')) this.monitoring.follow(config.monitoring);
    if (differs('drain')) this.drain.turn(config.drain);
    this.reconfigurePeers(differs('routerId', 'confederation'));
    if (differs('nodeAddresses', 'drain', ...POLICY_FIELDS)) {
      for (const neighbor of this.neighbors) neighbor.exportAgain();
    }
    this.neighbors.importChanges(imports);
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

  /** Why a learned route to the prefix is not for the kernel; undefined if it is. */
  private whyNotProgrammed(prefix: PrefixBits): string | undefined {
    const { prefixes } = this.policies;
    if (this.config.kernel.install === false) return 'this node puts no learned routes into the kernel';
    if (prefixes.isService(prefix)) return 'a service address is answered on every node';
    if (!prefixes.isUnprogrammed(prefix)) return undefined;
    return 'programClusterRoutes, of FelixConfiguration and BGPConfiguration, leaves out pools like its own';
  }

  private reconfigurePeers(resetAll: boolean): void {
    this.neighbors.reconfigure(this.unnumbered.resolve(this.wantedPeers), resetAll);
  }

  private listen(): void {
    this.acceptor.listen(this.config.listen, this.unnumbered.resolve(this.config.peers));
  }

  /** Peers to have sessions with: none on a drained node. */
  private get wantedPeers(): readonly PeerConfig[] {
    if (this.drain.state === 'drained') return [];
    return [...this.config.peers.filter((peer) => !isTemplate(peer)), ...this.dynamic.resolve()];
  }

  /**
   * Ends. Gracefully: connections close without a word, so that peers keep our routes, and the kernel keeps theirs
   * (design D20). Otherwise peers are told, and the kernel's learned routes are taken out.
   */
  async stop({ graceful }: { readonly graceful: boolean }): Promise<void> {
    this.unnumbered.stop();
    this.dynamic.stop();
    this.drain.stop();
    this.acceptor.close();
    this.gate?.stop();
    this.routing.stop();
    this.neighbors.stop(graceful ? undefined : CEASE_ADMINISTRATIVE_SHUTDOWN);
    await this.monitoring.close();
    await this.bfd?.stop();
    if (!graceful) await this.fib.clear();
    await this.fib.stop();
  }

  status(): SpeakerStatus {
    const { problem } = this.acceptor;
    return {
      state: problem === undefined ? 'running' : 'failed',
      ...(problem === undefined ? {} : { problem }),
      asNumber: this.config.asNumber,
      routerId: this.config.routerId,
      restarting: this.restarting,
      drain: this.drain.state,
      peers: [
        ...[...this.neighbors].map((neighbor) => neighbor.status()),
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
