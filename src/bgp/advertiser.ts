/**
 * What one session tells its peer: the loc-RIB through the export policy, initial end-of-RIB (RFC 4724 §2), and all of
 * it again when asked (RFC 2918, RFC 7313). What changes while a peer is behind, or rests between two rounds (pace.ts),
 * is told once, and as it is then. The telling itself is done in groups of peers that are told the same
 * (update-group.ts).
 */
import type { Family } from '../net/address.ts';
import type { Pace } from './pace.ts';
import type { ExportContext } from './policy/export.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import type { SourceId } from './rib/sources.ts';
import { type GroupMember, type TellingGroup, canTell } from './telling-group.ts';
import { afiSafi } from './wire/afi-safi.ts';
import type { Message, WireOptions } from './wire/message.ts';

export interface AdvertiserOptions {
  /** The peer as a source of routes. */
  readonly source: SourceId;
  readonly families: readonly Family[];
  readonly wire: WireOptions;
  readonly enhancedRouteRefresh: boolean;
  /** Nobody else is about to tell what this peer has from us alone, so that its end-of-RIB may follow. */
  readonly mayEnd: (family: Family) => boolean;
  /** The peer is so far behind in reading that nothing more should be written. */
  readonly congested: () => boolean;
  readonly write: (bytes: Uint8Array) => void;
  /** How a family is spread over time. */
  readonly pace: () => Pace;
  readonly send: (message: Message) => void;
}

/** The group that tells peers of this context. */
export type GroupFinder = (
  family: Family,
  wire: WireOptions,
  context: ExportContext,
  source: SourceId,
) => TellingGroup;

/** Where the telling of a family stands. */
interface Telling {
  readonly member: GroupMember;
  readonly pace: Pace;
  group: TellingGroup;
  /** The group before, while the other still asks it what the peer holds. */
  before: TellingGroup | undefined;
  /** The policy has changed: the group to go over to when it has worked out what it tells. */
  next: TellingGroup | undefined;
  endOfRibDue: boolean;
  /** A refresh that is marked was asked for before the end-of-RIB. */
  refreshDue: boolean;
  /** A refresh is under way, and its end must be marked. */
  refreshing: boolean;
}

export class Advertiser {
  private readonly tellings: readonly Telling[];

  constructor(
    private readonly options: AdvertiserOptions,
    private readonly groups: GroupFinder,
    context: ExportContext,
  ) {
    const { source, wire, congested, write } = options;
    this.tellings = options.families.map((family) => {
      const pace = options.pace();
      const member: GroupMember = {
        source,
        congested,
        resting: () => pace.isResting,
        write: (bytes) => {
          pace.tell();
          write(bytes);
        },
      };
      const group = groups(family, wire, context, source);
      group.join(member);
      return {
        member,
        pace,
        group,
        before: undefined,
        next: undefined,
        endOfRibDue: true,
        refreshDue: false,
        refreshing: false,
      };
    });
  }

  /** Prefixes the peer holds from us, or is about to. */
  get advertised(): number {
    return this.tellings.reduce((sum, { group, member }) => sum + group.heldBy(member), 0);
  }

  /** The policy has changed: everything is judged again, and what differs is sent. */
  changePolicy(context: ExportContext): void {
    for (const telling of this.tellings) {
      const { wire, source } = this.options;
      const next = this.groups(telling.group.family, wire, context, source);
      telling.next = next === telling.group ? undefined : next;
    }
  }

  /** Sends all of a family again (RFC 2918 §4), between markers if both sides know them (RFC 7313 §4). */
  refresh(family: Family): void {
    for (const telling of this.tellings) {
      if (telling.group.family !== family) continue;
      if (!this.options.enhancedRouteRefresh) telling.group.refresh(telling.member);
      // No beginning is marked before the end-of-RIB (RFC 7313 §4).
      else if (telling.endOfRibDue) telling.refreshDue = true;
      else this.refreshMarked(telling);
    }
  }

  /** What is asked for while it is under way is told between the same markers. */
  private refreshMarked(telling: Telling): void {
    const { group, member, refreshing } = telling;
    group.refresh(member);
    if (refreshing) return;
    telling.refreshing = true;
    this.options.send({ type: 'route-refresh', ...afiSafi(group.family), subtype: 'begin' });
  }

  /**
   * Goes over to the group of a new policy, and sends the markers that are due. `settled` says whether a family's
   * selection is complete, so that its end-of-RIB may follow. Returns whether it has left a group.
   */
  advance(settled: (family: Family) => boolean): boolean {
    let moved = false;
    for (const telling of this.tellings) {
      const { member, next } = telling;
      if (telling.before !== undefined && !telling.group.isArriving(member)) {
        telling.before = undefined;
        moved = true;
      }
      if (next?.settled === true && telling.before === undefined) {
        next.join(member, telling.group);
        telling.before = telling.group;
        telling.group = next;
        telling.next = undefined;
        moved = true;
      }
      const { group } = telling;
      if (!group.settled || !group.isInStep(member) || !canTell(member)) continue;
      if (telling.endOfRibDue && settled(group.family) && this.options.mayEnd(group.family)) {
        telling.endOfRibDue = false;
        this.options.send({ type: 'update', withdrawn: [], announced: [], endOfRib: group.family });
        if (telling.refreshDue) this.refreshMarked(telling);
        telling.refreshDue = false;
      }
      if (telling.refreshing && group.settled && group.isInStep(member)) {
        telling.refreshing = false;
        this.options.send({ type: 'route-refresh', ...afiSafi(group.family), subtype: 'end' });
      }
      // All that there is at first is one round, with its end-of-RIB.
      if (group.isInStep(member) && !telling.endOfRibDue) telling.pace.rest();
    }
    return moved;
  }

  /** What has come together while the peer rested is told now. */
  endRest(): void {
    for (const { pace } of this.tellings) pace.end();
  }

  /** The attributes of a prefix as the peer holds them, or is being told them; 0 for nothing. */
  toldAttribute(family: Family, prefix: PrefixId): AttributeId {
    const telling = this.tellings.find(({ group }) => group.family === family);
    return telling === undefined ? 0 : telling.group.toldTo(telling.member, prefix);
  }

  /** For people: whether the peer is told of a prefix, and the rule that decides. */
  explain(family: Family, prefix: PrefixId): { readonly told: boolean; readonly rule: string } {
    const telling = this.tellings.find(({ group }) => group.family === family);
    if (telling === undefined) return { told: false, rule: 'family-not-negotiated' };
    return (telling.next ?? telling.group).explain(telling.member, prefix);
  }

  /** Groups that this session is in or about to go to. */
  *inUse(): Generator<TellingGroup> {
    for (const { group, before, next } of this.tellings) {
      yield group;
      if (before !== undefined) yield before;
      if (next !== undefined) yield next;
    }
  }

  /** The session is over. */
  close(): void {
    for (const { group, member, pace } of this.tellings) {
      pace.close();
      group.leave(member);
    }
  }
}
