/**
 * Items with labels against selectors, kept matched as either side changes:
 *
 *      items ──labels──► groups ──labels──►  label → value → groups      a new selector asks here for its candidates
 *      selectors ──────────────────────────► label → value → selectors   a new group asks here for its candidates
 *
 * Items that no selector can tell apart are one group, and only groups are compared with selectors: an item that
 * appears costs its own labels, however many selectors match it, unless it is the first of its kind. Most selectors
 * demand a certain value of some label, so both questions have short answers. Items inherit labels from parents
 * (profiles); an item's own labels win, then the parent listed first.
 */
import { InternalError } from '../base/errors.ts';
import { LabelMentions, type MentionedLabels } from './label-mentions.ts';
import { MultiMap } from './multi-map.ts';

export type Labels = ReadonlyMap<string, string>;

/** A necessary condition of a match: the label is there, with one of `values` if given. */
export interface LabelDemand {
  readonly label: string;
  readonly values: readonly string[] | undefined;
}

/** A selector made ready for many evaluations. */
export interface Matcher {
  matches(labels: Labels): boolean;
  /** All must hold for a match; the index prunes by one of them. */
  readonly demands: readonly LabelDemand[];
  /** What of labels it can tell apart. */
  readonly mentions: MentionedLabels;
}

/** Items that match the same selectors, because no selector can tell them apart. */
export interface LabelGroup {
  readonly items: ReadonlySet<string>;
  readonly selectors: ReadonlySet<string>;
}

/**
 * Told of every change, once each. An item matches what its group matches: it joins a group before it leaves another,
 * and a group is empty when it begins and when it ends.
 */
export interface LabelIndexListener {
  joined(item: string, group: LabelGroup): void;
  left(item: string, group: LabelGroup): void;
  /** The group's items match from now on. */
  started(selector: string, group: LabelGroup): void;
  stopped(selector: string, group: LabelGroup): void;
}

interface Group extends LabelGroup {
  /** What its items have in common, as a text. */
  readonly key: string;
  /** Labels that selectors mention; values that none mentions are one (label-mentions.ts). */
  readonly labels: Labels;
  readonly items: Set<string>;
  readonly selectors: Set<string>;
}

interface Item {
  own: Labels;
  parents: readonly string[];
  effective: Labels;
  group: Group | undefined;
}

interface IndexedSelector {
  readonly matcher: Matcher;
  /** Where the selector is filed; undefined: it may match items without any particular label. */
  readonly filedUnder: LabelDemand | undefined;
  readonly groups: Set<Group>;
}

/** How many items are likely to share a value of the label, as a rank: selectors are filed under narrow ones. */
function breadth(label: string): number {
  if (label === 'projectcalico.org/namespace') return 1;
  if (label.startsWith('pcns.')) return 2;
  return label.startsWith('projectcalico.org/') ? 3 : 0;
}

export class LabelIndex {
  private readonly items = new Map<string, Item>();
  private readonly groups = new Map<string, Group>();
  private readonly selectors = new Map<string, IndexedSelector>();
  private readonly mentions = new LabelMentions();
  private readonly parentLabels = new Map<string, Labels>();
  private readonly childrenOfParent = new MultiMap<string, string>();
  private readonly itemsByLabel: ByLabel<string> = new Map();
  private readonly groupsByLabel: ByLabel<Group> = new Map();
  private readonly selectorsByLabel: ByLabel<string> = new Map();
  private readonly selectorsByPresence = new MultiMap<string, string>();
  private readonly unfiledSelectors = new Set<string>();

  constructor(private readonly listener: LabelIndexListener) {}

  /** The group that the item is in. Undefined if the item is not known. */
  groupOf(item: string): LabelGroup | undefined {
    return this.items.get(item)?.group;
  }

  /** The groups that the selector matches now. */
  groupsOf(selector: string): ReadonlySet<LabelGroup> {
    return this.selectors.get(selector)?.groups ?? none;
  }

  /** Adds or changes an item. */
  setItem(id: string, own: Labels, parents: readonly string[]): void {
    const known = this.items.get(id);
    const item: Item = known ?? { own, parents, effective: noLabels, group: undefined };
    if (known === undefined) this.items.set(id, item);
    for (const parent of item.parents) this.childrenOfParent.delete(parent, id);
    for (const parent of parents) this.childrenOfParent.add(parent, id);
    item.own = own;
    item.parents = parents;
    this.refresh(id, item);
  }

