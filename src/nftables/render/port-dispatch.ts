/**
 * A tier of many policies, dispatched by destination port: a verdict map for each protocol with ports leads to those
 * policies, in order, that can be about the packet at all. What the first packet of a connection costs then grows
 * with the policies that name its port, not with all of them.
 *
 * Chains behind maps, and maps of wide ranges, are named by what they say, as a set must never change its meaning
 * (design D6). The map of single ports keeps its name, so that a policy whose ports move costs the elements of these
 * ports: each leads to what can be about its port, which stays its meaning. A packet that is under way meanwhile
 * finds each policy as it was or as it is going to be. What an element stands for besides is in the map's name.
 *
 * Where ports tell too little because many policies have rules about sources on all ports (lists of who is never
 * let in), packets from those sources go through the plain list and all others by port. Where that is no help either,
 * the tier stays a list (design D18: the cap).
 */
import type { PortRange } from '../../calc/output.ts';
import { familyOf } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import { commentText, shortHash } from '../names.ts';
import type { ChainValue, Element, Rule, SetValue } from '../ruleset.ts';
import type { Footprint, PortFootprint } from './footprint.ts';
import { joinPrefixes, prefixListSet } from './lists.ts';
import { PolicyPorts, type Segment, sameWideRanges } from './policy-ports.ts';
import { PORT_PROTOCOLS, reference } from './set-names.ts';

export interface DispatchLimits {
  /** A tier with fewer policies stays a list. */
  readonly leastPolicies: number;
  /** A protocol whose chains would list more policies, in all, than this many for each policy stays a list. */
  readonly listedPerPolicy: number;
  /** More sources than this are not put into a set of their own. */
  readonly sources: number;
}

export const DISPATCH_LIMITS: DispatchLimits = { leastPolicies: 4, listedPerPolicy: 8, sources: 20_000 };

/** A policy of a tier. */
export interface DispatchedPolicy {
  readonly id: string;
  /** The chain to jump to. */
  readonly chain: string;
  readonly footprint: Footprint;
  /** What follows the jump: the way out if it passed. */
  readonly after: readonly Rule[];
}

type TierTitle = Pick<ChainValue, 'name' | 'comment'>;

export interface DispatchedTier {
  /** The tier's own chain first. */
  readonly chains: readonly [ChainValue, ...ChainValue[]];
  /** Maps of single ports, which keep their names. */
  readonly portMaps: readonly SetValue[];
  /** Sets and maps that are named by what they say. */
  readonly sets: readonly SetValue[];
}

/** What a change of a policy's ports comes to. */
export interface DispatchChange {
  readonly made: readonly ChainValue[];
  /** Names of chains that nothing leads to any more. */
  readonly gone: readonly string[];
  readonly maps: readonly MapChange[];
}

export interface MapChange {
  readonly name: string;
  readonly put: readonly Element[];
  /** Keys. */
  readonly removed: readonly string[];
}

type Verdict = NonNullable<Element['verdict']>;

/** What maps of ports make of a tier, by one side of its policies' footprints. */
class ByPort {
  private readonly ports: ReadonlyMap<number, PolicyPorts>;
  /** Protocols that are dispatched. */
  readonly dispatched: ReadonlyMap<number, PolicyPorts>;
  /** Policies, by their indexes, that packets meet that no map decides about. */
  readonly rest: readonly number[];

  constructor(
    private readonly policies: number,
    footprints: readonly PortFootprint[],
    private readonly limits: DispatchLimits,
  ) {
    const rangesOf = (protocol: number): (readonly PortRange[])[] =>
      footprints.map(({ ports }) => ports.get(protocol) ?? []);
    this.ports = new Map(
      [...PORT_PROTOCOLS.keys()].map((protocol) => [protocol, new PolicyPorts(rangesOf(protocol))]),
    );
    this.dispatched = new Map([...this.ports].filter(([, ports]) => this.isWithinLimit(ports)));
    this.rest = [...footprints.keys()].filter((index) => {
      const { portless, ports } = footprints[index]!;
      return portless || [...ports.keys()].some((protocol) => !this.dispatched.has(protocol));
    });
  }

  private isWithinLimit({ listed }: PolicyPorts): boolean {
    return listed <= this.limits.listedPerPolicy * this.policies;
  }

