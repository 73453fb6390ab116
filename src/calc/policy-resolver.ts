/**
 * Which policies apply to which endpoints of this node. Only the label index compares policies with endpoints; what
 * it reports marks endpoints and policies, and a flush works out those that are marked.
 */
import { isDeepStrictEqual } from 'node:util';
import { DeltaTracker } from '../base/delta.ts';
import type { Tier } from '../model/kinds/tier.ts';
import { ActiveRules } from './active-rules.ts';
import { drain } from './drain.ts';
import { type LabelGroup, LabelIndex, type Labels } from './label-index.ts';
import { MultiMap } from './multi-map.ts';
import type {
  ActivePolicy,
  Direction,
  EndpointTier,
  LocalEndpoint,
  LocalHostEndpoint,
  StagedPlace,
} from './output.ts';
import { compareDefinitions, type PolicyDefinition } from './policy-definition.ts';
import { compareTiers, TierTable } from './policy-order.ts';
import type { ProblemLog } from './problem-log.ts';
import { ProfileTable } from './profile-table.ts';
import { compileRules } from './rule-compiler.ts';
import type { SetRegistry } from './set-registry.ts';

/** An endpoint but for its tiers. */
export type EndpointFacts = Omit<LocalEndpoint, 'tiers' | 'profiles'>;

interface EndpointState {
  readonly facts: EndpointFacts;
  readonly profiles: readonly string[];
}

/** A host endpoint but for its policies. */
export type HostEndpointFacts = Omit<LocalHostEndpoint, 'tiers' | 'profiles'>;

interface HostEndpointState {
  readonly facts: HostEndpointFacts;
  readonly profiles: readonly string[];
}

export class PolicyResolver {
  /** Policies by the resource that they come from. */
  private readonly policies = new Map<string, PolicyDefinition>();
  private readonly policiesOfTier = new MultiMap<string, string>();
  private readonly tiers = new TierTable();
  private readonly endpoints = new Map<string, EndpointState>();
  private readonly hostEndpoints = new Map<string, HostEndpointState>();
  private readonly index: LabelIndex;
  /** Worked out once for all workload endpoints that the same policies apply to. */
  private readonly tiersOfGroup = new WeakMap<LabelGroup, readonly EndpointTier[]>();
  private readonly hostIndex: LabelIndex;
  private readonly dirtyPolicies = new Set<string>();
  private readonly dirtyEndpoints = new Set<string>();
  private readonly dirtyHostEndpoints = new Set<string>();
  private readonly active: ActiveRules;
  /** The id under which each policy in use went out. */
  private readonly activeIds = new Map<string, string>();
  private readonly output = new DeltaTracker<string, LocalEndpoint>(isDeepStrictEqual);
  private readonly hostOutput = new DeltaTracker<string, LocalHostEndpoint>(isDeepStrictEqual);
  readonly profiles: ProfileTable;

  constructor(
    registry: SetRegistry,
    private readonly problems: ProblemLog,
  ) {
    this.active = new ActiveRules(registry);
    this.profiles = new ProfileTable(registry, problems);
    this.index = this.makeIndex(this.dirtyEndpoints);
    this.hostIndex = this.makeIndex(this.dirtyHostEndpoints);
  }

  private makeIndex(dirtyEndpoints: Set<string>): LabelIndex {
    const changed = (policy: string, group: LabelGroup, remaining: number): void => {
      // Only the first group and the last make a difference to the policy itself.
      if (index.groupsOf(policy).size === remaining) this.dirtyPolicies.add(policy);
      this.tiersOfGroup.delete(group);
      for (const endpoint of group.items) dirtyEndpoints.add(endpoint);
    };
    const index: LabelIndex = new LabelIndex({
      joined: (endpoint) => dirtyEndpoints.add(endpoint),
      left: (endpoint) => dirtyEndpoints.add(endpoint),
      started: (policy, group) => changed(policy, group, 1),
      stopped: (policy, group) => changed(policy, group, 0),
    });
    return index;
  }

  /** Sets what a policy resource says; undefined: it is gone. */
  setPolicy(resource: string, definition: PolicyDefinition | undefined): void {
    const before = this.policies.get(resource);
    if (before === undefined && definition === undefined) return;
    select(this.index, resource, forWorkloads(before), forWorkloads(definition));
    select(this.hostIndex, resource, forHosts(before), forHosts(definition));
    if (before !== undefined) this.policiesOfTier.delete(before.tier, resource);
    if (definition === undefined) {
      this.policies.delete(resource);
    } else {
      this.policies.set(resource, definition);
      this.policiesOfTier.add(definition.tier, resource);
    }
    this.dirtyPolicies.add(resource);
    if (before !== undefined && definition !== undefined && !sameStanding(before, definition)) {
      this.markEndpointsOf(resource);
    }
  }

