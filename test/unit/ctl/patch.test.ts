import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/ctl/patch/json.ts';
import { jsonPatch } from '../../../src/ctl/patch/json-patch.ts';
import { mergePatch } from '../../../src/ctl/patch/merge-patch.ts';
import { strategicPatch } from '../../../src/ctl/patch/strategic-patch.ts';

describe('JSON merge patch', () => {
  // The table of RFC 7396, Appendix A.
  const cases: readonly (readonly [Json, Json, Json])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  it.each(cases)('turns %j by %j into %j (RFC 7396 Appendix A)', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });

  it('is the same when it is applied twice', () => {
    const json = fc.jsonValue() as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = mergePatch(target, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});

describe('JSON patch', () => {
  const accepted: readonly (readonly [string, Json, Json, Json])[] = [
    [
      'adds a member (A.1)',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux' }],
      { baz: 'qux', foo: 'bar' },
    ],
    [
      'adds a list element (A.2)',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    ['removes a member (A.3)', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [
      'removes a list element (A.4)',
      { foo: ['bar', 'qux', 'baz'] },
      [{ op: 'remove', path: '/foo/1' }],
      { foo: ['bar', 'baz'] },
    ],
    [
      'replaces a value (A.5)',
      { baz: 'qux', foo: 'bar' },
      [{ op: 'replace', path: '/baz', value: 'boo' }],
      { baz: 'boo', foo: 'bar' },
    ],
    [
      'moves a value (A.6)',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      'moves a list element (A.7)',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'goes on after a test that holds (A.8)',
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      'adds a nested member (A.10)',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      'ignores members it does not know (A.11)',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
      { foo: 'bar', baz: 'qux' },
    ],
    [
      'orders the escapes ~01 and ~1 (A.14)',
      { '/': 9, '~1': 10 },
      [{ op: 'test', path: '/~01', value: 10 }],
      { '/': 9, '~1': 10 },
    ],
    [
      'appends with - (A.16)',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
      { foo: ['bar', ['abc', 'def']] },
    ],
    [
      'copies a value (4.5)',
      { a: { b: 1 } },
      [{ op: 'copy', from: '/a', path: '/c' }],
      { a: { b: 1 }, c: { b: 1 } },
    ],
    ['replaces the document (6901 §5: the empty pointer)', 1, [{ op: 'replace', path: '', value: 2 }], 2],
    [
      'replaces an existing member on add (4.1)',
      { a: 1 },
      [{ op: 'add', path: '/a', value: null }],
      { a: null },
    ],
    [
      'takes __proto__ for a name',
      {},
      [{ op: 'add', path: '/__proto__', value: 1 }],
      JSON.parse('{"__proto__": 1}') as Json,
    ],
  ];
  it.each(accepted)('%s', (_name, document, patch, result) => {
    expect(jsonPatch(document, patch)).toEqual(result);
  });

  const refused: readonly (readonly [string, Json, Json, RegExp])[] = [
    [
      'a test that fails (A.9)',
      { baz: 'qux' },
      [{ op: 'test', path: '/baz', value: 'bar' }],
      /the value is "qux", not "bar"/,
    ],
    [
      'a test of a number against text (A.15)',
      { '~1': 10 },
      [{ op: 'test', path: '/~01', value: '10' }],
      /10, not "10"/,
    ],
    [
      'an add below nothing (A.12)',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz/bat', value: 1 }],
      /there is no \/baz/,
    ],
    ['a replace of nothing', { foo: 1 }, [{ op: 'replace', path: '/fo', value: 1 }], /there is no \/fo/],
    [
      'a remove of nothing',
      {},
      [{ op: 'remove', path: '/a' }],
      /operation 1 \(remove \/a\): there is no \/a/,
    ],
    ['an index with a leading zero', [1, 2], [{ op: 'remove', path: '/01' }], /no index of a list of 2/],
    ['an index beyond the end', [1], [{ op: 'add', path: '/3', value: 1 }], /no index of a list of 1/],
    ['a move into itself', { a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a/b/c' }], /into itself/],
    ['an unknown operation', {}, [{ op: 'replac', path: '/a', value: 1 }], /"op" is none of/],
    ['a missing value', {}, [{ op: 'add', path: '/a' }], /"value" is missing/],
    ['a path without a slash', { a: 1 }, [{ op: 'remove', path: 'a' }], /does not begin with \//],
    ['a bad escape', { a: 1 }, [{ op: 'remove', path: '/~2' }], /~ that is not ~0 or ~1/],
    ['a patch that is no list', {}, { op: 'remove', path: '/a' }, /is a list of operations/],
  ];
  it.each(refused)('refuses %s', (_name, document, patch, message) => {
    expect(() => jsonPatch(document, patch)).toThrow(message);
  });
});

describe('strategic merge patch', () => {
  const cases: readonly (readonly [string, Json, Json, Json])[] = [
    ['merges maps and removes nulls', { a: { b: 1, c: 2 } }, { a: { b: null, d: 3 } }, { a: { c: 2, d: 3 } }],
    [
      'replaces lists without a merge key',
      { spec: { nets: [1, 2] } },
      { spec: { nets: [3] } },
      { spec: { nets: [3] } },
    ],
    [
      'replaces a map on $patch: replace',
      { a: { b: 1 } },
      { a: { $patch: 'replace', c: 2 } },
      { a: { c: 2 } },
    ],
    ['removes a field on $patch: delete', { a: { b: 1 }, c: 1 }, { a: { $patch: 'delete' } }, { c: 1 }],
    ['keeps only $retainKeys', { a: { b: 1, c: 2 } }, { a: { $retainKeys: ['b'] } }, { a: { b: 1 } }],
    [
      'takes elements from a list of scalars',
      { a: ['x', 'y', 'z'] },
      { '$deleteFromPrimitiveList/a': ['y'] },
      { a: ['x', 'z'] },
    ],
    [
      'sets the order of a list',
      { a: ['x', 'y', 'z'] },
      { '$setElementOrder/a': ['z', 'x'] },
      { a: ['z', 'x', 'y'] },
    ],
    [
      'merges ownerReferences by uid',
      { metadata: { ownerReferences: [{ uid: '1', name: 'a' }, { uid: '2' }] } },
      {
        metadata: {
          ownerReferences: [{ uid: '1', name: 'b' }, { uid: '2', $patch: 'delete' }, { uid: '3' }],
        },
      },
      { metadata: { ownerReferences: [{ uid: '1', name: 'b' }, { uid: '3' }] } },
    ],
    [
      'adds to finalizers as to a set',
      { metadata: { finalizers: ['a', 'b'] } },
      { metadata: { finalizers: ['b', 'c'] } },
      { metadata: { finalizers: ['a', 'b', 'c'] } },
    ],
    [
      'replaces a merged list on $patch: replace',
      { metadata: { ownerReferences: [{ uid: '1' }] } },
      { metadata: { ownerReferences: [{ $patch: 'replace' }, { uid: '9' }] } },
      { metadata: { ownerReferences: [{ uid: '9' }] } },
    ],
  ];
  it.each(cases)('%s', (_name, target, patch, result) => {
    expect(strategicPatch(target, patch)).toEqual(result);
  });

  it.each([
    [{ a: { $patch: 'remove' } }, /\$patch is "remove"/],
    [{ $retainKeys: 'a' }, /\$retainKeys is not a list/],
    [{ $frobnicate: [] }, /not a directive/],
    [{ metadata: { ownerReferences: [{ name: 'x' }] } }, /an element has no uid/],
    [{ spec: { ingress: [{ $patch: 'delete' }] } }, /this list is replaced as a whole/],
  ])('refuses %j', (patch, message) => {
    expect(() => strategicPatch({}, patch as Json)).toThrow(message);
  });
});
