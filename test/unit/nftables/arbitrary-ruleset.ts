/** Random tables, and whether a kernel holds one. */
import fc from 'fast-check';
import { compileRule } from '../../../src/nftables/codec/rule.ts';
import type { TableDump } from '../../../src/nftables/kernel.ts';
import type { DesiredTable } from '../../../src/nftables/reconciler.ts';
import type {
  ChainValue,
  Element,
  NamedSet,
  Rule,
  Ruleset,
  SetValue,
  Statement,
} from '../../../src/nftables/ruleset.ts';

/** Regular chains jump only to later ones, so that no table has a circle. */
const CHAINS = ['c0', 'c1', 'c2', 'c3', 'c4'];
const BASE: ChainValue['base'] = { type: 'filter', hook: 'forward', prio: 0, policy: 'accept' };

const SETS: readonly { readonly set: NamedSet; readonly keys: readonly string[] }[] = [
  {
    set: { name: 's4', type: ['ipv4_addr'], interval: true, verdicts: false },
    keys: ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.1/32', '255.255.255.255/32', '0.0.0.0/32'],
  },
  {
    set: { name: 's6', type: ['ipv6_addr'], interval: true, verdicts: false },
    keys: ['fd00::/64', 'fd00:0:0:1::/64', 'ffff::/16'],
  },
  {
    set: { name: 'ports', type: ['inet_service'], interval: true, verdicts: false },
    keys: ['80', '81-90', '443', '60000-65535'],
  },
  {
    set: {
      name: 'named',
      type: ['ipv4_addr', 'inet_proto', 'inet_service'],
      interval: false,
      verdicts: false,
    },
    keys: ['10.0.0.1,6,80', '10.0.0.1,17,53', '10.0.0.2,6,80'],
  },
];
const DISPATCH: NamedSet = { name: 'dispatch', type: ['ifname'], interval: false, verdicts: true };
const INTERFACES = ['cali0', 'cali1', 'cali2'];

const MATCHES: Readonly<Record<string, Statement>> = {
  s4: { match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@s4' } },
  s6: { match: { op: '!=', left: { payload: { protocol: 'ip6', field: 'daddr' } }, right: '@s6' } },
  ports: { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: '@ports' } },
  named: {
    match: {
      op: '==',
      left: {
        concat: [
          { payload: { protocol: 'ip', field: 'daddr' } },
          { meta: { key: 'l4proto' } },
          { payload: { protocol: 'th', field: 'dport' } },
        ],
      },
      right: '@named',
    },
  },
};

/** A rule of a chain that may jump to `targets` and look up `sets`. */
function arbitraryRule(sets: readonly string[], targets: readonly string[]): fc.Arbitrary<Rule> {
  const verdicts: Statement[] = [
    { accept: null },
    { drop: null },
    ...targets.map((target) => ({ jump: { target } })),
  ];
  return fc
    .record({
      match: fc.option(fc.constantFrom(...sets, undefined), { nil: undefined }),
      counter: fc.boolean(),
      verdict: fc.constantFrom(...verdicts),
      comment: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    })
    .map(({ match, counter, verdict, comment }) => ({
      ...(comment === undefined ? {} : { comment }),
      expr: [
        ...(match === undefined ? [] : [MATCHES[match]!]),
        ...(counter ? [{ counter: null } as const] : []),
        verdict,
      ],
    }));
}

/** A table that the kernel accepts. */
export const arbitraryRuleset: fc.Arbitrary<Ruleset> = fc
  .record({
    chains: fc.subarray(CHAINS),
    sets: fc.subarray([...SETS]),
    dispatch: fc.boolean(),
  })
  .chain(({ chains, sets, dispatch }) => {
    const setNames = sets.map(({ set }) => set.name);
    const regular = chains.map((name, index): fc.Arbitrary<ChainValue> => {
      const rules = fc.array(arbitraryRule(setNames, chains.slice(index + 1)), { maxLength: 8 });
      return rules.map((list) => ({ name, rules: list }));
    });
    const base = fc.array(arbitraryRule(setNames, chains), { maxLength: 3 }).map((rules): ChainValue => ({
      name: 'base',
      base: BASE!,
      rules: dispatch
        ? [...rules, { expr: [{ vmap: { key: { meta: { key: 'iifname' } }, data: '@dispatch' } }] }]
        : rules,
    }));
    const plain = sets.map(({ set, keys }) =>
      fc
        .subarray([...keys])
        .map((some): SetValue => ({ ...set, elements: some.map((key): Element => ({ key })) })),
    );
    const map = fc
      .array(fc.constantFrom<(string | undefined)[]>(undefined, ...chains), { minLength: 3, maxLength: 3 })
      .map((targets): SetValue => ({
        ...DISPATCH,
        elements: targets.flatMap((target, index) =>
          target === undefined ? [] : [{ key: INTERFACES[index]!, verdict: { jump: { target } } }],
        ),
      }));
    return fc
      .tuple(fc.tuple(base, ...regular), fc.tuple(...plain, ...(dispatch ? [map] : [])))
      .map(([allChains, allSets]) => ({ table: 'margay', chains: allChains, sets: allSets }));
  });

/** Makes `table` hold a ruleset instead of another. */
export function desire(table: DesiredTable, before: Ruleset | undefined, after: Ruleset): void {
  const keep = new Set([...after.chains, ...after.sets].map(({ name }) => name));
  for (const { name } of before?.chains ?? []) if (!keep.has(name)) table.removeChain(name);
  for (const { elements, ...set } of after.sets) {
    table.setSet(set);
    const known = before?.sets.find(({ name }) => name === set.name)?.elements ?? [];
    const wanted = new Set(elements.map(({ key }) => key));
    table.removeElements(
      set.name,
      known.map(({ key }) => key).filter((key) => !wanted.has(key)),
    );
    table.addElements(set.name, elements);
  }
  for (const { name } of before?.sets ?? []) if (!keep.has(name)) table.removeSet(name);
  for (const chain of after.chains) table.setChain(chain);
}

/** A table in one shape, whether desired or read back. */
export function comparable(table: Ruleset | TableDump): unknown {
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  const elementsOf = (list: readonly Element[]): string[] =>
    list.map((one) => JSON.stringify(one)).toSorted();
  if ('table' in table) {
    return {
      chains: table.chains
        .map(({ name, base, rules }) => ({
          name,
          base,
          rules: rules.map((rule) => compileRule(rule).fingerprint),
        }))
        .toSorted(byName),
      sets: table.sets
        .map(({ elements, ...set }) => ({ name: set.name, set, elements: elementsOf(elements) }))
        .toSorted(byName),
    };
  }
  return {
    chains: table.chains
      .map(({ chain, rules }) => ({
        name: chain.name,
        base: chain.base,
        rules: rules.map((rule) => rule.fingerprint),
      }))
      .toSorted(byName),
    sets: table.sets
      .map(({ name, set, elements }) => ({
        name,
        set,
        elements: elementsOf(elements.map(({ element }) => element)),
      }))
      .toSorted(byName),
  };
}
