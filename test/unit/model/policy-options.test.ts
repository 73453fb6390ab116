import { describe, expect, it } from 'vitest';
import { annotationOf, readOptions } from '../../../src/model/annotation-options.ts';
import { decodeResource } from '../../../src/model/decode.ts';
import { fieldDocs, formatFieldDocs } from '../../../src/model/field-docs.ts';
import { policyOptions } from '../../../src/model/policy-options.ts';
import { type KnownKind, kindDefinition } from '../../../src/model/registry.ts';

const kinds: readonly (readonly [kind: KnownKind, spec: unknown])[] = [
  ['NetworkPolicy', {}],
  ['GlobalNetworkPolicy', {}],
  ['KubernetesNetworkPolicy', { podSelector: {} }],
  ['KubernetesClusterNetworkPolicy', { tier: 'Admin', priority: 1, subject: { namespaces: {} } }],
  ['FelixConfiguration', {}],
];

function decode(kind: KnownKind, spec: unknown, annotations: Readonly<Record<string, string>>) {
  const { apiVersion, namespaced } = kindDefinition(kind)!;
  const metadata = { name: 'default', annotations, ...(namespaced ? { namespace: 'shop' } : {}) };
  return decodeResource(kind, { apiVersion, metadata, spec });
}

describe("the table of Margay's policy options", () => {
  it('reads true and false of flush-on-change', () => {
    const read = (text: string) => readOptions(policyOptions, { 'policy.margay.io/flush-on-change': text });
    expect(read('true')).toEqual({ flushOnChange: true });
    expect(read('false')).toEqual({ flushOnChange: false });
    expect(read('yes')).toEqual({});
  });

  it.each(kinds)('is checked and documented for %s', (kind, spec) => {
    const flush = 'policy.margay.io/flush-on-change';
    expect(decode(kind, spec, { [flush]: 'true' }).metadata.annotations).toEqual({ [flush]: 'true' });
    expect(() => decode(kind, spec, { [flush]: 'yes' })).toThrow(/not a value of this option.*true or false/);
    expect(() => decode(kind, spec, { 'policy.margay.io/flush-on-chnge': 'true' })).toThrow(
      /unknown option.*did you mean.*flush-on-change/,
    );
    const docs = fieldDocs(kindDefinition(kind)!);
    if ('unknown' in docs) throw new Error('no documentation');
    const text = formatFieldDocs(docs);
    for (const name of Object.keys(policyOptions.rows))
      expect(text).toContain(annotationOf(policyOptions, name));
  });
});
