/**
 * Where the packets of each workload endpoint are judged. The kernel walks the whole table again when a rule or a
 * jump is added, so an endpoint that appears should need neither: endpoints with the same tiers whose profiles come
 * to a plain verdict are a group. They share one chain, are members of one set that the dispatch asks about, and have
 * their profiles' verdict, counted and named by rule, in one map. Adding a member is adding set elements.
 *
 *      oifname vmap @to-workload-dispatch                 endpoints with a chain of their own
 *      oifname @to-workload-group-1f… jump tw-group-1f…   tiers, then: oifname vmap @to-workload-profiles
 *
 * The dispatch asks about groups one after another, so there are few; endpoints beyond have chains of their own.
 *
 * An endpoint that moves leaves the old place in the transaction in which it enters the new one: the policies behind
 * the old one may be gone or others by then.
 */
import type { Direction, EndpointTier, LocalEndpoint } from '../../calc/output.ts';
import { commentText, shortHash } from '../names.ts';
import type { DesiredTable } from '../reconciler.ts';
import type { Rule } from '../ruleset.ts';
import {
  type ProfileVerdict,
  endpointChainName,
  renderEndpoint,
  renderGroup,
  tierChainName,
  tiersIn,
} from './endpoint.ts';
import type { HostChainUse } from './host-endpoints.ts';
import {
  DISPATCH_SETS,
  GROUP_PREFIXES,
  INTERFACE_FIELDS,
  PROFILE_VERDICT_SETS,
  groupSet,
  reference,
} from './set-names.ts';

/** Each costs the first packet of a connection a look-up. While endpoints move between groups there may be more. */
const MOST_GROUPS = 4;
const MOST_GROUPS_MOVING = 2 * MOST_GROUPS;

/** The chain of the place that an endpoint is in, or of one that it is about to leave. */
interface Whereabouts {
  readonly direction: Direction;
  readonly interfaceName: string;
  chain: string;
  readonly leaving: Set<string>;
}

export class EndpointPlaces {
  private readonly whereabouts = new Map<string, Whereabouts>();
  /** Members by chain, for each direction. */
  private readonly groups: Readonly<Record<Direction, Map<string, Set<string>>>> = {
    ingress: new Map(),
    egress: new Map(),
  };
  private readonly moving = new Set<Whereabouts>();
  /** What would be in a group if there was room for it. */
  private readonly refused = new Map<string, Parameters<EndpointPlaces['set']>>();

  constructor(
    private readonly desired: DesiredTable,
    /** Makes a chain the user of tiers and profiles; of none, when it is gone. */
    private readonly use: (use: HostChainUse) => void,
    /** Other groups are to be asked about. */
    private readonly groupsChanged: (direction: Direction) => void,
  ) {}

  /** The rules of the dispatch that ask about groups. */
  groupRules(direction: Direction): Rule[] {
    return [...this.groups[direction].keys()].toSorted().map((chain): Rule => {
      const set = groupSet(direction, chain);
      return {
        expr: [
          { match: { op: '==', left: INTERFACE_FIELDS[direction], right: reference(set) } },
          { jump: { target: chain } },
        ],
      };
    });
  }

  /** Puts an endpoint where it belongs, `verdict` being what its profiles come to if that is plain. */
  set(direction: Direction, endpoint: LocalEndpoint, verdict: ProfileVerdict | undefined): void {
    const { interfaceName } = endpoint;
    const { tiers, group } = askedOf(direction, endpoint);
    const key = `${direction} ${interfaceName}`;
    const own = endpointChainName(direction, interfaceName);
    const known = this.whereabouts.get(key);
    const groups = this.groups[direction];
    const limit = known !== undefined && groups.has(known.chain) ? MOST_GROUPS_MOVING : MOST_GROUPS;
    const isGrouped = verdict !== undefined && (groups.has(group) || groups.size < limit);
    const chain = isGrouped ? group : own;
    if (isGrouped || verdict === undefined) this.refused.delete(key);
    else this.refused.set(key, [direction, endpoint, verdict]);
    const place: Whereabouts = known ?? { direction, interfaceName, chain, leaving: new Set() };
    this.whereabouts.set(key, place);
    if (isGrouped) this.enterGroup(place, endpoint, group, tiers, verdict);
    else this.enterOwn(place, endpoint, tiers);
    if (place.chain === chain) return;
    place.leaving.add(place.chain);
    place.leaving.delete(chain);
    place.chain = chain;
    this.moving.add(place);
  }

