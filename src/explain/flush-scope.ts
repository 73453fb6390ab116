/**
 * Which endpoints' established connections a change of policy puts in question, among the endpoints with a policy that
 * wants them judged anew (policy.margay.io/flush-on-change). A change of such a policy, of what its selectors select,
 * or of whom it applies to counts; a change of other policies does not.
 */
import type { ActivePolicy, CalcDelta, CompiledRule, LocalEndpoint, SetId } from '../calc/output.ts';
import type { PolicyState } from './policy-state.ts';

type Change = Pick<CalcDelta, 'sets' | 'policies' | 'profiles' | 'endpoints' | 'felix'>;

export class FlushScope {
  /** FelixConfiguration's say about policies that have none. */
  private byDefault = false;
  /** Endpoints with policies or profiles that want it, and which, in order. */
  private wanting = new Map<string, readonly string[]>();
  /** What those policies look up. */
  private sets = new Map<string, ReadonlySet<SetId>>();

  constructor(private readonly state: PolicyState) {}

  /** Takes in a change that the state has seen already. Returns the keys of the endpoints to judge. */
  follow(change: Change): Set<string> {
    const { policies, profiles, endpoints, sets, felix } = change;
    this.byDefault = felix?.flushOnChange ?? this.byDefault;
    const touched = new Set([...policies.keys(), ...profiles.keys()]);
    for (const [id, looked] of this.sets) {
      if ([...sets.keys()].some((set) => looked.has(set))) touched.add(id);
    }
    const before = this.wanting;
    if (policies.size + profiles.size + endpoints.size > 0 || felix !== undefined) this.lookAgain();
    const found = new Set<string>();
    for (const key of this.state.endpoints.keys()) {
      const ids = this.wanting.get(key) ?? [];
      const earlier = before.get(key) ?? [];
      const isTouched = [...ids, ...earlier].some((id) => touched.has(id));
      if (isTouched || ids.join('\n') !== earlier.join('\n')) found.add(key);
    }
    return found;
  }

  private lookAgain(): void {
    const { state } = this;
    const all = new Map([...state.policies, ...state.profiles]);
    const wanted = new Map([...all].filter(([, policy]) => this.wants(policy)));
    this.wanting = new Map();
    this.sets = new Map();
    if (wanted.size === 0) return;
    for (const [key, endpoint] of state.endpoints) {
      const ids = policiesOf(endpoint).filter((id) => wanted.has(id));
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

function policiesOf({ tiers, profiles }: LocalEndpoint): string[] {
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
