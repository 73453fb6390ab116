/**
 * A tier of many policies, dispatched by destination port: a verdict map for each protocol with ports leads to those
 * policies, in order, that can be about the packet at all. What the first packet of a connection costs then grows
 * with the policies that name its port, not with all of them.
 *
 * Maps and the chains behind them are named by what they say, as a set must never change its meaning (design D6).
 * Where ports tell too little because many policies have rules about sources on all ports (lists of who is never
 * let in), packets from those sources go through the plain list and all others by port. Where that is no help either,
 * the tier stays a list (design D18: the cap).
 */
import type { PortRange } from '../../calc/output.ts';
import { familyOf } from '../../net/address.ts';
import type { Prefix } from '../../net/prefix.ts';
import { commentText, shortHash } from '../names.ts';
import type { ChainValue, Element, Rule, SetValue } from '../ruleset.ts';
import type { Footprint } from './footprint.ts';
import { joinPrefixes, prefixListSet } from './lists.ts';
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

interface DispatchedTier {
  /** The tier's own chain first. */
  readonly chains: readonly [ChainValue, ...ChainValue[]];
  readonly maps: readonly SetValue[];
}

/** Neighbouring ports that the same policies are about: indexes of policies, ascending. */
interface Segment extends PortRange {
  readonly policies: readonly number[];
}

const HIGHEST_PORT = 65_535;
/** A range of so many ports or fewer is written out port by port: a hash is found faster than a tree. */
const MOST_SINGLE_PORTS = 16;

/**
 * The tier whose plain list would be `plain`: `policies` in order and then `end` (its default action, if it is not to
 * go on). Undefined if the list is as good.
 */
export function dispatchByPort(
  plain: Pick<ChainValue, 'name' | 'comment'>,
  policies: readonly DispatchedPolicy[],
  end: readonly Rule[],
  limits: DispatchLimits,
): DispatchedTier | undefined {
  if (policies.length < limits.leastPolicies) return undefined;
  const anySource = byPort(policies, limits);
  const sources = [...new Set(policies.flatMap(({ footprint }) => footprint.sources))];
  if (sources.length > 0 && sources.length <= limits.sources && !isShort(anySource, limits)) {
    const elsewhere = byPort(
      policies.map((policy) => ({
        ...policy,
        footprint: { ...policy.footprint, ...policy.footprint.elsewhere },
      })),
      limits,
    );
    if (isShort(elsewhere, limits)) {
      const { chains, maps } = new Dispatch(plain, policies, elsewhere.rest, end).render(elsewhere.segmented);
      return besideSources(plain, policies, end, sources, { chains, maps });
    }
  }
  return anySource && new Dispatch(plain, policies, anySource.rest, end).render(anySource.segmented);
}

/** What maps of ports make of a tier. */
interface ByPort {
  readonly segmented: ReadonlyMap<number, readonly Segment[]>;
  /** Policies that packets meet that no map decides about. */
  readonly rest: readonly DispatchedPolicy[];
}

function byPort(policies: readonly DispatchedPolicy[], limits: DispatchLimits): ByPort | undefined {
  const segmented = new Map<number, readonly Segment[]>();
  for (const protocol of PORT_PROTOCOLS.keys()) {
    const segments = segmentsOf(policies, protocol);
    const lists = new Map(segments.map((segment) => [segment.policies.join(), segment.policies.length]));
    const listed = [...lists.values()].reduce((sum, length) => sum + length, 0);
    if (listed <= limits.listedPerPolicy * policies.length) segmented.set(protocol, segments);
  }
  if (segmented.size === 0) return undefined;
  const rest = policies.filter(
    ({ footprint }) =>
      footprint.portless || [...footprint.ports.keys()].some((protocol) => !segmented.has(protocol)),
  );
  if (rest.length === policies.length && [...segmented.values()].every(({ length }) => length <= 1)) {
    return undefined;
  }
  return { segmented, rest };
}

/** Whether packets that no map decides about meet only a few policies. */
function isShort(found: ByPort | undefined, { listedPerPolicy }: DispatchLimits): found is ByPort {
  return found !== undefined && found.rest.length <= listedPerPolicy;
}

/** The tier for packets from elsewhere, and the plain list for those from sources that rules on all ports name. */
function besideSources(
  plain: Pick<ChainValue, 'name' | 'comment'>,
  policies: readonly DispatchedPolicy[],
  end: readonly Rule[],
  sources: readonly Prefix[],
  elsewhere: DispatchedTier,
): DispatchedTier {
  const list: ChainValue = {
    name: `${plain.name}-list`,
    comment: commentText(
      `${plain.comment ?? plain.name}: every policy, for sources that rules on all ports name`,
    ),
    rules: [...policies.flatMap(listed), ...end],
  };
  const sets = ([4, 6] as const).flatMap((family) => {
    const own = sources.filter((source) => familyOf(source) === family);
    return own.length === 0 ? [] : [{ family, set: prefixListSet(joinPrefixes(own, family), family) }];
  });
  const away = sets.map(({ family, set }): Rule => {
    const left = { payload: { protocol: family === 4 ? 'ip' : 'ip6', field: 'saddr' } } as const;
    return { expr: [{ match: { op: '==', left, right: reference(set) } }, { goto: { target: list.name } }] };
  });
  const [own, ...chains] = elsewhere.chains;
  return {
    chains: [{ ...own, rules: [...away, ...own.rules] }, list, ...chains],
    maps: [...sets.map(({ set }) => set), ...elsewhere.maps],
  };
}

