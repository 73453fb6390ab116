/**
 * What is accepted and what is refused, kind by kind. To add a case, add a line: the fields of a valid document that
 * differ, and the problems that they make (none: accepted), in cases/.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry } from '../../../src/model/decode.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { kinds } from '../../../src/model/registry.ts';
import { boundRules } from './cases/bounds.ts';
import { calicoKindRules } from './cases/calico-kinds.ts';
import { calicoParameterRules } from './cases/calico-parameters.ts';
import { calicoValidatorRules } from './cases/calico-validator.ts';
import type { RuleCases } from './cases/case.ts';
import { enumerationRules } from './cases/enumerations.ts';
import { ipamAndStagedRules } from './cases/ipam-and-staged.ts';
import { kubernetesKindRules } from './cases/kubernetes-kinds.ts';
import { kubernetesRules } from './cases/kubernetes.ts';
import { metadataRules } from './cases/metadata.ts';
import { networkingRules } from './cases/networking.ts';
import { policiesRules } from './cases/policies.ts';
import { rulesRules } from './cases/rules.ts';
import { valid } from './cases/valid.ts';

const calico = 'projectcalico.org/v3';

const rules: readonly RuleCases[] = [
  ...metadataRules,
  ...policiesRules,
  ...rulesRules,
  ...networkingRules,
  ...calicoKindRules,
  ...calicoValidatorRules,
  ...calicoParameterRules,
  ...ipamAndStagedRules,
  ...kubernetesRules,
  ...kubernetesKindRules,
  ...enumerationRules,
  ...boundRules,
];

/** How many documents the table must hold at least. */
const leastRows = 500;

describe('the table of documents', () => {
  it(`has at least ${leastRows} different rows`, () => {
    const rows = new Set(rules.flatMap((rule) => rule.rows.map((row) => JSON.stringify(row))));
    expect(rows.size).toBeGreaterThanOrEqual(leastRows);
  });

  it('cites the source of every rule, and has a document that keeps it and one that breaks it', () => {
    for (const { rule, rows } of rules) {
      expect(rule).toMatch(/\[.+\]$/);
      expect({ rule, kept: rows.some(([, , , ...problems]) => problems.length === 0) }).toEqual({
        rule,
        kept: true,
      });
      expect({ rule, broken: rows.some(([, , , ...problems]) => problems.length > 0) }).toEqual({
        rule,
        broken: true,
      });
    }
    const names = rules.map(({ rule }) => rule);
    expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([]);
  });

  it('has rows for every kind that has rules', () => {
    const covered = new Set(rules.flatMap(({ rows }) => rows.map(([kind]) => kind)));
    expect(kinds.map(({ kind }) => kind).filter((kind) => !covered.has(kind))).toEqual([]);
  });
});

describe('a document', () => {
  for (const { rule, rows } of rules) {
    describe(rule, () => {
      for (const [index, [kind, part, value, ...problems]] of rows.entries()) {
        const text = JSON.stringify(value);
        const shown = text.length > 110 ? `${text.slice(0, 109)}…` : text;
        it(`${index + 1}. ${kind} ${part} ${shown} is ${problems.length === 0 ? 'accepted' : 'refused'}`, () => {
          const whole =
            part === 'document'
              ? { ...valid[kind], ...(value as object) }
              : { ...valid[kind], [part]: value };
          const found = (decodeEntry(whole).faults ?? []).map(formatProblem).sort();
          expect(found.map((problem, place) => problem.slice(0, problems.toSorted()[place]?.length))).toEqual(
            problems.toSorted(),
          );
        });
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
    const nameless = { __proto__: null, constructor: { name: { toString: null } } };
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(valid)), json, json, (document, metadata, spec) => {
        const { resource, faults } = decodeEntry({ ...document, metadata, spec });
        expect(resource === undefined).toBe(faults !== undefined && faults.length > 0);
      }),
      {
        numRuns: 2000,
        // Words about a type must not ask the document what its constructor is called.
        examples: [[valid['NetworkPolicy']!, {}, { ingress: nameless }]],
      },
    );
  });
});
