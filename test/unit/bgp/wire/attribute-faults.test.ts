/** Faults that any attribute can have, tried on each row of the registry (RFC 7606 §3, §4). */
import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_CODECS } from '../../../../src/bgp/wire/attribute.ts';
import { BASIC_WIRE, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { decodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { update } from './bytes.ts';

const TWO_OCTET: WireOptions = { ...BASIC_WIRE, families: [4, 6], external: false };
const INTERNAL: WireOptions = { ...TWO_OCTET, fourOctetAs: true };

const ORIGIN = '40010100';
const AS_PATH = '40020602010000fde9';
const AS_PATH_16 = '4002040201fde9';
const NEXT_HOP = '4003040a000001';
const NLRI = '100a01';

/** A well-formed value of each attribute. */
const VALUES: Readonly<Record<string, string>> = {
  ORIGIN: '00',
  AS_PATH: '02010000fde9',
  NEXT_HOP: '0a000001',
  MULTI_EXIT_DISC: '00000001',
  LOCAL_PREF: '00000064',
  ATOMIC_AGGREGATE: '',
  AGGREGATOR: '0000fde90a000001',
  COMMUNITIES: 'fc000001',
  ORIGINATOR_ID: '0a000001',
  CLUSTER_LIST: '0a000001',
  EXTENDED_COMMUNITIES: '0002fde900000001',
  AS4_PATH: '02010000fde9',
  AS4_AGGREGATOR: '0000fde90a000001',
  AIGP: '01000b0000000000000001',
  LARGE_COMMUNITY: '000000010000000200000003',
  OTC: '0000fde9',
};

describe('every attribute', () => {
  const octet = (value: number): string => value.toString(16).padStart(2, '0');
  const other = (code: number): string =>
    [ORIGIN, AS_PATH, NEXT_HOP].filter((_, index) => index + 1 !== code).join('');
  const rows = ATTRIBUTE_CODECS.filter(({ action }) => action !== 'reset').map(
    ({ name, code, flags }) => [name, code, flags, VALUES[name]!] as const,
  );

  it.each(rows)(
    '%s: either bit of its kind wrong costs the routes (RFC 7606 §3 c)',
    (name, code, flags, value) => {
      for (const wrong of [flags ^ 0x80, flags ^ 0x40, flags ^ 0xc0]) {
        const attribute = `${octet(wrong)}${octet(code)}${octet(value.length / 2)}${value}`;
        const result = decodeMessage(update('', `${other(code)}${attribute}`, NLRI), INTERNAL);
        expect(result).toMatchObject({
          faults: [{ attribute: name, action: 'withdraw' }],
          announced: [],
          treatAsWithdraw: [{ prefixes: ['10.1.0.0/16'] }],
        });
      }
    },
  );

  it.each(rows)('%s: the second of two is left out (RFC 7606 §3 g)', (name, code, flags, value) => {
    const attribute = `${octet(flags)}${octet(code)}${octet(value.length / 2)}${value}`;
    const wire = name.startsWith('AS4') ? TWO_OCTET : INTERNAL;
    const base = name.startsWith('AS4') ? `${ORIGIN}${AS_PATH_16}${NEXT_HOP}` : other(code);
    const result = decodeMessage(update('', `${base}${attribute}${attribute}`, NLRI), wire);
    expect(result).toMatchObject({
      faults: [{ attribute: name, action: 'discard' }],
      announced: [{ prefixes: ['10.1.0.0/16'] }],
    });
  });

  it.each(rows)(
    '%s: a length past the list costs the routes, wherever it stands (RFC 7606 §4)',
    (_, code, flags) => {
      for (const length of ['ff', '7fff']) {
        const long = length.length > 2;
        const attribute = `${octet(long ? flags | 0x10 : flags)}${octet(code)}${length}`;
        const result = decodeMessage(update('', `${other(code)}${attribute}`, NLRI), INTERNAL);
        expect(result).toMatchObject({ announced: [], treatAsWithdraw: [{ prefixes: ['10.1.0.0/16'] }] });
      }
    },
  );
});
