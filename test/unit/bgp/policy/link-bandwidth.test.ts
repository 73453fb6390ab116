import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandwidthOf, weightsOf, withBandwidth } from '../../../../src/bgp/policy/link-bandwidth.ts';
import { attributes } from '../rib/make.ts';

describe('the link bandwidth community (draft-ietf-idr-link-bandwidth)', () => {
  it('is AS-specific and not transitive, with octets a second as a float', () => {
    const { extendedCommunities } = withBandwidth(attributes(), 65001, 125_000_000);
    expect(extendedCommunities?.map((value) => value.toString(16))).toEqual(['4004fde94cee6b28']);
    expect(withBandwidth(attributes(), 70_000, 1).extendedCommunities).toEqual([0x4004_5ba0_3f80_0000n]);
  });

  it('takes the place of the one that was there, and leaves others', () => {
    const told = attributes({ extendedCommunities: [0x0004_fde9_3f80_0000n, 7n] });
    expect(bandwidthOf(told)).toBe(1);
    expect(withBandwidth(told, 65001, 2).extendedCommunities).toEqual([7n, 0x4004_fde9_4000_0000n]);
  });

  it('says nothing if it is zero, negative or no number', () => {
    for (const value of [0x0000_0000n, 0xbf80_0000n, 0x7f80_0000n, 0x7fc0_0000n]) {
      expect(
        bandwidthOf(attributes({ extendedCommunities: [(0x4004_fde9n << 32n) | value] })),
      ).toBeUndefined();
    }
    expect(bandwidthOf(attributes())).toBeUndefined();
  });
});

describe('weights', () => {
  it.each([
    [
      [1e9, 1e9],
      [1, 1],
    ],
    [
      [1e9, 2e9],
      [1, 2],
    ],
    [
      [1e10, 4e10, 1e10],
      [1, 4, 1],
    ],
    [
      [1, 1e12],
      [1, 100],
    ],
    [
      [3e9, 7e9],
      [43, 100],
    ],
    [
      [1e9, undefined],
      [1, 1],
    ],
    [[5], [1]],
  ])('of %j are %j', (bandwidths, expected) => {
    expect(weightsOf(bandwidths)).toEqual(expected);
  });

  it('are in order of bandwidth, at least 1 and within what the kernel takes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { minLength: 1, maxLength: 16 }), (list) => {
        const weights = weightsOf(list);
        expect(weights.every((weight) => Number.isInteger(weight) && weight >= 1 && weight <= 256)).toBe(
          true,
        );
        for (const [index, weight] of weights.entries()) {
          if (list[index] === Math.max(...list)) expect(weight).toBe(Math.max(...weights));
        }
      }),
    );
  });
});
