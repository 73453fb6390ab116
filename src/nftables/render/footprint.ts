/**
 * Which packets the rules of a chain can be about, as far as protocol, destination port and source tell: what a tier
 * needs to know to leave out policies that cannot match. Read off the rendered rules, so that it holds for whatever made them.
 */
import type { PortRange } from '../../calc/output.ts';
import type { Address } from '../../net/address.ts';
import { type Prefix, hostPrefix } from '../../net/prefix.ts';
import type { Match, Rule, SetValue } from '../ruleset.ts';
import { joinPorts } from './lists.ts';
import { PORT_PROTOCOLS, PORT_PROTOCOL_SET, reference } from './set-names.ts';

/** Packets by what their protocol and destination port tell. */
export interface PortFootprint {
  /** Destination ports by protocol, for the protocols that have ports; sorted and disjoint. */
  readonly ports: ReadonlyMap<number, readonly PortRange[]>;
  /** Whether a packet of another protocol may match, or one whose ports cannot be read. */
  readonly portless: boolean;
}

export interface Footprint extends PortFootprint {
  /** Sources that rules name which say nothing of ports. */
  readonly sources: readonly Prefix[];
  /** What packets from elsewhere can be like. */
  readonly elsewhere: PortFootprint;
}

const EVERY_PORT: PortRange = { first: 0, last: 65_535 };
const PROTOCOL_NUMBERS: ReadonlyMap<string, number> = new Map(
  [...PORT_PROTOCOLS].map(([number, name]) => [name, number]),
);

/** What one rule can be about: undefined stands for no restriction. */
interface Restriction {
  protocols: ReadonlySet<number> | undefined;
  ports: readonly PortRange[] | undefined;
  sources: readonly Prefix[] | undefined;
}

/** The footprint of a chain whose rules look up `sets` (others, if they restrict ports, are taken for no restriction). */
export function footprintOf(rules: readonly Rule[], sets: readonly SetValue[]): Footprint {
  const restrictions = rules.map((rule) => restrictionOf(rule, sets));
  const bySource = restrictions.filter(({ ports, sources }) => ports === undefined && sources !== undefined);
  const others = restrictions.filter((one) => !bySource.includes(one));
  return {
    ...portFootprint(restrictions),
    sources: [...new Set(bySource.flatMap(({ sources }) => sources!))],
    elsewhere: portFootprint(others),
  };
}

function portFootprint(restrictions: readonly Restriction[]): PortFootprint {
  const found = new Map<number, PortRange[]>();
  for (const { protocols, ports } of restrictions) {
    for (const protocol of PORT_PROTOCOLS.keys()) {
      if (protocols?.has(protocol) === false) continue;
      const known = found.get(protocol) ?? [];
      known.push(...(ports ?? [EVERY_PORT]));
      found.set(protocol, known);
    }
  }
  return {
    ports: new Map([...found].map(([protocol, ranges]) => [protocol, joinPorts(ranges)])),
    portless: restrictions.some(({ ports }) => ports === undefined),
  };
}

/** From the matches that come before anything else a rule does. */
function restrictionOf(rule: Rule, sets: readonly SetValue[]): Restriction {
  const restriction: Restriction = { protocols: undefined, ports: undefined, sources: undefined };
  for (const statement of rule.expr) {
    if (!('match' in statement)) break;
    restrict(restriction, statement.match, sets);
  }
  return restriction;
}

function restrict(restriction: Restriction, match: Match, sets: readonly SetValue[]): void {
  if (match.op === 'in' || '&' in match.left || 'fib' in match.left || 'concat' in match.left) return;
  const { left, op, right } = match;
  if ('meta' in left) {
    if (left.meta.key !== 'l4proto' || op !== '==') return;
    if (typeof right === 'number') narrow(restriction, [right]);
    else if (right === reference(PORT_PROTOCOL_SET)) narrow(restriction, [...PORT_PROTOCOLS.keys()]);
    return;
  }
  const { protocol, field } = left.payload;
  const number = PROTOCOL_NUMBERS.get(protocol);
  // A payload of a protocol is read only in its packets, whatever it is compared with.
  if (number !== undefined) narrow(restriction, [number]);
  if (protocol === 'icmp') narrow(restriction, [1]);
  if (protocol === 'icmpv6') narrow(restriction, [58]);
  if (op !== '==') return;
  if (field === 'saddr') restriction.sources = sourcesOf(right, sets) ?? restriction.sources;
  if (field !== 'dport') return;
  const ranges = portsOf(right, sets);
  // Two port matches in one rule are rare: either alone is a restriction that holds.
  if (ranges !== undefined) restriction.ports = ranges;
}

function narrow(restriction: Restriction, protocols: readonly number[]): void {
  const { protocols: known } = restriction;
  restriction.protocols = new Set(
    known === undefined ? protocols : protocols.filter((one) => known.has(one)),
  );
}

function portsOf(right: Match['right'], sets: readonly SetValue[]): PortRange[] | undefined {
  if (typeof right === 'number') return [{ first: right, last: right }];
  if (typeof right === 'object' && 'range' in right) return [{ first: right.range[0], last: right.range[1] }];
  const set = sets.find((one) => reference(one) === right);
  return set?.elements.map(({ key }) => {
    const [first, last = first] = key.split('-').map(Number);
    return { first: first!, last: last! };
  });
}

/** Prefixes, if the sources are written down and do not come and go. */
function sourcesOf(right: Match['right'], sets: readonly SetValue[]): readonly Prefix[] | undefined {
  if (typeof right === 'object' && 'prefix' in right) {
    return [`${right.prefix.addr}/${right.prefix.len}` as Prefix];
  }
  if (typeof right !== 'string') return undefined;
  if (!right.startsWith('@')) return [hostPrefix(right as Address)];
  return sets.find((one) => reference(one) === right)?.elements.map(({ key }) => key as Prefix);
}

export function sameFootprint(one: Footprint, other: Footprint): boolean {
  const ports = (footprint: PortFootprint): unknown => [[...footprint.ports], footprint.portless];
  const text = (footprint: Footprint): string =>
    JSON.stringify([ports(footprint), footprint.sources, ports(footprint.elsewhere)]);
  return text(one) === text(other);
}
