/**
 * Selectors of policies and rules, as resources state them, into selectors over the labels that endpoints and network
 * sets really have: own labels, and those inherited from the profiles of their namespace and service account
 * (libcalico-go `lib/backend/syncersv1/updateprocessors`).
 */
import type { EntityRule } from '../entity-rule.ts';
import {
  namespaceLabel,
  namespaceLabelPrefix,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from '../labels.ts';
import { parseSelector } from '../selector/parser.ts';
import { type Selector, allOf, labelSet } from '../selector/selector.ts';

/** What one side of a rule selects by label; an absent field constrains nothing. */
export interface EffectiveSelectors {
  readonly selector?: Selector;
  /** Negates the whole selection it describes: addresses unknown to us match too. */
  readonly notSelector?: Selector;
}

/** The effective selectors of one side of a rule; `namespace` is that of its policy, absent for global ones. */
export function entitySelectors(entity: EntityRule, namespace: string | undefined): EffectiveSelectors {
  const parts: Selector[] = [];
  const selects =
    entity.selector !== undefined || entity.notSelector !== undefined || entity.serviceAccounts !== undefined;
  if (entity.namespaceSelector !== undefined) {
    parts.push(inNamespaces(entity.namespaceSelector));
  } else if (namespace !== undefined && selects) {
    parts.push(inNamespace(namespace));
  }
  if (entity.selector !== undefined) parts.push(parseSelector(entity.selector));
  if (entity.serviceAccounts !== undefined) {
    const { names = [], selector } = entity.serviceAccounts;
    if (selector !== undefined) parts.push(ofServiceAccounts(selector));
    if (names.length > 0) parts.push(labelSet('in', serviceAccountLabel, names));
  }
  return {
    ...(parts.length === 0 ? {} : { selector: allOf(parts) }),
    ...(entity.notSelector === undefined ? {} : { notSelector: parseSelector(entity.notSelector) }),
  };
}

/** The endpoints that a policy applies to. */
export function policySelector(
  spec: {
    readonly selector?: string;
    readonly namespaceSelector?: string;
    readonly serviceAccountSelector?: string;
  },
  namespace: string | undefined,
): Selector {
  const parts: Selector[] = [];
  if (spec.selector !== undefined) parts.push(parseSelector(spec.selector));
  if (namespace !== undefined) parts.push(inNamespace(namespace));
  if (spec.namespaceSelector !== undefined) parts.push(inNamespaces(spec.namespaceSelector));
  if (spec.serviceAccountSelector !== undefined) parts.push(ofServiceAccounts(spec.serviceAccountSelector));
  return allOf(parts);
}

function inNamespace(namespace: string): Selector {
  return { type: '==', label: namespaceLabel, value: namespace };
}

/** `all()` is every namespace, so something that has one; `global()` is what has none. */
function inNamespaces(selector: string): Selector {
  return relabel(parseSelector(selector), namespaceLabelPrefix, { type: 'has', label: namespaceLabel });
}

function ofServiceAccounts(selector: string): Selector {
  return relabel(parseSelector(selector), serviceAccountLabelPrefix, { type: 'all' });
}

/** Prefixes every label, and puts `all` in place of `all()`. */
function relabel(selector: Selector, prefix: string, all: Selector): Selector {
  switch (selector.type) {
    case 'all':
      return all;
    case 'global':
      return { type: 'not', operand: { type: 'has', label: namespaceLabel } };
    case 'not': {
      const operand = relabel(selector.operand, prefix, all);
      return operand.type === 'not' ? operand.operand : { type: 'not', operand };
    }
    case 'and':
    case 'or':
      return {
        type: selector.type,
        operands: selector.operands.map((operand) => relabel(operand, prefix, all)),
      };
    case 'has':
    case '==':
    case '!=':
    case 'contains':
    case 'starts with':
    case 'ends with':
    case 'in':
    case 'not in':
      return { ...selector, label: prefix + selector.label };
  }
}
