/**
 * Keeps the desired table in step with the calculation, one delta after another. What a delta does not name is not
 * looked at: a pod that appears costs its own chains and the elements of the sets that select it.
 *
 * Chains are there while something jumps to them: a policy's while a tier chain does, a tier's while an endpoint
 * does. Sets by content are there while a chain uses them. A tier of many policies follows when the ports change that
 * one of them is about (tier-table.ts).
 */
import type {
  ActivePolicy,
  CalcDelta,
  Direction,
  EndpointTier,
  LocalEndpoint,
  NetworkPlan,
  SetId,
} from '../../calc/output.ts';
import { familyOf } from '../../net/address.ts';
import { commentText } from '../names.ts';
import type { DesiredTable } from '../reconciler.ts';
import type { ChainValue, Rule } from '../ruleset.ts';
import { CalculatedSets, setsOfRule } from './calculated-sets.ts';
import { dispatchChain, fixedChains, fixedSets, foreignSourceChain } from './base-chains.ts';
import { type PolicyInTier, policiesIn, profileVerdict, tierChainName } from './endpoint.ts';
import { EndpointPlaces } from './endpoint-places.ts';
import type { ActiveHostEndpoint, HostChainUse } from './host-endpoints.ts';
import { HostTable } from './host-table.ts';
import { SERVICE_LOOP_CHAIN, serviceLoopChain } from './service-loop.ts';
import { NAT_CHAIN, natChain } from './nat.ts';
import { type Footprint, footprintOf, sameFootprint } from './footprint.ts';
import type { RenderOptions } from './options.ts';
import {
  type PolicyRole,
  type RenderedChain,
  failClosedRule,
  hasPass,
  policyChainName,
  renderPolicy,
} from './policy.ts';
import { DISPATCH_LIMITS, type DispatchLimits } from './port-dispatch.ts';
import { renderQos } from './qos.ts';
import { ANY_MEMBERS, type KnownSets } from './rule.ts';
import { SharedSets, Users } from './sharing.ts';
import { sourceSet } from './set-names.ts';
import { TablePart } from './table-part.ts';
import { TierTable } from './tier-table.ts';

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
const FAMILIES = [4, 6] as const;

/** Who asks about sets besides policies. */
const QOS_USER = 'qos';
const NETWORK_USERS = [NAT_CHAIN, SERVICE_LOOP_CHAIN, QOS_USER];

/** A policy or profile in one direction. */
interface PolicyChain {
  readonly role: PolicyRole;
  readonly direction: Direction;
  readonly id: string;
}

interface TierChain {
  readonly direction: Direction;
  readonly tier: EndpointTier;
}

export class PolicyRenderer {
  private readonly policies: Readonly<Record<PolicyRole, Map<string, ActivePolicy>>> = {
    policy: new Map(),
    profile: new Map(),
  };
  private readonly endpoints = new Map<string, LocalEndpoint>();
  /** Which endpoint an interface belongs to. */
  private readonly interfaces = new Map<string, string>();
  private readonly calculatedSets: CalculatedSets;
  private readonly policyChains = new Users<PolicyChain>();
  private readonly tierChains = new Users<TierChain>();
  private readonly sharedSets: SharedSets;
  private readonly hosts: HostTable;
  private readonly places: EndpointPlaces;
  /** Which endpoints have a profile. */
  private readonly profileUsers = new Users<true>();
  /** Rules of profiles whoever is in sets, until the profile or the options change; known profiles only. */
  private readonly profileRules: Readonly<Record<Direction, Map<string, readonly Rule[]>>> = {
    egress: new Map(),
    ingress: new Map(),
  };
  private readonly dirtyEndpoints = new Set<string>();
  private readonly qos: TablePart;
  /** Whether an endpoint with limits came, changed or went since they were rendered. */
  private isLimitChanged = false;
  private networks: NetworkPlan = { outgoing: undefined, pools: undefined, services: undefined };
  private readonly quarantined = new Map<string, string>();
  /** What the chain of each policy in use can be about. */
  private readonly footprints = new Map<string, Footprint>();
  private readonly tiers: TierTable;
  /** Tiers of which a policy is rendered otherwise than before, with these policies. */
  private readonly dirtyTiers = new Map<string, Set<string>>();
  /** Policies that ask for connections to be cut which a change of them denies. */
  private readonly flushing = new Set<string>();
  private options: RenderOptions;

