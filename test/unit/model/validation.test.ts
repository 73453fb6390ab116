/**
 * What is accepted and what is refused, kind by kind. To add a case, add a line: the fields of a valid document that
 * differ, and the problems that they make (none: accepted), in cases/.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry } from '../../../src/model/decode.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { kinds } from '../../../src/model/registry.ts';
import type { Case } from './cases/case.ts';
import { kubernetesCases } from './cases/kubernetes.ts';
import { metadataCases } from './cases/metadata.ts';
import { networkingCases } from './cases/networking.ts';
import { policiesCases } from './cases/policies.ts';
import { rulesCases } from './cases/rules.ts';
import { valid } from './cases/valid.ts';

const calico = 'projectcalico.org/v3';

const cases: readonly Case[] = [
  ...metadataCases,
  ...policiesCases,
  ...rulesCases,
  ...networkingCases,
  ...kubernetesCases,
];

describe('a document', () => {
  for (const [kind, part, value, ...problems] of cases) {
    const title = `of kind ${kind} with ${part} ${JSON.stringify(value)}`.slice(0, 150);
    it(`${title} ${problems.length === 0 ? 'is accepted' : 'is refused'}`, () => {
      const { faults = [] } = decodeEntry({ ...valid[kind], [part]: value });
      const found = faults.map(formatProblem).sort();
      expect(found).toHaveLength(problems.length);
      for (const [index, problem] of [...problems].sort().entries()) {
        expect(found[index]!.slice(0, problem.length)).toBe(problem);
      }
    });
  }

  it('cannot change a built-in tier', () => {
    const tier = { ...valid['Tier'], metadata: { name: 'kube-admin' } };
    expect(decodeEntry({ ...tier, spec: { order: 1000, defaultAction: 'Pass' } }).faults).toBeUndefined();
    expect(
      decodeEntry({ ...tier, spec: { order: 1, defaultAction: 'Deny' } }).faults?.map(formatProblem),
    ).toEqual([
      'spec.order: cannot be changed in the built-in tier "kube-admin"; allowed: 1000',
      'spec.defaultAction: cannot be changed in the built-in tier "kube-admin"; allowed: Pass',
    ]);
  });

  it('for one node sets only what one node may set', () => {
    const own = { ...valid['BGPConfiguration'], metadata: { name: 'node.n1' } };
    expect(decodeEntry({ ...own, spec: { listenPort: 1790 } }).faults).toBeUndefined();
    expect(decodeEntry({ ...own, spec: { asNumber: 1 } }).faults?.map(formatProblem)[0]).toMatch(
      /^spec.asNumber: only in the object named default/,
    );
  });

  it.each([
    [{ kind: 'Tier' }, 'apiVersion: required field is missing'],
    [{ apiVersion: calico }, 'kind: required field is missing'],
    [{ apiVersion: calico, kind: 'np' }, 'kind: unknown kind, found "np" (did you mean "NetworkPolicy"?)'],
    [
      { apiVersion: calico, kind: 'NetworkPolice' },
      'kind: unknown kind, found "NetworkPolice" (did you mean "NetworkPolicy"?)',
    ],
    [
      { apiVersion: 'projectcalico.org/v1', kind: 'Tier' },
      'apiVersion: kind Tier is not in this apiVersion, found "projectcalico.org/v1" (did you mean "projectcalico.org/v3"?)',
    ],
    [
      { apiVersion: 'v1', kind: 'ConfigMap' },
      'kind: unknown kind, found "ConfigMap"; allowed: Node, Service, Namespace, Pod, ServiceAccount',
    ],
    [[], 'expected a resource'],
    ['text', 'expected a resource'],
    [{ ...valid['Tier'], order: 5 }, 'order: unknown field here, it belongs at spec.order'],
    [{ ...valid['Tier'], sepc: {} }, 'sepc: unknown field (did you mean "spec"?)'],
    [
      { ...valid['NetworkSet'], status: {} },
      'status: unknown field; allowed: apiVersion, kind, metadata, spec',
    ],
    [{ ...valid['Node'], status: { podCIDRs: 1 } }, 'status.podCIDRs: expected a list, found 1'],
    [{ ...valid['Tier'], spec: [] }, 'spec: expected a map, found a list'],
    [{ ...valid['Tier'], metadata: 'x' }, 'metadata: expected a map, found "x"'],
  ])('%j says %j', (document, problem) => {
    const found = decodeEntry(document).faults?.map(formatProblem) ?? [];
    expect(found.map((text) => text.slice(0, problem.length))).toEqual([problem]);
  });

  it('is valid as the table has it, for every kind', () => {
    expect(Object.keys(valid).sort()).toEqual(kinds.map(({ kind }) => kind).sort());
    for (const [kind, document] of Object.entries(valid)) {
      expect(decodeEntry(document).resource?.kind).toBe(kind);
    }
  });

  it('of any content is accepted or refused, never a crash', () => {
    const names = [
      'metadata',
      'name',
      'spec',
      'ingress',
      'source',
      'nets',
      'ports',
      'types',
      'cidr',
      'bgp',
      'icmp',
    ];
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.constantFrom<unknown>(null, true, 0, -1, 1.5, '', 'a', '10.0.0.0/8', 'Allow', '__proto__'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names, 'x', 'constructor', 'toString'), tie('value'), {
          maxKeys: 4,
        }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(valid)), json, json, (document, metadata, spec) => {
        const { resource, faults } = decodeEntry({ ...document, metadata, spec });
        expect(resource === undefined).toBe(faults !== undefined && faults.length > 0);
      }),
      { numRuns: 2000 },
    );
  });
});
