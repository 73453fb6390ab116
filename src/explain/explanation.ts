/** Answers to "may this talk to that, and why": the shape that `margayctl explain -o json` prints. */
import { ConfigError } from '../base/errors.ts';
import { protocolNumber } from '../model/fields.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { Cluster } from './cluster.ts';
import { type End, type ResolvedEnd, resolveEnds } from './ends.ts';
import { type EndpointWalk, type Verdict, evaluateEndpoint } from './evaluate.ts';
import { Hosts } from './hosts.ts';
import { leaveWorkload } from './leave-workload.ts';
import { type NearMiss, nearestMisses } from './nearest.ts';
import { type Packet, icmpProtocols } from './packet.ts';
import type { Party, Service } from './question.ts';
import { representatives } from './representatives.ts';
import { type Bystander, bystanders } from './bystanders.ts';

export interface Question {
  readonly source: Party;
  readonly destination: Party;
  readonly service: Service;
  readonly sourcePort?: number;
  /** Only this family, where both have addresses of both. */
  readonly family?: Family;
}

/** One packet that was asked about. */
export interface PathAnswer {
  readonly packet: Packet;
  readonly verdict: Verdict;
  /** Ids as in the comments of `nft list table inet margay`: the last that allows, or the first that denies. */
  readonly decidedBy: readonly string[];
  /** Egress of the source, then ingress of the destination, as far as they are workloads. */
  readonly walks: readonly EndpointWalk[];
}

export interface Explanation {
  readonly format: 'margay-explain/v1';
  readonly source: End;
  readonly destination: End;
  /** `unknown` also if paths differ. */
  readonly verdict: Verdict;
  readonly paths: readonly PathAnswer[];
  /** Where denied: rules that would have allowed it, fewest failed fields first. */
  readonly nearest: readonly NearMiss[];
  /** Policies that do not apply, and why. */
  readonly bystanders: readonly Bystander[];
  /** What the verdict leaves out. */
  readonly notes: readonly string[];
}

/** Answers a question from a cluster's resources. Throws a ConfigError if it cannot be asked. */
export function explain(resources: readonly KnownResource[], question: Question): Explanation {
  const resolve = (party: Party): ResolvedEnd[] => resolveEnds(party, question.service, resources);
  const partial = [resolve(question.source), resolve(question.destination)] as const;
  const workloads = new Set(partial.flat().flatMap(({ workload }) => workload ?? []));
  const cluster = new Cluster(resources, [...workloads]);
  const hosts = new Hosts(resources, cluster.state);
  // Policy of hosts may tell the addresses of a CIDR apart, too.
  if (partial.flat().some(({ kind }) => kind === 'cidr')) hosts.addAll();
  const [sources, destinations] = partial.map((ends) => ends.map((end) => spread(end, cluster))) as [
    ResolvedEnd[],
    ResolvedEnd[],
  ];
  const pairs = sources.flatMap((source) => destinations.map((destination) => ({ source, destination })));
  const paths = distinct(
    pairs.flatMap(({ source, destination }) =>
      packetsBetween(source, destination, question).map((packet) =>
        answer(packet, source, destination, cluster, hosts),
      ),
    ),
  );
  const [source, destination] = [sources[0]!, destinations[0]!];
  if (paths.length === 0) throw noCommonFamily(source, destination);
  const verdicts = new Set(paths.map(({ verdict }) => verdict));
  return {
    format: 'margay-explain/v1',
    source: publicEnd(source),
    destination: publicEnd(destination),
    verdict: verdicts.size === 1 ? paths[0]!.verdict : 'unknown',
    paths,
    nearest: nearestMisses(paths.flatMap(({ walks }) => walks)),
    bystanders: [sources, destinations].flatMap((ends, index) =>
      [...new Set(ends.flatMap(({ workload }) => workload ?? []))].flatMap((workload) =>
        bystanders(resources, cluster.endpoint(workload), index === 0 ? 'egress' : 'ingress'),
      ),
    ),
    notes: notes(source, destination, paths, cluster),
  };
}

/** Fills in the addresses that need the calculation. */
function spread(end: ResolvedEnd, cluster: Cluster): ResolvedEnd {
  if (end.kind === 'cidr') return { ...end, addresses: representatives(end.name, cluster.state) };
  if (end.addresses.length > 0 || end.workload === undefined) return end;
  return { ...end, addresses: cluster.endpoint(end.workload).addresses };
}

function publicEnd({ name, kind, workloadEndpoint }: ResolvedEnd): End {
  return { name, kind, ...(workloadEndpoint === undefined ? {} : { workloadEndpoint }) };
}

function packetsBetween(source: ResolvedEnd, destination: ResolvedEnd, question: Question): Packet[] {
  return source.addresses.flatMap((from) =>
    destination.addresses
      .filter((to) => familyOf(to) === familyOf(from) && [undefined, familyOf(to)].includes(question.family))
      .map((to) => packetOf(from, to, destination, question.sourcePort)),
  );
}

function noCommonFamily(source: ResolvedEnd, destination: ResolvedEnd): ConfigError {
  return new ConfigError(
    'explain.family',
    `${source.name} and ${destination.name} have no addresses of one family`,
    { fix: 'ask about addresses, or give the workload both families' },
  );
}

