/** The operations that turn one state of our table into another, in the order in which the kernel takes them. */
import { compileRule } from './codec/rule.ts';
import { longestCommonSubsequence } from './edit-script.ts';
import type { Operation } from './kernel.ts';
import type { BaseChain, Chain, ChainValue, Element, NamedSet } from './ruleset.ts';

/** A transaction to be sent, and what the table will be after it. */
export interface Plan {
  readonly operations: readonly Operation[];
  readonly outcome: PlanOutcome;
}

interface PlanOutcome {
  /** The table is made new: nothing that was in it stays. */
  readonly fresh: boolean;
  readonly chains: readonly PlannedChain[];
  readonly removedChains: readonly string[];
  readonly sets: readonly NamedSet[];
  readonly removedSets: readonly string[];
  readonly elements: readonly PlannedElements[];
}

interface PlannedElements {
  readonly set: string;
  readonly added: readonly Element[];
  readonly removed: readonly string[];
}

interface PlannedChain {
  readonly name: string;
  readonly base: BaseChain | undefined;
  readonly rules: readonly PlannedRule[];
}

/** A rule that stays has its handle; a new one gets it from the kernel. */
interface PlannedRule {
  readonly fingerprint: string;
  readonly handle: number | undefined;
}

export interface ActualRule {
  readonly fingerprint: string;
  readonly handle: number;
}

/** Of the table before the plan; in one without chains there is nothing that a packet could find changed. */
type TableState = 'new' | 'without chains' | 'in force';

/** Collects operations in the phases in which they must be sent. */
export class PlanBuilder {
  readonly start: Operation[] = [];
  private readonly newSets: NamedSet[] = [];
  private readonly interfaceSets: Operation[] = [];
  private readonly setCreations: Operation[] = [];
  /** Chains that are new and no hook's: nothing reaches them until a rule or a map that is there leads to them. */
  private readonly newNames = new Set<string>();
  private readonly newChains: Operation[] = [];
  private readonly newRules: Operation[] = [];
  private readonly newBaseChains: Operation[] = [];
  private readonly newElements: Operation[] = [];
  private readonly elementChanges: Operation[] = [];
  private readonly ruleChanges: Operation[] = [];
  private readonly flushes: Operation[] = [];
  private readonly plannedNew: PlannedChain[] = [];
  private readonly plannedChanges: PlannedChain[] = [];
  private readonly removedChains: string[] = [];
  private readonly removedSets: string[] = [];
  private readonly elementsOfNew: PlannedElements[] = [];
  private readonly elementsChanged: PlannedElements[] = [];
  /** A new set of intervals has elements. */
  private hasNewIntervals = false;

  constructor(private readonly table: TableState) {}

  /**
   * The kernel finds a set by walking a list from the one that was made first, so those that every endpoint is in come
   * first. A plain set is filled as soon as it is made. A map's elements name chains, which come before.
   */
  addSet(set: NamedSet, elements: readonly Element[]): void {
    this.newSets.push(set);
    const creations = set.type[0] === 'ifname' ? this.interfaceSets : this.setCreations;
    creations.push({ kind: 'add-set', set });
    if (elements.length === 0) return;
    this.hasNewIntervals ||= set.interval;
    this.elementsOfNew.push({ set: set.name, added: elements, removed: [] });
    (set.verdicts ? this.newElements : creations).push({ kind: 'add-elements', set, elements });
  }

  removeSet(name: string): void {
    this.removedSets.push(name);
  }

  addChain({ name, comment, base }: Chain): void {
    const chain: Chain = {
      name,
      ...(comment === undefined ? {} : { comment }),
      ...(base === undefined ? {} : { base }),
    };
    if (base === undefined || this.table !== 'in force') {
      this.newNames.add(name);
      this.newChains.push({ kind: 'add-chain', chain });
    } else {
      this.newBaseChains.push({ kind: 'add-chain', chain });
    }
  }