  /** Writes the chains and sets that every table has. */
  constructor(
    private given: RenderOptions,
    private readonly desired: DesiredTable,
    limits: DispatchLimits = DISPATCH_LIMITS,
  ) {
    this.options = given;
    this.sharedSets = new SharedSets(desired);
    this.calculatedSets = new CalculatedSets(desired, given.families);
    this.tiers = new TierTable(desired, this.sharedSets, this.inTier, limits);
    this.hosts = new HostTable(desired, (use) => this.useChainsOf(use));
    this.qos = new TablePart(desired);
    for (const { elements, ...set } of fixedSets()) {
      desired.setSet(set);
      desired.addElements(set.name, elements);
    }
    this.places = new EndpointPlaces(
      desired,
      (use) => this.useChainsOf(use),
      (direction) => this.setDispatchChain(direction),
    );
    this.setFixedChains();
  }

  /** As given, and as the policies want it besides. */
  private wantedOptions(): RenderOptions {
    return { ...this.given, flushOnChange: this.given.flushOnChange || this.flushing.size > 0 };
  }

  private setFixedChains(): void {
    for (const chain of fixedChains(this.options)) this.desired.setChain(chain);
    for (const direction of DIRECTIONS) this.setDispatchChain(direction);
    this.setForeignSourceChain();
  }

  /** Renders again, with other options, everything that options touch. */
  setOptions(options: RenderOptions): void {
    this.given = options;
    this.options = this.wantedOptions();
    for (const direction of DIRECTIONS) this.profileRules[direction].clear();
    this.calculatedSets.addFamilies(options.families);
    this.setFixedChains();
    this.setNetworkChains();
    for (const [name, chain] of this.policyChains.all()) this.setPolicyChain(name, chain);
    for (const [, { direction, tier }] of this.tierChains.all())
      this.tiers.set(direction, tier, this.options);
    for (const endpoint of this.endpoints.values()) this.placeEndpoint(endpoint);
    while (this.places.settle());
    this.hosts.set(this.hosts.active, this.options);
    this.dirtyTiers.clear();
  }

  /** Sets which host endpoints stand for which interfaces. */
  setHostEndpoints(active: readonly ActiveHostEndpoint[]): void {
    this.hosts.set(active, this.options);
    this.settleTiers();
  }

  /** Takes one delta in. */
  apply(delta: CalcDelta): void {
    const begun = new Set<string>();
    for (const [id, change] of delta.sets) {
      if (change === undefined) continue;
      for (const chain of this.calculatedSets.change(id, change)) begun.add(chain);
    }
    if (delta.networks !== undefined) {
      this.networks = delta.networks;
      this.setNetworkChains();
    }
    this.changePolicies('policy', delta.policies);
    this.changePolicies('profile', delta.profiles);
    this.followFlushing(delta.policies);
    for (const [key, endpoint] of delta.endpoints) {
      if (endpoint === undefined) this.removeEndpoint(key);
    }
    for (const [key, endpoint] of delta.endpoints) {
      if (endpoint !== undefined) this.setEndpoint(key, endpoint);
    }
    if (this.isLimitChanged) {
      this.isLimitChanged = false;
      this.setQos();
      this.setFixedChains();
    }
    for (const [id, change] of delta.sets) {
      if (change === undefined) this.calculatedSets.remove(id);
    }
    for (const name of begun) {
      const chain = this.policyChains.get(name);
      if (chain === undefined) continue;
      // If a set of it was refused, it may be taken now; if anything else was, that is refused again.
      if (this.quarantined.has(chain.id))
        this.change(chain.role, chain.id, () => this.quarantined.delete(chain.id));
      else this.setPolicyChain(name, chain);
    }
    if (NETWORK_USERS.some((user) => begun.has(user))) this.setNetworkChains();
    this.calculatedSets.settle();
    this.settleDependents();
  }

