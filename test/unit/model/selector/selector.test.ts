import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelector } from '../../../../src/model/selector/evaluate.ts';
import { parseSelector } from '../../../../src/model/selector/parser.ts';
import { labelRestrictions } from '../../../../src/model/selector/restrictions.ts';
import { type Selector, allOf, everything, formatSelector } from '../../../../src/model/selector/selector.ts';
import { SelectorError } from '../../../../src/model/selector/tokenizer.ts';
import { selectorId } from '../../../../src/model/selector/unique-id.ts';

/** Selector, canonical text, labels that match, labels that do not. */
const grammar: readonly [string, string, Record<string, string>[], Record<string, string>[]][] = [
  ['', 'all()', [{}, { a: 'b' }], []],
  [' \t', 'all()', [{}], []],
  ['all( )', 'all()', [{}], []],
  ['global()', 'global()', [{}], []],
  ['has( my-label/x.y_z )', 'has(my-label/x.y_z)', [{ 'my-label/x.y_z': '' }], [{}, { constructor: 'x' }]],
  ['a == "b"', 'a == "b"', [{ a: 'b' }], [{}, { a: 'c' }]],
  [`a=='b'`, 'a == "b"', [{ a: 'b' }], [{ a: "'b'" }]],
  [`a == 'say "x"'`, `a == 'say "x"'`, [{ a: 'say "x"' }], [{ a: 'x' }]],
  [`a == "it's"`, `a == "it's"`, [{ a: "it's" }], [{}]],
  ['a != "b"', 'a != "b"', [{}, { a: 'c' }], [{ a: 'b' }]],
  ['a contains "b"', 'a contains "b"', [{ a: 'abc' }], [{}, { a: 'ac' }]],
  ['a starts with "b"', 'a starts with "b"', [{ a: 'bc' }], [{}, { a: 'cb' }]],
  ['a startswith "b"', 'a starts with "b"', [{ a: 'b' }], [{}]],
  ['a ends \t with "b"', 'a ends with "b"', [{ a: 'cb' }], [{}, { a: 'bc' }]],
  ['a endswith"b"', 'a ends with "b"', [{ a: 'b' }], [{}]],
  ['a in {"c", "b","c"}', 'a in {"b", "c"}', [{ a: 'b' }, { a: 'c' }], [{}, { a: 'd' }]],
  ['a in {"b",}', 'a in {"b"}', [{ a: 'b' }], [{}]],
  ['a in {}', 'a in {}', [], [{}, { a: '' }]],
  ['a not in {"b"}', 'a not in {"b"}', [{}, { a: 'c' }], [{ a: 'b' }]],
  ['a notin{"b"}', 'a not in {"b"}', [{}], [{ a: 'b' }]],
  ['!has(a)', '!has(a)', [{}], [{ a: '' }]],
  ['! !has(a)', 'has(a)', [{ a: '' }], [{}]],
  ['!(!has(a))', 'has(a)', [{ a: '' }], [{}]],
  ['!a == "b"', '!a == "b"', [{}, { a: 'c' }], [{ a: 'b' }]],
  ['((a == "b"))', 'a == "b"', [{ a: 'b' }], [{}]],
  [
    'has(a) && has(b) && has(c)',
    '(has(a) && has(b) && has(c))',
    [{ a: '', b: '', c: '' }],
    [{ a: '', b: '' }],
  ],
  [
    'has(a) || has(b) && has(c)',
    '(has(a) || (has(b) && has(c)))',
    [{ a: '' }, { b: '', c: '' }],
    [{ b: '' }],
  ],
  ['(has(a) || has(b)) && has(c)', '((has(a) || has(b)) && has(c))', [{ a: '', c: '' }], [{ a: '' }]],
  ['!(has(a) || has(b))', '!(has(a) || has(b))', [{}, { c: '' }], [{ b: '' }]],
  // Words of the language are labels where a label stands.
  ['in == "x"', 'in == "x"', [{ in: 'x' }], [{}]],
  ['has == "x" && contains != "y"', '(has == "x" && contains != "y")', [{ has: 'x' }], [{}]],
  ['all in {"x"}', 'all in {"x"}', [{ all: 'x' }], [{}]],
];