  /** Chains that go may jump to one another: all are emptied first. */
  removeChain(name: string, hasRules: boolean): void {
    this.removedChains.push(name);
    if (hasRules) this.flushes.push({ kind: 'flush-chain', chain: name });
  }

  changeElements(set: NamedSet, added: readonly Element[], removed: readonly Element[]): void {
    if (removed.length > 0) this.elementChanges.push({ kind: 'delete-elements', set, elements: removed });
    if (added.length > 0) this.elementChanges.push({ kind: 'add-elements', set, elements: added });
    if (added.length + removed.length > 0) {
      this.elementsChanged.push({ set: set.name, added, removed: removed.map(({ key }) => key) });
    }
  }

  /** Each new rule goes before the next one that stays, or to the end. */
  editRules({ name: chain, base, rules: after }: ChainValue, before: readonly ActualRule[]): void {
    const wanted = after.map((rule) => compileRule(rule).fingerprint);
    const kept = longestCommonSubsequence(
      before.map((rule) => rule.fingerprint),
      wanted,
    );
    const isNew = this.newNames.has(chain);
    const edits = isNew ? this.newRules : this.ruleChanges;
    const staying = new Set(kept.map((pair) => pair.before));
    for (const [index, { handle }] of before.entries()) {
      if (!staying.has(index)) edits.push({ kind: 'delete-rule', chain, handle });
    }
    const rules: PlannedRule[] = [];
    let next = 0;
    for (const [index, rule] of after.entries()) {
      const stays = kept[next]?.after === index ? before[kept[next]!.before] : undefined;
      if (stays !== undefined) next++;
      else {
        const follower = kept[next] === undefined ? undefined : before[kept[next]!.before]!.handle;
        const place = follower === undefined ? {} : { before: follower };
        edits.push({ kind: 'add-rule', chain, rule, ...place });
      }
      rules.push({ fingerprint: wanted[index]!, handle: stays?.handle });
    }
    (isNew ? this.plannedNew : this.plannedChanges).push({ name: chain, base, rules });
  }

  /**
   * With `keep-removed`, what is to go stays for a later plan, if there is anything else to do.
   *
   * If what is there is to lead to new chains, or may look into new sets of intervals, only what is new is made, and
   * the rest is left to the next plan. For a packet that is under way while a transaction is committed may find a new
   * chain empty (it keeps to the generation of rules with which it began, nft_do_chain in nf_tables_core.c), and for
   * some time any packet finds a new set of intervals empty (its elements come in sight when everything else is done,
   * nft_set_commit_update in nf_tables_api.c).
   */
  build(extent: 'whole' | 'keep-removed' = 'whole'): Plan {
    const preparations: Operation[] = [
      ...this.start,
      ...this.interfaceSets,
      ...this.setCreations,
      ...this.newChains,
      ...this.newElements,
      ...this.newRules,
    ];
    const changes: Operation[] = [...this.newBaseChains, ...this.elementChanges, ...this.ruleChanges];
    const removals: Operation[] = [
      ...this.flushes,
      // A verdict map holds on to chains, so sets go first.
      ...this.removedSets.map((set): Operation => ({ kind: 'delete-set', set })),
      ...this.removedChains.map((chain): Operation => ({ kind: 'delete-chain', chain })),
    ];
    const isLate = this.newChains.length > 0 || this.hasNewIntervals;
    const prepare = this.table === 'in force' && isLate && changes.length > 0;
    const keep = prepare || (extent === 'keep-removed' && preparations.length + changes.length > 0);
    return {
      operations: [...preparations, ...(prepare ? [] : changes), ...(keep ? [] : removals)],
      outcome: {
        fresh: this.table === 'new',
        chains: prepare ? this.plannedNew : [...this.plannedNew, ...this.plannedChanges],
        removedChains: keep ? [] : this.removedChains,
        sets: this.newSets,
        removedSets: keep ? [] : this.removedSets,
        elements: prepare ? this.elementsOfNew : [...this.elementsOfNew, ...this.elementsChanged],
      },
    };
  }
}
