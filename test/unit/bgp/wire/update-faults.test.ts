/** Malformed UPDATEs and what they cost (RFC 7606): the session, the routes, or only the attribute. */
import { describe, expect, it } from 'vitest';
import { prefix } from '../../../../src/net/prefix.ts';
import { BASIC_WIRE, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { decodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { update } from './bytes.ts';

const WIRE: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };
const INTERNAL: WireOptions = { ...WIRE, external: false };
const TWO_OCTET: WireOptions = { ...WIRE, fourOctetAs: false };

const ORIGIN = '400101 00';
const AS_PATH = '400206 02 01 0000fde9';
const AS_PATH_16 = '400204 02 01 fde9';
const NEXT_HOP = '400304 0a000001';
const NLRI = '10 0a01';
const BASE = ORIGIN + AS_PATH + NEXT_HOP;
/** 2001:db8::/32 by 2001:db8::1. */
const MP_REACH = '800e1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8';

interface Case {
  readonly attribute: string;
  readonly fault: string;
  readonly attributes: string;
  readonly action: 'withdraw' | 'discard';
  readonly wire?: WireOptions;
  readonly nlri?: string;
}

/** 10.1.0.0/16 by IPv6 next hops: a global one, a link-local one twice. */
const EXTENDED = '800e18 0001 01 10 20010db8000000000000000000000001 00 10 0a01';
const EXTENDED_LINK =
  '800e28 0001 01 20 fe800000000000000000000000000001 fe800000000000000000000000000001 00 10 0a01';

const CASES: readonly Case[] = [
  // RFC 8950 §4
  ...[EXTENDED, EXTENDED_LINK].map((reach, index): Case => ({
    attribute: 'MP_REACH_NLRI',
    fault: `IPv6 next hop of IPv4 prefixes that was not agreed on (${index + 1})`,
    attributes: `${ORIGIN} ${AS_PATH} ${reach}`,
    action: 'withdraw',
    nlri: '',
  })),
  // RFC 7606 §7.1
  { attribute: 'ORIGIN', fault: 'length 0', attributes: `400100 ${AS_PATH} ${NEXT_HOP}`, action: 'withdraw' },
  {
    attribute: 'ORIGIN',
    fault: 'length 2',
    attributes: `400102 0000 ${AS_PATH} ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'ORIGIN',
    fault: 'value 3',
    attributes: `400101 03 ${AS_PATH} ${NEXT_HOP}`,
    action: 'withdraw',
  },
  // RFC 7606 §7.2
  {
    attribute: 'AS_PATH',
    fault: 'unknown segment type',
    attributes: `${ORIGIN} 400206 05 01 0000fde9 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS_PATH',
    fault: 'empty segment',
    attributes: `${ORIGIN} 400202 02 00 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS_PATH',
    fault: 'segment overrun',
    attributes: `${ORIGIN} 400206 02 02 0000fde9 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS_PATH',
    fault: 'segment underrun',
    attributes: `${ORIGIN} 400207 02 01 0000fde9 02 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS_PATH',
    fault: 'AS 0 (RFC 7607)',
    attributes: `${ORIGIN} 400206 02 01 00000000 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS_PATH',
    fault: 'no confederation sequence in front from another member AS (RFC 5065 §5)',
    attributes: `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`,
    action: 'withdraw',
    wire: { ...INTERNAL, confederation: true },
  },
  {
    attribute: 'AS_PATH',
    fault: 'confederation sequence from outside (RFC 5065 §5)',
    attributes: `${ORIGIN} 400206 03 01 0000fde9 ${NEXT_HOP}`,
    action: 'withdraw',
  },
  // RFC 7606 §7.3
  {
    attribute: 'NEXT_HOP',
    fault: 'length 3',
    attributes: `${ORIGIN} ${AS_PATH} 400303 0a0000`,
    action: 'withdraw',
  },
  {
    attribute: 'NEXT_HOP',
    fault: 'a multicast address',
    attributes: `${ORIGIN} ${AS_PATH} 400304 e0000001`,
    action: 'withdraw',
  },
  // RFC 7606 §7.4, §7.5
  {
    attribute: 'MULTI_EXIT_DISC',
    fault: 'length 3',
    attributes: `${BASE} 800403 000001`,
    action: 'withdraw',
  },
  {
    attribute: 'LOCAL_PREF',
    fault: 'length 5 within the AS',
    attributes: `${BASE} 400505 0000000000`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  {
    attribute: 'LOCAL_PREF',
    fault: 'from another AS',
    attributes: `${BASE} 400504 00000064`,
    action: 'discard',
  },
  // RFC 7606 §7.6, §7.7
  { attribute: 'ATOMIC_AGGREGATE', fault: 'length 1', attributes: `${BASE} 400601 00`, action: 'discard' },
  {
    attribute: 'AGGREGATOR',
    fault: 'length 6 with AS numbers of 32 bits',
    attributes: `${BASE} c00706 fde90a000001`,
    action: 'discard',
  },
  {
    attribute: 'AGGREGATOR',
    fault: 'length 8 with AS numbers of 16 bits',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c00708 0000fde90a000001`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  {
    attribute: 'AGGREGATOR',
    fault: 'AS 0 (RFC 7607)',
    attributes: `${BASE} c00708 000000000a000001`,
    action: 'discard',
  },
  // RFC 7606 §7.8
  {
    attribute: 'COMMUNITIES',
    fault: 'length 6',
    attributes: `${BASE} c00806 fc0000010000`,
    action: 'withdraw',
  },
  { attribute: 'COMMUNITIES', fault: 'length 0', attributes: `${BASE} c00800`, action: 'withdraw' },
  // RFC 7606 §7.9, §7.10
  {
    attribute: 'ORIGINATOR_ID',
    fault: 'length 8 within the AS',
    attributes: `${BASE} 800908 0a0000010a000001`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  {
    attribute: 'ORIGINATOR_ID',
    fault: 'from another AS',
    attributes: `${BASE} 800904 0a000001`,
    action: 'discard',
  },
  {
    attribute: 'CLUSTER_LIST',
    fault: 'length 5 within the AS',
    attributes: `${BASE} 800a05 0a00000100`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  {
    attribute: 'CLUSTER_LIST',
    fault: 'from another AS',
    attributes: `${BASE} 800a04 0a000001`,
    action: 'discard',
  },
  // RFC 7606 §7.14
  {
    attribute: 'EXTENDED_COMMUNITIES',
    fault: 'length 7',
    attributes: `${BASE} c01007 00020000000000`,
    action: 'withdraw',
  },
  // RFC 6793 §6
  {
    attribute: 'AS4_PATH',
    fault: 'segment overrun',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c01106 02 02 0000fde9`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  {
    attribute: 'AS4_AGGREGATOR',
    fault: 'length 6',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c01206 fde90a000001`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  {
    attribute: 'AS4_PATH',
    fault: 'from a four-octet peer',
    attributes: `${BASE} c01106 02 01 0000fde9`,
    action: 'discard',
  },
  // RFC 7311 §3, RFC 8092 §6, RFC 9234 §5
  {
    attribute: 'AIGP',
    fault: 'a TLV past the end',
    attributes: `${BASE} 801a04 01 000b 00`,
    action: 'discard',
  },
  {
    attribute: 'LARGE_COMMUNITY',
    fault: 'length 8',
    attributes: `${BASE} c02008 0000000100000002`,
    action: 'withdraw',
  },
  { attribute: 'OTC', fault: 'length 2', attributes: `${BASE} c02302 fde9`, action: 'withdraw' },
  // RFC 7606 §3 c
  {
    attribute: 'ORIGIN',
    fault: 'the optional flag',
    attributes: `c00101 00 ${AS_PATH} ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'MULTI_EXIT_DISC',
    fault: 'the transitive flag',
    attributes: `${BASE} c00404 00000001`,
    action: 'withdraw',
  },
  {
    attribute: 'COMMUNITIES',
    fault: 'no transitive flag',
    attributes: `${BASE} 800804 fc000001`,
    action: 'withdraw',
  },
  // RFC 7606 §3 d
  { attribute: 'ORIGIN', fault: 'missing', attributes: `${AS_PATH} ${NEXT_HOP}`, action: 'withdraw' },
  { attribute: 'AS_PATH', fault: 'missing', attributes: `${ORIGIN} ${NEXT_HOP}`, action: 'withdraw' },
  { attribute: 'NEXT_HOP', fault: 'missing', attributes: `${ORIGIN} ${AS_PATH}`, action: 'withdraw' },
  // RFC 7606 §3 g
  {
    attribute: 'MULTI_EXIT_DISC',
    fault: 'twice',
    attributes: `${BASE} 800404 00000001 800404 00000002`,
    action: 'discard',
  },
  // Lengths at both ends of what is right (RFC 7606 §7)
  {
    attribute: 'NEXT_HOP',
    fault: 'length 5',
    attributes: `${ORIGIN} ${AS_PATH} 400305 0a00000100`,
    action: 'withdraw',
  },
  {
    attribute: 'NEXT_HOP',
    fault: '0.0.0.0',
    attributes: `${ORIGIN} ${AS_PATH} 400304 00000000`,
    action: 'withdraw',
  },
  { attribute: 'MULTI_EXIT_DISC', fault: 'length 0', attributes: `${BASE} 800400`, action: 'withdraw' },
  {
    attribute: 'LOCAL_PREF',
    fault: 'length 0 within the AS',
    attributes: `${BASE} 400500`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  {
    attribute: 'ORIGINATOR_ID',
    fault: 'length 0 within the AS',
    attributes: `${BASE} 800900`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  {
    attribute: 'CLUSTER_LIST',
    fault: 'length 0 within the AS',
    attributes: `${BASE} 800a00`,
    action: 'withdraw',
    wire: INTERNAL,
  },
  { attribute: 'EXTENDED_COMMUNITIES', fault: 'length 0', attributes: `${BASE} c01000`, action: 'withdraw' },
  {
    attribute: 'IPV6_EXTENDED_COMMUNITIES',
    fault: 'length 0',
    attributes: `${BASE} c01900`,
    action: 'withdraw',
  },
  { attribute: 'LARGE_COMMUNITY', fault: 'length 0', attributes: `${BASE} c02000`, action: 'withdraw' },
  { attribute: 'OTC', fault: 'length 5', attributes: `${BASE} c02305 0000fde900`, action: 'withdraw' },
  {
    attribute: 'AIGP',
    fault: 'a TLV of 10 octets',
    attributes: `${BASE} 801a0a 01 000a 00000000000001`,
    action: 'discard',
  },
  { attribute: 'AIGP', fault: 'a TLV of 2 octets', attributes: `${BASE} 801a03 01 0002`, action: 'discard' },
  {
    attribute: 'AS_PATH',
    fault: 'AS numbers of two octets on a four-octet session',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP}`,
    action: 'withdraw',
  },
  {
    attribute: 'AS4_PATH',
    fault: 'no segment',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c01100`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  {
    attribute: 'AS4_PATH',
    fault: 'an empty segment',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c01102 02 00`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  {
    attribute: 'AS4_AGGREGATOR',
    fault: 'AS 0 (RFC 7607)',
    attributes: `${ORIGIN} ${AS_PATH_16} ${NEXT_HOP} c01208 00000000 0a000001`,
    action: 'discard',
    wire: TWO_OCTET,
  },
  // RFC 7606 §4
  {
    attribute: 'ORIGIN',
    fault: 'an extended length of 256 where 1 is meant',
    attributes: `50010100 00 ${AS_PATH} ${NEXT_HOP}`,
    action: 'withdraw',
  },
  { attribute: 'attribute list', fault: 'a header cut off', attributes: `${BASE} c008`, action: 'withdraw' },
  {
    attribute: 'COMMUNITIES',
    fault: 'a length past the list',
    attributes: `${BASE} c00808 fc000001`,
    action: 'withdraw',
  },
  {
    attribute: 'COMMUNITIES',
    fault: 'an extended length past the list',
    attributes: `${BASE} d008ffff fc000001`,
    action: 'withdraw',
  },
];

describe('a malformed attribute (RFC 7606)', () => {
  for (const { attribute, fault, attributes, action, wire = WIRE, nlri = NLRI } of CASES) {
    it(`${attribute}, ${fault}: ${action === 'withdraw' ? 'treat-as-withdraw' : 'attribute discard'}`, () => {
      const result = decodeMessage(update('', attributes, nlri), wire);
      if (result.type !== 'update') throw new Error(JSON.stringify(result));
      expect(result.faults.map((entry) => [entry.attribute, entry.action])).toContainEqual([
        attribute,
        action,
      ]);
      const prefixes = [{ family: 4, prefixes: [prefix('10.1.0.0/16')] }];
      if (action === 'withdraw') {
        expect(result.treatAsWithdraw).toEqual(prefixes);
        expect(result.announced).toEqual([]);
        expect(result.attributes).toBeUndefined();
      } else {
        expect(result.treatAsWithdraw).toEqual([]);
        expect(result.announced).toMatchObject(prefixes);
        expect(result.attributes).toBeDefined();
      }
    });
  }

  it('keeps the first of two and drops the second (§3 g)', () => {
    const result = decodeMessage(update('', `${BASE} 800404 00000001 800404 00000002`, NLRI), WIRE);
    expect(result).toMatchObject({ attributes: { multiExitDisc: 1 } });
  });

  it('withdraws the prefixes of both families that the message announces (§2)', () => {
    const result = decodeMessage(update('', `${MP_REACH} 400101 07 ${AS_PATH} ${NEXT_HOP}`, NLRI), WIRE);
    expect(result).toMatchObject({
      announced: [],
      treatAsWithdraw: [
        { family: 4, prefixes: ['10.1.0.0/16'] },
        { family: 6, prefixes: ['2001:db8::/32'] },
      ],
    });
  });

  it('keeps nothing of an attribute that is discarded, not even what was read before the fault', () => {
    const result = decodeMessage(
      update('', `${BASE} 801a0f 01 000b 0000000000000001 02 0009 00`, NLRI),
      WIRE,
    );
    expect(result).toMatchObject({ faults: [{ attribute: 'AIGP', action: 'discard' }] });
    expect(result).not.toHaveProperty('attributes.aigp');
  });

  it('forgets the partial bit of an attribute that is discarded', () => {
    const result = decodeMessage(update('', `${BASE} e00706 fde90a000001 e00804 fc000001`, NLRI), WIRE);
    expect(result).toMatchObject({ attributes: { partial: [8] } });
  });

  it('does not touch withdrawals in the same message', () => {
    const result = decodeMessage(update('10 0a02', `400101 07 ${AS_PATH} ${NEXT_HOP}`, NLRI), WIRE);
    expect(result).toMatchObject({ withdrawn: [{ family: 4, prefixes: ['10.2.0.0/16'] }] });
  });

  it('reads the prefixes of an MP_REACH_NLRI with wrong flags, to withdraw them (§3 c)', () => {
    const wrong = MP_REACH.replace('800e', 'c00e');
    expect(decodeMessage(update('', `${wrong} ${ORIGIN} ${AS_PATH}`, ''), WIRE)).toMatchObject({
      treatAsWithdraw: [{ family: 6, prefixes: ['2001:db8::/32'] }],
    });
  });

  it('withdraws what an MP_UNREACH_NLRI with wrong flags withdraws, if there is nothing else (§3 c, §5.2)', () => {
    expect(decodeMessage(update('', 'c00f08 0002 01 20 20010db8', ''), WIRE)).toMatchObject({
      type: 'update',
      withdrawn: [{ family: 6, prefixes: ['2001:db8::/32'] }],
      faults: [{ attribute: 'MP_UNREACH_NLRI', action: 'withdraw' }],
    });
  });

  it('discards the AS4 attributes of a peer that needs none, whatever is in them (RFC 6793 §4.1)', () => {
    for (const as4 of ['401106 02 01 0000fde9', 'c01101 00', '401208 0000fde9 0a000001', 'c01201 00']) {
      expect(decodeMessage(update('', `${BASE} ${as4}`, NLRI), WIRE)).toMatchObject({
        announced: [{ prefixes: ['10.1.0.0/16'] }],
        faults: [{ action: 'discard' }],
      });
    }
  });

  it('treats an impossible IPv6 next hop as withdrawal', () => {
    const multicast = MP_REACH.replace('10 2001', '10 ff02');
    expect(decodeMessage(update('', `${multicast} ${ORIGIN} ${AS_PATH}`, ''), WIRE)).toMatchObject({
      announced: [],
      treatAsWithdraw: [{ family: 6, prefixes: ['2001:db8::/32'] }],
    });
  });
});

describe('what is no fault', () => {
  it.each([
    [4, 4, '0001', '0a000001'],
    [4, 16, '0001', '20010db8000000000000000000000001'],
    [4, 32, '0001', '20010db8000000000000000000000001fe800000000000000000000000000001'],
    [6, 16, '0002', '20010db8000000000000000000000001'],
    [6, 32, '0002', '20010db8000000000000000000000001fe800000000000000000000000000001'],
  ])('reads an MP_REACH_NLRI of IPv%i with a next hop of %i octets', (family, length, afi, nextHop) => {
    const value = `${afi} 01 ${length.toString(16).padStart(2, '0')} ${nextHop} 00 10 2001`;
    const size = (value.replaceAll(' ', '').length / 2).toString(16).padStart(2, '0');
    const wire = { ...WIRE, extendedNextHop: family === 4 };
    const result = decodeMessage(update('', `800e${size} ${value} ${ORIGIN} ${AS_PATH}`, ''), wire);
    expect(result).toMatchObject({ faults: [], announced: [{ family }] });
  });

  it('believes AS4_PATH and AS4_AGGREGATOR only beside an AGGREGATOR of AS_TRANS (RFC 6793 §4.2.3)', () => {
    const path = `${ORIGIN} 400206 02 02 fde9 5ba0 ${NEXT_HOP}`;
    const as4 = 'c0110a 02 02 0000fde9 fa56ea07 c01208 fa56ea07 0a000009';
    const read = (aggregator: string): unknown =>
      decodeMessage(update('', `${path} ${aggregator} ${as4}`, NLRI), TWO_OCTET);
    expect(read('c00706 5ba0 0a000009')).toMatchObject({
      attributes: {
        asPath: [{ asNumbers: [65001, 4200000007] }],
        aggregator: { asNumber: 4200000007 },
      },
    });
    expect(read('c00706 fde8 0a000008')).toMatchObject({
      attributes: { asPath: [{ asNumbers: [65001, 23456] }], aggregator: { asNumber: 65000 } },
    });
    expect(read('')).toMatchObject({ attributes: { asPath: [{ asNumbers: [65001, 4200000007] }] } });
  });

  it('keeps unknown optional transitive attributes and drops unknown non-transitive ones (RFC 4271 §5)', () => {
    const result = decodeMessage(update('', `${BASE} c0c802 abcd 80c901 00 c01c00`, NLRI), WIRE);
    expect(result).toMatchObject({
      faults: [],
      attributes: {
        unknown: [
          { code: 200, value: Uint8Array.of(0xab, 0xcd) },
          { code: 28, value: new Uint8Array(0) },
        ],
      },
    });
  });

  it('remembers a partial bit (RFC 4271 §5)', () => {
    const result = decodeMessage(update('', `${BASE} e00804 fc000001`, NLRI), WIRE);
    expect(result).toMatchObject({ attributes: { partial: [8] } });
  });

  it('ignores families that the session does not carry, faults included', () => {
    const labelled = '800e0e 0001 04 04 0a000001 00 20 00001000';
    expect(decodeMessage(update('', `${labelled} 400101 07 ${AS_PATH}`, ''), WIRE)).toMatchObject({
      type: 'update',
      announced: [],
      treatAsWithdraw: [],
    });
    expect(
      decodeMessage(update('', `${MP_REACH} ${ORIGIN} ${AS_PATH}`, ''), { ...WIRE, families: [4] }),
    ).toMatchObject({ announced: [], treatAsWithdraw: [] });
  });

  it('does not look at NEXT_HOP where MP_REACH_NLRI has the only prefixes (RFC 4760 §3)', () => {
    const result = decodeMessage(update('', `${MP_REACH} ${ORIGIN} ${AS_PATH} 400304 00000000`, ''), WIRE);
    expect(result).toMatchObject({
      faults: [],
      announced: [{ family: 6, nextHop: { address: '2001:db8::1' } }],
    });
  });

  it('clears bits beyond the prefix length (RFC 4271 §4.3)', () => {
    expect(decodeMessage(update('', BASE, '0c 0aff 00'), WIRE)).toMatchObject({
      announced: [{ prefixes: ['10.240.0.0/12', '0.0.0.0/0'] }],
    });
  });
});
