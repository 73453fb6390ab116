/**
 * What one peer tells us, over the ends of its sessions: import policy on the way in, and the helper's part of graceful
 * restart (RFC 4724 §4.2): routes of a lost peer stay in use as stale, for its restart time until it comes back, and
 * then until its end-of-RIB.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Family } from '../net/address.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { Prefix } from '../net/prefix.ts';
import type { FilterChain } from './policy/bgp-filter.ts';
import { type ImportContext, importEdit, importRefusal, importedAttributes } from './policy/import.ts';
import { type RouteEdit, editAttributes } from './policy/route-edit.ts';
import type { Rib } from './rib/rib.ts';
import type { Route, RouteTable, Source } from './rib/route.ts';
import type { NextHop, PathAttributes, ReceivedUpdate } from './wire/message.ts';

/** Seconds that stale routes wait at most for the end-of-RIB of a peer that is back (RFC 4724 §4.2). */
const STALE_TIME = 360;

const FAMILIES: readonly Family[] = [4, 6];

export interface LearnerOptions {
  readonly rib: Rib;
  readonly routes: RouteTable;
  readonly clock: Clock;
  /** Names the peer, whose name may change. */
  readonly log: () => Logger;
  /** The RIB has changed and wants selection. */
  readonly changed: () => void;
  readonly endOfRib: (family: Family) => void;
}

export class Learner {
  private source: Source | undefined;
  private context: ImportContext | undefined;
  private timer: TimerHandle | undefined;
  /** Families whose end-of-RIB is awaited in this session. */
  private readonly awaited = new Set<Family>();

  constructor(private readonly options: LearnerOptions) {}

  get received(): number {
    return this.sum('received');
  }

  get stale(): number {
    return this.sum('stale');
  }

  /** Prefixes of one family held from the peer. */
  count(family: Family): number {
    return this.source === undefined ? 0 : this.options.rib.count(this.source, family).received;
  }

  established(source: Source, negotiated: Negotiated, context: ImportContext): void {
    this.context = context;
    this.timer?.cancel();
    this.timer = undefined;
    if (this.source === undefined) this.source = source;
    else if (!sameSource(this.source, source)) this.renew(source);
    const restart = negotiated.gracefulRestart?.families ?? [];
    this.awaited.clear();
    for (const family of FAMILIES) {
      const entry = restart.find((candidate) => candidate.family === family);
      if (entry !== undefined) this.awaited.add(family);
      // Without F its forwarding state is gone, and stale routes would lead nowhere.
      if (entry?.forwarding !== true) this.sweep(family, 'forwarding state not preserved');
    }
    if (this.stale > 0) {
      this.timer = this.options.clock.after(STALE_TIME * 1000, () => {
        for (const family of FAMILIES) this.sweep(family, 'no end-of-RIB in time');
      });
    }
    this.options.changed();
  }

  /** The session is down. Routes of `retain` stay for `restartTime` seconds, the rest goes. */
  lost(retain: readonly Family[], restartTime: number): void {
    const { source } = this;
    if (source === undefined) return;
    this.timer?.cancel();
    this.timer = undefined;
    for (const family of FAMILIES) {
      if (retain.includes(family) && restartTime > 0) this.options.rib.markStale(source, family);
      else this.options.rib.drop(source, family);
    }
    if (this.stale > 0) {
      this.timer = this.options.clock.after(restartTime * 1000, () => {
        for (const family of FAMILIES) this.sweep(family, 'peer did not come back in time');
      });
    }
    this.options.changed();
  }

  update(message: ReceivedUpdate): void {
    const { source, context } = this;
    if (source === undefined || context === undefined) return;
    const { rib, changed } = this.options;
    const log = this.options.log();
    for (const { attribute, action, reason } of message.faults) {
      log.debug({ attribute, action, reason }, 'bgp update with a malformed attribute');
    }
    for (const { prefixes } of [...message.withdrawn, ...message.treatAsWithdraw]) {
      for (const prefix of prefixes) rib.withdraw(source, prefix);
    }
    for (const { prefixes, nextHop } of message.announced) {
      const { attributes } = message;
      if (attributes === undefined) continue;
      const refusal = importRefusal(attributes, nextHop, context);
      if (refusal === undefined) {
        this.learn(source, prefixes, importedAttributes(attributes, context), nextHop, context.filters);
      } else {
        log.debug({ prefixes: prefixes.length, reason: refusal }, 'bgp routes not usable');
        for (const prefix of prefixes) rib.withdraw(source, prefix);
      }
    }
    if (message.endOfRib !== undefined) this.endOfRib(message.endOfRib);
    changed();
  }

  private learn(
    source: Source,
    prefixes: readonly Prefix[],
    attributes: PathAttributes,
    nextHop: NextHop,
    filters: FilterChain | undefined,
  ): void {
    const { rib, routes } = this.options;
    if (filters === undefined) {
      const route = routes.intern(attributes, nextHop);
      for (const prefix of prefixes) rib.announce(source, prefix, route);
      return;
    }
    const edited = new Map<RouteEdit, Route>();
    for (const prefix of prefixes) {
      const edit = importEdit(prefix, attributes, filters);
      if (edit === undefined) {
        rib.withdraw(source, prefix);
        continue;
      }
      let route = edited.get(edit);
      if (route === undefined) {
        edited.set(edit, (route = routes.intern(editAttributes(attributes, edit), nextHop)));
      }
      rib.announce(source, prefix, route);
    }
  }

  /** Judges what comes from now on by another context; the peer is asked to tell all again. */
  changeContext(context: ImportContext): void {
    this.context = context;
  }

  /** RFC 7313 §4: what is not told again between the markers is gone. */
  refreshMarker(family: Family, marker: 'begin' | 'end'): void {
    const { source } = this;
    // While a restarted peer's end-of-RIB is awaited, stale already has a meaning (§4).
    if (source === undefined || this.awaited.has(family)) return;
    if (marker === 'begin') this.options.rib.markStale(source, family);
    else this.sweep(family, 'not refreshed');
  }

  /** Another reflection or another identifier: a new source to the decision process. */
  renew(source: Source): void {
    if (this.source !== undefined) this.options.rib.renewSource(this.source, source);
    this.source = source;
    this.options.changed();
  }

  /** The peer is no longer configured. */
  forget(): void {
    this.lost([], 0);
    this.source = undefined;
  }

  private endOfRib(family: Family): void {
    this.awaited.delete(family);
    this.sweep(family, 'not announced again');
    if (this.stale === 0) {
      this.timer?.cancel();
      this.timer = undefined;
    }
    this.options.endOfRib(family);
  }

  private sweep(family: Family, reason: string): void {
    if (this.source === undefined) return;
    const swept = this.options.rib.sweepStale(this.source, family);
    if (swept === 0) return;
    this.options.log().info({ family, routes: swept, reason }, 'bgp stale routes swept');
    this.options.changed();
  }

  private sum(field: 'received' | 'stale'): number {
    const { source } = this;
    if (source === undefined) return 0;
    return FAMILIES.reduce((sum, family) => sum + this.options.rib.count(source, family)[field], 0);
  }
}

function sameSource(a: Source, b: Source): boolean {
  return (
    a.name === b.name &&
    a.address === b.address &&
    a.identifier === b.identifier &&
    a.external === b.external &&
    a.reflectorClient === b.reflectorClient
  );
}
