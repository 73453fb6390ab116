/** What a dataplane would hold after applying deltas, strict about what a delta may say. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { FelixParameters } from '../../../src/calc/felix-config.ts';
import type {
  ActivePolicy,
  CalcDelta,
  CompiledPeer,
  EndpointTier,
  LocalEndpoint,
  LocalHostEndpoint,
  NetworkPlan,
  RoutingPlan,
  SetDelta,
} from '../../../src/calc/output.ts';

interface HeldSet {
  readonly kind: SetDelta['kind'];
  readonly description: string;
  readonly members: Set<string>;
}

export class Consumer {
  readonly sets = new Map<string, HeldSet>();
  readonly policies = new Map<string, ActivePolicy>();
  readonly profiles = new Map<string, ActivePolicy>();
  readonly endpoints = new Map<string, LocalEndpoint>();
  readonly hostEndpoints = new Map<string, LocalHostEndpoint>();
  readonly problems = new Map<string, string>();
  routing: RoutingPlan | undefined;
  felix: FelixParameters | undefined;
  networks: NetworkPlan = { outgoing: undefined, pools: undefined, services: undefined };
  /** Everything that deltas carried so far, to see how much a change costs. */
  volume = 0;

  apply(delta: CalcDelta): void {
    for (const [id, change] of delta.sets) this.applySet(id, change);
    this.applyMap(this.policies, delta.policies);
    this.applyMap(this.profiles, delta.profiles);
    this.applyMap(this.endpoints, delta.endpoints);
    this.applyMap(this.hostEndpoints, delta.hostEndpoints);
    this.applyMap(this.problems, delta.problems);
    if (delta.routing !== undefined) {
      expect(isDeepStrictEqual(delta.routing, this.routing), 'routing came unchanged').toBe(false);
      this.routing = delta.routing;
      this.volume++;
    }
    if (delta.felix !== undefined) {
      expect(isDeepStrictEqual(delta.felix, this.felix), 'felix came unchanged').toBe(false);
      this.felix = delta.felix;
      this.volume++;
    }
    if (delta.networks !== undefined) {
      expect(isDeepStrictEqual(delta.networks, this.networks), 'networks came unchanged').toBe(false);
      this.networks = delta.networks;
      this.volume++;
    }
    this.checkReferences();
  }

  /** Everything held, in one comparable value. */
  snapshot(): unknown {
    return {
      sets: sorted([...this.sets].map(([id, set]) => [id, { ...set, members: [...set.members].toSorted() }])),
      policies: sorted(this.policies),
      profiles: sorted(this.profiles),
      endpoints: sorted(this.endpoints),
      hostEndpoints: sorted(this.hostEndpoints),
      problems: sorted(this.problems),
      routing: this.routing,
      felix: this.felix,
      networks: this.networks,
    };
  }

  private applySet(id: string, change: SetDelta | undefined): void {
    if (change === undefined) {
      expect(this.sets.delete(id), `unknown set ${id} is gone`).toBe(true);
      this.volume++;
      return;
    }
    let held = this.sets.get(id);
    if (held === undefined) {
      held = { kind: change.kind, description: change.description, members: new Set() };
      this.sets.set(id, held);
    } else {
      expect(change.added.length + change.removed.length, `empty change of set ${id}`).toBeGreaterThan(0);
    }
    for (const member of change.removed) {
      expect(held.members.delete(member), `${member} was not in ${held.description}`).toBe(true);
    }
    for (const member of change.added) {
      expect(held.members.has(member), `${member} was in ${held.description} already`).toBe(false);
      held.members.add(member);
    }
    this.volume += 1 + change.added.length + change.removed.length;
  }

  private applyMap<Value>(held: Map<string, Value>, changes: ReadonlyMap<string, Value | undefined>): void {
    for (const [key, value] of changes) {
      this.volume++;
      if (value === undefined) {
        expect(held.delete(key), `unknown ${key} is gone`).toBe(true);
      } else {
        expect(isDeepStrictEqual(held.get(key), value), `${key} came unchanged`).toBe(false);
        held.set(key, value);
      }
    }
  }

  /** Nothing refers to what is not there, and nothing is there that nobody refers to. */
  private checkReferences(): void {
    const { outgoing, pools, services } = this.networks;
    const sets = new Set<string>(
      [...Object.values(outgoing ?? {}), pools, services].filter((id) => id !== undefined),
    );
    for (const { ingress, egress } of [...this.policies.values(), ...this.profiles.values()]) {
      for (const rule of [...ingress, ...egress]) {
        for (const peer of [rule.source, rule.destination]) for (const id of setsOf(peer)) sets.add(id);
      }
    }
    expect([...this.sets.keys()].toSorted()).toEqual([...sets].toSorted());
    const policies = new Set<string>();
    const profiles = new Set<string>();
    const use = (tiers: readonly EndpointTier[], profileIds: readonly string[]): void => {
      for (const tier of tiers) {
        for (const id of [...tier.ingress, ...tier.egress]) policies.add(id);
        const { ingress = [], egress = [] } = tier.staged ?? {};
        for (const { policy } of [...ingress, ...egress]) policies.add(policy);
      }
      for (const id of profileIds) profiles.add(id);
    };
    for (const endpoint of this.endpoints.values()) use(endpoint.tiers, endpoint.profiles);
    for (const { tiers, profiles: ids } of this.hostEndpoints.values()) use(Object.values(tiers).flat(), ids);
    expect([...this.policies.keys()].toSorted()).toEqual([...policies].toSorted());
    expect([...this.profiles.keys()].toSorted()).toEqual([...profiles].toSorted());
  }
}

/** Every set that one side of a rule refers to. */
export function setsOf(peer: CompiledPeer): string[] {
  return [...peer.sets, ...peer.notSets, ...peer.namedPortSets, ...peer.notNamedPortSets];
}

function sorted<Value>(entries: Iterable<readonly [string, Value]>): [string, Value][] {
  return [...entries]
    .map(([key, value]): [string, Value] => [key, value])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
