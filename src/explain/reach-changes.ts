/** What a change of resources opens and closes, on one port or on all that policy tells apart. */
import { ConfigError } from '../base/errors.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Family } from '../net/address.ts';
import type { ResolvedEnd } from './ends.ts';
import type { Verdict } from './evaluate.ts';
import { protocolText } from './match.ts';
import { outside } from './outside.ts';
import { icmpProtocols } from './packet.ts';
import { type Asked, Reachability } from './reachability.ts';

/** A change of what is allowed between two workloads. */
export interface ReachChange {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  /** `tcp`, `udp`, `sctp` or `icmp`. */
  readonly protocol: string;
  /** Of protocols that have ports: `80`, `8000-8010`. */
  readonly ports?: string;
  readonly before: Verdict;
  readonly after: Verdict;
}

/** More questions than this take too long to answer. */
const mostQuestions = 400_000;
const highestPort = 65_535;

export interface ReachChangeOptions {
  /** Only this; every port that policy of either state tells apart where left out. */
  readonly service?: Asked;
  /** Only pairs with one of these workloads; all where left out. */
  readonly about?: ReadonlySet<string>;
  /** Also from and to addresses of no workload and no node. */
  readonly outside?: boolean;
}

/**
 * What differs between two states for the workloads that both have, and for the world outside if asked for. Throws a
 * ConfigError if that is too much to ask.
 */
export function reachChanges(
  before: readonly KnownResource[],
  after: readonly KnownResource[],
  { service, about, outside: withOutside = false }: ReachChangeOptions = {},
): ReachChange[] {
  const [old, now] = [new Reachability(before), new Reachability(after)];
  const asked = service === undefined ? services(old, now) : [{ ...service, last: service.port }];
  const changes: ReachChange[] = [];
  for (const family of [4, 6] as const) {
    const oldEnds = new Map(old.ends(family).map((end) => [end.name, end]));
    const pairs = now
      .ends(family)
      .flatMap((end) => (oldEnds.has(end.name) ? { old: oldEnds.get(end.name)!, now: end } : []));
    const beyond = withOutside && pairs.length > 0 ? now.outside(family, [old, now]) : [];
    const askers = (about === undefined ? pairs.length : 2 * about.size) + 2 * beyond.length;
    if (askers * pairs.length * asked.length > mostQuestions) {
      const parts = beyond.length === 0 ? '' : `, ${beyond.length} parts of the world outside`;
      throw new ConfigError(
        'explain.size',
        `${pairs.length} workloads${parts} and ${asked.length} parts of ports are too many`,
        { fix: 'ask about one service with --service PORT/PROTOCOL' },
      );
    }
    const differences = (from: Compared, to: Compared): Difference[] =>
      joined(
        asked
          .map((one) => ({
            ...one,
            before: old.verdict(from.old, to.old, one),
            after: now.verdict(from.now, to.now, one),
          }))
          .filter((one) => one.before !== one.after),
      ).map(differenceOf);
    for (const from of pairs) {
      for (const to of pairs) {
        const [name, other] = [from.now.name, to.now.name];
        if (from === to || (about !== undefined && !about.has(name) && !about.has(other))) continue;
        changes.push(...differences(from, to).map((one) => ({ from: name, to: other, family, ...one })));
      }
      for (const [parts, some] of alike(beyond, (part) => differences(part, from))) {
        changes.push(...some.map((one) => ({ from: parts, to: from.now.name, family, ...one })));
      }
      for (const [parts, some] of alike(beyond, (part) => differences(from, part))) {
        changes.push(...some.map((one) => ({ from: from.now.name, to: parts, family, ...one })));
      }
    }
  }
  return changes;
}

/** One end in both states. */
interface Compared {
  readonly old: ResolvedEnd;
  readonly now: ResolvedEnd;
}

type Difference = Omit<ReachChange, 'from' | 'to' | 'family'>;

function differenceOf(range: ServiceRange & Pick<ReachChange, 'before' | 'after'>): Difference {
  const { protocol, port, last, before, after } = range;
  const ports = port === undefined ? {} : { ports: port === last ? `${port}` : `${port}-${last}` };
  return {
    protocol: protocolText(protocol).toLowerCase().replace('icmpv6', 'icmp'),
    ...ports,
    before,
    after,
  };
}

/** What of the world outside fares the same, under one name. */
function alike<Answer>(
  parts: readonly ResolvedEnd[],
  answerOf: (part: Compared) => Answer,
): [name: string, answer: Answer][] {
  const groups = new Map<string, { names: string[]; answer: Answer }>();
  for (const part of parts) {
    const answer = answerOf({ old: part, now: part });
    const key = JSON.stringify(answer);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: [part.name], answer });
    else group.names.push(part.name);
  }
  return [...groups.values()].map(({ names, answer }) => [
    names.length === parts.length ? outside : names.join(' '),
    answer,
  ]);
}

/** A range of ports of a protocol that no rule tells apart. */
interface ServiceRange extends Asked {
  readonly last: number | undefined;
}

/** Every part of the ports of TCP, UDP and SCTP that a rule or a name may tell from the others, and ICMP. */
function services(...states: readonly Reachability[]): ServiceRange[] {
  const starts = new Set([0]);
  for (const state of states) for (const start of state.portStarts()) starts.add(start);
  const ordered = [...starts].filter((start) => start <= highestPort).toSorted((a, b) => a - b);
  const ranges = ordered.map((port, index) => ({ port, last: (ordered[index + 1] ?? highestPort + 1) - 1 }));
  return [
    ...[6, 17, 132].flatMap((protocol) => ranges.map((range) => ({ protocol, ...range }))),
    { protocol: icmpProtocols[4], last: undefined },
  ];
}

/** Neighbouring ranges that change in the same way, as one. */
function joined<Range extends ServiceRange & Pick<ReachChange, 'before' | 'after'>>(
  ranges: readonly Range[],
): Range[] {
  const whole: Range[] = [];
  for (const range of ranges) {
    const previous = whole.at(-1);
    const continues =
      previous?.last !== undefined &&
      previous.protocol === range.protocol &&
      previous.last + 1 === range.port &&
      previous.before === range.before &&
      previous.after === range.after;
    if (continues) whole[whole.length - 1] = { ...previous, last: range.last };
    else whole.push(range);
  }
  return whole;
}
