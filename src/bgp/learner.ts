/**
 * What one peer tells us, over the ends of its sessions: import policy on the way in, and the helper's part of graceful
 * restart (RFC 4724 §4.2): routes of a lost peer stay in use as stale, for its restart time until it comes back, and
 * then until its end-of-RIB. Where both sides have the long-lived form (RFC 9494 §4.2), what is stale when the restart
 * time is over stays as a last resort.
 */
import type { Clock, TimerHandle } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Family } from '../net/address.ts';
import type { Negotiated } from './fsm/negotiate.ts';
import type { PrefixBits } from '../net/prefix-bits.ts';
import type { FilterChain } from './policy/bgp-filter.ts';
import {
  type ImportContext,
  importEdit,
  importRefusal,
  importedAttributes,
  importedNextHop,
} from './policy/import.ts';
import { longLivedAttributes } from './policy/long-lived.ts';
import { withoutMartians } from './policy/martians.ts';
import { type PostPolicyListener, PostPolicyUpdate } from './post-policy.ts';
import { RecordImport } from './policy/import-record.ts';
import { type RouteEdit, editAttributes } from './policy/route-edit.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import { FAMILIES, type Rib } from './rib/rib.ts';
import type { Source } from './rib/route.ts';
import type { SourceId } from './rib/sources.ts';
import type { RouteValues } from './wire/attribute-record.ts';
import { type NlriBytes, decodeNlri, visitNlriBits } from './wire/nlri.ts';
import { type ParsedUpdate, type ReceivedRoute, routeValues } from './wire/update.ts';

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
  /** Who is told what policy makes of UPDATEs. */
  readonly postPolicy?: PostPolicyListener;
}

export class Learner {
  private source: Source | undefined;
  /** What the RIB knows the source by. */
  private id: SourceId | undefined;
  private context: ImportContext | undefined;
  /** When the stale routes of a family go. */
  private readonly timers = new Map<Family, TimerHandle>();
  /** By family, the seconds that routes may outlive the session for long: what the last session has agreed on. */
  private longLivedTimes: ReadonlyMap<Family, number> = new Map();
  /** Families whose stale routes do so now. */
  private readonly longLived = new Set<Family>();
  /** The same for routes that have come as records. */
  private byRecord: RecordImport | undefined;
  /** Families whose end-of-RIB is awaited in this session. */
  private readonly awaited = new Set<Family>();
  /** What has become of the UPDATE that is being read, if anybody wants to know. */
  private outcome: PostPolicyUpdate | undefined;
  /** Attributes whose faults have cost routes in this session, and have been told of. */
  private readonly toldFaults = new Set<string>();

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

  /**
   * The session is up. Returns what the RIB knows the peer by. `reopened`: it was we who ended the one before, for the
   * sake of this; then what the peer has told holds until it has told it again, unless it has restarted meanwhile.
   */
  established(
    source: Source,
    negotiated: Negotiated,
    context: ImportContext,
    { reopened }: { readonly reopened: boolean } = { reopened: false },
  ): SourceId {
    this.changeContext(context);
    this.id ??= this.options.rib.addSource(source);
    if (this.source !== undefined && !sameSource(this.source, source)) this.renew(source);
    this.source = source;
    const restart = negotiated.gracefulRestart?.families ?? [];
    const unbroken = reopened && negotiated.gracefulRestart?.restarting === false;
    this.awaited.clear();
    this.toldFaults.clear();
    for (const family of FAMILIES) {
      const entry = restart.find((candidate) => candidate.family === family);
      if (entry !== undefined) this.awaited.add(family);
      const outlived = this.longLived.has(family);
      const { longLivedStale } = negotiated;
      const listed = outlived ? longLivedStale.find((candidate) => candidate.family === family) : entry;
      // Without F its forwarding state is gone, and stale routes would lead nowhere (RFC 4724 §4.2, RFC 9494 §4.2).
      const preserved = listed?.forwarding === true || (unbroken && listed !== undefined);
      if (!preserved) this.sweep(family, 'forwarding state not preserved');
      // What has outlived the session for long goes when its time is over, whether the peer is back or not.
      else if (!outlived) this.sweepAfter(family, STALE_TIME, 'no end-of-RIB in time');
    }
    this.longLivedTimes = new Map(
      negotiated.longLivedStale.map(({ family, staleTime }) => [
        family,
        Math.min(staleTime, context.longLivedTime ?? staleTime),
      ]),
    );
    this.options.changed();
    return this.id;
  }

