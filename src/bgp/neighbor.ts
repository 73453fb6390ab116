/** A peer with both directions of its routes: what its session tells us goes to the RIB, and what we tell comes from it. */
import { isDeepStrictEqual } from 'node:util';
import type { BgpNeighborView } from '../base/bgp-view.ts';
import { MargayError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Address, Family } from '../net/address.ts';
import type { Advertiser } from './advertiser.ts';
import type { BfdService } from './bfd-service.ts';
import type { PeerConfig } from './config.ts';
import { hasLeft } from './dynamic-neighbors.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import { Learner } from './learner.ts';
import { Liveness } from './liveness.ts';
import { Pace } from './pace.ts';
import { Peer } from './peer.ts';
import {
  type SettingsEnvironment,
  exportContext,
  importContext,
  sessionConfig,
  sourceSettings,
} from './peer-settings.ts';
import type { FilterDirection, FilterSubject, Verdict } from './policy/bgp-filter.ts';
import { PrefixWatch } from './policy/max-prefix.ts';
import { neighborView } from './neighbor-view.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import type { Source } from './rib/route.ts';
import type { Routing } from './routing.ts';
import type { SessionMonitor } from './session-monitor.ts';
import type { Slice } from './slice.ts';
import type { PeerStatus } from './status.ts';
import { afiSafi, familyOfAfiSafi } from './wire/afi-safi.ts';
import {
  CEASE_ADMINISTRATIVE_RESET,
  CEASE_ADMINISTRATIVE_SHUTDOWN,
  CEASE_BFD_DOWN,
  CEASE_MAXIMUM_PREFIXES,
  CEASE_OTHER_CONFIGURATION_CHANGE,
} from './wire/iana.ts';
import type { RouteRefreshMessage } from './wire/message.ts';
import { prefixLimitData } from './wire/notification.ts';

const FAMILIES: readonly Family[] = [4, 6];
/** Milliseconds between the end of a session that an operator resets and the next. */
const RESET_PAUSE = 1000;
const WARNINGS = { many: 'nearly as many prefixes as it may', 'too-many': 'more prefixes than it may' };

/** The speaker as its neighbours see it. */
export interface NeighborEnvironment extends SettingsEnvironment {
  readonly clock: Clock;
  /** For reading, shared by all peers. */
  readonly slice: Slice;
  readonly log: Logger;
  /** Network namespace of the sockets; the process's own if left out. */
  readonly namespace?: string;
  /** Who records sessions. */
  readonly monitors: SessionMonitor;
  readonly routing: Routing;
  readonly established: (neighbor: Neighbor, negotiated: Negotiated) => void;
  /** Says what becomes of the routes: seconds to keep them all, or undefined for what the session says. */
  readonly lost: (neighbor: Neighbor) => number | undefined;
  readonly endOfRib: (neighbor: Neighbor, family: Family) => void;
  /** Whether a peer of our AS may get its end-of-RIB once it has what is selected. */
  readonly hasTold: (neighbor: Neighbor, family: Family) => boolean;
  readonly bfd: () => BfdService;
}

interface Up {
  readonly negotiated: Negotiated;
  source: Source;
  readonly advertiser: Advertiser;
}

export class Neighbor {
  readonly peer: Peer;
  readonly learner: Learner;
  /** While the session is up. */
  private up: Up | undefined;
  /** It was up in this process's life, so our forwarding state is what the peer knows (F bit). */
  private known = false;
  private readonly liveness: Liveness;
  /** Whoever had it removed or stopped takes care of its routes. */
  private stopped = false;
  private log: Logger;
  private readonly prefixWatch = new PrefixWatch();
  /** We have ended the session to open another. */
  private reopened = false;
  /** An operator has taken it down, whatever the configuration says. */
  private heldDown = false;
  private timesEstablished = 0;

