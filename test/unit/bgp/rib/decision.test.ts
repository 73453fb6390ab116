import { describe, expect, it } from 'vitest';
import type { DecisionStep } from '../../../../src/bgp/rib/decision.ts';
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
function decide(paths: readonly Path[]) {
  const rib = new Rib();
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