function packetOf(
  source: Address,
  destination: Address,
  { service, workload }: ResolvedEnd,
  sourcePort: number | undefined,
): Packet {
  const { protocol, port, icmp } = service;
  if (protocol === 'icmp') {
    const own = icmpProtocols[familyOf(source)];
    return { source, destination, protocol: own, ...(icmp === undefined ? {} : { icmp }) };
  }
  const number = typeof port === 'string' ? namedPort(port, protocol, workload) : port;
  return {
    source,
    destination,
    protocol,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(number === undefined ? {} : { destinationPort: number }),
  };
}

function namedPort(name: string, protocol: number, workload: WorkloadEndpoint | undefined): number {
  const ports = workload?.spec.ports ?? [];
  const found = ports.find((one) => one.name === name && protocolNumber(one.protocol) === protocol);
  if (found !== undefined) return found.port;
  const known = ports.flatMap((one) => one.name ?? []);
  throw new ConfigError('explain.port', `the destination has no port named ${JSON.stringify(name)}`, {
    fix: known.length === 0 ? 'give a number' : `it has ${known.join(', ')}`,
  });
}

/** What becomes of one packet between two ends, and what it meets on its way. */
export function answer(
  packet: Packet,
  source: ResolvedEnd,
  destination: ResolvedEnd,
  cluster: Cluster,
  hosts: Hosts,
): PathAnswer {
  const walks = isLoop(source, destination) ? [] : walksOf(packet, source, destination, cluster, hosts);
  const denied = walks.find(({ verdict }) => verdict === 'deny');
  const open = walks.find(({ verdict }) => verdict === 'unknown');
  const deciding = denied ?? open ?? walks.findLast(({ decidedBy }) => decidedBy.length > 0);
  const verdict = denied?.verdict ?? open?.verdict ?? 'allow';
  return { packet, verdict, decidedBy: deciding?.decidedBy ?? [], walks };
}

/** Of a workload that is on no node yet: it gets what every node has. */
export const noNode = '';

/** What a packet meets on its way, in that order. */
function walksOf(
  packet: Packet,
  source: ResolvedEnd,
  destination: ResolvedEnd,
  cluster: Cluster,
  hosts: Hosts,
): EndpointWalk[] {
  const from = source.workload?.spec.node ?? source.host;
  const to = destination.workload?.spec.node ?? destination.host;
  const crosses = from === undefined || from !== to;
  const walks: EndpointWalk[] = [];
  if (source.workload !== undefined) {
    const node = from ?? noNode;
    const toHost = !crosses && destination.host !== undefined;
    const into = toHost ? 'fromWorkloadToHost' : 'fromWorkload';
    walks.push(
      ...hosts.walks(node, into, packet),
      ...leaveWorkload(cluster.endpoint(source.workload), packet, cluster.state, hosts.felixOf(node), toHost),
    );
    if (crosses) walks.push(...hosts.walks(node, 'outOfHost', packet));
  } else if (source.host !== undefined && crosses) {
    walks.push(...hosts.walks(source.host, 'fromHost', packet));
  }
  if (to !== undefined && crosses) {
    walks.push(...hosts.walks(to, destination.workload === undefined ? 'toHost' : 'intoHost', packet));
  }
  // A host reaches its own workloads whatever policy says, as in Calico.
  const isOwn = source.host !== undefined && !crosses;
  if (destination.workload !== undefined && !isOwn) {
    walks.push(evaluateEndpoint(cluster.endpoint(destination.workload), 'ingress', packet, cluster.state));
    if (to !== undefined) walks.push(...hosts.walks(to, 'toWorkload', packet));
  }
  return walks;
}

function isLoop(source: ResolvedEnd, destination: ResolvedEnd): boolean {
  if (source.workload !== undefined) return source.workload === destination.workload;
  return source.host !== undefined && source.host === destination.host;
}

/** One path of each outcome in each family: a CIDR has many addresses that fare the same. */
function distinct(paths: readonly PathAnswer[]): PathAnswer[] {
  const byOutcome = new Map<string, PathAnswer>();
  for (const path of paths) {
    const ids = path.walks.map(({ decidedBy }) => decidedBy.join(' '));
    const outcome = [familyOf(path.packet.source), path.verdict, ...ids].join(' | ');
    if (!byOutcome.has(outcome)) byOutcome.set(outcome, path);
  }
  return [...byOutcome.values()];
}

function notes(
  source: ResolvedEnd,
  destination: ResolvedEnd,
  paths: readonly PathAnswer[],
  cluster: Cluster,
): string[] {
  const found: string[] = [];
  if (isLoop(source, destination))
    found.push(
      `${source.workload === undefined ? 'a host' : 'a workload'} reaches itself without leaving: no policy applies`,
    );
  else if (paths.every(({ walks }) => walks.length === 0)) {
    found.push(
      'no workload and no host endpoint of this cluster is on the way: its policy does not touch the packet',
    );
  }
  if (new Set(paths.map(({ verdict }) => verdict)).size > 1) {
    found.push('the answer differs between addresses: see each path');
  }
  for (const [resource, problem] of cluster.state.problems) found.push(`${resource}: ${problem}`);
  return found;
}