  constructor(
    private readonly environment: NeighborEnvironment,
    config: PeerConfig,
  ) {
    const { clock, namespace, routing, slice } = environment;
    this.log = environment.log.child({ peer: config.name });
    this.learner = new Learner({
      rib: routing.rib,
      clock,
      log: () => this.log,
      changed: () => routing.schedule(),
      endOfRib: (family) => environment.endOfRib(this, family),
      postPolicy: {
        wanted: () => environment.monitors.wantsPolicy,
        told: (update) => this.peer.recordAccepted(update),
      },
    });
    this.liveness = new Liveness({
      service: environment.bfd,
      clock,
      log: () => this.log,
      drop: () => this.peer.stop(CEASE_BFD_DOWN),
      release: () => {
        if (!this.stopped) this.start();
      },
      abandon: () => this.learner.lost([], 0),
    });
    this.peer = new Peer({
      config,
      session: sessionConfig(config, this.known, environment),
      ...(namespace === undefined ? {} : { namespace }),
      clock,
      slice,
      log: () => this.log,
      monitors: environment.monitors,
      events: {
        established: (_, negotiated) => this.established(negotiated),
        lost: (_, retain, restartTime) => this.lost(retain, restartTime),
        update: (_, message) => {
          this.learner.update(message);
          this.watchPrefixes();
        },
        refresh: (_, message) => this.refresh(message),
        drained: () => routing.schedule(),
      },
    });
  }

  get name(): string {
    return this.config.name;
  }

  get config(): PeerConfig {
    return this.peer.config;
  }

  get isUp(): boolean {
    return this.up !== undefined;
  }

  /** Whether nothing is left of it that would be lost with it. */
  get isVacant(): boolean {
    const { peer, learner, heldDown, config } = this;
    const { connected, state } = peer;
    return hasLeft({ connected, state, received: learner.received, heldDown, shutdown: config.shutdown });
  }

  start(): void {
    if (this.config.shutdown === undefined && !this.heldDown) this.peer.start();
  }

  /** Ends the session until {@link letUp}; a new configuration that needs a new session forgets that, too. */
  holdDown(communication: string): void {
    this.heldDown = true;
    this.peer.stop(CEASE_ADMINISTRATIVE_SHUTDOWN, communication);
  }

  letUp(): void {
    this.heldDown = false;
    if (!this.stopped && !this.peer.enabled) this.start();
  }

  /** Begins anew: the session, or only what one side tells the other. Throws a MargayError where that cannot be. */
  clear(how: 'hard' | 'in' | 'out'): void {
    const { up } = this;
    if (how === 'hard') {
      // Not at once: a peer that sees the new connection before the Cease takes it for a graceful restart.
      if (up !== undefined) this.peer.giveUp(CEASE_ADMINISTRATIVE_RESET, new Uint8Array(0), RESET_PAUSE);
      else if (!this.stopped) {
        this.peer.stop();
        this.start();
      }
      return;
    }
    if (up === undefined) {
      throw new MargayError('bgp.not-established', `the session with ${this.name} is not established`);
    }
    if (how === 'out') {
      for (const family of up.negotiated.families) up.advertiser.refresh(family);
      this.environment.routing.schedule();
    } else if (!this.importAgain()) {
      throw new MargayError('bgp.no-refresh', `${this.name} knows no route refresh (RFC 2918)`, {
        fix: 'clear it without --soft, which begins a new session',
      });
    }
  }

  /** For the looking glass. */
  view(): BgpNeighborView {
    const { config, peer, up, heldDown, timesEstablished } = this;
    return neighborView({
      config,
      peer,
      negotiated: up?.negotiated,
      status: this.status(),
      heldDown,
      timesEstablished,
    });
  }

  /** BGP Identifier of the peer while it is known, else 0.0.0.0. */
  get identifier(): Address {
    return this.up?.source.identifier ?? ('0.0.0.0' as Address);
  }

  /** Prefixes held from the peer, of each family of the session. */
  get counts(): { readonly family: Family; readonly count: number }[] {
    return (this.up?.negotiated.families ?? []).map((family) => ({
      family,
      count: this.learner.count(family),
    }));
  }

  /** The attributes of a prefix as the peer holds them from us; 0 for nothing. */
  toldAttribute(family: Family, prefix: PrefixId): AttributeId {
    return this.up?.advertiser.toldAttribute(family, prefix) ?? 0;
  }

  /** Whether the peer is told of a prefix, and the rule that decides. */
  explainExport(family: Family, prefix: PrefixId): { readonly told: boolean; readonly rule: string } {
    return this.up?.advertiser.explain(family, prefix) ?? { told: false, rule: 'session-not-established' };
  }