describe('the selector language', () => {
  it.each(grammar)('reads %j as %j', (text, canonical, matching, others) => {
    const selector = parseSelector(text);
    expect(formatSelector(selector)).toBe(canonical);
    const matches = compileSelector(selector);
    for (const labels of matching) expect([labels, matches(labels)]).toEqual([labels, true]);
    for (const labels of others) expect([labels, matches(labels)]).toEqual([labels, false]);
  });

  it.each([
    ['a = "b"', 2, /unexpected "="/],
    ['a == b', 5, /expected a string in quotes, but found "b"/],
    ['a == "b', 5, /string is not closed/],
    ['a', 1, /expected an operator .* after label "a", but the selector ends/],
    ['a like "b"', 2, /expected an operator/],
    ['has()', 4, /expected a label name/],
    ['has(a', 4, /expected a label name and "\)"/],
    ['has(a) && ', 10, /the selector ends/],
    ['has(a) has(b)', 7, /expected "&&", "\|\|" or the end/],
    ['(has(a)', 7, /expected "&&", "\|\|" or "\)"/],
    ['has(a))', 6, /expected "&&", "\|\|" or the end/],
    ['a in {"b" "c"}', 10, /expected "," or "}"/],
    ['a in "b"', 5, /expected "{"/],
    ['a in {,}', 6, /expected a string/],
    ['a in {"b"', 9, /expected "," or "}"/],
    ['a & b', 2, /unexpected "&"/],
    ['has(a) | has(b)', 7, /unexpected "\|"/],
    ['a == "b"\n&& has(c)', 8, /unexpected "\\n"/],
    ['"a" == "b"', 0, /expected a label/],
    ['has(ä)', 4, /expected a label name/],
    [`${'a'.repeat(513)} == "b"`, 0, /longer than 512/],
  ])('refuses %j at offset %i', (text, offset, reason) => {
    let caught: unknown;
    try {
      parseSelector(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SelectorError);
    expect((caught as SelectorError).offset).toBe(offset);
    expect((caught as SelectorError).reason).toMatch(reason);
  });

  it('refuses to nest without end', () => {
    expect(() => parseSelector(`${'('.repeat(1000)}has(a)${')'.repeat(1000)}`)).toThrow(/levels deep/);
    expect(formatSelector(parseSelector(`${'!'.repeat(10_001)}has(a)`))).toBe('!has(a)');
  });

  it('identifies a selector by the SHA-224 of its canonical text', () => {
    // printf 's:all()' | openssl dgst -sha224 -binary | basenc --base64url, without the padding
    expect(selectorId(parseSelector(''))).toBe('s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug');
    expect(selectorId(parseSelector(`a=='b'`))).toBe(selectorId(parseSelector('a == "b"')));
  });

  it('ands selectors without needless parts', () => {
    expect(allOf([])).toBe(everything);
    expect(formatSelector(allOf([everything, parseSelector('has(a)')]))).toBe('has(a)');
    expect(formatSelector(allOf([parseSelector('has(a)'), parseSelector('has(b) || has(c)')]))).toBe(
      '(has(a) && (has(b) || has(c)))',
    );
  });
});

const label = fc.constantFrom('a', 'b', 'c.d/e', 'constructor', 'in');
const value = fc.constantFrom('', 'x', 'xy', 'y', "it's", 'a "b"', '\u{1f600}', '\uffee');
const labels = fc.dictionary(label, value, { maxKeys: 4 });

const { tree } = fc.letrec<{ tree: Selector }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant<Selector>({ type: 'all' }),
    label.map((name): Selector => ({ type: 'has', label: name })),
    fc
      .record({
        type: fc.constantFrom(
          '==' as const,
          '!=' as const,
          'contains' as const,
          'starts with' as const,
          'ends with' as const,
        ),
        label,
        value,
      })
      .map((node): Selector => node),
    fc
      .record({
        type: fc.constantFrom('in' as const, 'not in' as const),
        label,
        values: fc.uniqueArray(value, { maxLength: 3 }),
      })
      .map((node): Selector => ({
        ...node,
        values: [...node.values].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      })),
    tie('tree')
      .filter((operand) => operand.type !== 'not')
      .map((operand): Selector => ({ type: 'not', operand })),
    fc
      .record({
        type: fc.constantFrom('and' as const, 'or' as const),
        operands: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
      })
      .map((node): Selector => node),
  ),
}));