  /**
   * Renders a policy or profile as a counted drop until it changes: the kernel refused it. The endpoints that it
   * selects fail closed, the rest of the node goes on.
   */
  quarantine(id: string, reason: string): void {
    const role = this.policies.policy.has(id) ? 'policy' : 'profile';
    this.change(role, id, () => this.quarantined.set(id, reason));
    this.settleDependents();
  }

  /** Leaves a set out of the table until it changes, because the kernel refuses it. False if that cannot be. */
  refuseSet(name: string): boolean {
    return this.calculatedSets.refuse(name);
  }

  /** Ids of quarantined policies with the reason. */
  get quarantines(): ReadonlyMap<string, string> {
    return this.quarantined;
  }

  /** The policies that a chain or set of the table was rendered from. */
  policiesOf(object: { readonly chain: string } | { readonly set: string }): string[] {
    if ('chain' in object) {
      const known = this.policyChains.get(object.chain);
      return known === undefined ? [] : [known.id];
    }
    const chains = [...this.sharedSets.usersOf(object.set), ...this.calculatedSets.askersOf(object.set)];
    return [...new Set(chains.flatMap((chain) => this.policiesOf({ chain })))];
  }

  private setDispatchChain(direction: Direction): void {
    const groupRules = this.places.groupRules(direction);
    this.desired.setChain(dispatchChain(direction, this.options, groupRules, this.limited));
  }

  private setNetworkChains(): void {
    const { outgoing, services } = this.networks;
    this.setOptionalChain(
      NAT_CHAIN,
      outgoing && natChain(outgoing, this.options, this.calculatedSets),
      Object.values(outgoing ?? {}),
    );
    this.setOptionalChain(
      SERVICE_LOOP_CHAIN,
      serviceLoopChain(services, this.options, this.calculatedSets),
      services === undefined ? [] : [services],
    );
    this.setQos();
  }

  private setOptionalChain(name: string, chain: ChainValue | undefined, asked: readonly SetId[]): void {
    this.calculatedSets.use(name, chain?.rules ?? [], asked);
    if (chain === undefined) this.desired.removeChain(name);
    else this.desired.setChain(chain);
  }

  private get limited(): LocalEndpoint[] {
    return [...this.endpoints.values()].filter(({ qos }) => qos !== undefined);
  }

  private setQos(): void {
    const part = renderQos(this.limited, this.networks.pools, this.options, this.calculatedSets);
    this.calculatedSets.use(
      QOS_USER,
      part.chains.flatMap(({ rules }) => rules),
      this.networks.pools === undefined ? [] : [this.networks.pools],
    );
    this.qos.set(part);
  }

  private setForeignSourceChain(): void {
    const spoofing = [...this.endpoints.values()].filter(
      ({ allowSpoofedSourcePrefixes }) => allowSpoofedSourcePrefixes !== undefined,
    );
    const { chain, sets } = foreignSourceChain(spoofing, this.options);
    this.sharedSets.use(chain.name, sets);
    this.desired.setChain(chain);
  }

  private followFlushing(changes: CalcDelta['policies']): void {
    for (const [id, policy] of changes) {
      if (policy?.flushOnChange === true) this.flushing.add(id);
      else this.flushing.delete(id);
    }
    const options = this.wantedOptions();
    if (options.flushOnChange === this.options.flushOnChange) return;
    this.options = options;
    this.setFixedChains();
    this.hosts.set(this.hosts.active, this.options);
  }

  private changePolicies(role: PolicyRole, changes: ReadonlyMap<string, ActivePolicy | undefined>): void {
    const known = this.policies[role];
    for (const [id, policy] of changes) {
      this.change(role, id, () => {
        if (policy === undefined) known.delete(id);
        else known.set(id, policy);
        this.quarantined.delete(id);
      });
    }
  }

