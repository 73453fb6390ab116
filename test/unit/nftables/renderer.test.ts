import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActivePolicy, CalcDelta, EndpointTier, LocalEndpoint } from '../../../src/calc/output.ts';
import { address } from '../../../src/net/address.ts';
import { Reconciler } from '../../../src/nftables/reconciler.ts';
import { DEFAULT_RENDER_OPTIONS } from '../../../src/nftables/render/options.ts';
import type { DispatchLimits } from '../../../src/nftables/render/port-dispatch.ts';
import { PolicyRenderer } from '../../../src/nftables/render/renderer.ts';
import type { ChainValue, Element, Ruleset } from '../../../src/nftables/ruleset.ts';
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

function elements(ruleset: Ruleset, set: string): readonly Element[] {
  return ruleset.sets.find(({ name }) => name === set)!.elements;
}

describe('the renderer', () => {
  it('comes to the same table by deltas as from scratch', () => {
    fc.assert(
      fc.property(fc.array(arbitraryWorld, { minLength: 2, maxLength: 5 }), (worlds) => {
        // Tiers of two policies are dispatched by port already.
        const limits = { leastPolicies: 2, listedPerPolicy: 100, sources: 100 };
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
    let handle = 0;
    for (let plan = reconciler.plan(); plan.operations.length > 0; plan = reconciler.plan()) {
      const handles = plan.operations.filter(({ kind }) => kind === 'add-rule').map(() => ++handle);
      reconciler.committed(plan, handles);
    }
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
    // A rule or a jump would make the kernel walk the whole table.
    expect(
      operations.map((operation) =>
        operation.kind === 'add-elements' ? operation.set.name : operation.kind,
      ),
    ).toEqual([
      expect.stringMatching(/^[hn]4-03zDUo4IkZk-s_web$/),
      expect.stringMatching(/^to-workload-group-/),
      'to-workload-profiles',
      expect.stringMatching(/^from-workload-group-/),
      'from-workload-profiles',
      'workload-sources4',
    ]);
    expect(JSON.stringify(operations)).not.toMatch(/"(jump|goto)"/);
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
    expect(elements(ruleset(), 'to-workload-profiles')).toEqual([
      {
        key: 'calix',
        verdict: { drop: null },
        comment: 'fail closed: profile is not known',
      },
    ]);
  });

  it('keeps hosts in a hash until a network comes, and asks for them by the name that holds', () => {
    const { renderer, ruleset } = start();
    const asking = policy('a', {
      ingress: [rule({ source: peer({ sets: ['s'] }) }), rule({ source: peer({ notSets: ['s'] }) })],
    });
    const tiers = [{ name: 'default', defaultAction: 'deny', ingress: [asking.id], egress: [] }] as const;
    const change = (added: string[], removed: string[] = []) => ({
      s: { kind: 'addresses', description: 'who', added, removed } as const,
    });
    const sets = () =>
      ruleset()
        .sets.filter(({ comment }) => comment === 'who')
        .map(({ name, interval, elements: all }) => [name, interval, all.map(({ key }) => key)]);
    const asked = () =>
      [...JSON.stringify(chain(ruleset(), `pi-${asking.id}`)).matchAll(/"@([^"]+)"/g)].map(
        (match) => match[1],
      );
    renderer.apply(
      delta({
        policies: [asking],
        sets: change(['10.0.0.1/32', '10.0.0.2/32']),
        endpoints: [endpoint('x', { tiers })],
      }),
    );
    expect(sets()).toEqual([
      ['h4-BDpxh3TFcr2-s', false, ['10.0.0.1', '10.0.0.2']],
      ['h6-BDpxh3TFcr2-s', false, []],
    ]);
    expect(asked()).toEqual(['h4-BDpxh3TFcr2-s', 'h4-BDpxh3TFcr2-s', 'h6-BDpxh3TFcr2-s']);
    renderer.apply(delta({ sets: change(['10.1.0.0/16', 'fd00::/64'], ['10.0.0.1/32']) }));
    expect(sets()).toEqual([
      ['n4-BDpxh3TFcr2-s', true, ['10.0.0.2/32', '10.1.0.0/16']],
      ['n6-BDpxh3TFcr2-s', true, ['fd00::/64']],
    ]);
    expect(asked()).toEqual(['n4-BDpxh3TFcr2-s', 'n6-BDpxh3TFcr2-s', 'n4-BDpxh3TFcr2-s', 'n6-BDpxh3TFcr2-s']);
    renderer.apply(delta({ sets: change(['10.0.0.3/32'], ['10.1.0.0/16', 'fd00::/64']) }));
    expect(sets().map(([name, , all]) => [name, all])).toEqual([
      ['n4-BDpxh3TFcr2-s', ['10.0.0.2/32', '10.0.0.3/32']],
      ['n6-BDpxh3TFcr2-s', []],
    ]);
    renderer.apply(
      delta({
        sets: { s: undefined },
        gone: { policies: [asking.id] },
        endpoints: [endpoint('x', { tiers: [] })],
      }),
    );
    expect(sets()).toEqual([]);
  });

  it('lets endpoints with the same tiers share a chain, each with the verdict of its profiles', () => {
    const { renderer, ruleset } = start();
    const tiers = [
      { name: 'default', defaultAction: 'pass', ingress: [policy('a').id], egress: [] },
    ] as const;
    const open = profile('open');
    const silent = profile('silent', { ingress: [], egress: [] });
    renderer.apply(
      delta({
        policies: [policy('a')],
        profiles: [open, silent],
        endpoints: [
          endpoint('x', { tiers, profiles: [silent.id, open.id] }),
          endpoint('y', { tiers, profiles: [silent.id] }),
        ],
      }),
    );
    const verdict = (name: string, comment: string, action: 'accept' | 'drop') => ({
      key: `cali${name}`,
      verdict: { [action]: null },
      comment,
    });
    expect(elements(ruleset(), 'to-workload-profiles')).toEqual([
      verdict('x', 'profile/Profile//open/ingress/0', 'accept'),
      verdict('y', `${endpoint('y').key}/ingress/no-profile-match`, 'drop'),
    ]);
    const groups = ruleset().sets.filter(({ name }) => name.startsWith('to-workload-group-'));
    expect(groups.map((group) => group.elements)).toEqual([
      [
        { key: 'calix', comment: 'prod/x' },
        { key: 'caliy', comment: 'prod/y' },
      ],
    ]);
    expect(ruleset().chains.filter(({ name }) => /^[tf]w-cali/.test(name))).toEqual([]);
    // Not the same for every packet any more: a chain of its own.
    renderer.apply(
      delta({ profiles: [profile('open', { ingress: [rule({ source: peer({ sets: ['nobody'] }) })] })] }),
    );
    expect(elements(ruleset(), 'to-workload-profiles').map(({ key }) => key)).toEqual(['caliy']);
    expect(elements(ruleset(), 'to-workload-dispatch').map(({ key }) => key)).toEqual(['calix']);
    expect(elements(ruleset(), 'from-workload-profiles').map(({ key }) => key)).toEqual(['calix', 'caliy']);
  });

  it('gives endpoints chains of their own where there would be too many groups', () => {
    const { renderer, ruleset } = start();
    const names = Array.from({ length: 10 }, (_, index) => String(index));
    const one = (name: string) =>
      endpoint(name, {
        tiers: [{ name: 'default', defaultAction: 'deny', ingress: [policy(name).id], egress: [] }],
      });
    renderer.apply(delta({ policies: names.map((name) => policy(name)), endpoints: names.map(one) }));
    const { sets } = ruleset();
    expect(sets.filter(({ name }) => name.startsWith('to-workload-group-')).length).toBe(4);
    expect(sets.filter(({ name }) => name.startsWith('from-workload-group-')).length).toBe(1);
    expect(elements(ruleset(), 'to-workload-dispatch').length).toBe(6);
    // Two groups end in a move; two endpoints that were refused can have groups then.
    renderer.apply(delta({ endpoints: [endpoint('0'), endpoint('1')] }));
    expect(elements(ruleset(), 'to-workload-dispatch').length).toBe(5);
    expect(ruleset().sets.filter(({ name }) => name.startsWith('to-workload-group-')).length).toBe(4);
  });

  it('has an endpoint in one place, wherever it moves', () => {
    const { renderer, ruleset } = start();
    const tiers = [
      { name: 'default', defaultAction: 'deny', ingress: [policy('a').id], egress: [] },
    ] as const;
    const places = () =>
      ruleset()
        .sets.filter(
          ({ name, elements: all }) => /^to-workload-(group|dispatch)/.test(name) && all.length > 0,
        )
        .map(({ name }) => name.replace(/-[0-9a-f]{10}$/, ''));
    renderer.apply(delta({ policies: [policy('a')], endpoints: [endpoint('x')] }));
    expect(places()).toEqual(['to-workload-group']);
    renderer.apply(delta({ endpoints: [endpoint('x', { tiers })] }));
    expect(places()).toEqual(['to-workload-group']);
    const conditional = profile('p', { ingress: [rule({ protocol: 6 })] });
    renderer.apply(
      delta({ profiles: [conditional], endpoints: [endpoint('x', { tiers, profiles: [conditional.id] })] }),
    );
    expect(places()).toEqual(['to-workload-dispatch']);
    renderer.apply(delta({ endpoints: [endpoint('x', { tiers })] }));
    expect(places()).toEqual(['to-workload-group']);
    renderer.apply(delta({ gone: { endpoints: [endpoint('x').key] } }));
    expect(places()).toEqual([]);
    expect(elements(ruleset(), 'to-workload-profiles')).toEqual([]);
  });

  it('gives endpoints another verdict when their profile, or what denying means, changes', () => {
    const { renderer, ruleset } = start();
    const becomes = (...ingress: ActivePolicy['ingress']): void =>
      renderer.apply(delta({ profiles: [profile('p', { ingress })] }));
    const verdict = (): string[] =>
      elements(ruleset(), 'to-workload-profiles').map(
        (element) => `${Object.keys(element.verdict!)[0]} ${element.comment!.replace(/:.*/, '')}`,
      );
    const { id } = profile('p', {});
    renderer.apply(delta({ endpoints: [endpoint('x', { profiles: [id] })] }));
    expect(verdict()).toEqual(['drop fail closed']);
    becomes(rule({ id: 'one' }));
    expect(verdict()).toEqual(['accept one']);
    becomes(rule({ id: 'two', action: 'deny' }));
    expect(verdict()).toEqual(['drop two']);
    // More than a verdict: the endpoint gets a chain of its own.
    renderer.setOptions({ ...DEFAULT_RENDER_OPTIONS, denyAction: 'reject' });
    expect(verdict()).toEqual([]);
    renderer.setOptions(DEFAULT_RENDER_OPTIONS);
    expect(verdict()).toEqual(['drop two']);
    renderer.quarantine(id, 'refused');
    expect(verdict()).toEqual(['drop fail closed']);
    renderer.apply({ ...delta({}), profiles: new Map([[id, undefined]]) });
    becomes(rule({ id: 'three' }));
    expect(verdict()).toEqual(['accept three']);
  });

  it('gives an interface to the endpoint that names it last', () => {
    const { renderer, ruleset } = start();
    renderer.apply(delta({ endpoints: [endpoint('old', { interfaceName: 'cali1' })] }));
    renderer.apply(
      delta({ endpoints: [endpoint('new', { interfaceName: 'cali1', addresses: [address('10.0.0.9')] })] }),
    );
    renderer.apply(delta({ gone: { endpoints: [endpoint('old').key] } }));
    expect(elements(ruleset(), 'from-workload-profiles')).toMatchObject([
      { key: 'cali1', comment: `${endpoint('new').key}/egress/no-profile-match` },
    ]);
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
        /^h[46]-/.test(name) ? `${name.slice(0, 2)} ${elements.length}` : [],
      );
    renderer.apply(delta({ sets: { s: { ...WEB_SET, added: [] } } }));
    expect(sets()).toEqual([]);
    renderer.apply(delta({ policies: [asking], endpoints: [endpoint('x', { tiers })] }));
    expect([rules(), ...sets()]).toEqual([2, 'h4 0', 'h6 0']);
    renderer.apply(members(['10.0.0.1/32']));
    expect([rules(), ...sets()]).toEqual([3, 'h4 1', 'h6 0']);
    renderer.apply(members(['fd00::1/128']));
    expect([rules(), ...sets()]).toEqual([4, 'h4 1', 'h6 1']);
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
