/** Peers that are told the same in one family, as sessions and the routing see them. */
import type { Family } from '../net/address.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import type { SourceId } from './rib/sources.ts';

/** One peer in one family. */
export interface GroupMember {
  readonly source: SourceId;
  /** Whether the peer is so far behind in reading that nothing more should be written. */
  readonly congested: () => boolean;
  /** Whether the peer is left alone between two rounds (pace.ts). Unlike who is congested it holds nobody up. */
  readonly resting: () => boolean;
  readonly write: (bytes: Uint8Array) => void;
}

/** Whether a member may be written to now. */
export function canTell({ congested, resting }: GroupMember): boolean {
  return !resting() && !congested();
}

/** Whether a prefix is told, and the rule that decides. */
export interface ExportVerdict {
  readonly told: boolean;
  readonly rule: string;
}

export interface TellingGroup {
  readonly family: Family;
  /** What has been told, or would be, is what there is to tell. */
  readonly settled: boolean;
  /** Whether {@link flush} would do something now: never while all that could be told at once do not read. */
  readonly canFlush: boolean;
  /** Members that {@link catchUp} would do something for now. */
  readonly lagging: readonly GroupMember[];
  /** The paths of a prefix have changed. */
  mark(prefix: PrefixId): void;
  /** Prefixes that a member holds, or is being told. */
  heldBy(member: GroupMember): number;
  /** The attributes of a prefix as a member holds them, or is being told them; 0 for nothing. Of its best path, if of several. */
  toldTo(member: GroupMember, prefix: PrefixId): AttributeId;
  /** For people: whether a member is told of a prefix, and the rule that decides. */
  explain(member: GroupMember, prefix: PrefixId): ExportVerdict;
  isInStep(member: GroupMember): boolean;
  /** What a member holds from the group that it came from is still being compared: that group must stay. */
  isArriving(member: GroupMember): boolean;
  /** Takes in a peer that holds nothing, or holds what another group of the same kind has told it, and takes it from there. */
  join(member: GroupMember, before?: TellingGroup): void;
  leave(member: GroupMember): void;
  /** Has a member told all again (RFC 2918 §4). */
  refresh(member: GroupMember): void;
  /** Tells the members in step of up to `limit` marked prefixes. */
  flush(limit: number): void;
  /** Tells a member that lags of up to `limit` prefixes. */
  catchUp(member: GroupMember, limit: number): void;
  /** Nobody is told anything any more: lets go of up to `limit` prefixes. Returns whether there are more. */
  dissolve(limit: number): boolean;
}