  /** The session is down. Routes of `retain` stay for `restartTime` seconds, the rest goes. */
  lost(retain: readonly Family[], restartTime: number): void {
    const { id } = this;
    if (id === undefined) return;
    for (const family of FAMILIES) {
      const rib = this.options.rib.families[family];
      this.settle(family);
      if (!retain.includes(family) || restartTime + this.longLivedTime(family) === 0) {
        rib.drop(id);
        continue;
      }
      rib.markStale(id);
      if (restartTime > 0) this.after(family, restartTime, () => this.restartTimeOver(family));
      else this.restartTimeOver(family);
    }
    this.options.changed();
  }

  private restartTimeOver(family: Family): void {
    const { id } = this;
    const time = this.longLivedTime(family);
    if (id === undefined || time === 0) {
      this.sweep(family, 'peer did not come back in time');
      return;
    }
    const { rib, log, changed } = this.options;
    this.longLived.add(family);
    const edited = new Map<AttributeId, AttributeId>();
    rib.families[family].editStale(id, (before) => {
      let after = edited.get(before);
      if (after === undefined) {
        const { attributes, nextHop } = rib.attributes.route(before);
        const outlived = longLivedAttributes(attributes);
        after = outlived === undefined ? 0 : rib.attributes.internRoute({ attributes: outlived, nextHop });
        edited.set(before, after);
      }
      if (after !== 0) rib.attributes.hold(after);
      return after;
    });
    for (const attribute of edited.values()) if (attribute !== 0) rib.attributes.release(attribute);
    log().info({ family, routes: this.count(family), seconds: time }, 'bgp stale routes are kept for long');
    this.sweepAfter(family, time, 'peer did not come back in its long-lived stale time');
    changed();
  }

  private longLivedTime(family: Family): number {
    return this.longLivedTimes.get(family) ?? 0;
  }

  private sweepAfter(family: Family, seconds: number, reason: string): void {
    this.after(family, seconds, () => this.sweep(family, reason));
  }

  private after(family: Family, seconds: number, act: () => void): void {
    this.timers.get(family)?.cancel();
    this.timers.set(family, this.options.clock.after(seconds * 1000, act));
  }

  /** Nothing of the family is stale any more, or it is about to be anew. */
  private settle(family: Family): void {
    this.timers.get(family)?.cancel();
    this.timers.delete(family);
    this.longLived.delete(family);
  }

  update(message: ParsedUpdate): void {
    const { id, context } = this;
    if (id === undefined || context === undefined) return;
    if (message.faults.length > 0) this.tellFaults(message);
    const { postPolicy } = this.options;
    this.outcome = postPolicy?.wanted() === true ? new PostPolicyUpdate(message.endOfRib) : undefined;
    for (const nlri of message.withdrawn) this.unlearn(id, nlri);
    for (const nlri of message.treatAsWithdraw) this.unlearn(id, nlri);
    for (const { nlri, route } of message.announced) {
      const usable = withoutMartians(nlri);
      if (usable !== nlri) this.options.log().debug('bgp prefixes ignored that are not unicast');
      this.learn(id, usable, route, context);
    }
    if (message.endOfRib !== undefined) this.endOfRib(message.endOfRib);
    if (this.outcome !== undefined) postPolicy?.told(this.outcome);
    this.outcome = undefined;
    this.options.changed();
  }

  /** RFC 7606 §6: with the prefixes and the whole message; aloud the first time in a session that one costs routes. */
  private tellFaults({ faults, announced, treatAsWithdraw, octets = new Uint8Array(0) }: ParsedUpdate): void {
    const log = this.options.log();
    for (const { attribute, action, reason } of faults) {
      const isNews = action === 'withdraw' && !this.toldFaults.has(attribute);
      if (!isNews && !log.isLevelEnabled('debug')) continue;
      if (isNews) this.toldFaults.add(attribute);
      const concerned = [...treatAsWithdraw, ...announced.map(({ nlri }) => nlri)];
      const prefixes = concerned.flatMap((nlri) => decodeNlri(nlri).prefixes);
      const update = Buffer.from(octets).toString('hex');
      log[isNews ? 'warn' : 'debug'](
        { attribute, action, reason, prefixes, update },
        'bgp update with a malformed attribute',
      );
    }
  }

