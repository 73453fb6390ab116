/**
 * The selector language's abstract syntax, and its canonical text. Grammar and canonical form are those of Calico
 * (libcalico-go `lib/selector`), so that equal selectors have equal text and equal identifiers everywhere.
 */

export type Selector =
  | { readonly type: 'all' }
  | { readonly type: 'global' }
  | { readonly type: 'has'; readonly label: string }
  | LabelComparison
  | LabelMembership
  | { readonly type: 'not'; readonly operand: Selector }
  | Combination;

export type LabelOperator = '==' | '!=' | 'contains' | 'starts with' | 'ends with';
export type LabelSetOperator = 'in' | 'not in';

// One member of the union for each operator, so that comparing `type` narrows.
type LabelComparison = {
  [Type in LabelOperator]: { readonly type: Type; readonly label: string; readonly value: string };
}[LabelOperator];

/** `values` are sorted and free of duplicates. */
type LabelMembership = {
  [Type in LabelSetOperator]: {
    readonly type: Type;
    readonly label: string;
    readonly values: readonly string[];
  };
}[LabelSetOperator];

/** At least two operands. */
type Combination = {
  [Type in 'and' | 'or']: { readonly type: Type; readonly operands: readonly Selector[] };
}['and' | 'or'];

/** Matches everything. */
export const everything: Selector = { type: 'all' };

/** All of them: nothing gives {@link everything}, one gives itself. */
export function allOf(selectors: readonly Selector[]): Selector {
  const operands = selectors.filter((selector) => selector.type !== 'all');
  if (operands.length === 0) return everything;
  return operands.length === 1 ? operands[0]! : { type: 'and', operands };
}

/** A set operator's node with its values in canonical order. */
export function labelSet(type: LabelSetOperator, label: string, values: Iterable<string>): Selector {
  return { type, label, values: [...new Set(values)].sort(compareBytes) };
}

/** Go sorts strings by their UTF-8 bytes; code units differ beyond the Basic Multilingual Plane. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The canonical text: what {@link parseSelector} reads back as the same tree. */
export function formatSelector(selector: Selector): string {
  switch (selector.type) {
    case 'all':
      return 'all()';
    case 'global':
      return 'global()';
    case 'has':
      return `has(${selector.label})`;
    case 'in':
    case 'not in':
      return `${selector.label} ${selector.type} {${selector.values.map(quote).join(', ')}}`;
    case 'not':
      return `!${formatSelector(selector.operand)}`;
    case 'and':
    case 'or': {
      const sign = selector.type === 'and' ? ' && ' : ' || ';
      return `(${selector.operands.map(formatSelector).join(sign)})`;
    }
    case '==':
    case '!=':
    case 'contains':
    case 'starts with':
    case 'ends with':
      return `${selector.label} ${selector.type} ${quote(selector.value)}`;
  }
}

/** The language has no escapes: a value holds one kind of quote at most. */
function quote(value: string): string {
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}