  /** Whether any packet is spared a policy. */
  get helps(): boolean {
    if (this.dispatched.size === 0) return false;
    return this.rest.length < this.policies || [...this.dispatched.values()].some(({ tells }) => tells);
  }

  /** Whether packets that no map decides about meet only a few policies. */
  get isShort(): boolean {
    return this.helps && this.rest.length <= this.limits.listedPerPolicy;
  }

  /**
   * Gives a policy other single ports. Returns those that maps must tell of, by protocol; undefined if more changes
   * than they do, after which this is of no use any more.
   */
  change(
    policy: number,
    before: PortFootprint,
    after: PortFootprint,
  ): ReadonlyMap<number, readonly number[]> | undefined {
    if (before.portless !== after.portless) return undefined;
    const touched = new Map<number, readonly number[]>();
    for (const [protocol, ports] of this.ports) {
      const from = before.ports.get(protocol) ?? [];
      const to = after.ports.get(protocol) ?? [];
      if (!sameWideRanges(from, to)) return undefined;
      const { hasSinglePorts } = ports;
      const moved = ports.move(policy, from, to);
      const isDispatched = this.dispatched.has(protocol);
      if (this.isWithinLimit(ports) !== isDispatched) return undefined;
      // A map comes or goes; or the policy does in the list of those that no map decides about.
      if (ports.hasSinglePorts !== hasSinglePorts) return undefined;
      if (!isDispatched && (from.length === 0) !== (to.length === 0)) return undefined;
      if (isDispatched && moved.length > 0) touched.set(protocol, moved);
    }
    return touched;
  }
}

type Side = (footprint: Footprint) => PortFootprint;
const anySource: Side = (footprint) => footprint;
const elsewhere: Side = (footprint) => footprint.elsewhere;

/**
 * The tier whose plain list would be `plain`: `policies` in order and then `end` (its default action, if it is not to
 * go on). Undefined if the list is as good.
 */
export function dispatchByPort(
  plain: TierTitle,
  policies: readonly DispatchedPolicy[],
  end: readonly Rule[],
  limits: DispatchLimits,
): PortDispatch | undefined {
  if (policies.length < limits.leastPolicies) return undefined;
  const by = (side: Side): readonly [Side, ByPort] => [
    side,
    new ByPort(
      policies.length,
      policies.map(({ footprint }) => side(footprint)),
      limits,
    ),
  ];
  const whole = by(anySource);
  const sources = [...new Set(policies.flatMap(({ footprint }) => footprint.sources))];
  if (sources.length > 0 && sources.length <= limits.sources && !whole[1].isShort) {
    const outer = by(elsewhere);
    if (outer[1].isShort) return new PortDispatch(plain, policies, end, sources, [outer, whole]);
    if (whole[1].helps) return new PortDispatch(plain, policies, end, [], [whole, outer]);
  }
  return whole[1].helps ? new PortDispatch(plain, policies, end, [], [whole]) : undefined;
}

/** Chains behind maps, each while an element leads to it. */
class ListedChains {
  private readonly uses = new Map<string, number>();
  private readonly made = new Map<string, ChainValue>();
  private readonly gone = new Set<string>();

  use(chain: ChainValue): void {
    const uses = this.uses.get(chain.name) ?? 0;
    this.uses.set(chain.name, uses + 1);
    if (uses === 0 && !this.gone.delete(chain.name)) this.made.set(chain.name, chain);
  }

  drop(name: string): void {
    const uses = this.uses.get(name);
    if (uses === undefined) return;
    if (uses > 1) {
      this.uses.set(name, uses - 1);
      return;
    }
    this.uses.delete(name);
    if (!this.made.delete(name)) this.gone.add(name);
  }

  /** What has come and gone since this was asked last. */
  settle(): { readonly made: ChainValue[]; readonly gone: string[] } {
    const settled = { made: [...this.made.values()], gone: [...this.gone] };
    this.made.clear();
    this.gone.clear();
    return settled;
  }
}

/**
 * A tier that is dispatched. In the simple form, maps jump to a policy's chain, and what it leaves open goes on to the
 * end of the tier. Where a policy may pass the tier, some policies must be asked about every packet, or a port may be
 * in two maps, maps go to a chain for good, which holds all that is left of the tier.
 */
