/**
 * What policy does with the first packet of a connection, walked over the very objects that are rendered to nftables
 * (design D12). Ids are those of the comments in `nft list table inet margay`.
 *
 * Not policy, and not here: replies of established connections, spoofed source addresses, routes. Hosts are in
 * hosts.ts, what the table says of workloads whatever policy says in leave-workload.ts.
 */
import type {
  ActivePolicy,
  Direction,
  EndpointTier,
  HostStage,
  LocalEndpoint,
  RuleAction,
} from '../calc/output.ts';
import { type RuleMatch, matchRule } from './match.ts';
import type { Packet } from './packet.ts';
import type { PolicyState } from './policy-state.ts';

export type Verdict = 'allow' | 'deny' | 'unknown';

export interface RuleStep extends RuleMatch {
  /** `tier/kind/namespace/name/direction/index`. */
  readonly id: string;
  readonly action: RuleAction;
}

export interface PolicyStep {
  /** `tier/kind/namespace/name`. */
  readonly id: string;
  /** Those that were looked at, in order. */
  readonly rules: readonly RuleStep[];
  /** Why it denies everything, if so. */
  readonly failClosed?: string;
}

export interface TierStep {
  readonly name: string;
  readonly defaultAction: 'deny' | 'pass';
  readonly policies: readonly PolicyStep[];
  /** Whether no rule decided, so that the default action did. */
  readonly ended: boolean;
}

/** What a host does with packets of its own workloads whatever policy says (leave-workload.ts). */
type WorkloadStage = 'discovery' | 'tunnel' | 'to-host';

/** One endpoint in one direction. */
export interface EndpointWalk {
  readonly direction: Direction;
  /** `namespace/name` of the WorkloadEndpoint. */
  readonly endpoint: string;
  readonly workload: string;
  /** Where a host has its say: a stage of its endpoint, or what it does with packets of its own workloads. */
  readonly stage?: HostStage | WorkloadStage;
  /** Tiers with policies in the direction that were reached, in order. */
  readonly tiers: readonly TierStep[];
  /** Profiles that were reached, in order. */
  readonly profiles: readonly PolicyStep[];
  /** `unknown` if it depends on what the packet does not tell. */
  readonly verdict: Verdict;
  /** Id of the rule, end of tier or end of profiles that decides; of each that may decide, if unknown. */
  readonly decidedBy: readonly string[];
  /** The field of FelixConfiguration that decides, where no policy does. */
  readonly setting?: string;
}

/** Id of what happens when no policy of a tier decides. */
export function endOfTierId(tier: string, direction: Direction): string {
  return `${tier}/${direction}/end-of-tier`;
}

/** Id of what happens when no profile decides. */
export function endOfProfilesId(endpoint: string, direction: Direction): string {
  return `${endpoint}/${direction}/no-profile-match`;
}

/** What of an endpoint decides: a workload's, or a stage of a host endpoint. */
type Policed = Pick<LocalEndpoint, 'key' | 'workload' | 'tiers' | 'profiles'>;

/** Walks a packet through the policy of one endpoint; `undecided` is what becomes of it if no rule decides. */
export function evaluateEndpoint(
  endpoint: Policed,
  direction: Direction,
  packet: Packet,
  state: PolicyState,
  undecided: Decision['verdict'] = 'deny',
): EndpointWalk {
  return new Walk(endpoint, direction, packet, state, undecided).run();
}

type Decision = { readonly verdict: 'allow' | 'deny'; readonly id: string | undefined };
/** How a policy left a packet: a decision, on to the next tier, or on to the next policy. */
type Exit = Decision | 'pass' | 'next';

class Walk {
  private readonly possible: Decision[] = [];

  constructor(
    private readonly endpoint: Policed,
    private readonly direction: Direction,
    private readonly packet: Packet,
    private readonly state: PolicyState,
    private readonly undecided: Decision['verdict'],
  ) {}

  run(): EndpointWalk {
    const tiers: TierStep[] = [];
    const profiles: PolicyStep[] = [];
    this.from(
      this.endpoint.tiers.filter((tier) => tier[this.direction].length > 0),
      tiers,
      profiles,
    );
    const verdicts = new Set(this.possible.map(({ verdict }) => verdict));
    const [first] = this.possible;
    return {
      direction: this.direction,
      endpoint: this.endpoint.key,
      workload: this.endpoint.workload,
      tiers,
      profiles,
      verdict: verdicts.size === 1 && first !== undefined ? first.verdict : 'unknown',
      // An endpoint that lets pass what it does not decide has no rule that says so.
      decidedBy: [...new Set(this.possible.flatMap(({ id }) => (id === undefined ? [] : [id])))],
    };
  }

  /** Every decision that the tiers, and the profiles after them, can come to; steps are added to the lists. */
  private from(rest: readonly EndpointTier[], tiers: TierStep[], profiles: PolicyStep[]): void {
    for (const [index, tier] of rest.entries()) {
      const later = rest.slice(index + 1);
      const exit = this.tier(tier, later, tiers);
      if (exit !== 'pass') {
        this.possible.push(exit);
        return;
      }
    }
    this.profiles(this.endpoint.profiles, profiles);
  }

  private profiles(rest: readonly string[], steps: PolicyStep[]): void {
    for (const [index, id] of rest.entries()) {
      const mayPass = (): void => this.profiles(rest.slice(index + 1), []);
      const exit = this.policy(this.state.profiles.get(id), id, steps, mayPass);
      if (typeof exit === 'object') {
        this.possible.push(exit);
        return;
      }
    }
    this.possible.push(
      this.undecided === 'allow'
        ? { verdict: 'allow', id: undefined }
        : { verdict: 'deny', id: endOfProfilesId(this.endpoint.key, this.direction) },
    );
  }

  private tier(tier: EndpointTier, later: readonly EndpointTier[], tiers: TierStep[]): Decision | 'pass' {
    const { name, defaultAction } = tier;
    const policies: PolicyStep[] = [];
    const mayPass = (): void => this.from(later, [], []);
    for (const id of tier[this.direction]) {
      const exit = this.policy(this.state.policies.get(id), id, policies, mayPass);
      if (exit === 'next') continue;
      tiers.push({ name, defaultAction, policies, ended: false });
      return exit;
    }
    tiers.push({ name, defaultAction, policies, ended: true });
    return defaultAction === 'pass' ? 'pass' : { verdict: 'deny', id: endOfTierId(name, this.direction) };
  }

  /** `mayPass` works out what follows a Pass that may or may not happen. From a profile it leads to the next one. */
  private policy(
    policy: ActivePolicy | undefined,
    id: string,
    steps: PolicyStep[],
    mayPass: () => void,
  ): Exit {
    const failClosed = policy === undefined ? 'it is not known' : policy.failClosed;
    if (failClosed !== undefined || policy === undefined) {
      steps.push({ id, rules: [], failClosed: failClosed ?? '' });
      return { verdict: 'deny', id };
    }
    const rules: RuleStep[] = [];
    steps.push({ id, rules });
    for (const rule of policy[this.direction]) {
      const match = matchRule(rule, this.packet, this.state);
      rules.push({ id: rule.id, action: rule.action, ...match });
      if (match.outcome === 'miss' || rule.action === 'log') continue;
      if (rule.action === 'pass') {
        if (match.outcome === 'hit') return 'pass';
        mayPass();
        continue;
      }
      const decision: Decision = { verdict: rule.action, id: rule.id };
      if (match.outcome === 'hit') return decision;
      this.possible.push(decision);
    }
    return 'next';
  }
}
