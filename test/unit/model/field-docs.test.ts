import { describe, expect, it } from 'vitest';
import { fieldDocs, formatFieldDocs } from '../../../src/model/field-docs.ts';
import { kindOfName, kinds } from '../../../src/model/registry.ts';

const docs = (kind: string, path = '') => fieldDocs(kindOfName(kind)!, path === '' ? [] : path.split('.'));

describe('documentation of fields', () => {
  it.each([
    [
      'ippool',
      'spec.cidr',
      { type: 'string', required: true, allowed: expect.stringMatching(/CIDR/) as string },
    ],
    [
      'ippool',
      'spec.ipipMode',
      { type: 'string', required: false, default: '"Never"', allowed: 'Always, CrossSubnet, Never' },
    ],
    [
      'ippool',
      'spec.allowedUses',
      { type: '[]string', default: '["Workload","Tunnel"]', allowed: 'Workload, Tunnel, LoadBalancer' },
    ],
    ['np', 'spec.ingress', { type: '[]Object', allowed: 'entries: at most 1024' }],
    ['np', 'spec.ingress.action', { type: 'string', required: true, allowed: 'Allow, Deny, Log, Pass' }],
    [
      'np',
      'spec.ingress.source.ports',
      {
        type: '[]IntOrString',
        allowed: expect.stringMatching(/^entries: at most 50; a number up to 65535/) as string,
      },
    ],
    ['np', 'spec.ingress.ipVersion', { type: 'integer', allowed: '4, 6' }],
    ['np', 'metadata.labels', { type: 'map[string]string' }],
    ['felixconfig', 'spec.floatingIPs', { allowed: 'Enabled, Disabled' }],
    ['endpointslice', 'endpoints.addresses', { type: '[]string', required: true }],
    ['ipamblock', 'spec.allocations', { type: '[]integer', required: true, allowed: 'at least 0' }],
  ])('of %s %s', (kind, path, expected) => {
    expect(docs(kind, path)).toMatchObject({ path: path.split('.'), ...expected });
  });

  it('of a kind lists its fields', () => {
    const result = docs('tier');
    expect(result).toMatchObject({
      kind: 'Tier',
      apiVersion: 'projectcalico.org/v3',
      path: [],
      type: 'Object',
    });
    expect('fields' in result && result.fields.map(({ name }) => name)).toEqual([
      'apiVersion',
      'kind',
      'metadata',
      'spec',
      'status',
    ]);
    const flat = docs('endpointslice');
    expect('fields' in flat && flat.fields.map(({ name }) => name)).toContain('endpoints');
  });

  it('of what does not exist says what may have been meant', () => {
    expect(docs('np', 'spec.selecter')).toMatchObject({
      unknown: 'selecter',
      parent: ['spec'],
      suggestion: 'selector',
    });
    expect(docs('np', 'spec.order.x')).toEqual({ unknown: 'x', parent: ['spec', 'order'], known: [] });
    expect(docs('np', 'toString')).toMatchObject({ unknown: 'toString' });
  });

  it('is there for every field of every kind', () => {
    const empty: string[] = [];
    const visit = (kind: string, path: readonly string[]): void => {
      const result = fieldDocs(
        kinds.find((known) => known.kind === kind)!,
        path,
      );
      if ('unknown' in result) throw new Error(`${kind} ${path.join('.')}`);
      if (result.description === '' && !(path[0] === 'metadata' && path[1] === 'ownerReferences')) {
        empty.push(`${kind} ${path.join('.')}`);
      }
      for (const { name } of result.fields) visit(kind, [...path, name]);
    };
    for (const { kind } of kinds) visit(kind, []);
    expect(empty).toEqual([]);
  }, 60_000);

  it('is printed as kubectl prints it', () => {
    const result = docs('tier', 'spec');
    if ('unknown' in result) throw new Error('no such field');
    expect(formatFieldDocs(result, 60)).toBe(`KIND:     Tier
VERSION:  projectcalico.org/v3

FIELD:    spec <Object>

DESCRIPTION:
    What is wanted.

FIELDS:
  order <number>
    Place among the tiers, lowest first.

  defaultAction <string>
    What happens to a packet of an endpoint that the tier
    applies to when no rule matches.
`);
    const field = docs('tier', 'spec.defaultAction');
    if ('unknown' in field) throw new Error('no such field');
    expect(formatFieldDocs(field)).toBe(`KIND:     Tier
VERSION:  projectcalico.org/v3

FIELD:    spec.defaultAction <string>

DESCRIPTION:
    What happens to a packet of an endpoint that the tier applies to when no
    rule matches.

DEFAULT:  "Deny"

ALLOWED:
    Deny, Pass
`);
  });
});