  /** An endpoint is gone. */
  remove(direction: Direction, interfaceName: string): void {
    const key = `${direction} ${interfaceName}`;
    const place = this.whereabouts.get(key);
    if (place === undefined) return;
    this.whereabouts.delete(key);
    this.refused.delete(key);
    this.moving.delete(place);
    for (const chain of [...place.leaving, place.chain]) this.leave(place, chain);
    this.desired.removeElements(PROFILE_VERDICT_SETS[direction].name, [interfaceName]);
  }

  /** Ends what moves have left behind. Whether there was anything to do: others may move into the room that is left. */
  settle(): boolean {
    const moved = [...this.moving];
    this.moving.clear();
    const groups = this.groupCount();
    for (const place of moved) {
      for (const chain of place.leaving) this.leave(place, chain);
      place.leaving.clear();
      const { direction, interfaceName, chain } = place;
      if (!this.groups[direction].has(chain)) {
        this.desired.removeElements(PROFILE_VERDICT_SETS[direction].name, [interfaceName]);
      }
    }
    if (this.groupCount() < groups) for (const refused of this.refused.values()) this.set(...refused);
    return moved.length > 0;
  }

  private groupCount(): number {
    return this.groups.ingress.size + this.groups.egress.size;
  }

  private enterOwn(
    { direction, interfaceName }: Whereabouts,
    endpoint: LocalEndpoint,
    tiers: readonly EndpointTier[],
  ): void {
    const user = endpointChainName(direction, interfaceName);
    this.use({ user, direction, tiers, profiles: endpoint.profiles });
    this.desired.setChain(renderEndpoint(direction, endpoint));
    const verdict = { jump: { target: user } };
    this.desired.addElements(DISPATCH_SETS[direction].name, [{ key: interfaceName, verdict }]);
  }

  private enterGroup(
    { direction, interfaceName }: Whereabouts,
    { workload }: LocalEndpoint,
    chain: string,
    tiers: readonly EndpointTier[],
    verdict: ProfileVerdict,
  ): void {
    const set = groupSet(direction, chain, tiers);
    let members = this.groups[direction].get(chain);
    if (members === undefined) {
      members = new Set();
      this.groups[direction].set(chain, members);
      this.use({ user: chain, direction, tiers, profiles: [] });
      this.desired.setSet(set);
      this.desired.setChain(renderGroup(direction, chain, tiers));
      this.groupsChanged(direction);
    }
    members.add(interfaceName);
    this.desired.addElements(set.name, [{ key: interfaceName, comment: commentText(workload) }]);
    this.desired.addElements(PROFILE_VERDICT_SETS[direction].name, [{ key: interfaceName, ...verdict }]);
  }

  private leave({ direction, interfaceName }: Whereabouts, chain: string): void {
    const members = this.groups[direction].get(chain);
    if (members === undefined) {
      this.desired.removeElements(DISPATCH_SETS[direction].name, [interfaceName]);
    } else {
      const { name } = groupSet(direction, chain);
      this.desired.removeElements(name, [interfaceName]);
      members.delete(interfaceName);
      if (members.size > 0) return;
      this.groups[direction].delete(chain);
      this.desired.removeSet(name);
      this.groupsChanged(direction);
    }
    this.desired.removeChain(chain);
    this.use({ user: chain, direction, tiers: [], profiles: [] });
  }
}

interface TiersAsked {
  readonly tiers: readonly EndpointTier[];
  readonly group: string;
}

/** The calculation gives endpoints with the same policies the same values; hashing takes its time. */
const tiersAsked: Readonly<Record<Direction, WeakMap<readonly EndpointTier[], TiersAsked>>> = {
  egress: new WeakMap(),
  ingress: new WeakMap(),
};

/** The tiers that an endpoint has in a direction, and the chain of the group of those that have them. */
function askedOf(direction: Direction, endpoint: LocalEndpoint): TiersAsked {
  let asked = tiersAsked[direction].get(endpoint.tiers);
  if (asked === undefined) {
    const tiers = tiersIn(direction, endpoint);
    asked = { tiers, group: groupChainName(direction, tiers) };
    tiersAsked[direction].set(endpoint.tiers, asked);
  }
  return asked;
}

/** Longer than the name of an interface can be, so that no endpoint's own chain is called the same. */
function groupChainName(direction: Direction, tiers: readonly EndpointTier[]): string {
  const content = tiers.map((tier) => tierChainName(direction, tier));
  return `${GROUP_PREFIXES[direction]}${shortHash(content.join())}`;
}
