/**
 * What of labels the selectors in use can tell apart. A selector that compares a label with a value tells that value
 * from all others, and a label that is there from one that is not; one that asks for a part of a value (`contains`)
 * tells every value from every other; and a label that no selector mentions tells nothing.
 */
import type { Labels } from './label-index.ts';
import type { Selector } from '../model/selector/selector.ts';

/** By label, the values that are told from others; undefined: all of them. */
export type MentionedLabels = ReadonlyMap<string, ReadonlySet<string> | undefined>;

/** Stands for every value that no selector mentions; no value of a label is like it. */
const UNMENTIONED_VALUE = '\u0000';

/** What one selector mentions. */
export function mentionsOf(selector: Selector): MentionedLabels {
  const found = new Map<string, Set<string> | undefined>();
  collect(selector, found);
  return found;
}

function collect(selector: Selector, found: Map<string, Set<string> | undefined>): void {
  const mention = (label: string, values: readonly string[]): void => {
    const known = found.get(label);
    if (known !== undefined) for (const value of values) known.add(value);
    else if (!found.has(label)) found.set(label, new Set(values));
  };
  switch (selector.type) {
    case 'all':
    case 'global':
      return;
    case 'has':
      return mention(selector.label, []);
    case '==':
    case '!=':
      return mention(selector.label, [selector.value]);
    case 'in':
    case 'not in':
      return mention(selector.label, selector.values);
    case 'contains':
    case 'starts with':
    case 'ends with':
      found.set(selector.label, undefined);
      return;
    case 'not':
      return collect(selector.operand, found);
    case 'and':
    case 'or':
      for (const operand of selector.operands) collect(operand, found);
  }
}

/** How often a label is mentioned, by how. */
interface Mention {
  selectors: number;
  /** Selectors that tell every value apart. */
  whole: number;
  readonly values: Map<string, number>;
}

/** A label of which more can be told than before: these values, or all of them. */
interface Told {
  readonly label: string;
  readonly values: readonly string[] | undefined;
}

export class LabelMentions {
  private readonly labels = new Map<string, Mention>();

  /** Takes in what a selector mentions. Returns what nobody mentioned before. */
  add(mentions: MentionedLabels): Told[] {
    const told: Told[] = [];
    for (const [label, values] of mentions) {
      const known = this.labels.get(label);
      const mention = known ?? { selectors: 0, whole: 0, values: new Map<string, number>() };
      if (known === undefined) this.labels.set(label, mention);
      const wasWhole = mention.whole > 0;
      const fresh = [...(values ?? [])].filter((value) => !mention.values.has(value));
      mention.selectors++;
      if (values === undefined) mention.whole++;
      for (const value of values ?? []) mention.values.set(value, (mention.values.get(value) ?? 0) + 1);
      if (known === undefined || (values === undefined && !wasWhole)) told.push({ label, values: undefined });
      else if (!wasWhole && fresh.length > 0) told.push({ label, values: fresh });
    }
    return told;
  }

  /** Takes back what a selector mentioned. */
  remove(mentions: MentionedLabels): void {
    for (const [label, values] of mentions) {
      const mention = this.labels.get(label)!;
      mention.selectors--;
      if (mention.selectors === 0) {
        this.labels.delete(label);
        continue;
      }
      if (values === undefined) mention.whole--;
      for (const value of values ?? []) {
        const count = mention.values.get(value)! - 1;
        if (count === 0) mention.values.delete(value);
        else mention.values.set(value, count);
      }
    }
  }

  /** Labels as selectors see them now, and a text that is equal exactly for labels that look the same. */
  told(labels: Labels): { readonly key: string; readonly labels: Labels } {
    const seen: [string, string][] = [];
    for (const [label, value] of labels) {
      const mention = this.labels.get(label);
      if (mention === undefined) continue;
      const isTold = mention.whole > 0 || mention.values.has(value);
      seen.push([label, isTold ? value : UNMENTIONED_VALUE]);
    }
    seen.sort(([a], [b]) => (a < b ? -1 : 1));
    return { key: JSON.stringify(seen), labels: new Map(seen) };
  }
}
