import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActivePolicy, CalcDelta, EndpointTier, LocalEndpoint } from '../../../src/calc/output.ts';
import { address } from '../../../src/net/address.ts';
import { Reconciler } from '../../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS } from '../../../src/nftables/render/options.ts';
import type { DispatchLimits } from '../../../src/nftables/render/port-dispatch.ts';
import { PolicyRenderer } from '../../../src/nftables/render/renderer.ts';
import type { ChainValue, Ruleset } from '../../../src/nftables/ruleset.ts';
import {
  HTTP_SET,
  RULE_SHAPES,
  WEB_SET,
  delta,
  endpoint,
  peer,
  policy,
  profile,
  rule,
  wholeDelta,
} from './fixtures.ts';

interface World {
  readonly policies: readonly ActivePolicy[];
  readonly endpoints: readonly LocalEndpoint[];
}

function start(limits?: DispatchLimits): {
  renderer: PolicyRenderer;
  reconciler: Reconciler;
  ruleset: () => Ruleset;
} {
  const reconciler = new Reconciler();
  const renderer = new PolicyRenderer(DEFAULT_RENDER_OPTIONS, reconciler, limits);
  return { renderer, reconciler, ruleset: () => reconciler.ruleset('margay') };
}

const SETS = { 's:web': WEB_SET, 's:other': { ...WEB_SET, added: [] }, 'n:http': HTTP_SET };

/** What the calculation would say when one world becomes another. */
function difference(before: World | undefined, after: World): CalcDelta {
  const gone = <T>(list: readonly T[] | undefined, now: readonly T[], key: (one: T) => string): string[] =>
    (list ?? []).map(key).filter((one) => !now.some((other) => key(other) === one));
  return delta({
    sets: before === undefined ? SETS : {},
    policies: after.policies,
    profiles: [profile('kns.prod')],
    endpoints: after.endpoints,
    gone: {
      policies: gone(before?.policies, after.policies, ({ id }) => id),
      endpoints: gone(before?.endpoints, after.endpoints, ({ key }) => key),
    },
  });
}

const SHAPES = Object.values(RULE_SHAPES);
const NAMES = ['a', 'b', 'c'];

const arbitraryPolicy = (name: string): fc.Arbitrary<ActivePolicy> =>
  fc
    .record({
      ingress: fc.array(fc.constantFrom(...SHAPES), { maxLength: 3 }),
      egress: fc.array(fc.constantFrom(...SHAPES), { maxLength: 3 }),
      failClosed: fc.boolean(),
    })
    .map(({ failClosed, ...rules }) =>
      policy(name, { ...rules, ...(failClosed ? { failClosed: 'why' } : {}) }),
    );

const arbitraryTier: fc.Arbitrary<EndpointTier> = fc
  .record({ defaultAction: fc.constantFrom<('deny' | 'pass')[]>('deny', 'pass'), ids: fc.subarray(NAMES) })
  .map(({ defaultAction, ids }) => {
    const policies = ids.map((name) => policy(name).id);
    return { name: 'default', defaultAction, ingress: policies, egress: policies.slice(1) };
  });

const arbitraryEndpoint = (name: string): fc.Arbitrary<LocalEndpoint> =>
  fc
    .record({
      tiers: fc.array(arbitraryTier, { maxLength: 1 }),
      profiles: fc.subarray(['profile/Profile//kns.prod', 'profile/Profile//missing']),
      addresses: fc.subarray([address('10.0.0.1'), address('10.0.0.2'), address('fd00::1')]),
      interfaceName: fc.constantFrom(`cali${name}`, `cali${name}2`),
    })
    .map((fields) => endpoint(name, fields));

const arbitraryWorld: fc.Arbitrary<World> = fc
  .record({ policies: fc.subarray(NAMES), endpoints: fc.subarray(NAMES) })
  .chain(({ policies, endpoints }) =>
    fc.record({
      policies: fc.tuple(...policies.map(arbitraryPolicy)),
      endpoints: fc.tuple(...endpoints.map(arbitraryEndpoint)),
    }),
  );

function chain(ruleset: Ruleset, name: string): ChainValue | undefined {
  return ruleset.chains.find((one) => one.name === name);
}

