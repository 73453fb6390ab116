/** Policies, tiers and their rules. */
import type { RuleCases } from './case.ts';

export const policiesRules: readonly RuleCases[] = [
  {
    rule: 'policies and tiers: selectors, types, stages, tiers [calico.md §1.2]',
    rows: [
      ['NetworkPolicy', 'spec', { selector: '' }],
      ['NetworkPolicy', 'spec', { order: 'first' }, 'spec.order: expected a number, found "first"'],
      [
        'NetworkPolicy',
        'spec',
        { selector: 'a = "b"' },
        'spec.selector: selector: unexpected "=" (write == to compare)',
      ],
      [
        'NetworkPolicy',
        'spec',
        { selector: `a == "${'b'.repeat(1020)}"` },
        'spec.selector: selector is longer than 1024',
      ],
      ['NetworkPolicy', 'spec', { selector: 'global()' }, 'spec.selector: global() has no meaning here'],
      [
        'NetworkPolicy',
        'spec',
        { serviceAccountSelector: '!global()' },
        'spec.serviceAccountSelector: global()',
      ],
      [
        'NetworkPolicy',
        'spec',
        { namespaceSelector: 'all()' },
        'spec.namespaceSelector: unknown field here, it belongs at spec.ingress.source.namespaceSelector',
      ],
      ['NetworkPolicy', 'spec', { types: ['Ingress', 'Egress'] }],
      ['NetworkPolicy', 'spec', { types: ['Ingress', 'Ingress'] }, 'spec.types[1]: duplicate policy type'],
      [
        'NetworkPolicy',
        'spec',
        { types: ['ingress'] },
        'spec.types[0]: not an allowed value, found "ingress" (did you mean "Ingress"?)',
      ],
      ['NetworkPolicy', 'spec', { tier: 'Tier 1' }, 'spec.tier: not a valid name of a tier'],
      ['NetworkPolicy', 'spec', { performanceHints: ['AssumeNeededOnEveryNode'] }],
      [
        'NetworkPolicy',
        'spec',
        { ingress: Array.from({ length: 1025 }, () => ({ action: 'Allow' })) },
        'spec.ingress: number of entries must be at most 1024, found 1025',
      ],
      ['NetworkPolicy', 'spec', { ingress: [null] }, 'spec.ingress[0]: expected a map, found null'],
      [
        'GlobalNetworkPolicy',
        'spec',
        { namespaceSelector: 'has(a)', doNotTrack: true, applyOnForward: true },
      ],
      [
        'GlobalNetworkPolicy',
        'spec',
        { doNotTrack: true },
        'spec.doNotTrack: doNotTrack needs applyOnForward: true',
      ],
      [
        'GlobalNetworkPolicy',
        'spec',
        { preDNAT: true, applyOnForward: false },
        'spec.preDNAT: preDNAT needs applyOnForward: true',
      ],
      [
        'GlobalNetworkPolicy',
        'spec',
        { preDNAT: true, doNotTrack: true, applyOnForward: true },
        'spec.preDNAT: doNotTrack and preDNAT exclude each other',
      ],
      [
        'GlobalNetworkPolicy',
        'spec',
        { preDNAT: true, applyOnForward: true, types: ['Ingress', 'Egress'], egress: [{ action: 'Deny' }] },
        'spec.egress: preDNAT policies have no egress rules',
        'spec.types[1]: preDNAT policies have no type Egress',
      ],
      ['Tier', 'spec', { order: 5, defaultAction: 'Pass' }],
      [
        'Tier',
        'spec',
        { defaultAction: 'Allow' },
        'spec.defaultAction: not an allowed value, found "Allow"; allowed: Deny, Pass',
      ],
    ],
  },
];
