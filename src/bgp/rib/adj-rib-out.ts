/**
 * What a group of peers has been told in one family: for each prefix the attributes as exported, and who told us the
 * route, because that one is not told. A change only marks a prefix; what was marked is worked off in order.
 */
import type { AttributeId, AttributeStore } from './attribute-store.ts';
import { FIRST_ROWS, grown } from './columns.ts';
import { PrefixQueue } from './prefix-queue.ts';
import type { PrefixId, PrefixTable } from './prefix-table.ts';
import type { SourceId } from './sources.ts';

export class AdjRibOut {
  private attributeColumn = new Uint32Array(FIRST_ROWS);
  private sourceColumn = new Uint16Array(FIRST_ROWS);
  private readonly marked = new PrefixQueue();
  private readonly countBySource: number[] = [];
  private total = 0;
  /** What {@link clear} has come to. */
  private cleared: PrefixId = 0;

  constructor(
    private readonly prefixes: PrefixTable,
    private readonly attributes: AttributeStore,
  ) {}

  /** Prefixes marked and not yet taken. */
  get pending(): number {
    return this.marked.size;
  }

  /** Prefixes that a member holds which is this source. */
  heldBy(source: SourceId): number {
    return this.total - (this.countBySource[source] ?? 0);
  }

  /** A prefix is held here while it is marked or told. */
  mark(prefix: PrefixId): void {
    if (this.marked.add(prefix) && this.attribute(prefix) === 0) this.prefixes.hold(prefix);
  }

  /** The next marked prefix, or -1. {@link settle} must follow. */
  take(): PrefixId {
    return this.marked.take();
  }

  /** The last word about a prefix that was taken, once nobody needs it any more. */
  settle(prefix: PrefixId): void {
    if (this.attribute(prefix) === 0) this.prefixes.release(prefix);
  }

  /** What the group holds, or 0. */
  attribute(prefix: PrefixId): AttributeId {
    return prefix < this.attributeColumn.length ? this.attributeColumn[prefix]! : 0;
  }

  /** Who told the route that the group holds. */
  source(prefix: PrefixId): SourceId {
    return this.sourceColumn[prefix]!;
  }

  /** What one member holds, or 0: nobody is told its own routes. */
  attributeFor(prefix: PrefixId, member: SourceId): AttributeId {
    const attribute = this.attribute(prefix);
    return attribute !== 0 && this.sourceColumn[prefix] === member ? 0 : attribute;
  }

  set(prefix: PrefixId, attribute: AttributeId, source: SourceId): void {
    const before = this.attribute(prefix);
    if (attribute !== 0) this.attributes.hold(attribute);
    if (before !== 0) {
      this.attributes.release(before);
      this.count(this.sourceColumn[prefix]!, -1);
    }
    if (attribute !== 0) this.count(source, 1);
    if (prefix >= this.attributeColumn.length) {
      this.attributeColumn = grown(this.attributeColumn, prefix + 1);
      this.sourceColumn = grown(this.sourceColumn, prefix + 1);
    }
    this.attributeColumn[prefix] = attribute;
    this.sourceColumn[prefix] = source;
  }

  /** Lets go of up to `limit` prefixes: the group is no more. Returns whether there are more to look at. */
  clear(limit: number): boolean {
    for (let budget = limit; budget > 0 && this.pending > 0; budget--) this.settle(this.take());
    if (this.pending > 0) return true;
    const rows = Math.min(this.prefixes.limit, this.attributeColumn.length);
    const end = Math.min(this.cleared + limit, rows);
    for (; this.cleared < end; this.cleared++) {
      if (this.attributeColumn[this.cleared] === 0) continue;
      this.set(this.cleared, 0, 0);
      this.settle(this.cleared);
    }
    return this.cleared < rows;
  }

  private count(source: SourceId, change: 1 | -1): void {
    this.total += change;
    this.countBySource[source] = (this.countBySource[source] ?? 0) + change;
  }
}