  /** Removes an item, ending its matches. */
  deleteItem(id: string): void {
    const item = this.items.get(id);
    if (item === undefined) return;
    this.items.delete(id);
    for (const parent of item.parents) this.childrenOfParent.delete(parent, id);
    for (const [label, value] of item.effective) deleteUnder(this.itemsByLabel, label, value, id);
    this.leave(id, item.group!);
  }

  /** Sets the labels that children of the parent inherit; undefined: the parent is gone. */
  setParent(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.parentLabels.delete(name);
    else this.parentLabels.set(name, labels);
    for (const child of this.childrenOfParent.get(name)) this.refresh(child, this.items.get(child)!);
  }

  /** Adds a selector under an id that is not in use. */
  addSelector(id: string, matcher: Matcher): void {
    if (this.selectors.has(id)) throw new InternalError(`selector ${id} is already indexed`);
    for (const item of this.newlyTold(matcher.mentions)) this.split(item, this.items.get(item)!);
    const filedUnder = this.chooseDemand(matcher.demands);
    const indexed: IndexedSelector = { matcher, filedUnder, groups: new Set() };
    this.selectors.set(id, indexed);
    this.fileSelector(id, filedUnder);
    for (const group of this.candidates(filedUnder)) this.evaluate(id, indexed, group);
  }

  /** Removes a selector, ending its matches. */
  deleteSelector(id: string): void {
    const indexed = this.selectors.get(id);
    if (indexed === undefined) return;
    for (const group of indexed.groups) this.stop(id, indexed, group);
    this.unfileSelector(id, indexed.filedUnder);
    this.selectors.delete(id);
    this.mentions.remove(indexed.matcher.mentions);
  }

  /** Works out the item's labels again and, if they changed or it is new, its group. */
  private refresh(id: string, item: Item): void {
    const before = item.effective;
    const after = this.inherit(item);
    if (item.group !== undefined && equalLabels(before, after)) return;
    item.effective = after;
    for (const [label, value] of before) {
      if (after.get(label) !== value) deleteUnder(this.itemsByLabel, label, value, id);
    }
    for (const [label, value] of after) {
      if (before.get(label) !== value) addUnder(this.itemsByLabel, label, value, id);
    }
    const { group: old } = item;
    const { key, labels } = this.mentions.told(after);
    if (old?.key === key) return;
    const group = this.groups.get(key) ?? this.makeGroup(key, labels);
    item.group = group;
    group.items.add(id);
    this.listener.joined(id, group);
    if (old !== undefined) this.leave(id, old);
  }

  /** Ends the item's membership, and the group with its last item. */
  private leave(id: string, group: Group): void {
    group.items.delete(id);
    this.listener.left(id, group);
    if (group.items.size > 0) return;
    for (const selector of group.selectors) this.stop(selector, this.selectors.get(selector)!, group);
    this.forgetGroup(group);
  }

  private makeGroup(key: string, labels: Labels): Group {
    const group = this.fileGroup(key, labels);
    const evaluate = (selectors: Iterable<string>): void => {
      for (const selector of selectors) this.evaluate(selector, this.selectors.get(selector)!, group);
    };
    evaluate(this.unfiledSelectors);
    for (const [label, value] of labels) {
      evaluate(this.selectorsByPresence.get(label));
      const byValue = this.selectorsByLabel.get(label);
      if (byValue !== undefined) evaluate(byValue.get(value));
    }
    return group;
  }

  private fileGroup(key: string, labels: Labels): Group {
    const group: Group = { key, labels, items: new Set(), selectors: new Set() };
    this.groups.set(key, group);
    for (const [label, value] of labels) addUnder(this.groupsByLabel, label, value, group);
    return group;
  }

  private forgetGroup(group: Group): void {
    this.groups.delete(group.key);
    for (const [label, value] of group.labels) deleteUnder(this.groupsByLabel, label, value, group);
  }

  /** Takes mentions in. The items that can be told from others now and could not before. */
  private newlyTold(mentions: MentionedLabels): Set<string> {
    const items = new Set<string>();
    for (const { label, values } of this.mentions.add(mentions)) {
      const byValue = this.itemsByLabel.get(label);
      if (byValue === undefined) continue;
      for (const value of values ?? byValue.keys()) for (const item of byValue.get(value)) items.add(item);
    }
    return items;
  }

