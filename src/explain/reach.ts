/** Who reaches whom: every workload against every other, on one port or on all that policy tells apart. */
import { ConfigError } from '../base/errors.ts';
import { workloadName } from '../calc/endpoint-facts.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { Cluster } from './cluster.ts';
import type { ResolvedEnd } from './ends.ts';
import type { Verdict } from './evaluate.ts';
import { answer } from './explanation.ts';
import { Hosts } from './hosts.ts';
import { protocolText } from './match.ts';
import { type Packet, icmpProtocols, portProtocols } from './packet.ts';

export interface ReachOptions {
  readonly protocol: number;
  readonly port?: number;
  readonly family: Family;
  /** Only from, or only to, the workload of that name. */
  readonly from?: string;
  readonly to?: string;
}

export interface Reach {
  readonly format: 'margay-reach/v1';
  /** `namespace/pod` of every workload that has an address of the family and was asked for, sorted. */
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** By source, then by destination. A workload always reaches itself. */
  readonly verdicts: readonly (readonly Verdict[])[];
}

/** Answers for every pair of workloads. Throws a ConfigError for one that is not there. */
export function reach(resources: readonly KnownResource[], options: ReachOptions): Reach {
  const all = new Reachability(resources);
  const ends = all.ends(options.family);
  const only = (name: string | undefined): readonly ResolvedEnd[] => {
    const chosen = name === undefined ? ends : ends.filter((end) => end.name === name);
    if (chosen.length > 0 || name === undefined) return chosen;
    throw new ConfigError(
      'explain.unknown',
      `there is no workload ${name} with an address of IPv${options.family}`,
      {
        fix: 'give NAMESPACE/POD as in `get workloadendpoints -A`',
      },
    );
  };
  const [sources, destinations] = [only(options.from), only(options.to)];
  return {
    format: 'margay-reach/v1',
    sources: sources.map(({ name }) => name),
    destinations: destinations.map(({ name }) => name),
    verdicts: sources.map((from) =>
      destinations.map((to) => all.verdict(from, to, { protocol: options.protocol, port: options.port })),
    ),
  };
}

/** A protocol, and a port where it has ports. */
interface Asked {
  readonly protocol: number;
  readonly port?: number | undefined;
}

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
const echo = { 4: { type: 8, code: 0 }, 6: { type: 128, code: 0 } } as const;

/**
 * What differs between two states for the workloads that both have, on every port that policy of either tells apart,
 * or on one service. Throws a ConfigError if that is too much to ask.
 */
export function reachChanges(
  before: readonly KnownResource[],
  after: readonly KnownResource[],
  only?: Asked,
  /** Only pairs with one of these workloads; all where left out. */
  about?: ReadonlySet<string>,
): ReachChange[] {
  const [old, now] = [new Reachability(before), new Reachability(after)];
  const asked = only === undefined ? services(old, now) : [{ ...only, last: only.port }];
  const changes: ReachChange[] = [];
  for (const family of [4, 6] as const) {
    const oldEnds = new Map(old.ends(family).map((end) => [end.name, end]));
    const pairs = now.ends(family).filter(({ name }) => oldEnds.has(name));
    const askers = about === undefined ? pairs.length : 2 * about.size;
    if (askers * pairs.length * asked.length > mostQuestions) {
      throw new ConfigError(
        'explain.size',
        `${pairs.length} workloads and ${asked.length} parts of ports are too many`,
        {
          fix: 'ask about one service with --service PORT/PROTOCOL',
        },
      );
    }
    for (const from of pairs) {
      for (const to of pairs) {
        if (from === to || (about !== undefined && !about.has(from.name) && !about.has(to.name))) continue;
        const [oldFrom, oldTo] = [oldEnds.get(from.name)!, oldEnds.get(to.name)!];
        const differing = asked
          .map((service) => ({
            ...service,
            before: old.verdict(oldFrom, oldTo, service),
            after: now.verdict(from, to, service),
          }))
          .filter((one) => one.before !== one.after);
        for (const { protocol, port, last, ...verdicts } of joined(differing)) {
          const ports = port === undefined ? {} : { ports: port === last ? `${port}` : `${port}-${last}` };
          const name = protocolText(protocol).toLowerCase().replace('icmpv6', 'icmp');
          changes.push({ from: from.name, to: to.name, family, protocol: name, ...ports, ...verdicts });
        }
      }
    }
  }
  return changes;
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

/** All workloads of a state, ready to be asked about. */
class Reachability {
  private readonly cluster: Cluster;
  private readonly hosts: Hosts;
  private readonly workloads: readonly WorkloadEndpoint[];

  constructor(resources: readonly KnownResource[]) {
    this.workloads = resources
      .filter((one): one is WorkloadEndpoint => one.kind === 'WorkloadEndpoint')
      .toSorted((a, b) => (workloadName(a) < workloadName(b) ? -1 : 1));
    this.cluster = new Cluster(resources, this.workloads);
    this.hosts = new Hosts(resources, this.cluster.state);
  }

  /** The workloads that have an address of a family. */
  ends(family: Family): ResolvedEnd[] {
    return this.workloads.flatMap((workload) => {
      const address = this.cluster.endpoint(workload).addresses.find((one) => familyOf(one) === family);
      if (address === undefined) return [];
      const name = workloadName(workload);
      return [
        { name, kind: 'workload', workload, host: undefined, addresses: [address], service: { protocol: 0 } },
      ];
    });
  }

  verdict(from: ResolvedEnd, to: ResolvedEnd, { protocol, port }: Asked): Verdict {
    if (from.workload === to.workload) return 'allow';
    const [source, destination] = [from.addresses[0]!, to.addresses[0]!];
    const packet = packetOf(source, destination, protocol, port);
    return answer(packet, from, to, this.cluster, this.hosts).verdict;
  }

  /** Ports at which a rule or a named port begins, and those behind their ends. */
  *portStarts(): Generator<number> {
    const { policies, profiles } = this.cluster.state;
    for (const { ingress, egress } of [...policies.values(), ...profiles.values()]) {
      for (const { destination } of [...ingress, ...egress]) {
        for (const { first, last } of [...destination.ports, ...destination.notPorts]) {
          yield first;
          yield last + 1;
        }
      }
    }
    for (const { spec } of this.workloads) {
      for (const { port } of spec.ports ?? []) {
        yield port;
        yield port + 1;
      }
    }
  }
}

function packetOf(source: Address, destination: Address, protocol: number, port: number | undefined): Packet {
  const family = familyOf(source);
  if (protocol === icmpProtocols[4] || protocol === icmpProtocols[6]) {
    return { source, destination, protocol: icmpProtocols[family], icmp: echo[family] };
  }
  const hasPort = port !== undefined && portProtocols.has(protocol);
  return { source, destination, protocol, ...(hasPort ? { destinationPort: port } : {}) };
}
