import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AsPathEdit, editAsPath, isPrivateAs } from '../../../../src/bgp/policy/as-path-edit.ts';
import type { AsPathSegment } from '../../../../src/bgp/wire/message.ts';

const OURS = { localAs: 3320, peerAs: 65_002 };

function sequence(...asNumbers: readonly number[]): AsPathSegment {
  return { type: 'sequence', asNumbers };
}

function edited(path: readonly AsPathSegment[], edit: Partial<AsPathEdit>): readonly AsPathSegment[] {
  return editAsPath(path, { ...OURS, ...edit });
}

describe('private AS numbers', () => {
  it('are those of RFC 6996', () => {
    const bounds = [
      64_511, 64_512, 65_534, 65_535, 4_199_999_999, 4_200_000_000, 4_294_967_294, 4_294_967_295,
    ];
    expect(bounds.map(isPrivateAs)).toEqual([false, true, true, false, false, true, true, false]);
  });

  it.each([
    ['if-all', [sequence(64_600, 64_601)], []],
    ['if-all', [sequence(64_600, 174)], [sequence(64_600, 174)]],
    ['all', [sequence(64_600, 174, 4_200_000_001)], [sequence(174)]],
    ['all', [sequence(174), { type: 'set', asNumbers: [64_600] }], [sequence(174)]],
    ['replace', [sequence(64_600, 174)], [sequence(3320, 174)]],
    ['all', [sequence(65_002, 64_600)], [sequence(65_002)]],
    ['replace', [sequence(65_002, 64_600)], [sequence(65_002, 3320)]],
  ] as const)('are taken out of a path (%s), but for that of the peer', (removePrivateAs, path, expected) => {
    expect(edited(path, { removePrivateAs })).toEqual(expected);
  });

  it('are none that is left, and no segment is left empty', () => {
    const asNumber = fc.oneof(
      fc.integer({ min: 64_500, max: 65_540 }),
      fc.integer({ min: 1, max: 0xffff_ffff }),
    );
    const segment = fc.record({
      type: fc.constantFrom('sequence', 'set'),
      asNumbers: fc.array(asNumber, { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(segment), (path) => {
        const left = edited(path, { removePrivateAs: 'all' });
        const kept = (list: readonly AsPathSegment[]): number[] => list.flatMap(({ asNumbers }) => asNumbers);
        expect(kept(left)).toEqual(
          kept(path).filter((value) => value === OURS.peerAs || !isPrivateAs(value)),
        );
        expect(left.every(({ asNumbers }) => asNumbers.length > 0)).toBe(true);
      }),
    );
  });
});

describe("the peer's AS in a path", () => {
  it('is overridden by ours, wherever it stands', () => {
    expect(edited([sequence(65_002, 174, 65_002)], { asOverride: true })).toEqual([
      sequence(3320, 174, 3320),
    ]);
  });

  it('stays without that', () => {
    const path = [sequence(65_002)];
    expect(edited(path, {})).toBe(path);
  });

  it('is overridden after private AS numbers are out', () => {
    const edit = { asOverride: true, removePrivateAs: 'all' } as const;
    expect(edited([sequence(65_002, 64_600, 174)], edit)).toEqual([sequence(3320, 174)]);
  });
});
