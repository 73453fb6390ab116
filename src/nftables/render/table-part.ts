/** Chains and sets that are rendered together, because there are few: keeps the desired table at the last rendering. */
import { isDeepStrictEqual } from 'node:util';
import type { DesiredTable } from '../reconciler.ts';
import type { ChainValue, SetValue } from '../ruleset.ts';

export interface PartValue {
  readonly chains: readonly ChainValue[];
  readonly sets: readonly SetValue[];
}

export class TablePart {
  private chains = new Map<string, ChainValue>();
  private sets = new Map<string, SetValue>();

  constructor(private readonly desired: DesiredTable) {}

  set({ chains, sets }: PartValue): void {
    const chainsBefore = this.chains;
    const setsBefore = this.sets;
    this.chains = new Map(chains.map((chain) => [chain.name, chain]));
    this.sets = new Map(sets.map((set) => [set.name, set]));
    for (const set of sets) this.setSet(set, setsBefore.get(set.name));
    for (const chain of chains) {
      if (!isDeepStrictEqual(chain, chainsBefore.get(chain.name))) this.desired.setChain(chain);
    }
    for (const name of chainsBefore.keys()) if (!this.chains.has(name)) this.desired.removeChain(name);
    for (const name of setsBefore.keys()) if (!this.sets.has(name)) this.desired.removeSet(name);
  }

  private setSet({ elements, ...set }: SetValue, before: SetValue | undefined): void {
    this.desired.setSet(set);
    const kept = new Set(elements.map(({ key }) => key));
    this.desired.removeElements(
      set.name,
      (before?.elements ?? []).map(({ key }) => key).filter((key) => !kept.has(key)),
    );
    this.desired.addElements(set.name, elements);
  }
}
