import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabelIndex, type Labels, type Matcher } from '../../../src/calc/label-index.ts';
import { matcherOfText } from '../../../src/calc/selector-matcher.ts';

/** An index, the matches that its events add up to, and how often a selector was compared with labels. */
function watchedIndex() {
  const matches = new Set<string>();
  let comparisons = 0;
  const begin = (selector: string, item: string): void => {
    matches.add(`${selector} ~ ${item}`);
  };
  const end = (selector: string, item: string): void => {
    matches.delete(`${selector} ~ ${item}`);
  };
  const index = new LabelIndex({
    joined: (item, group) => group.selectors.forEach((selector) => begin(selector, item)),
    left: (item, group) => {
      const stays = index.groupOf(item)?.selectors;
      group.selectors.forEach((selector) => stays?.has(selector) !== true && end(selector, item));
    },
    started: (selector, group) => group.items.forEach((item) => begin(selector, item)),
    stopped: (selector, group) => group.items.forEach((item) => end(selector, item)),
  });
  const counted = (text: string): Matcher => {
    const matcher = matcherOfText(text);
    const matches = (labels: Labels): boolean => {
      comparisons++;
      return matcher.matches(labels);
    };
    return { ...matcher, matches };
  };
  return {
    index,
    matches,
    add: (selector: string) => index.addSelector(selector, counted(selector)),
    compared: (work: () => void): number => {
      const before = comparisons;
      work();
      return comparisons - before;
    },
  };
}

const labels = (entries: Record<string, string>): Labels => new Map(Object.entries(entries));

const SELECTORS = [
  'all()',
  'has(a)',
  '!has(b)',
  "a == '1'",
  "a != '1'",
  "a in {'1', '2'}",
  "b not in {'1', '3'}",
  "a contains '1'",
  "b starts with '2' || a == '3'",
  "!(a ends with '3') && has(b)",
  "a == '1' && b == '2'",
  "c == '1' || has(a) && b != '2'",
];
const ITEMS = ['w1', 'w2', 'w3', 'w4', 'w5'];
const PARENTS = ['p1', 'p2'];

describe('LabelIndex', () => {
  it('knows exactly the matches that there are, whatever changed and in which order', () => {
    const value = fc.constantFrom('1', '2', '3', '12', '23');
    const someLabels = fc.dictionary(fc.constantFrom('a', 'b', 'c'), value, { maxKeys: 3 });
    const change = fc.oneof(
      fc.record({ put: fc.constantFrom(...ITEMS), own: someLabels, parents: fc.subarray(PARENTS) }),
      fc.record({ drop: fc.constantFrom(...ITEMS) }),
      fc.record({ parent: fc.constantFrom(...PARENTS), own: fc.option(someLabels, { nil: undefined }) }),
      fc.record({ selector: fc.constantFrom(...SELECTORS), wanted: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const { index, matches, add } = watchedIndex();
        const items = new Map<string, { own: Record<string, string>; parents: readonly string[] }>();
        const parents = new Map<string, Record<string, string>>();
        const selectors = new Set<string>();
        for (const step of changes) {
          if ('put' in step) {
            items.set(step.put, step);
            index.setItem(step.put, labels(step.own), step.parents);
          } else if ('drop' in step) {
            items.delete(step.drop);
            index.deleteItem(step.drop);
          } else if ('parent' in step) {
            if (step.own === undefined) parents.delete(step.parent);
            else parents.set(step.parent, step.own);
            index.setParent(step.parent, step.own && labels(step.own));
          } else if (step.wanted && !selectors.has(step.selector)) {
            selectors.add(step.selector);
            add(step.selector);
          } else if (!step.wanted) {
            selectors.delete(step.selector);
            index.deleteSelector(step.selector);
          }
          const expected = [...items].flatMap(([item, { own, parents: names }]) => {
            const effective = names.toReversed().map((name) => parents.get(name) ?? {});
            const all = labels(Object.assign({}, ...effective, own) as Record<string, string>);
            return [...selectors]
              .filter((selector) => matcherOfText(selector).matches(all))
              .map((selector) => `${selector} ~ ${item}`);
          });
          expect([...matches].toSorted()).toEqual(expected.toSorted());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('compares an item that no selector can tell from another with no selector at all', () => {
    const { index, matches, add, compared } = watchedIndex();
    for (let policy = 0; policy < 1_000; policy++) add(`has(app) && instance != 'x${policy}'`);
    const pod = (name: string, app: string): void => {
      index.setItem(name, labels({ app, instance: name }), []);
    };
    expect(compared(() => pod('w1', 'web'))).toBe(1_000);
    expect(compared(() => pod('w2', 'store'))).toBe(0);
    expect(compared(() => index.deleteItem('w1'))).toBe(0);
    expect(matches.size).toBe(1_000);
    expect([...matches].every((match) => match.endsWith('~ w2'))).toBe(true);
  });

  it('compares a new selector once for all items that are alike', () => {
    const { index, add, compared } = watchedIndex();
    add('has(app)');
    for (let item = 0; item < 1_000; item++) index.setItem(`w${item}`, labels({ app: `a${item}` }), []);
    // Those that are `a7`, and the rest.
    expect(compared(() => add("has(app) && app != 'a7'"))).toBe(2);
  });

  it('forgets what it could tell when the selectors are gone', () => {
    const { index, matches, add, compared } = watchedIndex();
    add("app == 'web'");
    index.setItem('w1', labels({ app: 'web' }), []);
    index.deleteSelector("app == 'web'");
    index.setItem('w2', labels({ app: 'web' }), []);
    expect(index.groupOf('w2')).not.toBe(index.groupOf('w1'));
    expect(compared(() => add("app == 'web'"))).toBe(1);
    expect([...matches].toSorted()).toEqual(["app == 'web' ~ w1", "app == 'web' ~ w2"]);
    expect(index.groupOf('w2')).toBe(index.groupOf('w1'));
  });
});
