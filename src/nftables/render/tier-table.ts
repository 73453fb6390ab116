/**
 * The chains and maps of tiers as the table has them. Where only the single ports move that a policy of a tier is about,
 * only the elements of these ports are written again (port-dispatch.ts).
 */
import type { Direction, EndpointTier } from '../../calc/output.ts';
import type { DesiredTable } from '../reconciler.ts';
import type { SetValue } from '../ruleset.ts';
import {
  type PolicyInTier,
  dispatchedPolicy,
  policiesInOrder,
  renderTier,
  tierChainName,
} from './endpoint.ts';
import type { RenderOptions } from './options.ts';
import type { DispatchLimits, DispatchedPolicy, PortDispatch } from './port-dispatch.ts';
import type { SharedSets } from './sharing.ts';

interface WrittenTier {
  /** Names of chains behind maps. */
  readonly chains: Set<string>;
  readonly portMaps: ReadonlySet<string>;
  /** Of a tier that is no plain list. */
  readonly dispatch: PortDispatch | undefined;
  /** Where each policy is in the tier. */
  readonly places: ReadonlyMap<string, number>;
}

const NOTHING: WrittenTier = {
  chains: new Set(),
  portMaps: new Set(),
  dispatch: undefined,
  places: new Map(),
};

export class TierTable {
  private readonly written = new Map<string, WrittenTier>();

  constructor(
    private readonly desired: DesiredTable,
    private readonly sharedSets: SharedSets,
    private readonly known: (direction: Direction, policyId: string) => PolicyInTier,
    private readonly limits: DispatchLimits,
  ) {}

  /** Writes all of a tier. */
  set(direction: Direction, tier: EndpointTier, options: RenderOptions): void {
    const name = tierChainName(direction, tier);
    const known = (id: string): PolicyInTier => this.known(direction, id);
    const { chains, portMaps, sets, dispatch } = renderTier(direction, tier, known, options, this.limits);
    this.sharedSets.use(name, sets);
    for (const map of portMaps) this.setPortMap(map);
    for (const chain of chains) this.desired.setChain(chain);
    this.keep(name, {
      chains: new Set(chains.slice(1).map((chain) => chain.name)),
      portMaps: new Set(portMaps.map((map) => map.name)),
      dispatch,
      places: new Map(policiesInOrder(direction, tier).map((id, place) => [id, place])),
    });
  }

  /** Writes what other rules of some of its policies change in a tier. */
  change(
    direction: Direction,
    tier: EndpointTier,
    policyIds: Iterable<string>,
    options: RenderOptions,
  ): void {
    const { chains, dispatch, places } = this.written.get(tierChainName(direction, tier)) ?? NOTHING;
    const policies = [...policyIds].map((id): [number, DispatchedPolicy] => [
      places.get(id)!,
      dispatchedPolicy(direction, id, this.known(direction, id), options),
    ]);
    const change = dispatch?.change(new Map(policies));
    if (change === undefined) {
      this.set(direction, tier, options);
      return;
    }
    for (const { name, put, removed } of change.maps) {
      this.desired.removeElements(name, removed);
      this.desired.addElements(name, put);
    }
    for (const chain of change.made) {
      this.desired.setChain(chain);
      chains.add(chain.name);
    }
    for (const name of change.gone) {
      this.desired.removeChain(name);
      chains.delete(name);
    }
  }

  remove(name: string): void {
    this.sharedSets.use(name, []);
    this.keep(name, NOTHING);
    this.written.delete(name);
    this.desired.removeChain(name);
  }

  private setPortMap({ elements, ...map }: SetValue): void {
    this.desired.setSet(map);
    const kept = new Set(elements.map(({ key }) => key));
    const gone = [...this.desired.keysOf(map.name)].filter((key) => !kept.has(key));
    this.desired.removeElements(map.name, gone);
    this.desired.addElements(map.name, elements);
  }

  /** Notes what a tier has; what it had before and has no longer goes. */
  private keep(name: string, now: WrittenTier): void {
    const before = this.written.get(name) ?? NOTHING;
    for (const chain of before.chains) if (!now.chains.has(chain)) this.desired.removeChain(chain);
    for (const map of before.portMaps) if (!now.portMaps.has(map)) this.desired.removeSet(map);
    this.written.set(name, now);
  }
}