  /** Changes what a policy is, and renders what depends on it and has users. */
  private change(role: PolicyRole, id: string, change: () => void): void {
    const passed = DIRECTIONS.map((direction) => this.passes(direction, id));
    change();
    if (role === 'profile') {
      for (const direction of DIRECTIONS) this.profileRules[direction].delete(id);
      for (const key of this.profileUsers.usersOf(id)) this.dirtyEndpoints.add(key);
    }
    for (const [index, direction] of DIRECTIONS.entries()) {
      const name = policyChainName(role, direction, id);
      const chain = this.policyChains.get(name);
      if (chain !== undefined) this.setPolicyChain(name, chain);
      if (role === 'policy' && this.passes(direction, id) !== passed[index]) this.markTiersOf(direction, id);
    }
  }

  /** Whether the policy as rendered may hand packets to the next tier. */
  private passes(direction: Direction, id: string): boolean {
    return !this.quarantined.has(id) && hasPass(this.policies.policy.get(id), direction);
  }

  private setPolicyChain(name: string, { role, direction, id }: PolicyChain): void {
    const { chain, sets } = this.renderPolicyChain(name, role, direction, id);
    this.sharedSets.use(name, sets);
    const rules = this.policies[role].get(id)?.[direction] ?? [];
    this.calculatedSets.use(name, chain.rules, new Set(rules.flatMap(setsOfRule)));
    this.desired.setChain(chain);
    if (role === 'profile') return;
    const before = this.footprints.get(name);
    const footprint = footprintOf(chain.rules, sets);
    this.footprints.set(name, footprint);
    if (before !== undefined && !sameFootprint(before, footprint)) this.markTiersOf(direction, id);
  }

  private renderPolicyChain(
    name: string,
    role: PolicyRole,
    direction: Direction,
    id: string,
    known: KnownSets = this.calculatedSets,
  ): RenderedChain {
    const policy = this.policies[role].get(id);
    const reason = this.quarantined.get(id) ?? (policy === undefined ? `${role} is not known` : undefined);
    if (policy !== undefined && reason === undefined)
      return renderPolicy(policy, role, direction, this.options, known);
    const rules = [failClosedRule(reason ?? '')];
    return { chain: { name, comment: commentText(id), rules }, sets: [] };
  }

  /** Tiers are rendered once all that changed at a time is known. */
  private markTiersOf(direction: Direction, id: string): void {
    for (const name of this.policyChains.usersOf(policyChainName('policy', direction, id))) {
      const policies = this.dirtyTiers.get(name) ?? new Set();
      this.dirtyTiers.set(name, policies.add(id));
    }
  }

  /** Renders again what depends on several things that change at a time. */
  private settleDependents(): void {
    for (const key of this.dirtyEndpoints) this.placeEndpoint(this.endpoints.get(key)!);
    while (this.places.settle());
    this.settleTiers();
  }

  private settleTiers(): void {
    for (const [name, policies] of this.dirtyTiers) {
      const known = this.tierChains.get(name);
      if (known !== undefined) this.tiers.change(known.direction, known.tier, policies, this.options);
    }
    this.dirtyTiers.clear();
  }

  private readonly inTier = (direction: Direction, id: string): PolicyInTier => ({
    passes: this.passes(direction, id),
    footprint: this.footprints.get(policyChainName('policy', direction, id))!,
  });

  private setEndpoint(key: string, endpoint: LocalEndpoint): void {
    const previous = this.endpoints.get(key);
    if (previous !== undefined && previous.interfaceName !== endpoint.interfaceName) this.removeEndpoint(key);
    const usurped = this.interfaces.get(endpoint.interfaceName);
    if (usurped !== undefined && usurped !== key) this.removeEndpoint(usurped);
    const before = this.endpoints.get(key);
    this.isLimitChanged ||= (before?.qos ?? endpoint.qos) !== undefined;
    this.endpoints.set(key, endpoint);
    this.interfaces.set(endpoint.interfaceName, key);
    this.profileUsers.use(key, new Map(endpoint.profiles.map((id) => [id, true])));
    this.placeEndpoint(endpoint);
    this.changeSources(before, endpoint);
  }