export class PortDispatch {
  private readonly policies: DispatchedPolicy[];
  private readonly dispatched: ReadonlyMap<number, PolicyPorts>;
  /** What packets meet that no map decides about. */
  private readonly rest: readonly DispatchedPolicy[];
  private readonly forGood: boolean;
  private readonly chains = new ListedChains();
  /** Where single ports lead, by protocol. */
  private readonly targets = new Map<number, Map<number, string>>();

  constructor(
    private readonly plain: TierTitle,
    policies: readonly DispatchedPolicy[],
    private readonly end: readonly Rule[],
    /** Packets from there go through the plain list. */
    private readonly sources: readonly Prefix[],
    /** The first makes the maps; that it does was decided by the other, too. */
    private readonly sides: readonly [readonly [Side, ByPort], ...(readonly [Side, ByPort])[]],
  ) {
    const [, { dispatched, rest }] = sides[0];
    this.policies = [...policies];
    this.dispatched = dispatched;
    this.rest = rest.map((index) => policies[index]!);
    const isWide = [...dispatched.values()].some(({ hasWideRanges }) => hasWideRanges);
    this.forGood = rest.length > 0 || isWide || policies.some(({ after }) => after.length > 0);
  }

  /** All of it; to be asked once, before any change. */
  render(): DispatchedTier {
    const rules: Rule[] = [];
    const portMaps: SetValue[] = [];
    const sets: SetValue[] = [];
    for (const [protocol, ports] of this.dispatched) {
      const single = ports.singlePorts().map((port) => this.lead(protocol, port, ports.policiesAt(port)!));
      if (single.length > 0) {
        const map = this.map(protocol, this.portMapName(protocol), single, false);
        portMaps.push(map);
        rules.push(lookup(protocol, map));
      }
      const wide = ports.segments.flatMap((segment) => this.segmentElement(segment));
      if (wide.length > 0) {
        const name = `${this.plain.name}-${protocolName(protocol)}-ranges-${shortHash(JSON.stringify(wide))}`;
        const map = this.map(protocol, name, wide, true);
        sets.push(map);
        rules.push(lookup(protocol, map));
      }
    }
    rules.push(...this.rest.flatMap(listed), ...this.end);
    const { made: chains } = this.chains.settle();
    if (this.sources.length === 0) {
      return { chains: [{ ...this.plain, rules }, ...chains], portMaps, sets };
    }
    const { list, away, lists } = this.besideSources();
    return {
      chains: [{ ...this.plain, rules: [...away, ...rules] }, list, ...chains],
      portMaps,
      sets: [...lists, ...sets],
    };
  }

  /**
   * What other values of some policies, by their places in the tier, come to. Undefined if more than single ports
   * changes: all of the tier is to be made again then.
   */
  change(changes: ReadonlyMap<number, DispatchedPolicy>): DispatchChange | undefined {
    const touched = new Map<number, Set<number>>();
    for (const [index, policy] of changes) {
      const moved = this.move(index, policy);
      if (moved === undefined) return undefined;
      for (const [protocol, ports] of moved) {
        touched.set(protocol, new Set([...(touched.get(protocol) ?? []), ...ports]));
      }
    }
    const maps = [...touched].map(([protocol, ports]) => this.changeMap(protocol, ports));
    return { ...this.chains.settle(), maps };
  }

  private move(index: number, policy: DispatchedPolicy): ReadonlyMap<number, readonly number[]> | undefined {
    const before = this.policies[index]!;
    if (policy.after.length !== before.after.length) return undefined;
    if (policy.footprint.sources.join() !== before.footprint.sources.join()) return undefined;
    this.policies[index] = policy;
    const moved = this.sides.map(([side, byPort]) =>
      byPort.change(index, side(before.footprint), side(policy.footprint)),
    );
    return moved.includes(undefined) ? undefined : moved[0];
  }

  private changeMap(protocol: number, ports: ReadonlySet<number>): MapChange {
    const put: Element[] = [];
    const removed: string[] = [];
    for (const port of ports) {
      const target = this.targets.get(protocol)?.get(port);
      const policies = this.dispatched.get(protocol)!.policiesAt(port);
      if (policies === undefined) {
        removed.push(String(port));
        this.targets.get(protocol)!.delete(port);
      } else {
        put.push(this.lead(protocol, port, policies));
      }
      if (target !== undefined) this.chains.drop(target);
    }
    return { name: this.portMapName(protocol), put, removed };
  }

