/** What is probably not meant in a cluster's policy: policies and rules without effect, and names that nobody can look up. */
import type { CompiledRule } from '../calc/output.ts';
import type { WorkloadEndpoint } from '../model/kinds/workload-endpoint.ts';
import type { KnownResource } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { Cluster } from './cluster.ts';
import { definitionOf } from './bystanders.ts';
import type { PolicyState } from './policy-state.ts';

export interface LintFinding {
  readonly check: 'problem' | 'selects-nothing' | 'never-matches' | 'shadowed' | 'no-dns';
  /** Id of a policy or rule, or a resource. */
  readonly subject: string;
  readonly message: string;
}

/** Checks a cluster's policy; findings are in the order of the resources. */
export function lint(resources: readonly KnownResource[]): LintFinding[] {
  const workloads = resources.filter((one): one is WorkloadEndpoint => one.kind === 'WorkloadEndpoint');
  const { state } = new Cluster(resources, workloads);
  const findings: LintFinding[] = [...state.problems].map(([subject, message]) => ({
    check: 'problem',
    subject,
    message,
  }));
  for (const resource of resources) {
    const definition = definitionOf(resource);
    if (definition === undefined) continue;
    const policy = state.policies.get(definition.id);
    if (policy === undefined) {
      const message = `no workload matches its selector ${definition.selector}`;
      findings.push({ check: 'selects-nothing', subject: keyText(keyOf(resource)), message });
      continue;
    }
    for (const direction of ['ingress', 'egress'] as const) {
      findings.push(...ruleFindings(policy[direction], state));
    }
    if (definition.egress && isolatesWithoutDns(policy.egress)) {
      const message =
        'it limits egress and allows port 53 nowhere: names cannot be looked up by what it alone selects';
      findings.push({ check: 'no-dns', subject: policy.id, message });
    }
  }
  return findings;
}

function* ruleFindings(rules: readonly CompiledRule[], state: PolicyState): Generator<LintFinding> {
  let decides: CompiledRule | undefined;
  for (const rule of rules) {
    if (decides !== undefined) {
      yield { check: 'shadowed', subject: rule.id, message: `${decides.id} decides every packet before it` };
      continue;
    }
    for (const side of ['source', 'destination'] as const) {
      const peer = rule[side];
      for (const id of peer.sets) {
        if (!isEmpty(state.members(id))) continue;
        const message = `nothing matches its ${side} ${state.describeSet(id)}`;
        yield { check: 'never-matches', subject: rule.id, message };
      }
      if (peer.ports.length > 0 || peer.namedPortSets.length === 0) continue;
      if (!peer.namedPortSets.every((id) => isEmpty(state.members(id)))) continue;
      const message = `nobody has its ${side} ${peer.namedPortSets.map((id) => state.describeSet(id)).join(', ')}`;
      yield { check: 'never-matches', subject: rule.id, message };
    }
    if (rule.action !== 'log' && isAnything(rule)) decides = rule;
  }
}

function isEmpty(members: Iterable<string>): boolean {
  for (const _ of members) return false;
  return true;
}

/** Whether the rule matches every packet: it has no field but what every rule has, and those constrain nothing. */
function isAnything(rule: CompiledRule): boolean {
  const { source, destination } = rule;
  const lists = [source, destination].flatMap((peer) => Object.values(peer) as (readonly unknown[])[]);
  const constraints = Object.keys(rule).filter((field) => !unconditional.has(field));
  return constraints.length === 0 && lists.every((list) => list.length === 0);
}

const unconditional: ReadonlySet<string> = new Set(['id', 'action', 'source', 'destination']);

const dnsPort = 53;
const dnsProtocols: readonly (number | undefined)[] = [undefined, 6, 17];

function isolatesWithoutDns(rules: readonly CompiledRule[]): boolean {
  const decides = (rule: CompiledRule): boolean => rule.action === 'allow' || rule.action === 'pass';
  return (
    rules.some(decides) &&
    !rules.some(
      (rule) =>
        decides(rule) &&
        dnsProtocols.includes(rule.protocol) &&
        (rule.destination.namedPortSets.length > 0 ||
          rule.destination.ports.length === 0 ||
          rule.destination.ports.some(({ first, last }) => first <= dnsPort && dnsPort <= last)),
    )
  );
}
