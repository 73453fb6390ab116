/**
 * The smallest change that would let a denied packet through where a rule came close: one label of a workload, one port
 * or one address of the rule. Each is tried on a copy of the cluster, and what else it would open or close is told.
 */
import type { Direction } from '../calc/output.ts';
import type { GlobalNetworkPolicy } from '../model/kinds/global-network-policy.ts';
import type { NetworkPolicy } from '../model/kinds/network-policy.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import type { Rule } from '../model/rule.ts';
import { hostPrefix } from '../net/prefix.ts';
import { workloadName } from '../calc/endpoint-facts.ts';
import { definitionOf } from './bystanders.ts';
import { workloadAt } from './cluster.ts';
import { type Explanation, type Question, explain } from './explanation.ts';
import type { FieldCheck, Side } from './match.ts';
import type { NearMiss } from './nearest.ts';
import type { Packet } from './packet.ts';
import { type ReachChange, reachChanges } from './reach-changes.ts';

export interface Remedy {
  /** The rule that would match then. */
  readonly rule: string;
  /** In words: `label shop/client app=front`. */
  readonly change: string;
  /**
   * What changes between workloads on the port that was asked about, the connection itself among it; in a large cluster
   * only what the two ends take part in.
   */
  readonly effects: readonly ReachChange[];
}

/** In a cluster of more, not every pair is asked about: an answer should come at once. */
const mostWorkloads = 100;

interface Candidate {
  readonly change: string;
  readonly before: KnownResource;
  readonly after: KnownResource;
}

/** The first change that works, of the rules nearest to matching; undefined if no single one does. */
export function smallestChange(
  resources: readonly KnownResource[],
  question: Question,
  { nearest, paths, source, destination }: Explanation,
): Remedy | undefined {
  const denied = paths.find(({ verdict }) => verdict === 'deny');
  // Of a tunnel's packet no policy is asked.
  if (
    denied === undefined ||
    denied.walks.some(({ stage, verdict }) => stage === 'tunnel' && verdict === 'deny')
  )
    return undefined;
  for (const miss of nearest) {
    for (const { change, before, after } of candidates(resources, miss, denied.packet)) {
      const changed = resources.map((one) => (one === before ? after : one));
      const blocked = explain(changed, question).paths.some(({ walks }) =>
        walks.some((walk) => walk.direction === miss.direction && walk.verdict !== 'allow'),
      );
      if (blocked) continue;
      const { protocol, destinationPort: port } = denied.packet;
      const isLarge = resources.filter(({ kind }) => kind === 'WorkloadEndpoint').length > mostWorkloads;
      const about = isLarge ? new Set([source.name, destination.name]) : undefined;
      return {
        rule: miss.rule,
        change,
        effects: reachChanges(resources, changed, {
          service: { protocol, port },
          ...(about === undefined ? {} : { about }),
        }),
      };
    }
  }
  return undefined;
}

function* candidates(
  resources: readonly KnownResource[],
  miss: NearMiss,
  packet: Packet,
): Generator<Candidate> {
  const [failed, ...others] = miss.failed;
  if (failed === undefined || others.length > 0) return;
  const [side, field] = failed.field.split('.') as [Side, string | undefined];
  if (field === 'selector') {
    const workload = workloadAt(resources, packet[side]);
    if (workload !== undefined) yield* labelled(workload, failed);
    return;
  }
  const port = side === 'source' ? packet.sourcePort : packet.destinationPort;
  const added = field === 'nets' ? hostPrefix(packet[side]) : field === 'ports' ? port : undefined;
  if (added === undefined) return;
  const edited = withRule(resources, miss.rule, (rule) => {
    const entity = rule[side] ?? {};
    const list = (field === 'nets' ? entity.nets : entity.ports) ?? [];
    return { ...rule, [side]: { ...entity, [field!]: [...list, added] } };
  });
  if (edited !== undefined) {
    yield { change: `add ${added} to ${side}.${field} of ${miss.rule}`, ...edited };
  }
}

/** Labels that come of other things than the workload's own metadata. */
const derived = /^(projectcalico\.org\/|pcns\.|pcsa\.)/;

/** The workload with one more label, of those that the selector asks for. */
function* labelled(workload: WorkloadEndpoint, { wanted }: FieldCheck): Generator<Candidate> {
  const name = workloadName(workload);
  for (const [, key, equal, listed, present] of wanted.matchAll(
    /([\w./-]+) (?:== "([^"]*)"|in \{"([^"]*)")|has\(([\w./-]+)\)/g,
  )) {
    const label = key ?? present!;
    const value = equal ?? listed ?? '';
    if (derived.test(label)) continue;
    const labels = { ...workload.metadata.labels, [label]: value };
    yield {
      change: `label ${name} ${label}=${value}`,
      before: workload,
      after: { ...workload, metadata: { ...workload.metadata, labels } },
    };
  }
}

/** The policy that a rule is of, with the rule changed; undefined for rules that are written in another form. */
function withRule(
  resources: readonly KnownResource[],
  id: string,
  edit: (rule: Rule) => Rule,
): { readonly before: KnownResource; readonly after: KnownResource } | undefined {
  const parts = id.split('/');
  const policyId = parts.slice(0, -2).join('/');
  const [direction, index] = [parts.at(-2) as Direction, Number(parts.at(-1))];
  const before = resources.find(
    (one): one is NetworkPolicy | GlobalNetworkPolicy =>
      (one.kind === 'NetworkPolicy' || one.kind === 'GlobalNetworkPolicy') &&
      definitionOf(one)?.id === policyId,
  );
  const rules = before?.spec[direction];
  if (before === undefined || rules?.[index] === undefined) return undefined;
  const edited = rules.map((rule, at) => (at === index ? edit(rule) : rule));
  return { before, after: { ...before, spec: { ...before.spec, [direction]: edited } } as KnownResource };
}
