/** The members of one set, from what its sources contribute, and how they differ from the last flush. */
import { type Address, addressBits, familyOf } from '../net/address.ts';
import { type Prefix, prefixAddress, prefixLength } from '../net/prefix.ts';
import type { SetDelta, SetKind } from './output.ts';
import { PrefixCover } from './prefix-cover.ts';

/** What an endpoint or network set brings into the sets whose selectors match it. */
export interface Contribution {
  readonly prefixes: readonly Prefix[];
  readonly ports: readonly NamedPort[];
}

/** A port that an endpoint gives a name. */
export interface NamedPort {
  readonly name: string;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
}

/** Which ports of its sources a named-port set is about. Without a protocol: the name under any. */
export interface NamedPortMatch {
  readonly name: string;
  readonly protocol: number | undefined;
}

/** What a set means. Equal definitions have equal ids. */
export interface SetMeaning {
  readonly kind: SetKind;
  readonly description: string;
  /** Given exactly for `named-port`. */
  readonly port: NamedPortMatch | undefined;
}

export class MemberSet {
  /** Net changes since the last flush: true for added, false for removed. */
  private readonly changes = new Map<string, boolean>();
  private readonly cover: PrefixCover;
  private readonly portCounts = new Map<string, number>();
  private flushedBefore = false;

  constructor(private readonly meaning: SetMeaning) {
    this.cover = new PrefixCover({
      appeared: (prefix) => this.note(prefix, true),
      vanished: (prefix) => this.note(prefix, false),
    });
  }

  /** Whether the consumer has heard of the set. */
  get isKnown(): boolean {
    return this.flushedBefore;
  }

  add(contribution: Contribution): void {
    const { port } = this.meaning;
    if (port === undefined) {
      for (const prefix of contribution.prefixes) this.cover.add(prefix);
      return;
    }
    for (const member of namedPortMembers(contribution, port)) {
      const count = this.portCounts.get(member) ?? 0;
      this.portCounts.set(member, count + 1);
      if (count === 0) this.note(member, true);
    }
  }

  remove(contribution: Contribution): void {
    const { port } = this.meaning;
    if (port === undefined) {
      for (const prefix of contribution.prefixes) this.cover.remove(prefix);
      return;
    }
    for (const member of namedPortMembers(contribution, port)) {
      const count = this.portCounts.get(member)!;
      if (count > 1) {
        this.portCounts.set(member, count - 1);
      } else {
        this.portCounts.delete(member);
        this.note(member, false);
      }
    }
  }

  /** The changes since the last flush; undefined if there are none and the set is known. */
  flush(): SetDelta | undefined {
    if (this.changes.size === 0 && this.flushedBefore) return undefined;
    const added: string[] = [];
    const removed: string[] = [];
    for (const [member, isAdded] of this.changes) (isAdded ? added : removed).push(member);
    this.changes.clear();
    this.flushedBefore = true;
    return { kind: this.meaning.kind, description: this.meaning.description, added, removed };
  }

  private note(member: string, added: boolean): void {
    if (this.changes.has(member)) this.changes.delete(member);
    else this.changes.set(member, added);
  }
}

function* namedPortMembers(contribution: Contribution, wanted: NamedPortMatch): Generator<string> {
  for (const { name, protocol, port } of contribution.ports) {
    if (name !== wanted.name || (wanted.protocol !== undefined && wanted.protocol !== protocol)) continue;
    for (const prefix of contribution.prefixes) {
      const host = hostOf(prefix);
      if (host !== undefined) yield `${host},${protocol},${port}`;
    }
  }
}

/** The address of a host prefix. */
function hostOf(prefix: Prefix): Address | undefined {
  return prefixLength(prefix) === addressBits(familyOf(prefix)) ? prefixAddress(prefix) : undefined;
}
