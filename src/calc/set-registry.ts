/**
 * The sets that active rules refer to, by identity of meaning, fed by the label index. A set that loses its last
 * reference is dropped at the next flush only, so that a policy which is rewritten keeps the sets it still uses.
 */
import { InternalError } from '../base/errors.ts';
import { LabelIndex, type Labels, type Matcher } from './label-index.ts';
import { type Contribution, MemberSet, type SetMeaning } from './member-set.ts';
import type { SetDelta, SetId } from './output.ts';

/** A set as a rule asks for it. */
export interface SetDefinition extends SetMeaning {
  readonly id: SetId;
  readonly matcher: Matcher;
}

interface RegisteredSet {
  readonly members: MemberSet;
  references: number;
}

export class SetRegistry {
  private readonly sets = new Map<SetId, RegisteredSet>();
  private readonly contributions = new Map<string, Contribution>();
  private readonly index: LabelIndex;
  private readonly changed = new Set<SetId>();
  private readonly unused = new Set<SetId>();

  constructor() {
    this.index = new LabelIndex({
      started: (set, item) => this.members(set)?.add(this.contributions.get(item)!),
      stopped: (set, item) => this.members(set)?.remove(this.contributions.get(item)!),
    });
  }

  /** Adds or changes an endpoint or network set. */
  setItem(id: string, labels: Labels, parents: readonly string[], contribution: Contribution): void {
    const before = this.contributions.get(id);
    this.contributions.set(id, contribution);
    if (before !== undefined) {
      // Added before removed, so that what stays is not seen to go.
      for (const set of this.index.selectorsOf(id)) {
        const members = this.members(set);
        members?.add(contribution);
        members?.remove(before);
      }
    }
    this.index.setItem(id, labels, parents);
  }

  deleteItem(id: string): void {
    this.index.deleteItem(id);
    this.contributions.delete(id);
  }

  /** Sets the labels that items inherit from a profile. */
  setParent(name: string, labels: Labels | undefined): void {
    this.index.setParent(name, labels);
  }

  /** Takes a reference to a set, which comes to exist with the first. */
  acquire(definition: SetDefinition): void {
    const known = this.sets.get(definition.id);
    if (known !== undefined) {
      known.references++;
      this.unused.delete(definition.id);
      return;
    }
    this.sets.set(definition.id, { members: new MemberSet(definition), references: 1 });
    this.changed.add(definition.id);
    this.index.addSelector(definition.id, definition.matcher);
  }

  /** Gives a reference back. */
  release(id: SetId): void {
    const set = this.sets.get(id);
    if (set === undefined || set.references === 0) throw new InternalError(`set ${id} is not held`);
    set.references--;
    if (set.references === 0) this.unused.add(id);
  }

  /** What changed since the last flush. */
  flush(): Map<SetId, SetDelta | undefined> {
    const deltas = new Map<SetId, SetDelta | undefined>();
    for (const id of this.unused) {
      const { members } = this.sets.get(id)!;
      // Gone before its matches end, so that its members need not be taken out one by one.
      this.sets.delete(id);
      this.changed.delete(id);
      this.index.deleteSelector(id);
      if (members.isKnown) deltas.set(id, undefined);
    }
    this.unused.clear();
    for (const id of this.changed) {
      const delta = this.sets.get(id)!.members.flush();
      if (delta !== undefined) deltas.set(id, delta);
    }
    this.changed.clear();
    return deltas;
  }

  private members(id: SetId): MemberSet | undefined {
    const set = this.sets.get(id);
    if (set !== undefined) this.changed.add(id);
    return set?.members;
  }
}
