/** Policies of all kinds in one form. */
import { readOptions } from '../model/annotation-options.ts';
import { policySelector } from '../model/convert/rewrite.ts';
import type { GlobalNetworkPolicy } from '../model/kinds/global-network-policy.ts';
import type { PolicySpec } from '../model/kinds/policy-spec.ts';
import { namespaceLabel } from '../model/labels.ts';
import { type PolicyOptions, policyOptions } from '../model/policy-options.ts';
import type { ObjectMeta } from '../model/resource.ts';
import type { Rule } from '../model/rule.ts';
import { SelectorError } from '../model/selector/tokenizer.ts';
import { formatSelector, type Selector } from '../model/selector/selector.ts';
import type { Matcher } from './label-index.ts';
import { type PolicyOrder, comparePolicies } from './policy-order.ts';
import { matcherOf } from './selector-matcher.ts';

export interface PolicyDefinition extends PolicyOrder {
  /** `tier/kind/namespace/name`. */
  readonly id: string;
  readonly tier: string;
  readonly kind: string;
  /** Empty for global kinds. */
  readonly namespace: string;
  readonly name: string;
  /** Canonical text of the effective selector. */
  readonly selector: string;
  readonly matcher: Matcher;
  /** Directions that it applies in. */
  readonly ingress: boolean;
  readonly egress: boolean;
  readonly rules: { readonly ingress: readonly Rule[]; readonly egress: readonly Rule[] };
  readonly options: PolicyOptions;
  /** Counted, never enforced. */
  readonly staged: boolean;
  /** `normal` applies to workloads too, the others to host endpoints only. */
  readonly stage: 'normal' | 'preDNAT' | 'untracked';
  /** Whether it also applies to what a host endpoint forwards. */
  readonly applyOnForward: boolean;
  /** Why it drops everything, if so. */
  readonly failClosed: string | undefined;
}

/** A resource that is a policy; `kind` may be another than the shape's own, for what is converted to it. */
export interface PolicyResource {
  readonly kind: string;
  readonly metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'annotations'>;
  readonly spec: PolicySpec | GlobalNetworkPolicy['spec'];
}

/**
 * The definition of a policy. A selector that does not parse
 * closes the policy's namespace; for a global policy that would close the node, so there the SelectorError is thrown.
 */
export function definePolicy({ kind, metadata, spec }: PolicyResource): PolicyDefinition {
  const { name, namespace } = metadata;
  const { selector, failClosed } = selectorOf(spec, namespace);
  return {
    id: `${spec.tier}/${kind}/${namespace ?? ''}/${name}`,
    tier: spec.tier,
    kind,
    namespace: namespace ?? '',
    name,
    order: spec.order ?? Number.POSITIVE_INFINITY,
    tieBreak: `${name}/${namespace ?? ''}/${enforcedKinds.get(kind) ?? kind}`,
    selector: formatSelector(selector),
    matcher: matcherOf(selector),
    ingress: spec.types.includes('Ingress'),
    egress: spec.types.includes('Egress'),
    rules: { ingress: spec.ingress ?? [], egress: spec.egress ?? [] },
    options: readOptions(policyOptions, metadata.annotations),
    staged: enforcedKinds.has(kind),
    stage: stageOf(spec),
    applyOnForward: 'applyOnForward' in spec && spec.applyOnForward === true,
    failClosed,
  };
}

function stageOf(spec: PolicyResource['spec']): PolicyDefinition['stage'] {
  if ('doNotTrack' in spec && spec.doNotTrack === true) return 'untracked';
  return 'preDNAT' in spec && spec.preDNAT === true ? 'preDNAT' : 'normal';
}

/** What staged kinds would be in force. */
const enforcedKinds: ReadonlyMap<string, string> = new Map([
  ['StagedNetworkPolicy', 'NetworkPolicy'],
  ['StagedGlobalNetworkPolicy', 'GlobalNetworkPolicy'],
  ['StagedKubernetesNetworkPolicy', 'KubernetesNetworkPolicy'],
]);

/** By order, then by name, namespace and kind; a staged policy stands before the one that it would replace. */
export function compareDefinitions(a: PolicyDefinition, b: PolicyDefinition): number {
  return comparePolicies(a, b) || Number(b.staged) - Number(a.staged);
}

function selectorOf(
  spec: PolicyResource['spec'],
  namespace: string | undefined,
): { selector: Selector; failClosed: string | undefined } {
  try {
    return { selector: policySelector(spec, namespace), failClosed: undefined };
  } catch (error) {
    if (!(error instanceof SelectorError) || namespace === undefined) throw error;
    return {
      selector: { type: '==', label: namespaceLabel, value: namespace },
      failClosed: `selector cannot be read: ${error.message}`,
    };
  }
}