  /** What the policy of the peer does with a route. */
  judge(direction: FilterDirection, subject: FilterSubject): Verdict {
    return this.environment.policies().judge(this.config, direction, subject);
  }

  /** Begins again after {@link stop}. */
  resume(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.start();
  }

  /** Ends the session and forgets its routes. */
  remove(cease: number, communication?: string): void {
    this.stop(cease, communication);
    this.liveness.close();
    this.learner.forget();
  }

  /** Ends the session, without a word if there is no reason to give (design D20). */
  stop(cease?: number, communication?: string): void {
    this.stopped = true;
    this.peer.stop(cease, communication);
  }

  /**
   * Has the next OPEN say what is configured now. With graceful restart both sides' routes stay in use meanwhile; to a
   * peer that would drop ours over a NOTIFICATION nothing is said (RFC 4724 §4; RFC 8538 §4).
   */
  reopen(): void {
    if (!this.peer.enabled) return;
    const restart = this.up?.negotiated.gracefulRestart;
    const silent = restart !== undefined && !restart.notification;
    this.reopened = this.up !== undefined;
    this.peer.stop(silent ? undefined : CEASE_OTHER_CONFIGURATION_CHANGE);
    this.peer.start();
  }

  /** Takes over fields that need no new session; the name may be another. */
  changeConfig(config: PeerConfig): void {
    const { name, bfd, shutdown, maxPrefix, advertisementInterval } = this.config;
    if (config.name !== name) this.log = this.environment.log.child({ peer: config.name });
    this.peer.changeConfig(config, sessionConfig(config, this.known, this.environment));
    if (!isDeepStrictEqual(config.bfd, bfd)) this.watch();
    if (config.advertisementInterval !== advertisementInterval) this.up?.advertiser.endRest();
    if (config.shutdown !== undefined) {
      if (shutdown === undefined) this.peer.stop(CEASE_ADMINISTRATIVE_SHUTDOWN, config.shutdown);
    } else if (this.stopped) {
      return;
    } else if (this.peer.enabled) {
      this.watchPrefixes();
    } else if (shutdown !== undefined || !isDeepStrictEqual(maxPrefix, config.maxPrefix)) {
      // It was given up under a limit that is no longer.
      this.start();
    }
  }

  /** RFC 4271 §6.7: a peer that tells more than it may. */
  private watchPrefixes(): void {
    const { up, config } = this;
    const { maxPrefix } = config;
    if (up === undefined || maxPrefix === undefined) return;
    const { limit, beyond } = maxPrefix;
    for (const family of up.negotiated.families) {
      const count = this.learner.count(family);
      const level = this.prefixWatch.rise(family, count, maxPrefix);
      if (level === undefined) continue;
      this.log.warn({ family, prefixes: count, limit }, `bgp peer tells ${WARNINGS[level]}`);
      if (level !== 'too-many' || beyond === 'warn') continue;
      const idle = beyond === 'idle' ? 'until-started' : beyond.restart * 1000;
      this.peer.giveUp(CEASE_MAXIMUM_PREFIXES, prefixLimitData(family, limit), idle);
      return;
    }
  }

  /** The interface of a link-local peer has come or gone: nothing else leads to it, and nothing by it. */
  followLink(): void {
    const { interface: device, shutdown } = this.config;
    if (device === undefined || this.stopped || shutdown !== undefined) return;
    const alive = this.environment.fib.nextHops.linkNamed(device)?.alive === true;
    if (alive === this.peer.enabled) return;
    if (alive) this.peer.start();
    else this.peer.stop(CEASE_ADMINISTRATIVE_SHUTDOWN, `interface ${device} is down`);
  }

  /** What the next OPEN says may be different now. */
  renewSession(): void {
    this.changeConfig(this.config);
  }

  /** Judges all again that is told to the peer. */
  exportAgain(): void {
    const { up } = this;
    if (up === undefined) return;
    const source = { ...up.source, ...sourceSettings(this.config) };
    if (!isDeepStrictEqual(source, up.source)) {
      up.source = source;
      this.learner.renew(up.source);
    }
    up.advertiser.changePolicy(exportContext(this.peer, up.source, up.negotiated, this.environment));
    this.environment.routing.schedule();
  }

