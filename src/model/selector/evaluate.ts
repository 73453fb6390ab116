/** Selectors applied to labels. */
import type { Selector } from './selector.ts';

export type LabelLookup = (label: string) => string | undefined;
/** Labels as a record, or anything that looks a label up (inherited labels need no copy then). */
export type Labels = Readonly<Record<string, string>> | LabelLookup;

/** Makes a function that tells whether labels match; `global()` is true (rewrite.ts gives it its meaning). */
export function compileSelector(selector: Selector): (labels: Labels) => boolean {
  const test = compile(selector);
  return (labels) => test(typeof labels === 'function' ? labels : (label) => ownLabel(labels, label));
}

/** Labels may be called `constructor`. */
function ownLabel(labels: Readonly<Record<string, string>>, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}

type Test = (lookup: LabelLookup) => boolean;

function compile(selector: Selector): Test {
  switch (selector.type) {
    case 'all':
    case 'global':
      return () => true;
    case 'has': {
      const { label } = selector;
      return (lookup) => lookup(label) !== undefined;
    }
    case '==': {
      const { label, value } = selector;
      return (lookup) => lookup(label) === value;
    }
    case '!=': {
      const { label, value } = selector;
      return (lookup) => lookup(label) !== value;
    }
    case 'contains': {
      const { label, value } = selector;
      return (lookup) => lookup(label)?.includes(value) === true;
    }
    case 'starts with': {
      const { label, value } = selector;
      return (lookup) => lookup(label)?.startsWith(value) === true;
    }
    case 'ends with': {
      const { label, value } = selector;
      return (lookup) => lookup(label)?.endsWith(value) === true;
    }
    case 'in':
    case 'not in': {
      const { label } = selector;
      const values: ReadonlySet<string | undefined> = new Set(selector.values);
      const wanted = selector.type === 'in';
      return (lookup) => values.has(lookup(label)) === wanted;
    }
    case 'not': {
      const operand = compile(selector.operand);
      return (lookup) => !operand(lookup);
    }
    case 'and': {
      const operands = selector.operands.map(compile);
      return (lookup) => operands.every((operand) => operand(lookup));
    }
    case 'or': {
      const operands = selector.operands.map(compile);
      return (lookup) => operands.some((operand) => operand(lookup));
    }
  }
}