  setTier(name: string, spec: Tier['spec'] | undefined): void {
    const before = this.tiers.get(name);
    this.tiers.set(name, spec);
    const after = this.tiers.get(name);
    if (isDeepStrictEqual(before, after)) return;
    for (const resource of this.policiesOfTier.get(name)) {
      this.markEndpointsOf(resource);
      this.dirtyPolicies.add(resource);
    }
  }

  /** Sets a workload endpoint of this node. */
  setEndpoint(facts: EndpointFacts, labels: Labels, profiles: readonly string[]): void {
    const { key } = facts;
    const before = this.endpoints.get(key)?.profiles ?? [];
    this.endpoints.set(key, { facts, profiles });
    this.profiles.setUse(key, before, profiles);
    this.dirtyEndpoints.add(key);
    this.index.setItem(key, labels, profiles);
  }

  deleteEndpoint(key: string): void {
    const before = this.endpoints.get(key);
    if (before === undefined) return;
    this.endpoints.delete(key);
    this.profiles.setUse(key, before.profiles, []);
    this.index.deleteItem(key);
    this.dirtyEndpoints.add(key);
  }

  /** Sets a host endpoint of this node. */
  setHostEndpoint(facts: HostEndpointFacts, labels: Labels, profiles: readonly string[]): void {
    const { key } = facts;
    const user = hostUser(key);
    const before = this.hostEndpoints.get(key)?.profiles ?? [];
    this.hostEndpoints.set(key, { facts, profiles });
    this.profiles.setUse(user, before, profiles);
    this.dirtyHostEndpoints.add(key);
    this.hostIndex.setItem(key, labels, profiles);
  }

  deleteHostEndpoint(key: string): void {
    const before = this.hostEndpoints.get(key);
    if (before === undefined) return;
    this.hostEndpoints.delete(key);
    this.profiles.setUse(hostUser(key), before.profiles, []);
    this.hostIndex.deleteItem(key);
    this.dirtyHostEndpoints.add(key);
  }

  /** Sets the labels that endpoints inherit from a profile. */
  setParent(name: string, labels: Labels | undefined): void {
    this.index.setParent(name, labels);
    this.hostIndex.setParent(name, labels);
  }

  flush(): {
    policies: Map<string, ActivePolicy | undefined>;
    profiles: Map<string, ActivePolicy | undefined>;
    endpoints: Map<string, LocalEndpoint | undefined>;
    hostEndpoints: Map<string, LocalHostEndpoint | undefined>;
  } {
    for (const resource of this.dirtyPolicies) this.resolvePolicy(resource);
    this.dirtyPolicies.clear();
    for (const key of this.dirtyEndpoints) this.resolveEndpoint(key);
    this.dirtyEndpoints.clear();
    for (const key of this.dirtyHostEndpoints) this.resolveHostEndpoint(key);
    this.dirtyHostEndpoints.clear();
    return {
      policies: this.active.flush(),
      profiles: this.profiles.flush(),
      endpoints: drain(this.output),
      hostEndpoints: drain(this.hostOutput),
    };
  }

  private markEndpointsOf(policy: string): void {
    for (const group of this.index.groupsOf(policy)) {
      this.tiersOfGroup.delete(group);
      for (const endpoint of group.items) this.dirtyEndpoints.add(endpoint);
    }
    for (const { items } of this.hostIndex.groupsOf(policy)) {
      for (const endpoint of items) this.dirtyHostEndpoints.add(endpoint);
    }
  }

  private resolvePolicy(resource: string): void {
    const definition = this.policies.get(resource);
    const inUse =
      definition !== undefined &&
      this.index.groupsOf(resource).size + this.hostIndex.groupsOf(resource).size > 0;
    const activeId = this.activeIds.get(resource);
    if (activeId !== undefined && activeId !== definition?.id) this.active.deactivate(activeId);
    const missing =
      definition !== undefined && this.tiers.get(definition.tier) === undefined
        ? `tier ${definition.tier} does not exist`
        : undefined;
    this.problems.report(resource, 'tier', missing);
    if (inUse) {
      this.compile(resource, definition, definition.failClosed ?? missing);
      return;
    }
    if (activeId !== undefined) this.active.deactivate(activeId);
    this.activeIds.delete(resource);
    this.problems.report(resource, 'rules', undefined);
  }

  private compile(resource: string, definition: PolicyDefinition, failClosed: string | undefined): void {
    const { id, tier, kind, namespace, name } = definition;
    const compile = (direction: Direction) =>
      compileRules(failClosed === undefined && definition[direction] ? definition.rules[direction] : [], {
        policy: id,
        direction,
        namespace: namespace === '' ? undefined : namespace,
      });
    const ingress = compile('ingress');
    const egress = compile('egress');
    this.active.activate(
      {
        id,
        tier,
        kind,
        namespace,
        name,
        ingress: ingress.rules,
        egress: egress.rules,
        ...definition.options,
        ...(definition.staged ? { staged: true } : {}),
        ...(definition.stage === 'normal' ? {} : { stage: definition.stage }),
        ...(failClosed === undefined ? {} : { failClosed }),
      },
      [...ingress.sets, ...egress.sets],
    );
    this.activeIds.set(resource, id);
    const problems = [...ingress.problems, ...egress.problems];
    this.problems.report(resource, 'rules', problems.length === 0 ? undefined : problems.join('; '));
  }

