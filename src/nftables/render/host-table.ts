/** Keeps the chains and maps of host endpoints in the desired table. There are few, so each change renders them all. */
import { isDeepStrictEqual } from 'node:util';
import type { DesiredTable } from '../reconciler.ts';
import type { ChainValue, SetValue } from '../ruleset.ts';
import { type ActiveHostEndpoint, type HostChainUse, renderHostEndpoints } from './host-endpoints.ts';
import type { RenderOptions } from './options.ts';

export class HostTable {
  private endpoints: readonly ActiveHostEndpoint[] = [];
  private chains = new Map<string, ChainValue>();
  private sets = new Map<string, SetValue>();
  private users = new Map<string, HostChainUse>();

  constructor(
    private readonly desired: DesiredTable,
    /** Makes a chain the user of tiers and profiles; of none, when it is gone. */
    private readonly use: (use: HostChainUse) => void,
  ) {}

  get active(): readonly ActiveHostEndpoint[] {
    return this.endpoints;
  }

  set(active: readonly ActiveHostEndpoint[], options: RenderOptions): void {
    this.endpoints = active;
    const { chains, sets, uses } = renderHostEndpoints(active, options);
    const chainsBefore = this.chains;
    const setsBefore = this.sets;
    const usersBefore = this.users;
    this.chains = new Map(chains.map((chain) => [chain.name, chain]));
    this.sets = new Map(sets.map((set) => [set.name, set]));
    this.users = new Map(uses.map((use) => [use.user, use]));
    for (const use of uses) this.use(use);
    for (const [user, { direction }] of usersBefore) {
      if (!this.users.has(user)) this.use({ user, direction, tiers: [], profiles: [] });
    }
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
