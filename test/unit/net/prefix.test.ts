import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Family, address, addressFromInteger, addressToInteger } from '../../../src/net/address.ts';
import {
  type Prefix,
  addressAt,
  hostPrefix,
  isHostPrefix,
  parsePrefix,
  parsePrefixParts,
  prefix,
  prefixAddress,
  prefixBytes,
  prefixContains,
  prefixFromBytes,
  prefixLength,
  prefixRange,
  prefixesHolding,
  prefixesOverlap,
} from '../../../src/net/prefix.ts';

const anyPrefix = fc.constantFrom<Family>(4, 6).chain((family) => {
  const bits = family === 4 ? 32 : 128;
  return fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.integer({ min: 0, max: bits }))
    .map(([value, length]) => parsePrefix(`${addressFromInteger(family, value)}/${length}`)!);
});

/** Prefixes that lie close together, so that one often holds another. */
const crowdedPrefix = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
  .map(([low, length]) => parsePrefix(`10.0.0.${low}/${length}`)!);

describe('prefixes', () => {
  it.each([
    ['10.65.0.9/26', '10.65.0.0/26'],
    ['10.65.0.9', '10.65.0.9/32'],
    ['10.0.0.0/0', '0.0.0.0/0'],
    ['fd65::ffff/122', 'fd65::ffc0/122'],
    ['FD65::1', 'fd65::1/128'],
    ['::/0', '::/0'],
  ])('mask and write %s as %s', (text, canonical) => {
    expect(parsePrefix(text)).toBe(canonical);
    expect(parsePrefix(canonical)).toBe(canonical);
  });

  it.each([
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/8/8',
    '::/129',
    '/8',
    '10/8',
  ])('refuse %j', (text) => {
    expect(parsePrefix(text)).toBeUndefined();
    expect(() => prefix(text)).toThrow(RangeError);
  });

  it('say whether they were written strictly masked', () => {
    expect(parsePrefixParts('10.0.0.1/31')).toMatchObject({ hostBits: true, length: 31, family: 4 });
    expect(parsePrefixParts('10.0.0.2/31')).toMatchObject({ hostBits: false });
  });

  it('survive their own parts', () => {
    fc.assert(
      fc.property(anyPrefix, (canonical) => {
        expect(prefixFromBytes(prefixBytes(canonical), prefixLength(canonical))).toBe(canonical);
        expect(parsePrefix(canonical)).toBe(canonical);
        expect(prefixRange(canonical).first).toBe(addressToInteger(prefixAddress(canonical)));
        expect(isHostPrefix(canonical)).toBe(canonical === hostPrefix(prefixAddress(canonical)));
      }),
    );
  });

  it('hold exactly the addresses between their first and last', () => {
    const spread = (canonical: Prefix): bigint[] => {
      const { first, last } = prefixRange(canonical);
      return Array.from({ length: Number(last - first) + 1 }, (_, index) => first + BigInt(index));
    };
    fc.assert(
      fc.property(crowdedPrefix, crowdedPrefix, (a, b) => {
        const inA = new Set(spread(a));
        const members = spread(b);
        expect(prefixContains(a, b)).toBe(members.every((member) => inA.has(member)));
        expect(prefixesOverlap(a, b)).toBe(members.some((member) => inA.has(member)));
      }),
    );
  });

  it('never hold the other family', () => {
    expect(prefixContains(prefix('::/0'), address('10.0.0.1'))).toBe(false);
    expect(prefixesOverlap(prefix('0.0.0.0/0'), prefix('::/0'))).toBe(false);
    expect(prefixContains(prefix('10.0.0.0/8'), address('10.1.2.3'))).toBe(true);
  });

  it('count their addresses from the first to the last and no further', () => {
    const block = prefix('10.65.0.64/26');
    expect(addressAt(block, 0n)).toBe('10.65.0.64');
    expect(addressAt(block, 63n)).toBe('10.65.0.127');
    expect(addressAt(block, 64n)).toBeUndefined();
    expect(addressAt(block, -1n)).toBeUndefined();
    expect(addressAt(prefix('fd65::/122'), 63n)).toBe('fd65::3f');
  });

  it('hold an address at each length, in the order that is asked for', () => {
    expect([...prefixesHolding(address('10.65.3.9'), [32, 22, 0])]).toEqual([
      '10.65.3.9/32',
      '10.65.0.0/22',
      '0.0.0.0/0',
    ]);
    fc.assert(
      fc.property(anyPrefix, (one) => {
        const [held] = prefixesHolding(prefixAddress(one), [prefixLength(one)]);
        expect(held).toBe(one);
      }),
    );
  });
});
