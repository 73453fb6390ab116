import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DECISION,
  type DecisionOptions,
  type DecisionStep,
} from '../../../../src/bgp/rib/decision.ts';
import { Rib } from '../../../../src/bgp/rib/rib.ts';
import type { Path } from '../../../../src/bgp/rib/route.ts';
import { OWN } from '../../../../src/bgp/rib/sources.ts';
import { asPathLength } from '../../../../src/bgp/wire/as-path.ts';
import type { AsPathSegment } from '../../../../src/bgp/wire/message.ts';
import { address } from '../../../../src/net/address.ts';
import { prefixBits } from '../../../../src/net/prefix-bits.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { path, source } from './make.ts';

const a = source('10.0.0.1');
const b = source('10.0.0.2');
const interior = source('10.0.0.3', { external: false });
const sequence = (...asNumbers: number[]): AsPathSegment[] => [{ type: 'sequence', asNumbers }];

const CASES: readonly (readonly [step: DecisionStep, better: Path, worse: Path])[] = [
  ['own', path(undefined, { asPath: [] }), path(a, { localPref: 4_000_000_000 })],
  [
    'local-preference',
    path(b, { localPref: 200, asPath: sequence(1, 2, 3) }),
    path(a, { localPref: 100, asPath: sequence(1) }),
  ],
  ['local-preference', path(b), path(a, { localPref: 99 })],
  [
    'long-lived-stale',
    path(b, { localPref: 1 }),
    path(a, { localPref: 4_000_000_000, communities: [7, 0xffff0006] }),
  ],
  ['long-lived-stale', path(b, { localPref: 1 }), path(a, { aigp: 1n, communities: [0xffff0006] })],
  [
    'accumulated-metric',
    path(b, { aigp: 5n, asPath: sequence(1, 2) }),
    path(a, { aigp: 6n, asPath: sequence(1) }),
  ],
  [
    'accumulated-metric',
    path(b, { aigp: 2n ** 63n, asPath: sequence(1, 2) }),
    path(a, { asPath: sequence(1) }),
  ],
  [
    'accumulated-metric',
    path(source('10.0.0.2', { metricCost: 1 }), { aigp: 5n }),
    path(source('10.0.0.1', { metricCost: 10 }), { aigp: 1n }),
  ],
  ['local-preference', path(b, { localPref: 101 }), path(a, { localPref: 100, aigp: 1n })],
  [
    'as-path-length',
    path(b, { aigp: 3n, asPath: sequence(1) }),
    path(a, { aigp: 3n, asPath: sequence(1, 2) }),
  ],
  [
    'as-path-length',
    path(b, { asPath: sequence(1), origin: 'incomplete' }),
    path(a, { asPath: sequence(1, 2) }),
  ],
  [
    'as-path-length',
    path(b, { asPath: [{ type: 'set', asNumbers: [1, 2, 3, 4] }] }),
    path(a, { asPath: sequence(1, 2) }),
  ],
  ['origin', path(b, { origin: 'igp' }), path(a, { origin: 'egp' })],
  ['origin', path(b, { origin: 'egp' }), path(a, { origin: 'incomplete' })],
  ['multi-exit-disc', path(b, { multiExitDisc: 5 }), path(a, { multiExitDisc: 6 })],
  ['multi-exit-disc', path(b), path(a, { multiExitDisc: 1 })],
  ['external', path(b), path(interior)],
  ['router-id', path(a), path(b)],
  [
    'router-id',
    path(interior, { originatorId: address('1.1.1.1') }),
    path(source('10.0.0.1', { external: false })),
  ],
  [
    'cluster-list-length',
    path(source('10.0.0.9', { external: false }), {
      originatorId: address('1.1.1.1'),
      clusterList: [address('1.0.0.1')],
    }),
    path(interior, {
      originatorId: address('1.1.1.1'),
      clusterList: [address('1.0.0.1'), address('1.0.0.2')],
    }),
  ],
  [
    'peer-address',
    path(source('10.0.0.9', { identifier: address('9.9.9.9') })),
    path(source('10.0.0.10', { identifier: address('9.9.9.9') })),
  ],
  [
    'peer-address',
    path(source('10.0.0.9', { identifier: address('9.9.9.9') })),
    path(source('::1', { identifier: address('9.9.9.9') })),
  ],
];

const PREFIX = prefix('192.0.2.0/24');

/** Has a RIB decide over these paths, told in this order. */
function decide(paths: readonly Path[], options: Partial<DecisionOptions> = {}) {
  const rib = new Rib();
  rib.setDecision({ ...DEFAULT_DECISION, ...options });
  const { families, attributes } = rib;
  const told = new Map<unknown, Path>();
  for (const given of paths) {
    const from = given.source === undefined ? OWN : rib.addSource(given.source);
    rib.announce(from, PREFIX, attributes.internRoute(given.route));
    told.set(from, given);
  }
  const at = paths.length === 0 ? 0 : families[4].find(prefixBits(PREFIX));
  const selection = families[4].selection(at);
  if (selection === undefined) return undefined;
  const original = (one: number): Path => told.get(families[4].paths.source(one))!;
  return {
    best: original(selection.best),
    equal: selection.equal.map(original),
    decidedBy: selection.decidedBy,
  };
}

