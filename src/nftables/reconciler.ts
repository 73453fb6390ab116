/**
 * Desired against actual state of our table. Pure: it is told both sides and plans the difference; what changed is
 * all that a plan looks at. Rules that stay keep their handles and counters.
 *
 * A plan makes new sets and chains before what names them and deletes after. It never puts a new meaning under an old
 * name: whoever renders gives a new set a new name (design D6). What is in force changes in one transaction; new chains
 * that it leads to may come in one before it, and maps that nothing leads to any more may go in one after it.
 */
import { InternalError } from '../base/errors.ts';
import { compileRule } from './codec/rule.ts';
import type { TableDump } from './kernel.ts';
import { type ActualRule, type Plan, PlanBuilder } from './plan.ts';
import {
  type BaseChain,
  type ChainValue,
  type Element,
  type NamedSet,
  type Ruleset,
  type SetValue,
  sameDefinition,
} from './ruleset.ts';

/** What rendering writes to. */
export interface DesiredTable {
  setChain(chain: ChainValue): void;
  removeChain(name: string): void;
  /** Declares a set; its elements stay if it is there already with the same definition. */
  setSet(set: NamedSet): void;
  removeSet(name: string): void;
  /** Adds elements, or puts another value under their keys. The set must be declared. */
  addElements(set: string, elements: Iterable<Element>): void;
  removeElements(set: string, keys: Iterable<string>): void;
  /** The keys that a set should have; none if it is not declared. */
  keysOf(set: string): Iterable<string>;
}

interface ActualChain {
  readonly base: BaseChain | undefined;
  readonly rules: readonly ActualRule[];
}

interface DesiredSet {
  set: NamedSet;
  readonly elements: Map<string, Element>;
}

interface ActualSet {
  /** Undefined for a set that we could not have made. */
  readonly set: NamedSet | undefined;
  /** By key, what else the element is: see {@link elementValue}. */
  readonly elements: Map<string, string>;
}

export class Reconciler implements DesiredTable {
  private readonly desiredChains = new Map<string, ChainValue>();
  private readonly desiredSets = new Map<string, DesiredSet>();
  private readonly actualChains = new Map<string, ActualChain>();
  private readonly actualSets = new Map<string, ActualSet>();
  private tableExists = false;
  private readonly dirtyChains = new Set<string>();
  /** Keys to look at, by set; a set that appears or goes is here too. */
  private readonly dirtySets = new Map<string, Set<string>>();
  /** Sets that the last plan makes: what changes in them from then on must be remembered. */
  private readonly setsUnderWay = new Set<string>();

  setChain(chain: ChainValue): void {
    this.desiredChains.set(chain.name, chain);
    this.dirtyChains.add(chain.name);
  }

  removeChain(name: string): void {
    this.desiredChains.delete(name);
    this.dirtyChains.add(name);
  }

  setSet(set: NamedSet): void {
    const known = this.desiredSets.get(set.name);
    if (known !== undefined && !sameDefinition(known.set, set)) {
      throw new InternalError(`set ${set.name} has two meanings`);
    }
    if (known === undefined) this.desiredSets.set(set.name, { set, elements: new Map() });
    else known.set = set;
    this.dirtyKeys(set.name);
  }

  removeSet(name: string): void {
    // All keys: it may be declared again, with other elements, before the next plan.
    const dirty = this.trackedKeys(name);
    if (dirty !== undefined) {
      for (const key of this.actualSets.get(name)?.elements.keys() ?? []) dirty.add(key);
      for (const key of this.desiredSets.get(name)?.elements.keys() ?? []) dirty.add(key);
    }
    this.desiredSets.delete(name);
  }

  addElements(set: string, elements: Iterable<Element>): void {
    const desired = this.desiredSets.get(set);
    if (desired === undefined) throw new InternalError(`set ${set} is not declared`);
    const dirty = this.trackedKeys(set);
    for (const element of elements) {
      desired.elements.set(element.key, element);
      dirty?.add(element.key);
    }
  }

  removeElements(set: string, keys: Iterable<string>): void {
    const desired = this.desiredSets.get(set);
    if (desired === undefined) throw new InternalError(`set ${set} is not declared`);
    const dirty = this.trackedKeys(set);
    for (const key of keys) {
      desired.elements.delete(key);
      dirty?.add(key);
    }
  }

  keysOf(set: string): Iterable<string> {
    return this.desiredSets.get(set)?.elements.keys() ?? [];
  }