  /** The element that leads a port to its policies from now on. */
  private lead(protocol: number, port: number, policies: readonly number[]): Element {
    const { target, verdict } = this.leadTo(policies);
    const targets = this.targets.get(protocol) ?? new Map<number, string>();
    targets.set(port, target);
    this.targets.set(protocol, targets);
    return { key: String(port), verdict };
  }

  private leadTo(policies: readonly number[]): { readonly target: string; readonly verdict: Verdict } {
    const [only, second] = policies;
    if (!this.forGood && only !== undefined && second === undefined) {
      const target = this.policies[only]!.chain;
      return { target, verdict: { jump: { target } } };
    }
    const chain = this.chainOf(policies);
    this.chains.use(chain);
    const target = chain.name;
    return { target, verdict: this.forGood ? { goto: { target } } : { jump: { target } } };
  }

  private segmentElement({ first, last, policies }: Segment): Element[] {
    const key = first === last ? String(first) : `${first}-${last}`;
    if (policies.length === 0) {
      if (this.rest.length === 0) return [];
      // Nothing left to do but the end; without one, to leave the tier.
      if (this.end.length === 0) return [{ key, verdict: { return: null } }];
    }
    return [{ key, verdict: this.leadTo(policies).verdict }];
  }

  /** The chain of such a list of policies. */
  private chainOf(indexes: readonly number[]): ChainValue {
    const policies = indexes.map((index) => this.policies[index]!);
    const rules = [...policies.flatMap(listed), ...(this.forGood ? this.end : [])];
    const comment = commentText(`${this.plain.comment ?? ''}: ${policies.map(({ id }) => id).join(', ')}`);
    return { name: `${this.plain.name}-${shortHash(JSON.stringify(rules))}`, comment, rules };
  }

  private portMapName(protocol: number): string {
    const form = this.forGood ? '-to-end' : '';
    const beside = this.sources.length > 0 ? `-beside-${shortHash(this.sources.toSorted().join())}` : '';
    return `${this.plain.name}-${protocolName(protocol)}${form}${beside}`;
  }

  private map(protocol: number, name: string, elements: readonly Element[], interval: boolean): SetValue {
    const comment = `policies of ${this.plain.comment ?? this.plain.name} by ${protocolName(protocol)} port`;
    return {
      name,
      type: ['inet_service'],
      interval,
      verdicts: true,
      comment: commentText(comment),
      elements,
    };
  }

  /** The plain list for packets from sources that rules on all ports name, and what sends them there. */
  private besideSources(): {
    readonly list: ChainValue;
    readonly away: readonly Rule[];
    readonly lists: readonly SetValue[];
  } {
    const { name, comment = name } = this.plain;
    const list: ChainValue = {
      name: `${name}-list`,
      comment: commentText(`${comment}: every policy, for sources that rules on all ports name`),
      rules: [...this.policies.flatMap(listed), ...this.end],
    };
    const sets = ([4, 6] as const).flatMap((family) => {
      const own = this.sources.filter((source) => familyOf(source) === family);
      return own.length === 0 ? [] : [{ family, set: prefixListSet(joinPrefixes(own, family), family) }];
    });
    const away = sets.map(({ family, set }): Rule => {
      const left = { payload: { protocol: family === 4 ? 'ip' : 'ip6', field: 'saddr' } } as const;
      const match = { op: '==', left, right: reference(set) } as const;
      return { expr: [{ match }, { goto: { target: list.name } }] };
    });
    return { list, away, lists: sets.map(({ set }) => set) };
  }
}

function lookup(protocol: number, map: SetValue): Rule {
  const key = { payload: { protocol: protocolName(protocol), field: 'dport' } } as const;
  return { expr: [{ vmap: { key, data: reference(map) } }] };
}

function protocolName(protocol: number): 'tcp' | 'udp' | 'sctp' | 'udplite' {
  return PORT_PROTOCOLS.get(protocol)!;
}

function listed({ chain, after }: DispatchedPolicy): Rule[] {
  return [{ expr: [{ jump: { target: chain } }] }, ...after];
}
