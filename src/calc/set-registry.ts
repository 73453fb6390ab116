/**
 * The sets that active rules refer to, by identity of meaning, fed by the label index. A set that loses its last
 * reference is dropped at the next flush only, so that a policy which is rewritten keeps the sets it still uses.
 */
import { isDeepStrictEqual } from 'node:util';
import { InternalError } from '../base/errors.ts';
import { LabelIndex, type Labels, type Matcher } from './label-index.ts';
import { type Contribution, MemberSet, type SetMeaning } from './member-set.ts';
import type { SetDelta, SetId } from './output.ts';

/** A set as a rule asks for it. */
export interface SetDefinition extends SetMeaning {
  readonly id: SetId;
  /** What fills it: endpoints and network sets, which selectors select, EndpointSlices of services, or nodes. */
  readonly from: ItemKind;
  readonly matcher: Matcher;
}

export type ItemKind = 'labelled' | 'slices' | 'nodes';

interface RegisteredSet {
  readonly from: ItemKind;
  readonly members: MemberSet;
  references: number;
}

export class SetRegistry {
  private readonly sets = new Map<SetId, RegisteredSet>();
  private readonly contributions = new Map<string, Contribution>();
  private readonly indexes: Readonly<Record<ItemKind, LabelIndex>>;
  private readonly changed = new Set<SetId>();
  private readonly unused = new Set<SetId>();

  constructor() {
    const makeIndex = (): LabelIndex =>
      new LabelIndex({
        joined: (item, { selectors }) => {
          const contribution = this.contributions.get(item)!;
          for (const set of selectors) this.members(set)?.add(contribution);
        },
        left: (item, { selectors }) => {
          const contribution = this.contributions.get(item)!;
          for (const set of selectors) this.members(set)?.remove(contribution);
        },
        started: (set, { items }) => {
          const members = this.members(set);
          for (const item of items) members?.add(this.contributions.get(item)!);
        },
        stopped: (set, { items }) => {
          const members = this.members(set);
          for (const item of items) members?.remove(this.contributions.get(item)!);
        },
      });
    this.indexes = { labelled: makeIndex(), slices: makeIndex(), nodes: makeIndex() };
  }

  /** Adds or changes an endpoint or network set. */
  setItem(id: string, labels: Labels, parents: readonly string[], contribution: Contribution): void {
    this.set('labelled', id, labels, parents, contribution);
  }

  /** Adds or changes an EndpointSlice. */
  setSlice(id: string, labels: Labels, contribution: Contribution): void {
    this.set('slices', id, labels, [], contribution);
  }

  /** Adds or changes a node. */
  setNode(id: string, labels: Labels, contribution: Contribution): void {
    this.set('nodes', id, labels, [], contribution);
  }

  private set(
    kind: ItemKind,
    id: string,
    labels: Labels,
    parents: readonly string[],
    contribution: Contribution,
  ): void {
    const index = this.indexes[kind];
    const before = this.contributions.get(id);
    this.contributions.set(id, contribution);
    if (before !== undefined) {
      const come = besides(contribution, before);
      const gone = besides(before, contribution);
      for (const set of index.groupOf(id)?.selectors ?? []) {
        const members = this.members(set);
        // Added before removed, so that what stays is not seen to go.
        members?.add(come);
        members?.remove(gone);
      }
    }
    index.setItem(id, labels, parents);
  }

  deleteItem(id: string): void {
    this.delete('labelled', id);
  }

  deleteSlice(id: string): void {
    this.delete('slices', id);
  }

  deleteNode(id: string): void {
    this.delete('nodes', id);
  }

  private delete(kind: ItemKind, id: string): void {
    this.indexes[kind].deleteItem(id);
    this.contributions.delete(id);
  }

  /** Sets the labels that items inherit from a profile. */
  setParent(name: string, labels: Labels | undefined): void {
    this.indexes.labelled.setParent(name, labels);
  }

  /** Takes a reference to a set, which comes to exist with the first. */
  acquire(definition: SetDefinition): void {
    const known = this.sets.get(definition.id);
    if (known !== undefined) {
      known.references++;
      this.unused.delete(definition.id);
      return;
    }
    const { from } = definition;
    this.sets.set(definition.id, { from, members: new MemberSet(definition), references: 1 });
    this.changed.add(definition.id);
    this.indexes[from].addSelector(definition.id, definition.matcher);
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
      const { from, members } = this.sets.get(id)!;
      // Gone before its matches end, so that its members need not be taken out one by one.
      this.sets.delete(id);
      this.changed.delete(id);
      this.indexes[from].deleteSelector(id);
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

/** What one contribution has and the other has not, as far as that can be told apart: all of it if their ports differ. */
function besides(one: Contribution, other: Contribution): Contribution {
  if (!isDeepStrictEqual(one.ports, other.ports)) return one;
  const had = new Set(other.prefixes);
  return { prefixes: one.prefixes.filter((prefix) => !had.has(prefix)), ports: one.ports };
}