  /** Whether {@link plan} would have anything to look at. */
  get pending(): boolean {
    return this.dirtyChains.size > 0 || this.dirtySets.size > 0 || !this.tableExists;
  }

  /** Replaces the actual side by what was read from the kernel; undefined if the table does not exist. */
  loadActual(dump: TableDump | undefined): void {
    this.tableExists = dump !== undefined;
    this.actualChains.clear();
    this.actualSets.clear();
    for (const { chain, rules } of dump?.chains ?? []) {
      this.actualChains.set(chain.name, { base: chain.base, rules });
    }
    for (const { name, set, elements } of dump?.sets ?? []) {
      const values = new Map(elements.map(({ element }) => [element.key, elementValue(element)]));
      this.actualSets.set(name, { set, elements: values });
    }
    this.lookAtEverything();
  }

  private lookAtEverything(): void {
    this.dirtyChains.clear();
    this.dirtySets.clear();
    for (const name of [...this.actualChains.keys(), ...this.desiredChains.keys()])
      this.dirtyChains.add(name);
    for (const [name, { elements }] of [...this.actualSets, ...this.desiredSets]) {
      const dirty = this.trackedKeys(name);
      if (dirty === undefined) continue;
      for (const key of elements.keys()) if (!this.isDone(name, key)) dirty.add(key);
    }
  }

  /** The transaction that makes actual what is desired; without operations if it is. */
  plan(): Plan {
    this.setsUnderWay.clear();
    if (!this.tableExists) return this.planFresh('make');
    if (this.misshapen()) return this.planFresh('replace');
    const plan = this.planChanges();
    if (plan.operations.length === 0) {
      this.dirtyChains.clear();
      this.dirtySets.clear();
    }
    return plan;
  }

  /** Takes a plan for done. `handles` are of the rules it added, in order. */
  committed({ outcome }: Plan, handles: readonly number[]): void {
    this.tableExists = true;
    if (outcome.fresh) {
      this.actualChains.clear();
      this.actualSets.clear();
    }
    let next = 0;
    for (const { name, base, rules } of outcome.chains) {
      const actual = rules.map(({ fingerprint, handle }): ActualRule => {
        const given = handle ?? handles[next++];
        if (given === undefined) throw new InternalError(`no handle for a rule added to ${name}`);
        return { fingerprint, handle: given };
      });
      this.actualChains.set(name, { base, rules: actual });
      if (this.chainIsDone(name)) this.dirtyChains.delete(name);
    }
    for (const name of outcome.removedChains) {
      this.actualChains.delete(name);
      if (!this.desiredChains.has(name)) this.dirtyChains.delete(name);
    }
    for (const set of outcome.sets) this.actualSets.set(set.name, { set, elements: new Map() });
    for (const { set, added, removed } of outcome.elements) {
      const { elements } = this.actualSets.get(set)!;
      for (const key of removed) elements.delete(key);
      for (const element of added) elements.set(element.key, elementValue(element));
    }
    for (const name of outcome.removedSets) this.actualSets.delete(name);
    this.setsUnderWay.clear();
    this.settleSets();
  }

  /** Forgets sets that are no longer different. */
  private settleSets(): void {
    for (const [name, keys] of this.dirtySets) {
      if (this.desiredSets.has(name) !== this.actualSets.has(name)) continue;
      let done = true;
      for (const key of keys) done &&= this.isDone(name, key);
      if (done) this.dirtySets.delete(name);
    }
  }

  private isDone(set: string, key: string): boolean {
    const wanted = this.desiredSets.get(set)?.elements.get(key);
    const present = this.actualSets.get(set)?.elements.get(key);
    return present === (wanted === undefined ? undefined : elementValue(wanted));
  }

  private chainIsDone(name: string): boolean {
    const desired = this.desiredChains.get(name);
    const actual = this.actualChains.get(name);
    if (desired === undefined || actual === undefined) return desired === actual;
    return (
      desired.rules.length === actual.rules.length &&
      desired.rules.every((rule, index) => compileRule(rule).fingerprint === actual.rules[index]!.fingerprint)
    );
  }

  private dirtyKeys(set: string): Set<string> {
    let keys = this.dirtySets.get(set);
    if (keys === undefined) {
      keys = new Set();
      this.dirtySets.set(set, keys);
    }
    return keys;
  }

