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
  readonly elements: readonly {
    readonly set: string;
    readonly added: readonly Element[];
    readonly removed: readonly string[];
  }[];
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

/** Collects operations in the phases in which they must be sent. */
export class PlanBuilder {
  readonly start: Operation[] = [];
  private readonly newSets: NamedSet[] = [];
  private readonly interfaceSets: Operation[] = [];
  private readonly setCreations: Operation[] = [];
  private readonly newChains: Operation[] = [];
  private readonly elementChanges: Operation[] = [];
  private readonly ruleChanges: Operation[] = [];
  private readonly flushes: Operation[] = [];
  private readonly chains: PlannedChain[] = [];
  private readonly removedChains: string[] = [];
  private readonly removedSets: string[] = [];
  private readonly elements: { set: string; added: readonly Element[]; removed: string[] }[] = [];

  constructor(private readonly fresh: boolean) {}

  /**
   * The kernel finds a set by walking a list from the one that was made first, so those that every endpoint is in come
   * first. A plain set is filled as soon as it is made. A map's elements name chains, which come before.
   */
  addSet(set: NamedSet, elements: readonly Element[]): void {
    this.newSets.push(set);
    const creations = set.type[0] === 'ifname' ? this.interfaceSets : this.setCreations;
    creations.push({ kind: 'add-set', set });
    if (elements.length === 0) return;
    this.elements.push({ set: set.name, added: elements, removed: [] });
    (set.verdicts ? this.elementChanges : creations).push({ kind: 'add-elements', set, elements });
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
    this.newChains.push({ kind: 'add-chain', chain });
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
      this.elements.push({ set: set.name, added, removed: removed.map(({ key }) => key) });
    }
  }

  /** Each new rule goes before the next one that stays, or to the end. */
  editRules({ name: chain, base, rules: after }: ChainValue, before: readonly ActualRule[]): void {
    const wanted = after.map((rule) => compileRule(rule).fingerprint);
    const kept = longestCommonSubsequence(
      before.map((rule) => rule.fingerprint),
      wanted,
    );
    const staying = new Set(kept.map((pair) => pair.before));
    for (const [index, { handle }] of before.entries()) {
      if (!staying.has(index)) this.ruleChanges.push({ kind: 'delete-rule', chain, handle });
    }
    const rules: PlannedRule[] = [];
    let next = 0;
    for (const [index, rule] of after.entries()) {
      const stays = kept[next]?.after === index ? before[kept[next]!.before] : undefined;
      if (stays !== undefined) next++;
      else {
        const follower = kept[next] === undefined ? undefined : before[kept[next]!.before]!.handle;
        const place = follower === undefined ? {} : { before: follower };
        this.ruleChanges.push({ kind: 'add-rule', chain, rule, ...place });
      }
      rules.push({ fingerprint: wanted[index]!, handle: stays?.handle });
    }
    this.chains.push({ name: chain, base, rules });
  }

  /** With `keep-removed`, what is to go stays for a later plan, if there is anything else to do. */
  build(extent: 'whole' | 'keep-removed' = 'whole'): Plan {
    const changes: Operation[] = [
      ...this.start,
      ...this.interfaceSets,
      ...this.setCreations,
      ...this.newChains,
      ...this.elementChanges,
      ...this.ruleChanges,
    ];
    const removals: Operation[] = [
      ...this.flushes,
      // A verdict map holds on to chains, so sets go first.
      ...this.removedSets.map((set): Operation => ({ kind: 'delete-set', set })),
      ...this.removedChains.map((chain): Operation => ({ kind: 'delete-chain', chain })),
    ];
    const keep = extent === 'keep-removed' && changes.length > 0;
    return {
      operations: keep ? changes : [...changes, ...removals],
      outcome: {
        fresh: this.fresh,
        chains: this.chains,
        removedChains: keep ? [] : this.removedChains,
        sets: this.newSets,
        removedSets: keep ? [] : this.removedSets,
        elements: this.elements,
      },
    };
  }
}
