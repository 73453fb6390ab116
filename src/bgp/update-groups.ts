/**
 * The update groups of a speaker: one for each family, set of wire options and export context that there are peers of,
 * and one for each peer that takes several paths to a prefix.
 */
import type { Family } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import type { ExportContext } from './policy/export.ts';
import type { ExportPolicy } from './policy/export-policy.ts';
import type { PrefixId } from './rib/prefix-table.ts';
import type { Rib } from './rib/rib.ts';
import { PathGroup } from './path-group.ts';
import type { SourceId } from './rib/sources.ts';
import type { TellingGroup } from './telling-group.ts';
import { UpdateGroup } from './update-group.ts';
import type { WireOptions } from './wire/message.ts';

export class UpdateGroups {
  private readonly byKey = new Map<string, TellingGroup>();
  private readonly dissolving = new Set<TellingGroup>();
  private readonly policyNumbers = new WeakMap<ExportPolicy, number>();
  private policies = 0;

  constructor(
    private readonly rib: Rib,
    private readonly oversized: (prefix: Prefix) => void,
  ) {}

  [Symbol.iterator](): IterableIterator<TellingGroup> {
    return this.byKey.values();
  }

  /** The group of all peers that are told the same as one of this context. */
  find(family: Family, wire: WireOptions, context: ExportContext, source: SourceId): TellingGroup {
    const { policy, ...rest } = context;
    // Whatever a context has is part of the key: peers that differ in anything are told apart.
    const several = wire.addPathSend.includes(family);
    const member = several ? source : undefined;
    const key = JSON.stringify([family, this.policyNumber(policy), rest, wire, member], inOrder);
    let group = this.byKey.get(key);
    if (group === undefined) {
      const { rib, oversized } = this;
      const options = { rib, family, wire, context, oversized };
      group = several ? new PathGroup(options) : new UpdateGroup(options);
      this.byKey.set(key, group);
    }
    return group;
  }

  /** Every group once, beginning where the last round was left. */
  *round(): Generator<TellingGroup> {
    for (let left = this.byKey.size; left > 0; left--) {
      const next = this.byKey.entries().next();
      if (next.done === true) return;
      const [key, group] = next.value;
      this.byKey.delete(key);
      this.byKey.set(key, group);
      yield group;
    }
  }

  /** The best path of a prefix has changed. */
  mark(family: Family, prefix: PrefixId): void {
    for (const group of this.byKey.values()) if (group.family === family) group.mark(prefix);
  }

  /** Lets go of up to `limit` prefixes of a group that is forgotten. Returns whether there is more to let go. */
  dissolve(limit: number): boolean {
    const [group] = this.dissolving;
    if (group !== undefined && !group.dissolve(limit)) this.dissolving.delete(group);
    return this.dissolving.size > 0;
  }

  /** Forgets the groups that are not among these; {@link dissolve} works that off. */
  keep(used: ReadonlySet<TellingGroup>): void {
    for (const [key, group] of this.byKey) {
      if (used.has(group)) continue;
      this.byKey.delete(key);
      this.dissolving.add(group);
    }
  }

  private policyNumber(policy: ExportPolicy): number {
    let number = this.policyNumbers.get(policy);
    if (number === undefined) this.policyNumbers.set(policy, (number = this.policies++));
    return number;
  }
}

/** Objects with their fields in order of name, so that equal ones are equal text. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