  /** Like {@link dirtyKeys}, but undefined for a set that will be made anyway, with whatever is desired by then. */
  private trackedKeys(set: string): Set<string> | undefined {
    const keys = this.dirtyKeys(set);
    return this.actualSets.has(set) || this.setsUnderWay.has(set) ? keys : undefined;
  }

  /** Whether something bears our name and is of another shape, which the kernel cannot change in place. */
  private misshapen(): boolean {
    for (const name of this.dirtyChains) {
      const desired = this.desiredChains.get(name);
      const actual = this.actualChains.get(name);
      if (desired !== undefined && actual !== undefined && !sameBase(desired.base, actual.base)) return true;
    }
    for (const name of this.dirtySets.keys()) {
      const desired = this.desiredSets.get(name);
      const actual = this.actualSets.get(name);
      if (desired === undefined || actual === undefined) continue;
      if (actual.set === undefined || !sameDefinition(desired.set, actual.set)) return true;
    }
    return false;
  }

  private planFresh(how: 'make' | 'replace'): Plan {
    const builder = new PlanBuilder('new');
    if (how === 'replace') builder.start.push({ kind: 'delete-table' });
    builder.start.push({ kind: 'add-table' });
    for (const { set, elements } of this.desiredSets.values()) {
      this.setsUnderWay.add(set.name);
      builder.addSet(set, [...elements.values()]);
    }
    for (const chain of this.desiredChains.values()) {
      builder.addChain(chain);
      builder.editRules(chain, []);
    }
    return builder.build();
  }

  /**
   * A packet that is on its way through the rules as they were must find the verdict maps as they were: the kernel
   * takes the elements of a map that goes out of its sight at once. So maps go, and with them the chains that they
   * lead to, in a transaction after the one that takes the last rule from them.
   */
  private planChanges(): Plan {
    const builder = new PlanBuilder(this.actualChains.size === 0 ? 'without chains' : 'in force');
    for (const name of this.dirtySets.keys()) this.planSet(builder, name);
    for (const name of this.dirtyChains) this.planChain(builder, name);
    return builder.build(this.removesMaps() ? 'keep-removed' : 'whole');
  }

  private removesMaps(): boolean {
    for (const name of this.dirtySets.keys()) {
      if (!this.desiredSets.has(name) && this.actualSets.get(name)?.set?.verdicts === true) return true;
    }
    return false;
  }

  private planSet(builder: PlanBuilder, name: string): void {
    const desired = this.desiredSets.get(name);
    const actual = this.actualSets.get(name);
    if (desired === undefined) {
      if (actual !== undefined) builder.removeSet(name);
      return;
    }
    if (actual === undefined) {
      this.setsUnderWay.add(name);
      builder.addSet(desired.set, [...desired.elements.values()]);
      return;
    }
    const added: Element[] = [];
    const removed: Element[] = [];
    for (const key of this.dirtySets.get(name) ?? []) {
      const wanted = desired.elements.get(key);
      const present = actual.elements.get(key);
      if (wanted !== undefined && elementValue(wanted) === present) continue;
      if (present !== undefined) removed.push({ key });
      if (wanted !== undefined) added.push(wanted);
    }
    builder.changeElements(desired.set, added, removed);
  }

  private planChain(builder: PlanBuilder, name: string): void {
    const desired = this.desiredChains.get(name);
    const actual = this.actualChains.get(name);
    if (desired === undefined) {
      if (actual !== undefined) builder.removeChain(name, actual.rules.length > 0);
      return;
    }
    if (actual === undefined) builder.addChain(desired);
    builder.editRules(desired, actual?.rules ?? []);
  }

  /** The desired side as a value, sorted by name, for people and for nft. */
  ruleset(table: string): Ruleset {
    const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
      a.name < b.name ? -1 : 1;
    const byKey = (a: Element, b: Element): number => (a.key < b.key ? -1 : 1);
    return {
      table,
      chains: [...this.desiredChains.values()].toSorted(byName),
      sets: [...this.desiredSets.values()]
        .map(({ set, elements }): SetValue => ({ ...set, elements: [...elements.values()].toSorted(byKey) }))
        .toSorted(byName),
    };
  }
}

function sameBase(one: BaseChain | undefined, other: BaseChain | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.type === other.type &&
    one.hook === other.hook &&
    one.prio === other.prio &&
    one.policy === other.policy
  );
}

/** What an element is beside its key, as a text to compare. */
function elementValue({ verdict, comment }: Element): string {
  if (verdict === undefined && comment === undefined) return '';
  return JSON.stringify([verdict ?? null, comment ?? null]);
}
