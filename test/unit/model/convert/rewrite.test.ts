import { describe, expect, it } from 'vitest';
import { entitySelectors, policySelector } from '../../../../src/model/convert/rewrite.ts';
import type { EntityRule } from '../../../../src/model/entity-rule.ts';
import { formatSelector } from '../../../../src/model/selector/selector.ts';

describe('the selectors of one side of a rule', () => {
  it.each<[EntityRule, string | undefined, string | undefined, string | undefined]>([
    [{}, 'x', undefined, undefined],
    [{ nets: [], ports: [80] }, 'x', undefined, undefined],
    [{ selector: 'has(a)' }, undefined, 'has(a)', undefined],
    [{ selector: 'has(a)' }, 'x', '(projectcalico.org/namespace == "x" && has(a))', undefined],
    // A selector of everything is not the same as no selector: it means what the datastore knows.
    [{ selector: 'all()' }, undefined, 'all()', undefined],
    [{ selector: 'all()' }, 'x', 'projectcalico.org/namespace == "x"', undefined],
    [{ notSelector: 'has(a)' }, undefined, undefined, 'has(a)'],
    [{ notSelector: 'has(a)' }, 'x', 'projectcalico.org/namespace == "x"', 'has(a)'],
    [{ namespaceSelector: 'all()' }, 'x', 'has(projectcalico.org/namespace)', undefined],
    [{ namespaceSelector: 'global()' }, 'x', '!has(projectcalico.org/namespace)', undefined],
    [{ namespaceSelector: '!global()' }, 'x', 'has(projectcalico.org/namespace)', undefined],
    [{ namespaceSelector: 'a == "b" && !has(c)' }, 'x', '(pcns.a == "b" && !has(pcns.c))', undefined],
    [
      { namespaceSelector: 'a in {"b"} || global()', selector: 'has(d)' },
      undefined,
      '((pcns.a in {"b"} || !has(projectcalico.org/namespace)) && has(d))',
      undefined,
    ],
    [
      { serviceAccounts: { names: ['b', 'a'], selector: 'c starts with "d"' } },
      'x',
      '(projectcalico.org/namespace == "x" && pcsa.c starts with "d" && projectcalico.org/serviceaccount in {"a", "b"})',
      undefined,
    ],
    [
      { serviceAccounts: { names: ['a'] } },
      undefined,
      'projectcalico.org/serviceaccount in {"a"}',
      undefined,
    ],
  ])('%j in namespace %s are %s and not %s', (entity, namespace, selector, notSelector) => {
    const effective = entitySelectors(entity, namespace);
    expect(effective.selector && formatSelector(effective.selector)).toBe(selector);
    expect(effective.notSelector && formatSelector(effective.notSelector)).toBe(notSelector);
  });
});

describe('the endpoints that a policy applies to', () => {
  it.each([
    [{}, undefined, 'all()'],
    [{}, 'x', 'projectcalico.org/namespace == "x"'],
    [{ selector: 'has(a) || has(b)' }, 'x', '((has(a) || has(b)) && projectcalico.org/namespace == "x")'],
    [{ namespaceSelector: 'all()' }, undefined, 'has(projectcalico.org/namespace)'],
    [{ selector: 'has(a)', namespaceSelector: 'b != "c"' }, undefined, '(has(a) && pcns.b != "c")'],
    [
      { serviceAccountSelector: 'a ends with "b"' },
      'x',
      '(projectcalico.org/namespace == "x" && pcsa.a ends with "b")',
    ],
  ])('%j in namespace %s are %s', (spec, namespace, selector) => {
    expect(formatSelector(policySelector(spec, namespace))).toBe(selector);
  });
});
