/** Answers to "may this talk to that, and why": the shape that `margayctl explain -o json` prints. */
import { ConfigError } from '../base/errors.ts';
import type { LocalEndpoint } from '../calc/output.ts';
import { protocolNumber } from '../model/fields.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { workloadName } from '../calc/endpoint-facts.ts';
import { Cluster, findWorkload, workloadAt } from './cluster.ts';
import { type EndpointWalk, type Verdict, evaluateEndpoint } from './evaluate.ts';
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

/** One end of the connection. */
export interface End {
  /** `namespace/pod`, an address or a CIDR. */
  readonly name: string;
  readonly kind: Party['kind'];
  /** Absent if it is no workload that we know. */
  readonly workloadEndpoint?: string;
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

interface ResolvedEnd extends End {
  readonly workload: WorkloadEndpoint | undefined;
  /** Addresses to ask about. */
  readonly addresses: readonly Address[];
}

/** Answers a question from a cluster's resources. Throws a ConfigError if it cannot be asked. */
export function explain(resources: readonly KnownResource[], question: Question): Explanation {
  const partial = [question.source, question.destination].map((party) => resolve(party, resources));
  const workloads = partial.flatMap(({ workload }) => (workload === undefined ? [] : [workload]));
  const cluster = new Cluster(resources, workloads);
  const [source, destination] = partial.map((end) => spread(end, cluster)) as [ResolvedEnd, ResolvedEnd];
  const paths = distinct(
    packetsBetween(source, destination, question).map((packet) =>
      answer(packet, source, destination, cluster),
    ),
  );
  const verdicts = new Set(paths.map(({ verdict }) => verdict));
  return {
    format: 'margay-explain/v1',
    source: publicEnd(source),
    destination: publicEnd(destination),
    verdict: verdicts.size === 1 ? paths[0]!.verdict : 'unknown',
    paths,
    nearest: nearestMisses(paths.flatMap(({ walks }) => walks)),
    bystanders: [source, destination].flatMap(({ workload }, index) =>
      workload === undefined
        ? []
        : bystanders(resources, cluster.endpoint(workload), index === 0 ? 'egress' : 'ingress'),
    ),
    notes: notes(source, destination, paths, cluster),
  };
}

function resolve(party: Party, resources: readonly KnownResource[]): ResolvedEnd {
  const { kind } = party;
  if (party.kind === 'cidr') {
    return { name: party.cidr, kind, workload: undefined, addresses: [] };
  }
  const workload =
    party.kind === 'workload'
      ? findWorkload(resources, party.namespace, party.name)
      : workloadAt(resources, party.address);
  const name = workload === undefined ? '' : workloadName(workload);
  if (party.kind === 'address') {
    const known = workload === undefined ? {} : { workloadEndpoint: workload.metadata.name };
    const shown = workload === undefined ? party.address : `${name} (${party.address})`;
    return { name: shown, kind, workload, addresses: [party.address], ...known };
  }
  return { name, kind, workload, addresses: [], workloadEndpoint: workload!.metadata.name };
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
  const packets = source.addresses.flatMap((from) =>
    destination.addresses
      .filter((to) => familyOf(to) === familyOf(from) && [undefined, familyOf(to)].includes(question.family))
      .map((to) => packetOf(from, to, question, destination.workload)),
  );
  if (packets.length > 0) return packets;
  throw new ConfigError(
    'explain.family',
    `${source.name} and ${destination.name} have no addresses of one family`,
    { fix: 'ask about addresses, or give the workload both families' },
  );
}

function packetOf(
  source: Address,
  destination: Address,
  { service, sourcePort }: Question,
  workload: WorkloadEndpoint | undefined,
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

function answer(packet: Packet, source: ResolvedEnd, destination: ResolvedEnd, cluster: Cluster): PathAnswer {
  const walk = (end: ResolvedEnd, direction: 'egress' | 'ingress'): EndpointWalk[] => {
    if (end.workload === undefined || isLoop(source, destination)) return [];
    const endpoint: LocalEndpoint = cluster.endpoint(end.workload);
    return [evaluateEndpoint(endpoint, direction, packet, cluster.state)];
  };
  const walks = [...walk(source, 'egress'), ...walk(destination, 'ingress')];
  const denied = walks.find(({ verdict }) => verdict === 'deny');
  const open = walks.find(({ verdict }) => verdict === 'unknown');
  const deciding = denied ?? open ?? walks.at(-1);
  return { packet, verdict: deciding?.verdict ?? 'allow', decidedBy: deciding?.decidedBy ?? [], walks };
}

function isLoop(source: ResolvedEnd, destination: ResolvedEnd): boolean {
  return source.workload !== undefined && source.workload === destination.workload;
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
  if (isLoop(source, destination)) found.push('a workload reaches itself without leaving: no policy applies');
  else if (paths.every(({ walks }) => walks.length === 0)) {
    found.push('neither end is a workload of this cluster: its policy does not touch the packet');
  }
  if (new Set(paths.map(({ verdict }) => verdict)).size > 1) {
    found.push('the answer differs between addresses: see each path');
  }
  for (const [resource, problem] of cluster.state.problems) found.push(`${resource}: ${problem}`);
  return found;
}
