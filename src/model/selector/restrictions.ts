/**
 * What labels must be like for a selector to match at all: an index looks only at the labels and selectors that can
 * meet. Restrictions are necessary conditions, not sufficient ones.
 */
import type { Selector } from './selector.ts';

export interface LabelRestriction {
  readonly presence: 'present' | 'absent';
  /** The label has one of these values; only with `present`. */
  readonly values?: ReadonlySet<string>;
}

export type LabelRestrictions = ReadonlyMap<string, LabelRestriction>;

/** The restrictions by label, or undefined if the selector matches nothing. */
export function labelRestrictions(selector: Selector): LabelRestrictions | undefined {
  return restrict(selector, false);
}

const none: LabelRestrictions = new Map();

function restrict(selector: Selector, negated: boolean): LabelRestrictions | undefined {
  switch (selector.type) {
    case 'all':
    case 'global':
      return negated ? undefined : none;
    case 'has':
      return new Map([[selector.label, { presence: negated ? 'absent' : 'present' }]]);
    case '==':
    case '!=':
      if (negated === (selector.type === '==')) return none;
      return oneOf(selector.label, [selector.value]);
    case 'in':
    case 'not in':
      if (negated === (selector.type === 'in')) return none;
      return oneOf(selector.label, selector.values);
    case 'contains':
    case 'starts with':
    case 'ends with':
      return negated ? none : new Map([[selector.label, { presence: 'present' }]]);
    case 'not':
      return restrict(selector.operand, !negated);
    case 'and':
    case 'or': {
      const parts = selector.operands.map((operand) => restrict(operand, negated));
      return negated === (selector.type === 'or') ? both(parts) : either(parts);
    }
  }
}

function oneOf(label: string, values: readonly string[]): LabelRestrictions | undefined {
  return values.length === 0
    ? undefined
    : new Map([[label, { presence: 'present', values: new Set(values) }]]);
}

/** All parts hold. */
function both(parts: readonly (LabelRestrictions | undefined)[]): LabelRestrictions | undefined {
  const result = new Map<string, LabelRestriction>();
  for (const part of parts) {
    if (part === undefined) return undefined;
    for (const [label, restriction] of part) {
      const known = result.get(label);
      const merged = known === undefined ? restriction : intersection(known, restriction);
      if (merged === undefined) return undefined;
      result.set(label, merged);
    }
  }
  return result;
}

function intersection(a: LabelRestriction, b: LabelRestriction): LabelRestriction | undefined {
  if (a.presence !== b.presence) return undefined;
  if (a.values === undefined || b.values === undefined) return a.values === undefined ? b : a;
  const values = [...a.values].filter((value) => b.values!.has(value));
  return values.length === 0 ? undefined : { presence: 'present', values: new Set(values) };
}

/** One of the parts holds; parts that match nothing drop out. */
function either(parts: readonly (LabelRestrictions | undefined)[]): LabelRestrictions | undefined {
  const possible = parts.filter((part) => part !== undefined);
  const [first, ...others] = possible;
  if (first === undefined) return undefined;
  const result = new Map<string, LabelRestriction>();
  for (const [label, restriction] of first) {
    let merged: LabelRestriction | undefined = restriction;
    for (const other of others) merged = union(merged, other.get(label));
    if (merged !== undefined) result.set(label, merged);
  }
  return result;
}

function union(
  a: LabelRestriction | undefined,
  b: LabelRestriction | undefined,
): LabelRestriction | undefined {
  if (a === undefined || b === undefined || a.presence !== b.presence) return undefined;
  if (a.values === undefined || b.values === undefined) return { presence: a.presence };
  return { presence: a.presence, values: new Set([...a.values, ...b.values]) };
}