  private unlearn(id: SourceId, nlri: NlriBytes): void {
    this.outcome?.withdraw(nlri);
    this.options.rib.families[nlri.family].unlearn(id, nlri);
  }

  private learn(id: SourceId, nlri: NlriBytes, route: ReceivedRoute, context: ImportContext): void {
    const { rib } = this.options;
    if (route.type === 'record' && context.filters === undefined) {
      const { bytes, start, end } = route;
      if (this.byRecord?.passes(bytes, start, end) === true) {
        this.learnAs(id, nlri, rib.attributes.intern(bytes, start, end));
        return;
      }
    }
    const { attributes, nextHop } = routeValues(route);
    const refusal = importRefusal(attributes, nextHop, context);
    if (refusal !== undefined) {
      this.options.log().debug({ reason: refusal }, 'bgp routes not usable');
      this.unlearn(id, nlri);
      return;
    }
    const imported = {
      attributes: importedAttributes(attributes, context),
      nextHop: importedNextHop(nextHop, context),
    };
    if (context.filters !== undefined) {
      this.learnFiltered(id, nlri, imported, context.filters);
      return;
    }
    this.learnAs(id, nlri, rib.attributes.internRoute(imported));
  }

  /** Takes over the hold on the attributes. */
  private learnAs(id: SourceId, nlri: NlriBytes, attribute: AttributeId): void {
    const { rib } = this.options;
    this.outcome?.announce(nlri, rib.attributes.route(attribute));
    rib.families[nlri.family].learn(id, nlri, attribute);
    rib.attributes.release(attribute);
  }

  private learnFiltered(id: SourceId, nlri: NlriBytes, route: RouteValues, filters: FilterChain): void {
    const { attributes } = this.options.rib;
    const rib = this.options.rib.families[nlri.family];
    const edited = new Map<RouteEdit, AttributeId>();
    const tell = this.outcome?.sorter(nlri, (attribute) => attributes.route(attribute));
    visitNlriBits(nlri, (prefix: PrefixBits, identifier) => {
      const edit = importEdit(prefix, route.attributes, filters);
      if (edit === undefined) {
        tell?.(prefix, identifier, undefined);
        rib.withdraw(id, prefix, identifier);
        return;
      }
      let attribute = edited.get(edit);
      if (attribute === undefined) {
        attribute = attributes.internRoute({ ...route, attributes: editAttributes(route.attributes, edit) });
        edited.set(edit, attribute);
      }
      tell?.(prefix, identifier, attribute);
      rib.announce(id, prefix, attribute, identifier);
    });
    for (const attribute of edited.values()) attributes.release(attribute);
  }

  /** Judges what comes from now on by another context; the peer is asked to tell all again. */
  changeContext(context: ImportContext): void {
    this.context = context;
    this.byRecord = new RecordImport(context);
  }

  /** RFC 7313 §4: what is not told again between the markers is gone. */
  refreshMarker(family: Family, marker: 'begin' | 'end'): void {
    const { id } = this;
    // While a restarted peer's end-of-RIB is awaited, stale already has a meaning (§4).
    if (id === undefined || this.awaited.has(family)) return;
    if (marker === 'begin') {
      // One that begins again before its end goes on: what is stale is about to be told.
      if (this.options.rib.count(id, family).stale > 0) return;
      this.options.rib.families[family].markStale(id);
    } else this.sweep(family, 'not refreshed');
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
    this.options.endOfRib(family);
  }

  private sweep(family: Family, reason: string): void {
    if (this.id === undefined) return;
    this.settle(family);
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
    a.link === b.link &&
    a.identifier === b.identifier &&
    a.external === b.external &&
    a.workload === b.workload &&
    a.confederation === b.confederation &&
    a.metricCost === b.metricCost &&
    a.reflectorClient === b.reflectorClient
  );
}
