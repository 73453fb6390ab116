import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { parseBlockYaml } from '../../../src/model/block-yaml.ts';
import { datastoreWorld } from '../../bench/datastore-world.ts';
import { formatYaml } from '../../../src/model/yaml.ts';

/** What the whole parser makes of a text, as resources are read; undefined for errors and several documents. */
function whole(text: string): unknown {
  const documents = parseAllDocuments(text, { uniqueKeys: true, strict: true, merge: true });
  if (!Array.isArray(documents) || documents.length !== 1) return undefined;
  const [document] = documents;
  if (document!.errors.length > 0 || document!.warnings.length > 0) return undefined;
  return document!.toJS();
}

/** Where the quick reader says anything, the whole one says the same. */
function agree(text: string): void {
  const quick = parseBlockYaml(text);
  if (quick !== undefined) expect({ text, value: quick.value }).toEqual({ text, value: whole(text) });
}

const scalars = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(...Array.from('ab01.:/-_ #"\'{}[]()!&*|>~=,\\')) }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.double({ noNaN: true }),
  fc.constantFrom(
    'yes',
    'No',
    '010',
    '0x1f',
    '1e3',
    '12:30',
    '.inf',
    '10.0.0.0/8',
    'fd00::1/128',
    'a: b',
    'x #y',
    '- a',
    '~',
    '1_000',
    '2026-11-28',
    'app == "x"',
    'true',
    'NULL',
    '',
    ' a',
    'a ',
  ),
);
const keys = fc.oneof(
  fc.constantFrom('name', 'spec', 'a.b/c', 'y', 'null', '0', '<<', '__proto__', 'a b'),
  fc.string(),
);
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalars,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('the quick reader of YAML in block style', () => {
  it('reads every resource as it is written', () => {
    for (const resource of datastoreWorld(20, 20)) {
      const text = formatYaml(resource);
      expect(parseBlockYaml(text)).toEqual({ value: whole(text), line: 1 });
    }
  });

  it('reads what people write: comments, lists that are not indented, empty fields', () => {
    const text = `# why
kind: Tier

metadata:
    name: x   
    labels: {}
spec:
  order: 10
  list:
  - a
  -   name: b
      port: -8
  # below
  - "c: d"
  none:
  last: app == "x" && has(y)
`;
    expect(parseBlockYaml(text)).toEqual({ value: whole(text), line: 2 });
    expect(parseBlockYaml(text)!.value).toMatchObject({
      spec: { list: ['a', { name: 'b', port: -8 }, 'c: d'], none: null },
    });
  });

  it.each([
    'a: 1\na: 2', 'a: &x 1', 'a: *x', 'a: !!str 1', 'a: |\n  b', 'a: [1]', 'a: b\n  c', 'a: 010', 'a: yes', 'a: 1.0', "a: 'b'", 'a: b # c',
    'a: b: c', '- a', 'a', '---\na: 1', 'a: 1\n---\nb: 2', '\ta: 1', 'a:\n\t- b', 'a: é', ' a: 1', 'a:\n  b: 1\n c: 2', 'a:\n- b: 1\n c: 2', 'a:\n  - - b', '',
    'a: "b\n  c"', 'a: "b" c', '<<: {}', '__proto__: 1', 'a: -', 'a:\n-', 'a:\n  - b\n  c: 1', 'a: 1\r\nb: 2',
  ])('leaves %j to the whole parser', (text) => {
    expect(parseBlockYaml(text)).toBeUndefined();
  }); // prettier-ignore

  it('means the same as the whole parser, whatever was written', () => {
    fc.assert(
      fc.property(values, fc.boolean(), (value, indentSeq) => {
        agree(stringify(value, { indentSeq }));
      }),
      { numRuns: 3_000 },
    );
  });

  it('means the same as the whole parser, however a text is garbled', () => {
    const texts = datastoreWorld(3, 3).map((resource) => formatYaml(resource));
    const pieces = [
      ' ',
      '  ',
      '\n',
      '- ',
      ': ',
      ':',
      '#',
      ' # ',
      '"',
      "'",
      '{}',
      '[',
      '1',
      '0',
      'true',
      '~',
      '.',
      '-',
      '|',
      '&a ',
      '*a',
      '? ',
      '---\n',
      '\t',
      'e5',
    ];
    const edit = fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom('', ...pieces));
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (text, edits) => {
          let garbled = text;
          for (const [at, length, piece] of edits) {
            const start = at % (garbled.length + 1);
            garbled = garbled.slice(0, start) + piece + garbled.slice(start + length);
          }
          agree(garbled);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
