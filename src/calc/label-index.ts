/**
 * Items with labels against selectors, kept matched as either side changes:
 *
 *      items ──labels──►  label → value → items        a new selector asks here for its candidates
 *      selectors ───────► label → value → selectors    a changed item asks here for its candidates
 *
 * Most selectors demand a certain value of some label, so both questions have short answers: the cost of a change is
 * about the number of matches it makes and ends, not the number of items or selectors. Items inherit labels from
 * parents (profiles); an item's own labels win, then the parent listed first.
 */
import { InternalError } from '../base/errors.ts';
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
}

/** Told of every match that starts or stops, once each. */
export interface LabelIndexListener {
  started(selector: string, item: string): void;
  stopped(selector: string, item: string): void;
}

interface Item {
  own: Labels;
  parents: readonly string[];
  effective: Labels;
  readonly matched: Set<string>;
}

interface IndexedSelector {
  readonly matcher: Matcher;
  /** Where the selector is filed; undefined: it may match items without any particular label. */
  readonly filedUnder: LabelDemand | undefined;
  readonly matched: Set<string>;
}

/** How many items are likely to share a value of the label, as a rank: selectors are filed under narrow ones. */
function breadth(label: string): number {
  if (label === 'projectcalico.org/namespace') return 1;
  if (label.startsWith('pcns.')) return 2;
  return label.startsWith('projectcalico.org/') ? 3 : 0;
}

export class LabelIndex {
  private readonly items = new Map<string, Item>();
  private readonly selectors = new Map<string, IndexedSelector>();
  private readonly parentLabels = new Map<string, Labels>();
  private readonly childrenOfParent = new MultiMap<string, string>();
  private readonly itemsByLabel: ByLabel = new Map();
  private readonly selectorsByLabel: ByLabel = new Map();
  private readonly selectorsByPresence = new MultiMap<string, string>();
  private readonly unfiledSelectors = new Set<string>();

  constructor(private readonly listener: LabelIndexListener) {}

  /** The selectors that match the item now. */
  selectorsOf(item: string): ReadonlySet<string> {
    return this.items.get(item)?.matched ?? none;
  }

  /** The items that the selector matches now. */
  itemsOf(selector: string): ReadonlySet<string> {
    return this.selectors.get(selector)?.matched ?? none;
  }

  /** Adds or changes an item. */
  setItem(id: string, own: Labels, parents: readonly string[]): void {
    const known = this.items.get(id);
    const item = known ?? { own, parents, effective: noLabels, matched: new Set() };
    if (known === undefined) this.items.set(id, item);
    for (const parent of item.parents) this.childrenOfParent.delete(parent, id);
    for (const parent of parents) this.childrenOfParent.add(parent, id);
    item.own = own;
    item.parents = parents;
    this.refresh(id, item, known === undefined);
  }

  /** Removes an item, ending its matches. */
  deleteItem(id: string): void {
    const item = this.items.get(id);
    if (item === undefined) return;
    for (const selector of item.matched) this.stop(selector, id, item);
    for (const parent of item.parents) this.childrenOfParent.delete(parent, id);
    for (const [label, value] of item.effective) deleteUnder(this.itemsByLabel, label, value, id);
    this.items.delete(id);
  }

  /** Sets the labels that children of the parent inherit; undefined: the parent is gone. */
  setParent(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.parentLabels.delete(name);
    else this.parentLabels.set(name, labels);
    for (const child of this.childrenOfParent.get(name)) {
      this.refresh(child, this.items.get(child)!, false);
    }
  }

  /** Adds a selector under an id that is not in use. */
  addSelector(id: string, matcher: Matcher): void {
    if (this.selectors.has(id)) throw new InternalError(`selector ${id} is already indexed`);
    const filedUnder = this.chooseDemand(matcher.demands);
    const indexed: IndexedSelector = { matcher, filedUnder, matched: new Set() };
    this.selectors.set(id, indexed);
    this.fileSelector(id, filedUnder);
    for (const candidate of this.candidates(filedUnder)) {
      this.evaluate(id, candidate, this.items.get(candidate)!);
    }
  }

  /** Removes a selector, ending its matches. */
  deleteSelector(id: string): void {
    const indexed = this.selectors.get(id);
    if (indexed === undefined) return;
    for (const item of indexed.matched) this.stop(id, item, this.items.get(item)!);
    this.unfileSelector(id, indexed.filedUnder);
    this.selectors.delete(id);
  }

  /** Works out the item's labels again and, if they changed or it is new, its matches. */
  private refresh(id: string, item: Item, isNew: boolean): void {
    const before = item.effective;
    const after = this.inherit(item);
    if (!isNew && equalLabels(before, after)) return;
    item.effective = after;
    for (const [label, value] of before) {
      if (after.get(label) !== value) deleteUnder(this.itemsByLabel, label, value, id);
    }
    for (const [label, value] of after) {
      if (before.get(label) === value) continue;
      addUnder(this.itemsByLabel, label, value, id);
    }
    for (const selector of item.matched) this.evaluate(selector, id, item);
    for (const selector of this.unfiledSelectors) this.evaluate(selector, id, item);
    for (const [label, value] of after) {
      for (const selector of this.selectorsByPresence.get(label)) this.evaluate(selector, id, item);
      const byValue = this.selectorsByLabel.get(label);
      if (byValue === undefined) continue;
      for (const selector of byValue.get(value)) this.evaluate(selector, id, item);
    }
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

  private evaluate(selectorId: string, itemId: string, item: Item): void {
    const selector = this.selectors.get(selectorId)!;
    const matches = selector.matcher.matches(item.effective);
    if (matches === item.matched.has(selectorId)) return;
    if (!matches) {
      this.stop(selectorId, itemId, item);
      return;
    }
    item.matched.add(selectorId);
    selector.matched.add(itemId);
    this.listener.started(selectorId, itemId);
  }

  private stop(selectorId: string, itemId: string, item: Item): void {
    item.matched.delete(selectorId);
    this.selectors.get(selectorId)!.matched.delete(itemId);
    this.listener.stopped(selectorId, itemId);
  }

  /** The demand that the fewest items meet now; before there are items, one that is likely narrow. */
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
    const byValue = this.itemsByLabel.get(demand.label);
    if (byValue === undefined) return 0;
    let count = 0;
    for (const value of demand.values ?? byValue.keys()) count += byValue.get(value).size;
    return count;
  }

  private *candidates(demand: LabelDemand | undefined): Generator<string> {
    if (demand === undefined) {
      yield* this.items.keys();
      return;
    }
    const byValue = this.itemsByLabel.get(demand.label);
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

type ByLabel = Map<string, MultiMap<string, string>>;

function addUnder(index: ByLabel, label: string, value: string, id: string): void {
  let byValue = index.get(label);
  if (byValue === undefined) index.set(label, (byValue = new MultiMap()));
  byValue.add(value, id);
}

function deleteUnder(index: ByLabel, label: string, value: string, id: string): void {
  const byValue = index.get(label);
  byValue?.delete(value, id);
  if (byValue?.size === 0) index.delete(label);
}

const none: ReadonlySet<string> = new Set();
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
