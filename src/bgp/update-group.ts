/**
 * Peers that are told the same, in one family: one adj-RIB-out, each change encoded once and the same bytes written to
 * every socket. A member is in step with the group, or it lags: it is new, has asked for all again, rests between two
 * rounds, or does not read fast enough. Who lags catches up on its own, from the state of the group, and then joins it again; so a slow reader
 * delays nobody, and costs bits and not a queue.
 *
 *     RIB ──mark──► adj-RIB-out ──flush──► members in step: the same bytes
 *                        │
 *                        └───────catch up──► each member that lags: what it has missed
 */
import type { Family } from '../net/address.ts';
import { Exporter, type ExporterOptions } from './exporter.ts';
import { AdjRibOut } from './rib/adj-rib-out.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { FamilyRib } from './rib/family-rib.ts';
import { Lag } from './rib/lag.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import { OWN, type SourceId } from './rib/sources.ts';
import { type ExportVerdict, type GroupMember, type TellingGroup, canTell } from './telling-group.ts';
import { UpdateBatch, WITHDRAWN } from './update-batch.ts';

/** What is told to one member only. */
interface Correction {
  readonly prefix: PrefixId;
  readonly attribute: AttributeId;
}

export class UpdateGroup implements TellingGroup {
  private readonly rib: FamilyRib;
  private readonly told: AdjRibOut;
  private readonly exporter: Exporter;
  private readonly batch: UpdateBatch;
  /** With what it lags behind by; undefined: in step. */
  private readonly members = new Map<GroupMember, Lag | undefined>();
  /** Those that come from another group, with that, until all that they hold is compared. */
  private readonly arriving = new Map<GroupMember, UpdateGroup>();
  /** Those that have gone over to another group, which still asks what they hold: they are told nothing here. */
  private readonly departing = new Set<GroupMember>();

  constructor(private readonly options: ExporterOptions) {
    const { rib, family, wire } = options;
    this.rib = rib.families[family];
    this.told = new AdjRibOut(this.rib.prefixes, rib.attributes);
    this.exporter = new Exporter(options);
    this.batch = new UpdateBatch(family, wire, this.rib.prefixes, rib.attributes);
    for (let prefix = 0; prefix < this.rib.prefixes.limit; prefix++) {
      if (this.rib.best(prefix) !== 0) this.told.mark(prefix);
    }
    if (this.exporter.defaultRoute !== undefined) this.told.mark(this.exporter.defaultRoute.prefix);
  }

  get family(): Family {
    return this.options.family;
  }