/** The meaning of selectors, written as plainly as possible. */
function naive(selector: Selector, given: Record<string, string>): boolean {
  if (selector.type === 'all' || selector.type === 'global') return true;
  if (selector.type === 'not') return !naive(selector.operand, given);
  if (selector.type === 'and' || selector.type === 'or') {
    const wrong = selector.operands.filter((part) => !naive(part, given)).length;
    return selector.type === 'and' ? wrong === 0 : wrong < selector.operands.length;
  }
  const entry = Object.entries(given).find(([name]) => name === selector.label);
  if (selector.type === 'has') return entry !== undefined;
  if (entry === undefined) return selector.type === '!=' || selector.type === 'not in';
  const found = entry[1];
  if (selector.type === 'in' || selector.type === 'not in') {
    return selector.values.indexOf(found) >= 0 === (selector.type === 'in');
  }
  if (selector.type === '!=') return found !== selector.value;
  if (selector.type === '==') return found === selector.value;
  if (selector.type === 'contains') return found.indexOf(selector.value) >= 0;
  if (selector.type === 'starts with') return found.slice(0, selector.value.length) === selector.value;
  return selector.value === '' || found.slice(-selector.value.length) === selector.value;
}

describe('any selector', () => {
  it('is what its canonical text says', () => {
    fc.assert(
      fc.property(tree, (selector) => {
        expect(parseSelector(formatSelector(selector))).toEqual(selector);
      }),
      {
        numRuns: 500,
      },
    );
  });

  it('evaluates as the naive evaluator does, from a record and from a lookup', () => {
    fc.assert(
      fc.property(tree, labels, (selector, given) => {
        const matches = compileSelector(selector);
        const expected = naive(selector, given);
        expect(matches(given)).toBe(expected);
        expect(matches((name) => (Object.hasOwn(given, name) ? given[name] : undefined))).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('matches only labels that meet its restrictions', () => {
    fc.assert(
      fc.property(tree, labels, (selector, given) => {
        if (!naive(selector, given)) return;
        const restrictions = labelRestrictions(selector);
        expect(restrictions).toBeDefined();
        for (const [name, restriction] of restrictions!) {
          expect(Object.hasOwn(given, name)).toBe(restriction.presence === 'present');
          if (restriction.values !== undefined) expect([...restriction.values]).toContain(given[name]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('reads or refuses any text without another error', () => {
    const piece = fc.constantFrom(
      'has(',
      ')',
      'a',
      '==',
      '"x"',
      '&&',
      '!',
      '(',
      'in',
      '{',
      '}',
      ',',
      ' ',
      "'",
      'not',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          parseSelector(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(SelectorError);
          expect((error as SelectorError).offset).toBeLessThanOrEqual(pieces.join('').length);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('label restrictions', () => {
  it.each([
    ['a == "x" && has(b)', { a: ['x'], b: 'present' }],
    ['a in {"x", "y"} && a in {"y", "z"}', { a: ['y'] }],
    ['a == "x" || a == "y"', { a: ['x', 'y'] }],
    ['(a == "x" && b == "z") || a == "y"', { a: ['x', 'y'] }],
    ['!has(a)', { a: 'absent' }],
    ['!(has(a) || b != "x")', { a: 'absent', b: ['x'] }],
    ['a != "x"', {}],
    ['a == "x" || a in {}', { a: ['x'] }],
    ['a starts with "x"', { a: 'present' }],
    ['has(a) || all()', {}],
  ])('of %s', (text, expected) => {
    const restrictions = labelRestrictions(parseSelector(text))!;
    const plain = Object.fromEntries(
      [...restrictions].map(([name, { presence, values }]) => [
        name,
        values === undefined ? presence : [...values],
      ]),
    );
    expect(plain).toEqual(expected);
  });

  it.each(['a in {}', 'a == "x" && a == "y"', '!all()', 'has(a) && !has(a)'])(
    'know that %s never matches',
    (text) => {
      expect(labelRestrictions(parseSelector(text))).toBeUndefined();
    },
  );
});
