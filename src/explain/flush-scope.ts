/**
 * Which endpoints' established connections a change of policy puts in question, among the endpoints with a policy that
 * wants them judged anew (policy.margay.io/flush-on-change). A change of such a policy, of what its selectors select,
 * or of whom it applies to counts; a change of other policies does not.
 */
import type { ActivePolicy, CalcDelta, CompiledRule, LocalEndpoint, SetId } from '../calc/output.ts';
import type { PolicyState } from './policy-state.ts';

type Change = Pick<CalcDelta, 'sets' | 'policies' | 'profiles' | 'endpoints' | 'hostEndpoints' | 'felix'>;

/** What a host endpoint is called here, beside the keys of workloads. */
export function hostKey(name: string): string {
  return `HostEndpoint/${name}`;
}

export class FlushScope {
  /** FelixConfiguration's say about policies that have none. */
  private byDefault = false;
  /** Policies that ask for it themselves. */
  private readonly asking = new Set<string>();
  /** Endpoints with policies or profiles that want it, and which, in order. */
  private wanting = new Map<string, readonly string[]>();
  /** What those policies look up. */
  private sets = new Map<string, ReadonlySet<SetId>>();

  constructor(private readonly state: PolicyState) {}

  /** Takes in a change that the state has seen already. Returns the keys of the endpoints to judge. */
  follow(change: Change): Set<string> {
    const { policies, profiles, endpoints, hostEndpoints, sets, felix } = change;
    this.byDefault = felix?.flushOnChange ?? this.byDefault;
    for (const [id, policy] of policies) {
      if (policy?.flushOnChange === true) this.asking.add(id);
      else this.asking.delete(id);
    }
    // Nobody wants it, as in most clusters: no change costs anything.
    if (!this.byDefault && this.asking.size + this.wanting.size === 0) return new Set();
    const touched = new Set([...policies.keys(), ...profiles.keys()]);
    for (const [id, looked] of this.sets) {
      if ([...sets.keys()].some((set) => looked.has(set))) touched.add(id);
    }
    const before = this.wanting;
    const changes = policies.size + profiles.size + endpoints.size + hostEndpoints.size;
    if (changes > 0 || felix !== undefined) this.lookAgain();
    const found = new Set<string>();
    for (const [key] of this.all()) {
      const ids = this.wanting.get(key) ?? [];
      const earlier = before.get(key) ?? [];
      const isTouched = [...ids, ...earlier].some((id) => touched.has(id));
      if (isTouched || ids.join('\n') !== earlier.join('\n')) found.add(key);
    }
    return found;
  }

  /** Every endpoint, with what polices connections that it is an end of, or that pass it. */
  private *all(): Generator<[key: string, policed: Policed]> {
    yield* this.state.endpoints;
    for (const [name, { tiers, profiles }] of this.state.hostEndpoints) {
      yield [hostKey(name), { tiers: Object.values(tiers).flat(), profiles }];
    }
  }

  private lookAgain(): void {
    const { state } = this;
    const all = new Map([...state.policies, ...state.profiles]);
    const wanted = new Map([...all].filter(([, policy]) => this.wants(policy)));
    this.wanting = new Map();
    this.sets = new Map();
    if (wanted.size === 0) return;
    for (const [key, policed] of this.all()) {
      const ids = policiesOf(policed).filter((id) => wanted.has(id));
      if (ids.length > 0) this.wanting.set(key, ids);
    }
    for (const [id, { ingress, egress }] of wanted) {
      this.sets.set(id, new Set([...ingress, ...egress].flatMap(setsOf)));
    }
  }

  private wants({ staged, flushOnChange }: ActivePolicy): boolean {
    return staged === undefined && (flushOnChange ?? this.byDefault);
  }
}

type Policed = Pick<LocalEndpoint, 'tiers' | 'profiles'>;

function policiesOf({ tiers, profiles }: Policed): string[] {
  return [...tiers.flatMap(({ ingress, egress }) => [...ingress, ...egress]), ...profiles];
}

function setsOf({ source, destination }: CompiledRule): SetId[] {
  return [source, destination].flatMap((peer) => [
    ...peer.sets,
    ...peer.notSets,
    ...peer.namedPortSets,
    ...peer.notNamedPortSets,
  ]);
}
