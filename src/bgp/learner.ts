/**
 * What one peer tells us, over the ends of its sessions: import policy on the way in, and the helper's part of graceful
 * restart (RFC 4724 §4.2): routes of a lost peer stay in use as stale, for its restart time until it comes back, and
 * then until its end-of-RIB.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Family } from '../net/address.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { FilterChain } from './policy/bgp-filter.ts';
import { type ImportContext, importEdit, importRefusal, importedAttributes } from './policy/import.ts';
import { type RouteEdit, editAttributes } from './policy/route-edit.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import { FAMILIES, type Rib } from './rib/rib.ts';
import type { Source } from './rib/route.ts';
import type { SourceId } from './rib/sources.ts';
import type { RouteValues } from './wire/attribute-record.ts';
import { type NlriBytes, visitNlriBits } from './wire/nlri.ts';
import type { AnnouncedBytes, ParsedUpdate } from './wire/update.ts';

/** Seconds that stale routes wait at most for the end-of-RIB of a peer that is back (RFC 4724 §4.2). */
const STALE_TIME = 360;

export interface LearnerOptions {
  readonly rib: Rib;
  readonly clock: Clock;
  /** Names the peer, whose name may change. */
  readonly log: () => Logger;
  /** The RIB has changed and wants selection. */
  readonly changed: () => void;
  readonly endOfRib: (family: Family) => void;
}

export class Learner {
  private source: Source | undefined;
  /** What the RIB knows the source by. */
  private id: SourceId | undefined;
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
    return this.id === undefined ? 0 : this.options.rib.count(this.id, family).received;
  }

  /** The session is up. Returns what the RIB knows the peer by. */
  established(source: Source, negotiated: Negotiated, context: ImportContext): SourceId {
    this.context = context;
    this.timer?.cancel();
    this.timer = undefined;
    this.id ??= this.options.rib.addSource(source);
    if (this.source !== undefined && !sameSource(this.source, source)) this.renew(source);
    this.source = source;
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
    return this.id;
  }

  /** The session is down. Routes of `retain` stay for `restartTime` seconds, the rest goes. */
  lost(retain: readonly Family[], restartTime: number): void {
    const { id } = this;
    if (id === undefined) return;
    this.timer?.cancel();
    this.timer = undefined;
    for (const family of FAMILIES) {
      const rib = this.options.rib.families[family];
      if (retain.includes(family) && restartTime > 0) rib.markStale(id);
      else rib.drop(id);
    }
    if (this.stale > 0) {
      this.timer = this.options.clock.after(restartTime * 1000, () => {
        for (const family of FAMILIES) this.sweep(family, 'peer did not come back in time');
      });
    }
    this.options.changed();
  }

  update(message: ParsedUpdate): void {
    const { id, context } = this;
    if (id === undefined || context === undefined) return;
    for (const { attribute, action, reason } of message.faults) {
      this.options.log().debug({ attribute, action, reason }, 'bgp update with a malformed attribute');
    }
    for (const nlri of message.withdrawn) this.unlearn(id, nlri);
    for (const nlri of message.treatAsWithdraw) this.unlearn(id, nlri);
    for (const { nlri, route } of message.announced) this.learn(id, nlri, route, context);
    if (message.endOfRib !== undefined) this.endOfRib(message.endOfRib);
    this.options.changed();
  }

  private unlearn(id: SourceId, nlri: NlriBytes): void {
    this.options.rib.families[nlri.family].unlearn(id, nlri);
  }

  private learn(
    id: SourceId,
    nlri: NlriBytes,
    { attributes, nextHop }: AnnouncedBytes['route'],
    context: ImportContext,
  ): void {
    const { rib } = this.options;
    const refusal = importRefusal(attributes, nextHop, context);
    if (refusal !== undefined) {
      this.options.log().debug({ reason: refusal }, 'bgp routes not usable');
      this.unlearn(id, nlri);
      return;
    }
    const imported = { attributes: importedAttributes(attributes, context), nextHop };
    if (context.filters !== undefined) {
      this.learnFiltered(id, nlri, imported, context.filters);
      return;
    }
    const attribute = rib.attributes.internRoute(imported);
    rib.families[nlri.family].learn(id, nlri, attribute);
    rib.attributes.release(attribute);
  }

  private learnFiltered(id: SourceId, nlri: NlriBytes, route: RouteValues, filters: FilterChain): void {
    const { attributes } = this.options.rib;
    const rib = this.options.rib.families[nlri.family];
    const edited = new Map<RouteEdit, AttributeId>();
    visitNlriBits(nlri, (prefix: PrefixBits, identifier) => {
      const edit = importEdit(prefix, route.attributes, filters);
      if (edit === undefined) {
        rib.withdraw(id, prefix, identifier);
        return;
      }
      let attribute = edited.get(edit);
      if (attribute === undefined) {
        attribute = attributes.internRoute({ ...route, attributes: editAttributes(route.attributes, edit) });
        edited.set(edit, attribute);
      }
      rib.announce(id, prefix, attribute, identifier);
    });
    for (const attribute of edited.values()) attributes.release(attribute);
  }

  /** Judges what comes from now on by another context; the peer is asked to tell all again. */
  changeContext(context: ImportContext): void {
    this.context = context;
  }

  /** RFC 7313 §4: what is not told again between the markers is gone. */
  refreshMarker(family: Family, marker: 'begin' | 'end'): void {
    const { id } = this;
    // While a restarted peer's end-of-RIB is awaited, stale already has a meaning (§4).
    if (id === undefined || this.awaited.has(family)) return;
    if (marker === 'begin') this.options.rib.families[family].markStale(id);
    else this.sweep(family, 'not refreshed');
  }

  /** Another reflection or another identifier: a new source to the decision process. */
  renew(source: Source): void {
    if (this.id !== undefined) this.options.rib.renewSource(this.id, source);
    this.source = source;
    this.options.changed();
  }

  /** The peer is no longer configured. */
  forget(): void {
    this.lost([], 0);
    if (this.id !== undefined) this.options.rib.removeSource(this.id);
    this.id = undefined;
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
    if (this.id === undefined) return;
    const swept = this.options.rib.families[family].sweepStale(this.id);
    if (swept === 0) return;
    this.options.log().info({ family, routes: swept, reason }, 'bgp stale routes swept');
    this.options.changed();
  }

  private sum(field: 'received' | 'stale'): number {
    const { id } = this;
    if (id === undefined) return 0;
    return FAMILIES.reduce((sum, family) => sum + this.options.rib.count(id, family)[field], 0);
  }
}

function sameSource(a: Source, b: Source): boolean {
  return (
    a.name === b.name &&
    a.address === b.address &&
    a.identifier === b.identifier &&
    a.external === b.external &&
    a.confederation === b.confederation &&
    a.metricCost === b.metricCost &&
    a.reflectorClient === b.reflectorClient
  );
}