describe('the renderer', () => {
  it('comes to the same table by deltas as from scratch', () => {
    fc.assert(
      fc.property(fc.array(arbitraryWorld, { minLength: 2, maxLength: 5 }), (worlds) => {
        // Tiers of two policies are dispatched by port already.
        const limits = { leastPolicies: 2, listedPerPolicy: 100 };
        const incremental = start(limits);
        for (const [index, world] of worlds.entries()) {
          incremental.renderer.apply(difference(worlds[index - 1], world));
        }
        const fresh = start(limits);
        fresh.renderer.apply(difference(undefined, worlds.at(-1)!));
        expect(incremental.ruleset()).toEqual(fresh.ruleset());
      }),
      { numRuns: 300 },
    );
  });

  it('names only chains and sets that the table has', () => {
    const { renderer, ruleset } = start();
    renderer.apply(wholeDelta());
    const { chains, sets } = ruleset();
    const text = JSON.stringify({ chains, sets });
    const names = new Set([...chains, ...sets].map(({ name }) => name));
    const named = [...text.matchAll(/"(?:target":"|@)([^"]+)"/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter((name) => !names.has(name))).toEqual([]);
    expect(
      [...names].filter((name) => name.length > 255 || !/^[A-Za-z][A-Za-z0-9/_.-]*$/.test(name)),
    ).toEqual([]);
  });

  it('touches a new endpoint and nothing else when a pod appears', () => {
    const { renderer, reconciler } = start();
    renderer.apply(wholeDelta());
    reconciler.loadActual({ chains: [], sets: [] });
    const first = reconciler.plan();
    reconciler.committed(
      first,
      first.operations.filter(({ kind }) => kind === 'add-rule').map((_, index) => index + 1),
    );
    const [like] = [...wholeDelta().endpoints.values()];
    renderer.apply(
      delta({
        sets: { 's:web': { ...WEB_SET, added: ['10.65.0.9/32'] } },
        endpoints: [
          endpoint('new', {
            tiers: like!.tiers,
            profiles: like!.profiles,
            addresses: [address('10.65.0.9')],
          }),
        ],
      }),
    );
    const { operations } = reconciler.plan();
    expect(operations.map((operation) => operation.kind)).toEqual([
      'add-chain',
      'add-chain',
      ...new Array<string>(4).fill('add-elements'),
      ...new Array<string>(operations.length - 6).fill('add-rule'),
    ]);
    const touched = operations.flatMap((operation) =>
      operation.kind === 'add-rule'
        ? operation.chain
        : operation.kind === 'add-elements'
          ? operation.set.name
          : [],
    );
    expect([...new Set(touched)].toSorted()).toEqual([
      'addresses4-s_web_d37cc3528e',
      'from-workload-dispatch',
      'fw-calinew',
      'to-workload-dispatch',
      'tw-calinew',
      'workload-sources4',
    ]);
  });

  it('checks and clears the mark only behind policies that pass, in either order of arrival', () => {
    const { renderer, ruleset } = start();
    const tiers = [
      { name: 'default', defaultAction: 'deny', ingress: [policy('a').id, policy('b').id], egress: [] },
    ] as const;
    const passing = policy('a', { ingress: [rule({ action: 'pass' })] });
    const tierRules = (): number => ruleset().chains.find(({ name }) => name.startsWith('ti-'))!.rules.length;
    renderer.apply(delta({ policies: [policy('a'), policy('b')], endpoints: [endpoint('x', { tiers })] }));
    expect(tierRules()).toBe(3);
    renderer.apply(delta({ policies: [passing] }));
    expect(tierRules()).toBe(4);
    renderer.quarantine(passing.id, 'refused');
    expect(tierRules()).toBe(3);
    renderer.apply(delta({ policies: [passing] }));
    expect(tierRules()).toBe(4);
  });

  it('fails closed for a policy in quarantine until it changes', () => {
    const { renderer, ruleset } = start();
    const one = policy('a', { ingress: [rule()] });
    const tiers = [{ name: 'default', defaultAction: 'deny', ingress: [one.id], egress: [] }] as const;
    renderer.apply(delta({ policies: [one], endpoints: [endpoint('x', { tiers })] }));
    renderer.quarantine(one.id, 'the kernel says no');
    const name = `pi-${one.id}`;
    expect(chain(ruleset(), name)!.rules).toEqual([
      { comment: 'fail closed: the kernel says no', expr: [{ counter: null }, { drop: null }] },
    ]);
    expect([...renderer.quarantines]).toEqual([[one.id, 'the kernel says no']]);
    renderer.apply(delta({ policies: [one] }));
    expect(chain(ruleset(), name)!.rules.length).toBe(1);
    expect(renderer.quarantines.size).toBe(0);
    expect(renderer.policiesOf({ chain: name })).toEqual([one.id]);
  });

  it('drops for a profile that nobody knows', () => {
    const { renderer, ruleset } = start();
    renderer.apply(delta({ endpoints: [endpoint('x', { profiles: ['profile/Profile//missing'] })] }));
    expect(chain(ruleset(), 'pri-profile/Profile//missing')!.rules).toEqual([
      { comment: 'fail closed: profile is not known', expr: [{ counter: null }, { drop: null }] },
    ]);
  });

  it('gives an interface to the endpoint that names it last', () => {
    const { renderer, ruleset } = start();
    renderer.apply(delta({ endpoints: [endpoint('old', { interfaceName: 'cali1' })] }));
    renderer.apply(
      delta({ endpoints: [endpoint('new', { interfaceName: 'cali1', addresses: [address('10.0.0.9')] })] }),
    );
    renderer.apply(delta({ gone: { endpoints: [endpoint('old').key] } }));
    expect(chain(ruleset(), 'fw-cali1')!.comment).toBe('prod/new, egress');
    const sources = ruleset().sets.find(({ name }) => name === 'workload-sources4')!;
    expect(sources.elements).toEqual([{ key: 'cali1,10.0.0.9' }]);
  });

  it('has no sets of a family that no workload has', () => {
    const reconciler = new Reconciler();
    new PolicyRenderer({ ...DEFAULT_RENDER_OPTIONS, families: [4] }, reconciler).apply(wholeDelta());
    const { sets } = reconciler.ruleset('margay');
    expect(sets.filter(({ type }) => type[0] === 'ipv6_addr')).toEqual([]);
    expect(sets.filter(({ type }) => type[0] === 'ipv4_addr').length).toBeGreaterThan(3);
  });

  it('comes to the same table when a family is switched on as with it from the beginning', () => {
    const late = new Reconciler();
    const renderer = new PolicyRenderer({ ...DEFAULT_RENDER_OPTIONS, families: [4] }, late);
    renderer.apply(wholeDelta());
    renderer.setOptions(DEFAULT_RENDER_OPTIONS);
    const early = new Reconciler();
    new PolicyRenderer(DEFAULT_RENDER_OPTIONS, early).apply(wholeDelta());
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    const [one, other] = [late, early].map((table) => {
      const { chains, sets } = table.ruleset('margay');
      return { chains: chains.toSorted(byName), sets: sets.toSorted(byName) };
    });
    expect(one).toEqual(other);
  });

  it('leaves out what a set without members can never match, until the first one comes', () => {
    const { renderer, ruleset } = start();
    const asking = policy('a', {
      ingress: [rule({ source: peer({ sets: ['s'] }) }), rule({ source: peer({ notSets: ['s'] }) })],
    });
    const tiers = [{ name: 'default', defaultAction: 'deny', ingress: [asking.id], egress: [] }] as const;
    const rules = (): number => chain(ruleset(), `pi-${asking.id}`)!.rules.length;
    const members = (added: string[]) => delta({ sets: { s: { ...WEB_SET, added } } });
    const sets = (): string[] =>
      ruleset().sets.flatMap(({ name, elements }) =>
        name.startsWith('addresses') ? `${name.slice(0, 10)} ${elements.length}` : [],
      );
    renderer.apply(delta({ sets: { s: { ...WEB_SET, added: [] } } }));
    expect(sets()).toEqual([]);
    renderer.apply(delta({ policies: [asking], endpoints: [endpoint('x', { tiers })] }));
    expect([rules(), ...sets()]).toEqual([2, 'addresses4 0', 'addresses6 0']);
    renderer.apply(members(['10.0.0.1/32']));
    expect([rules(), ...sets()]).toEqual([3, 'addresses4 1', 'addresses6 0']);
    renderer.apply(members(['fd00::1/128']));
    expect([rules(), ...sets()]).toEqual([4, 'addresses4 1', 'addresses6 1']);
    renderer.apply(delta({ gone: { policies: [asking.id], endpoints: [endpoint('x').key] } }));
    renderer.apply({ ...delta({}), sets: new Map([['s', undefined]]) });
    expect(sets()).toEqual([]);
  });

  it('writes the log prefix with its specifiers (LogPrefix %t %k %n %p)', () => {
    const reconciler = new Reconciler();
    const options = { ...DEFAULT_RENDER_OPTIONS, logPrefix: 'x %t %k %n %p' };
    const renderer = new PolicyRenderer(options, reconciler);
    const one = policy('a', { ingress: [rule({ action: 'log' })] });
    const tiers = [{ name: 'default', defaultAction: 'deny', ingress: [one.id], egress: [] }] as const;
    renderer.apply(delta({ policies: [one], endpoints: [endpoint('x', { tiers })] }));
    expect(chain(reconciler.ruleset('margay'), `pi-${one.id}`)!.rules[0]!.expr.at(-1)).toEqual({
      log: { prefix: 'x default np a prod/a: ', level: 'info' },
    });
  });
});