describe('the decision process (RFC 4271 §9.1.2)', () => {
  it.each(CASES)('decides by %s whatever the order', (step, better, worse) => {
    for (const paths of [
      [better, worse],
      [worse, better],
    ]) {
      const selection = decide(paths)!;
      expect(selection.best).toBe(better);
      expect(selection.decidedBy).toBe(step);
    }
  });

  it('has nothing to decide without paths, and says so with one', () => {
    expect(decide([])).toBeUndefined();
    expect(decide([path(a)])).toMatchObject({ decidedBy: 'only' });
  });

  it('does not compare MEDs of different neighbours (§9.1.2.2 c)', () => {
    const cheap = path(b, { asPath: sequence(7), multiExitDisc: 1 });
    const dear = path(a, { asPath: sequence(8), multiExitDisc: 1000 });
    expect(decide([cheap, dear])).toMatchObject({ best: dear, decidedBy: 'router-id' });
  });

  it('lets a path with a worse MED not win by its router id in the presence of a third', () => {
    const worse = path(a, { asPath: sequence(7), multiExitDisc: 9 });
    const better = path(b, { asPath: sequence(7), multiExitDisc: 1 });
    const other = path(source('10.0.0.3'), { asPath: sequence(8), multiExitDisc: 5 });
    for (const order of [
      [worse, better, other],
      [other, better, worse],
      [better, other, worse],
    ]) {
      expect(decide(order)!.best).toBe(better);
    }
  });

  it('keeps equally good paths for multipath, but not those that lost by quality', () => {
    const one = path(a);
    const two = path(b);
    const selection = decide([one, two, path(interior), path(source('10.0.0.4'), { origin: 'egp' })])!;
    expect(new Set(selection.equal)).toEqual(new Set([one, two]));
    expect(selection.best).toBe(one);
  });

  it('compares MEDs of different neighbours where that is wanted', () => {
    const cheap = path(b, { asPath: sequence(7), multiExitDisc: 1 });
    const dear = path(a, { asPath: sequence(8), multiExitDisc: 1000 });
    const selection = decide([dear, cheap], { alwaysCompareMed: true });
    expect(selection).toMatchObject({ best: cheap, decidedBy: 'multi-exit-disc' });
  });

  it('shares traffic among no more paths than wanted, the best among them, in whatever order they came', () => {
    const paths = ['10.0.0.9', '10.0.0.4', '10.0.0.1', '10.0.0.6'].map((host) => path(source(host)));
    const few = { multipath: { external: 2, internal: 1 } };
    for (const order of [paths, paths.toReversed()]) {
      const { equal } = decide(order, few)!;
      expect(equal.map((one) => one.source?.address)).toEqual(['10.0.0.1', '10.0.0.4']);
    }
    const inside = ['10.0.0.1', '10.0.0.2'].map((host) => path(source(host, { external: false })));
    expect(decide(inside, few)!.equal).toHaveLength(1);
    expect(decide(inside)!.equal).toHaveLength(2);
  });

  it('shares traffic only among paths of one neighbour AS where that is wanted', () => {
    const paths = [path(a, { asPath: sequence(7, 9) }), path(b, { asPath: sequence(8, 9) })];
    expect(decide(paths)!.equal).toHaveLength(2);
    expect(decide(paths, { multipathAsPath: 'neighbor' })!.equal).toEqual([paths[0]]);
  });

  it('counts a set as one AS and confederation segments as none (RFC 5065 §5.3)', () => {
    expect(
      asPathLength([
        { type: 'confederation-sequence', asNumbers: [1, 2] },
        { type: 'sequence', asNumbers: [3, 4] },
        { type: 'set', asNumbers: [5, 6, 7] },
      ]),
    ).toBe(3);
  });
});

describe('the path in use (RFC 5004)', () => {
  const better = path(a);
  const older = path(b);
  const attribute = (rib: Rib, from: Path) => rib.attributes.internRoute(from.route);

  /** A RIB that has chosen `older`, and then learns `better`. */
  function ribInUse(options: Partial<DecisionOptions>, one = older, two = better) {
    const rib = new Rib();
    rib.setDecision({ ...DEFAULT_DECISION, ...options });
    const [first, second] = [rib.addSource(one.source!), rib.addSource(two.source!)];
    const select = (): void => rib.families[4].select(10, () => undefined);
    rib.announce(first, PREFIX, attribute(rib, one));
    select();
    rib.announce(second, PREFIX, attribute(rib, two));
    select();
    const best = (): string | undefined => {
      const { families } = rib;
      const chosen = families[4].selection(families[4].find(prefixBits(PREFIX)));
      return (
        chosen && `${rib.sources.get(families[4].paths.source(chosen.best))!.address} ${chosen.decidedBy}`
      );
    };
    return { rib, first, second, select, best };
  }

  it('gives way to a lower router id, unless it is to stay', () => {
    expect(ribInUse({}).best()).toBe('10.0.0.1 router-id');
    expect(ribInUse({ preferOlder: true }).best()).toBe('10.0.0.2 older');
  });

  it('does not stay within our AS, and not against a better one', () => {
    const inside = (host: string) => path(source(host, { external: false }));
    expect(ribInUse({ preferOlder: true }, inside('10.0.0.2'), inside('10.0.0.1')).best()).toBe(
      '10.0.0.1 router-id',
    );
    const preferred = path(a, { localPref: 200 });
    expect(ribInUse({ preferOlder: true }, older, preferred).best()).toBe('10.0.0.1 local-preference');
  });

  it('leaves nobody in its place by chance when it goes', () => {
    const { rib, first, select, best } = ribInUse({ preferOlder: true });
    const third = path(source('10.0.0.3'));
    rib.announce(rib.addSource(third.source!), PREFIX, attribute(rib, third));
    select();
    expect(best()).toBe('10.0.0.2 older');
    rib.withdraw(first, PREFIX);
    select();
    expect(best()).toMatch(/^10\.0\.0\.1 /);
  });

  it('is chosen anew when the options change', () => {
    const { rib, select, best } = ribInUse({ preferOlder: true });
    rib.setDecision(DEFAULT_DECISION);
    select();
    expect(best()).toBe('10.0.0.1 router-id');
  });
});
