/** Selectors made ready for the label index; selectors that repeat are made ready once. */
import { compileSelector } from '../model/selector/evaluate.ts';
import { parseSelector } from '../model/selector/parser.ts';
import { labelRestrictions } from '../model/selector/restrictions.ts';
import type { Selector } from '../model/selector/selector.ts';
import type { LabelDemand, Matcher } from './label-index.ts';
import { mentionsOf } from './label-mentions.ts';

const matchers = new WeakMap<Selector, Matcher>();

/** The matcher of a parsed selector. */
export function matcherOf(selector: Selector): Matcher {
  let matcher = matchers.get(selector);
  if (matcher === undefined) {
    const test = compileSelector(selector);
    matcher = {
      matches: (labels) => test((label) => labels.get(label)),
      demands: demandsOf(selector),
      mentions: mentionsOf(selector),
    };
    matchers.set(selector, matcher);
  }
  return matcher;
}

/** The matcher of a selector as text; throws SelectorError. */
export function matcherOfText(text: string): Matcher {
  return matcherOf(parseSelector(text));
}

/** Met by nothing. */
const impossible: readonly LabelDemand[] = [{ label: '', values: [] }];

function demandsOf(selector: Selector): readonly LabelDemand[] {
  const restrictions = labelRestrictions(selector);
  if (restrictions === undefined) return impossible;
  const demands: LabelDemand[] = [];
  for (const [label, { presence, values }] of restrictions) {
    if (presence === 'present')
      demands.push({ label, values: values === undefined ? undefined : [...values] });
  }
  return demands;
}