  /** Moves an item to the group of those that it cannot be told from now; it matches what it matched before. */
  private split(id: string, item: Item): void {
    const old = item.group!;
    const { key, labels } = this.mentions.told(item.effective);
    if (old.key === key) return;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = this.fileGroup(key, labels);
      for (const selector of old.selectors) this.match(selector, this.selectors.get(selector)!, group);
    }
    item.group = group;
    group.items.add(id);
    old.items.delete(id);
    if (old.items.size > 0) return;
    for (const selector of old.selectors) this.selectors.get(selector)!.groups.delete(old);
    this.forgetGroup(old);
  }

  private inherit(item: Item): Labels {
    let merged: Map<string, string> | undefined;
    for (const parent of item.parents) {
      for (const [label, value] of this.parentLabels.get(parent) ?? noLabels) {
        if ((merged ?? item.own).has(label)) continue;
        merged ??= new Map(item.own);
        merged.set(label, value);
      }
    }
    return merged ?? item.own;
  }

  private evaluate(id: string, selector: IndexedSelector, group: Group): void {
    if (group.selectors.has(id) || !selector.matcher.matches(group.labels)) return;
    this.match(id, selector, group);
    this.listener.started(id, group);
  }

  private match(id: string, selector: IndexedSelector, group: Group): void {
    group.selectors.add(id);
    selector.groups.add(group);
  }

  private stop(id: string, selector: IndexedSelector, group: Group): void {
    group.selectors.delete(id);
    selector.groups.delete(group);
    this.listener.stopped(id, group);
  }

  /** The demand that the fewest groups meet now; before there are any, one that is likely narrow. */
  private chooseDemand(demands: readonly LabelDemand[]): LabelDemand | undefined {
    let best: { readonly demand: LabelDemand; readonly rank: readonly number[] } | undefined;
    for (const demand of demands) {
      const rank = [
        this.countMeeting(demand),
        demand.values === undefined ? 1 : 0,
        breadth(demand.label),
        demand.values?.length ?? 0,
      ];
      if (best === undefined || compareRanks(rank, best.rank) < 0) best = { demand, rank };
    }
    return best?.demand;
  }

  private countMeeting(demand: LabelDemand): number {
    const byValue = this.groupsByLabel.get(demand.label);
    if (byValue === undefined) return 0;
    let count = 0;
    for (const value of demand.values ?? byValue.keys()) count += byValue.get(value).size;
    return count;
  }

  private *candidates(demand: LabelDemand | undefined): Generator<Group> {
    if (demand === undefined) {
      yield* this.groups.values();
      return;
    }
    const byValue = this.groupsByLabel.get(demand.label);
    if (byValue === undefined) return;
    for (const value of demand.values ?? byValue.keys()) yield* byValue.get(value);
  }

  private fileSelector(id: string, demand: LabelDemand | undefined): void {
    if (demand === undefined) this.unfiledSelectors.add(id);
    else if (demand.values === undefined) this.selectorsByPresence.add(demand.label, id);
    else for (const value of demand.values) addUnder(this.selectorsByLabel, demand.label, value, id);
  }

  private unfileSelector(id: string, demand: LabelDemand | undefined): void {
    if (demand === undefined) this.unfiledSelectors.delete(id);
    else if (demand.values === undefined) this.selectorsByPresence.delete(demand.label, id);
    else for (const value of demand.values) deleteUnder(this.selectorsByLabel, demand.label, value, id);
  }
}

type ByLabel<Value> = Map<string, MultiMap<string, Value>>;

function addUnder<Value>(index: ByLabel<Value>, label: string, value: string, id: Value): void {
  let byValue = index.get(label);
  if (byValue === undefined) index.set(label, (byValue = new MultiMap()));
  byValue.add(value, id);
}

function deleteUnder<Value>(index: ByLabel<Value>, label: string, value: string, id: Value): void {
  const byValue = index.get(label);
  byValue?.delete(value, id);
  if (byValue?.size === 0) index.delete(label);
}

const none: ReadonlySet<LabelGroup> = new Set();
const noLabels: Labels = new Map();

function equalLabels(a: Labels, b: Labels): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [label, value] of a) if (b.get(label) !== value) return false;
  return true;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, rank] of a.entries()) {
    if (rank !== b[index]) return rank - b[index]!;
  }
  return 0;
}