/** All ports from 0 to 65535 in order, those included that no policy is about. */
function segmentsOf(policies: readonly DispatchedPolicy[], protocol: number): Segment[] {
  const changes = new Map<number, { readonly begin: number[]; readonly end: number[] }>([
    [0, { begin: [], end: [] }],
  ]);
  const at = (port: number): { readonly begin: number[]; readonly end: number[] } => {
    let change = changes.get(port);
    if (change === undefined) changes.set(port, (change = { begin: [], end: [] }));
    return change;
  };
  for (const [index, { footprint }] of policies.entries()) {
    for (const { first, last } of footprint.ports.get(protocol) ?? []) {
      at(first).begin.push(index);
      if (last < HIGHEST_PORT) at(last + 1).end.push(index);
    }
  }
  const open = new Set<number>();
  const segments: Segment[] = [];
  const starts = [...changes.keys()].toSorted((a, b) => a - b);
  for (const [position, first] of starts.entries()) {
    const { begin, end } = changes.get(first)!;
    for (const index of end) open.delete(index);
    for (const index of begin) open.add(index);
    const last = (starts[position + 1] ?? HIGHEST_PORT + 1) - 1;
    segments.push({ first, last, policies: [...open].toSorted((a, b) => a - b) });
  }
  return segments;
}

/**
 * In the simple form, maps jump to a policy's chain, and what it leaves open goes on to the end of the tier. Where a
 * policy may pass the tier, or some policies must be asked about every packet, maps go to a chain for good, which
 * holds all that is left of the tier.
 */
class Dispatch {
  private readonly forGood: boolean;
  private readonly chains = new Map<string, ChainValue>();
  private readonly maps: SetValue[] = [];

  constructor(
    private readonly plain: Pick<ChainValue, 'name' | 'comment'>,
    private readonly policies: readonly DispatchedPolicy[],
    /** What packets meet that no map decides about. */
    private readonly rest: readonly DispatchedPolicy[],
    private readonly end: readonly Rule[],
  ) {
    this.forGood = rest.length > 0 || policies.some(({ after }) => after.length > 0);
  }

  render(segmented: ReadonlyMap<number, readonly Segment[]>): DispatchedTier {
    const rules: Rule[] = [];
    for (const [protocol, segments] of segmented) {
      const elements = segments.flatMap((segment) => this.element(segment));
      const name = PORT_PROTOCOLS.get(protocol)!;
      const narrow = elements.filter((element) => portsOf(element).length <= MOST_SINGLE_PORTS);
      const wide = elements.filter((element) => portsOf(element).length > MOST_SINGLE_PORTS);
      if (narrow.length > 0) rules.push(this.lookup(name, name, narrow.flatMap(portByPort), false));
      if (wide.length > 0) rules.push(this.lookup(name, `${name}-ranges`, wide, true));
    }
    const own = { ...this.plain, rules: [...rules, ...this.rest.flatMap(listed), ...this.end] };
    return { chains: [own, ...this.chains.values()], maps: this.maps };
  }

  private lookup(
    protocol: 'tcp' | 'udp' | 'sctp' | 'udplite',
    suffix: string,
    elements: readonly Element[],
    interval: boolean,
  ): Rule {
    const name = `${this.plain.name}-${suffix}-${shortHash(JSON.stringify(elements))}`;
    this.maps.push({
      name,
      type: ['inet_service'],
      interval,
      verdicts: true,
      comment: commentText(`policies of ${this.plain.comment ?? this.plain.name} by ${protocol} port`),
      elements,
    });
    return { expr: [{ vmap: { key: { payload: { protocol, field: 'dport' } }, data: `@${name}` } }] };
  }

  private element({ first, last, policies }: Segment): Element[] {
    const key = first === last ? String(first) : `${first}-${last}`;
    const [only] = policies;
    if (only === undefined) {
      if (this.rest.length === 0) return [];
      // Nothing left to do but the end; without one, to leave the tier.
      if (this.end.length === 0) return [{ key, verdict: { return: null } }];
    }
    if (this.forGood) return [{ key, verdict: { goto: { target: this.chainOf(policies) } } }];
    const target = policies.length === 1 ? this.policies[only!]!.chain : this.chainOf(policies);
    return [{ key, verdict: { jump: { target } } }];
  }

  /** The chain of such a list of policies. */
  private chainOf(indexes: readonly number[]): string {
    const policies = indexes.map((index) => this.policies[index]!);
    const rules = [...policies.flatMap(listed), ...(this.forGood ? this.end : [])];
    const text = JSON.stringify(rules);
    const name = `${this.plain.name}-${shortHash(text)}`;
    if (!this.chains.has(name)) {
      const comment = commentText(`${this.plain.comment ?? ''}: ${policies.map(({ id }) => id).join(', ')}`);
      this.chains.set(name, { name, comment, rules });
    }
    return name;
  }
}

function portsOf({ key }: Element): { readonly first: number; readonly length: number } {
  const [first, last = first] = key.split('-').map(Number);
  return { first: first!, length: last! - first! + 1 };
}

function portByPort(element: Element): Element[] {
  const { first, length } = portsOf(element);
  return Array.from({ length }, (_, port) => ({ ...element, key: String(first + port) }));
}

function listed({ chain, after }: DispatchedPolicy): Rule[] {
  return [{ expr: [{ jump: { target: chain } }] }, ...after];
}