  /** Nothing is marked: what has been told is what there is to tell. */
  get settled(): boolean {
    return this.told.pending === 0;
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  /** The best path of a prefix has changed. */
  mark(prefix: PrefixId): void {
    this.told.mark(prefix);
  }

  /** Prefixes that a member holds, or is being told. */
  heldBy(member: GroupMember): number {
    return this.told.heldBy(member.source);
  }

  /** The attributes of a prefix as a member holds them, or is being told them; 0 for nothing. */
  toldTo(member: GroupMember, prefix: PrefixId): AttributeId {
    return this.told.attributeFor(prefix, member.source);
  }

  /** For people: whether a member is told of a prefix, and the rule that decides. */
  explain(member: GroupMember, prefix: PrefixId): ExportVerdict {
    if (prefix === this.exporter.defaultRoute?.prefix) return { told: true, rule: 'default-originate' };
    const best = this.rib.best(prefix);
    if (best === 0) return { told: false, rule: 'nothing-selected' };
    if (this.rib.paths.source(best) === member.source) return { told: false, rule: 'comes-from-this-peer' };
    return this.exporter.explain(prefix, best);
  }

  isInStep(member: GroupMember): boolean {
    return this.members.has(member) && this.members.get(member) === undefined;
  }

  /**
   * Takes in a peer that holds nothing, or holds what another group has told it. That is compared a piece at a time, so
   * that others are served in between: the other group goes on, and notes what it no longer tells the peer of.
   */
  join(member: GroupMember, previous?: TellingGroup): void {
    const lag = new Lag(this.rib.prefixes);
    if (previous instanceof UpdateGroup) {
      previous.depart(member);
      this.arriving.set(member, previous);
      lag.tellAll();
    } else if (this.heldBy(member) > 0) {
      lag.tellAll();
    }
    this.members.set(member, lag.isOver ? undefined : lag);
  }

  isArriving(member: GroupMember): boolean {
    return this.arriving.has(member);
  }

  private depart(member: GroupMember): void {
    this.departing.add(member);
    this.members.set(member, this.members.get(member) ?? new Lag(this.rib.prefixes));
  }

  leave(member: GroupMember): void {
    this.arrived(member);
    this.departing.delete(member);
    this.members.get(member)?.clear();
    this.members.delete(member);
  }

  private arrived(member: GroupMember): void {
    this.arriving.get(member)?.leave(member);
    this.arriving.delete(member);
  }

  /** Has a member told all again (RFC 2918 §4). */
  refresh(member: GroupMember): void {
    if (this.heldBy(member) === 0) return;
    const lag = this.members.get(member) ?? new Lag(this.rib.prefixes);
    lag.tellAgain();
    this.members.set(member, lag);
  }

  /** Whether {@link flush} would do something now: never while all that could be told at once do not read. */
  get canFlush(): boolean {
    if (this.settled) return false;
    let waiting = false;
    for (const [{ congested }, lag] of this.members) {
      if (lag !== undefined) continue;
      if (!congested()) return true;
      waiting = true;
    }
    return !waiting;
  }

  /** Tells the members in step of up to `limit` marked prefixes. */
  flush(limit: number): void {
    const inStep = this.membersInStep();
    const withdrawn: PrefixId[] = [];
    const corrections = new Map<GroupMember, Correction[]>();
    for (let budget = limit; budget > 0; budget--) {
      const prefix = this.told.take();
      if (prefix < 0) break;
      const best = this.rib.best(prefix);
      const { defaultRoute } = this.exporter;
      const isDefault = prefix === defaultRoute?.prefix;
      const source = best === 0 || isDefault ? OWN : this.rib.paths.source(best);
      const attribute = isDefault
        ? defaultRoute.attribute
        : best === 0
          ? WITHDRAWN
          : this.exporter.export(prefix, best);
      const before = this.told.attribute(prefix);
      const sourceBefore = this.told.source(prefix);
      const moved = before !== WITHDRAWN && attribute !== WITHDRAWN && source !== sourceBefore;
      if (attribute === before && !moved) {
        this.told.settle(prefix);
        continue;
      }
      this.missed(prefix);
      this.told.set(prefix, attribute, source);
      if (attribute === WITHDRAWN) withdrawn.push(prefix);
      if (attribute !== before) {
        this.batch.add(prefix, attribute, attribute === WITHDRAWN ? sourceBefore : source);
      }
      if (moved) this.correct(inStep, corrections, prefix, sourceBefore, attribute === before);
    }
    this.write(inStep, corrections);
    for (const prefix of withdrawn) this.told.settle(prefix);
  }

  /** Members that lag and could be told something now, or compared with what another group has told them. */
  get lagging(): GroupMember[] {
    const members: GroupMember[] = [];
    for (const [member, lag] of this.members) {
      if (lag === undefined || this.departing.has(member)) continue;
      if (this.arriving.has(member) || canTell(member)) members.push(member);
    }
    return members;
  }

  /** Tells a member that lags of up to `limit` prefixes. */
  catchUp(member: GroupMember, limit: number): void {
    const lag = this.members.get(member);
    if (lag === undefined) return;
    const { batch } = this;
    const wanted = (prefix: PrefixId): AttributeId => this.told.attributeFor(prefix, member.source);
    const previous = this.arriving.get(member);
    if (previous === undefined) {
      lag.walk(limit, (prefix) => wanted(prefix) !== WITHDRAWN);
    } else {
      const held = (prefix: PrefixId): AttributeId => previous.heldAttribute(member, prefix);
      lag.walk(
        limit,
        (prefix) => wanted(prefix) !== held(prefix),
        (prefix) => held(prefix) !== WITHDRAWN,
      );
      if (!lag.isWalkingFirst) this.arrived(member);
      if (!canTell(member)) return;
    }
    const prefixes = lag.next(limit);
    for (const prefix of prefixes) {
      const attribute = this.told.attributeFor(prefix, member.source);
      if (attribute !== WITHDRAWN || lag.holds(prefix)) batch.add(prefix, attribute);
    }
    if (!batch.isEmpty) member.write(batch.encode().bytesFor(member.source));
    for (const prefix of prefixes) lag.settle(prefix);
    // To the end of the queue, so that nobody waits for another's whole table.
    this.members.delete(member);
    this.members.set(member, lag.isOver ? undefined : lag);
  }

  /** Nobody is told anything any more. */
  dissolve(limit: number): boolean {
    for (const member of this.members.keys()) this.leave(member);
    if (this.told.clear(limit)) return true;
    this.exporter.clear();
    return false;
  }

  /** By source. Who does not read, or rests, is left behind. */
  private membersInStep(): Map<SourceId, GroupMember> {
    const inStep = new Map<SourceId, GroupMember>();
    for (const [member, lag] of this.members) {
      if (lag !== undefined) continue;
      if (canTell(member)) inStep.set(member.source, member);
      else this.members.set(member, new Lag(this.rib.prefixes));
    }
    return inStep;
  }

  /** The prefix is about to change: who lags has missed that. */
  private missed(prefix: PrefixId): void {
    for (const [member, lag] of this.members) {
      if (lag === undefined || lag.isUntold(prefix)) continue;
      lag.add(prefix, this.told.attributeFor(prefix, member.source) !== WITHDRAWN);
    }
  }

  /** A route comes from another member now: that one loses it, and who told it before gets it. */
  private correct(
    inStep: ReadonlyMap<SourceId, GroupMember>,
    corrections: Map<GroupMember, Correction[]>,
    prefix: PrefixId,
    sourceBefore: SourceId,
    unchanged: boolean,
  ): void {
    const add = (member: GroupMember | undefined, attribute: AttributeId): void => {
      if (member === undefined) return;
      const list = corrections.get(member);
      if (list === undefined) corrections.set(member, [{ prefix, attribute }]);
      else list.push({ prefix, attribute });
    };
    add(inStep.get(this.told.source(prefix)), WITHDRAWN);
    // With other attributes it is told with everyone else.
    if (unchanged) add(inStep.get(sourceBefore), this.told.attribute(prefix));
  }

  private write(
    inStep: ReadonlyMap<SourceId, GroupMember>,
    corrections: ReadonlyMap<GroupMember, readonly Correction[]>,
  ): void {
    const { batch } = this;
    if (!batch.isEmpty) {
      const encoded = batch.encode();
      for (const member of inStep.values()) {
        const bytes = encoded.bytesFor(member.source);
        if (bytes.length > 0) member.write(bytes);
      }
    }
    for (const [member, list] of corrections) {
      for (const { prefix, attribute } of list) batch.add(prefix, attribute);
      member.write(batch.encode().bytesFor(member.source));
    }
  }

  /** What a member holds by what it has been told here, for another group: 0 for nothing, -1 for something old. */
  private heldAttribute(member: GroupMember, prefix: PrefixId): AttributeId {
    const lag = this.members.get(member);
    if (lag?.has(prefix) === true) return lag.holds(prefix) ? -1 : WITHDRAWN;
    if (lag?.isUntold(prefix) === true) return WITHDRAWN;
    const attribute = this.told.attributeFor(prefix, member.source);
    return attribute !== WITHDRAWN && lag?.isDueAgain(prefix) === true ? -1 : attribute;
  }
}