  /**
   * Judges all again that the peer tells: asks it to tell it once more (RFC 2918). Returns false if it cannot, so that
   * only a new session helps.
   */
  importAgain(): boolean {
    const { up } = this;
    if (up === undefined) return true;
    this.learner.changeContext(importContext(this.peer, up.source, this.environment));
    if (!up.negotiated.routeRefresh) return false;
    for (const family of up.negotiated.families) {
      this.peer.send({ type: 'route-refresh', ...afiSafi(family), subtype: 'request' });
    }
    return true;
  }

  status(): PeerStatus {
    const { name, type, template, address, port, asNumber, families } = this.config;
    const bfd = this.liveness.status;
    return {
      name,
      type,
      ...(template === undefined ? {} : { template }),
      address,
      port,
      asNumber,
      state: this.peer.state,
      since: new Date(this.peer.since).toISOString(),
      families: this.up?.negotiated.families ?? families,
      received: this.learner.received,
      stale: this.learner.stale,
      advertised: this.up?.advertiser.advertised ?? 0,
      info: this.info,
      ...(bfd === undefined ? {} : { bfd }),
    };
  }

  private get info(): string {
    const { shutdown } = this.config;
    if (this.heldDown) return 'Held down by an operator';
    if (shutdown === undefined) return this.peer.info;
    return shutdown === '' ? 'Shut down' : `Shut down: ${JSON.stringify(shutdown)}`;
  }

  private get link(): number | undefined {
    const { interface: device } = this.config;
    return device === undefined ? undefined : this.environment.fib.nextHops.linkNamed(device)?.index;
  }

  private established(negotiated: Negotiated): void {
    const { environment, config, peer } = this;
    const { routing } = environment;
    const source: Source = {
      ...sourceSettings(config),
      address: config.address,
      link: this.link,
      identifier: negotiated.peerIdentifier,
      external: negotiated.wire.external,
      confederation: negotiated.wire.confederation,
    };
    this.prefixWatch.reset();
    const { reopened } = this;
    this.reopened = false;
    const id = this.learner.established(source, negotiated, importContext(peer, source, environment), {
      reopened,
    });
    environment.established(this, negotiated);
    const advertiser = routing.advertise(
      {
        source: id,
        families: negotiated.families,
        wire: negotiated.wire,
        enhancedRouteRefresh: negotiated.enhancedRouteRefresh,
        mayEnd: (family) => source.external || environment.hasTold(this, family),
        congested: () => peer.congested,
        write: (bytes) => peer.write(bytes),
        send: (message) => peer.send(message),
        pace: () =>
          new Pace({
            clock: environment.clock,
            interval: () => (this.config.advertisementInterval ?? 0) * 1000,
            over: () => routing.schedule(),
            random: Math.random,
          }),
      },
      exportContext(peer, source, negotiated, environment),
    );
    this.up = { negotiated, source, advertiser };
    this.known = true;
    this.timesEstablished++;
    this.watch();
  }

  /** Watches the path as configured, between the addresses of the session. */
  private watch(): void {
    const { bfd, address, interface: device } = this.config;
    if (bfd === undefined || bfd === false) {
      this.liveness.close();
      return;
    }
    const local = this.peer.localAddress;
    if (this.up === undefined || local === undefined) {
      this.liveness.change(bfd);
      return;
    }
    if (device !== undefined) {
      this.liveness.established({ remote: address, local, multihop: false, device }, bfd);
      return;
    }
    const multihop = bfd.multihop ?? this.environment.fib.networksOf(address).length === 0;
    this.liveness.established({ remote: address, local, multihop }, bfd);
  }

  private lost(retain: readonly Family[], restartTime: number): void {
    const { environment, up } = this;
    if (up !== undefined) environment.routing.detach(up.advertiser);
    this.up = undefined;
    this.liveness.disconnected();
    if (this.stopped) return;
    const keep = environment.lost(this);
    if (keep === undefined) this.learner.lost(retain, restartTime);
    else this.learner.lost(FAMILIES, keep);
    this.renewSession();
  }

  private refresh(message: RouteRefreshMessage): void {
    const { up } = this;
    const family = familyOfAfiSafi(message);
    if (up === undefined || family === undefined) return;
    if (message.subtype === 'request') {
      up.advertiser.refresh(family);
      this.environment.routing.schedule();
    } else if (message.subtype !== 'unknown') {
      this.learner.refreshMarker(family, message.subtype);
    }
  }
}