  private resolveEndpoint(key: string): void {
    const state = this.endpoints.get(key);
    if (state === undefined) {
      this.output.deleteDesired(key);
      return;
    }
    this.output.setDesired(key, {
      ...state.facts,
      tiers: this.tiersOfEndpoint(key),
      profiles: state.profiles.map((name) => this.profiles.idOf(name)),
    });
  }

  private tiersOfEndpoint(key: string): readonly EndpointTier[] {
    const group = this.index.groupOf(key)!;
    let tiers = this.tiersOfGroup.get(group);
    if (tiers === undefined) {
      tiers = this.tiersOf(group.selectors, () => true);
      this.tiersOfGroup.set(group, tiers);
    }
    return tiers;
  }

  private resolveHostEndpoint(key: string): void {
    const state = this.hostEndpoints.get(key);
    if (state === undefined) {
      this.hostOutput.deleteDesired(key);
      return;
    }
    const tiers = (wanted: (policy: PolicyDefinition) => boolean): EndpointTier[] =>
      this.tiersOf(this.hostIndex.groupOf(key)!.selectors, wanted);
    const undecided = (list: EndpointTier[]): EndpointTier[] =>
      list.map((tier) => ({ ...tier, defaultAction: 'pass' }));
    this.hostOutput.setDesired(key, {
      ...state.facts,
      tiers: {
        normal: tiers(({ stage }) => stage === 'normal'),
        forward: tiers(({ stage, applyOnForward }) => stage === 'normal' && applyOnForward),
        preDNAT: undecided(tiers(({ stage }) => stage === 'preDNAT')),
        untracked: undecided(tiers(({ stage }) => stage === 'untracked')),
      },
      profiles: state.profiles.map((name) => this.profiles.idOf(name)),
    });
  }

  private tiersOf(
    resources: ReadonlySet<string>,
    wanted: (policy: PolicyDefinition) => boolean,
  ): EndpointTier[] {
    const byTier = new Map<string, PolicyDefinition[]>();
    for (const resource of resources) {
      const definition = this.policies.get(resource)!;
      if (!wanted(definition)) continue;
      const list = byTier.get(definition.tier);
      if (list === undefined) byTier.set(definition.tier, [definition]);
      else list.push(definition);
    }
    return [...byTier.keys()]
      .map((name) => this.tiers.getOrFailClosed(name))
      .toSorted(compareTiers)
      .map(({ name, defaultAction }) => {
        const policies = byTier.get(name)!.toSorted(compareDefinitions);
        const ingress = placesOf(policies.filter((policy) => policy.ingress));
        const egress = placesOf(policies.filter((policy) => policy.egress));
        const isStaged = ingress.staged.length > 0 || egress.staged.length > 0;
        return {
          name,
          defaultAction,
          ingress: ingress.enforced,
          egress: egress.enforced,
          ...(isStaged ? { staged: { ingress: ingress.staged, egress: egress.staged } } : {}),
        };
      });
  }
}

function placesOf(policies: readonly PolicyDefinition[]): { enforced: string[]; staged: StagedPlace[] } {
  const enforced: string[] = [];
  const staged: StagedPlace[] = [];
  for (const { id, staged: isStaged } of policies) {
    if (isStaged) staged.push({ policy: id, position: enforced.length });
    else enforced.push(id);
  }
  return { enforced, staged };
}

/** Keys of both kinds of endpoints are names; this keeps them apart where they meet. */
function hostUser(key: string): string {
  return `HostEndpoint ${key}`;
}

/** What the policy has to do with workloads, if anything. */
function forWorkloads(policy: PolicyDefinition | undefined): PolicyDefinition | undefined {
  return policy?.stage === 'normal' ? policy : undefined;
}

/** What the policy has to do with host endpoints, which are in no namespace, if anything. */
function forHosts(policy: PolicyDefinition | undefined): PolicyDefinition | undefined {
  return policy?.namespace === '' ? policy : undefined;
}

function select(
  index: LabelIndex,
  resource: string,
  before: PolicyDefinition | undefined,
  after: PolicyDefinition | undefined,
): void {
  if (before?.selector === after?.selector) return;
  if (before !== undefined) index.deleteSelector(resource);
  if (after !== undefined) index.addSelector(resource, after.matcher);
}

/** Whether an endpoint's list of policies looks the same with either. */
function sameStanding(a: PolicyDefinition, b: PolicyDefinition): boolean {
  return (
    a.id === b.id &&
    a.order === b.order &&
    a.tieBreak === b.tieBreak &&
    a.stage === b.stage &&
    a.applyOnForward === b.applyOnForward &&
    a.ingress === b.ingress &&
    a.egress === b.egress
  );
}
