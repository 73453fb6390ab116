import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Family,
  address,
  addressBytes,
  addressFromInteger,
  addressToInteger,
  familyOf,
  formatAddress,
  parseAddress,
} from '../../../src/net/address.ts';

const anyInteger = (family: Family): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: 0n, max: 2n ** (family === 4 ? 32n : 128n) - 1n });

describe('addresses', () => {
  it.each([
    ['10.65.0.2', '10.65.0.2'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD65:0:0:0:0:0:0:2', 'fd65::2'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:0:0:0:0', '2001:db8::'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['::192.0.2.1', '::c000:201'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('writes %s canonically as %s (RFC 5952 §4, §5)', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical);
    expect(parseAddress(canonical)).toBe(canonical);
  });

  it.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.1',
    '010.0.0.1',
    '10.0.0.00',
    '0x0a.0.0.1',
    '10.0.0.256',
    '10.0.0.1.1',
    '10..0.1',
    '10.0.0.1/32',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '[::1]',
  ])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
    expect(() => address(text)).toThrow(RangeError);
  });

  for (const family of [4, 6] as const) {
    it(`convert between text, bytes and integer without loss (IPv${family})`, () => {
      fc.assert(
        fc.property(anyInteger(family), (value) => {
          const text = addressFromInteger(family, value);
          expect(isIP(text)).toBe(family);
          expect(familyOf(text)).toBe(family);
          expect(addressToInteger(text)).toBe(value);
          expect(formatAddress(addressBytes(text))).toBe(text);
          expect(parseAddress(text)).toBe(text);
        }),
      );
    });
  }

  it('accept exactly what Node does, zones apart', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom('0', '1', '2', '5', '9', 'a', 'f', '.', ':'), maxLength: 24 }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseAddress(candidate) !== undefined).toBe(isIP(candidate) !== 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('have 4 or 16 bytes', () => {
    expect(() => formatAddress(new Uint8Array(5))).toThrow(RangeError);
    expect(formatAddress(Uint8Array.of(9, 10, 0, 0, 1, 9), 1, 4)).toBe('10.0.0.1');
  });
});