  private placeEndpoint(endpoint: LocalEndpoint): void {
    this.dirtyEndpoints.delete(endpoint.key);
    for (const direction of DIRECTIONS) {
      const rulesOf = (id: string): readonly Rule[] => this.rulesOfProfile(direction, id);
      this.places.set(direction, endpoint, profileVerdict(direction, endpoint, rulesOf));
    }
  }

  /** Without a look at the members of sets: a verdict is the same whoever is in them. */
  private rulesOfProfile(direction: Direction, id: string): readonly Rule[] {
    const known = this.profileRules[direction].get(id);
    if (known !== undefined) return known;
    const name = policyChainName('profile', direction, id);
    const { rules } = this.renderPolicyChain(name, 'profile', direction, id, ANY_MEMBERS).chain;
    if (this.policies.profile.has(id)) this.profileRules[direction].set(id, rules);
    return rules;
  }

  private removeEndpoint(key: string): void {
    const endpoint = this.endpoints.get(key);
    if (endpoint === undefined) return;
    this.isLimitChanged ||= endpoint.qos !== undefined;
    this.endpoints.delete(key);
    this.interfaces.delete(endpoint.interfaceName);
    this.profileUsers.use(key, new Map());
    this.dirtyEndpoints.delete(key);
    for (const direction of DIRECTIONS) this.places.remove(direction, endpoint.interfaceName);
    this.changeSources(endpoint, undefined);
  }

  private changeSources(before: LocalEndpoint | undefined, after: LocalEndpoint | undefined): void {
    const spoofed = [before, after].some((endpoint) => endpoint?.allowSpoofedSourcePrefixes !== undefined);
    if (spoofed) this.setForeignSourceChain();
    for (const family of FAMILIES) {
      const keys = (endpoint: LocalEndpoint | undefined): string[] =>
        (endpoint?.addresses ?? [])
          .filter((address) => familyOf(address) === family)
          .map((address) => `${endpoint!.interfaceName},${address}`);
      const { name } = sourceSet(family);
      this.desired.removeElements(name, keys(before));
      this.desired.addElements(
        name,
        keys(after).map((key) => ({ key })),
      );
    }
  }

  /** Makes a chain the user of tiers and profiles, and of nothing else. */
  private useChainsOf({ user, direction, tiers: used, profiles: ids }: HostChainUse): void {
    const tiers = new Map(used.map((tier) => [tierChainName(direction, tier), { direction, tier }]));
    const profiles = ids.map((id): PolicyChain => ({ role: 'profile', direction, id }));
    const newTiers = this.tierChains.use(user, tiers);
    const newProfiles = this.policyChains.use(user, named(profiles));
    // New ones first, so that what both use is not made again.
    for (const name of newTiers.made) this.makeTierChain(name, tiers.get(name)!);
    for (const name of newTiers.gone) this.removeTierChain(name);
    this.settlePolicyChains(newProfiles);
  }

  private makeTierChain(name: string, { direction, tier }: TierChain): void {
    const policies = policiesIn(direction, tier).map((id): PolicyChain => ({
      role: 'policy',
      direction,
      id,
    }));
    this.settlePolicyChains(this.policyChains.use(name, named(policies)));
    this.tiers.set(direction, tier, this.options);
  }

  private removeTierChain(name: string): void {
    this.tiers.remove(name);
    this.settlePolicyChains(this.policyChains.use(name, new Map()));
  }

  private settlePolicyChains({ made, gone }: { readonly made: string[]; readonly gone: string[] }): void {
    for (const name of made) this.setPolicyChain(name, this.policyChains.get(name)!);
    for (const name of gone) {
      this.sharedSets.use(name, []);
      this.calculatedSets.use(name, [], []);
      this.footprints.delete(name);
      this.desired.removeChain(name);
    }
  }
}

function named(chains: readonly PolicyChain[]): Map<string, PolicyChain> {
  return new Map(chains.map((chain) => [policyChainName(chain.role, chain.direction, chain.id), chain]));
}
