/** UPDATEs that end the session: those whose prefixes cannot be known (RFC 7606 §5). */
import { describe, expect, it } from 'vitest';
import { BASIC_WIRE, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { decodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { framed, toHex, update } from './bytes.ts';

const WIRE: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };

const ORIGIN = '400101 00';
const AS_PATH = '400206 02 01 0000fde9';
const NEXT_HOP = '400304 0a000001';
const NLRI = '10 0a01';
const BASE = ORIGIN + AS_PATH + NEXT_HOP;
/** 2001:db8::/32 by 2001:db8::1. */
const MP_REACH = '800e1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8';

interface Reset {
  readonly name: string;
  readonly message: Uint8Array;
  readonly subcode: number;
  readonly data?: string;
  readonly wire?: WireOptions;
}

const mpReach = (nextHopLength: number, octets = nextHopLength): string => {
  const value = `0002 01 ${nextHopLength.toString(16).padStart(2, '0')} ${'20'.repeat(octets)} 00 20 20010db8`;
  const length = value.replaceAll(' ', '').length / 2;
  return `${ORIGIN} ${AS_PATH} 800e ${length.toString(16).padStart(2, '0')} ${value}`;
};

const RESETS: readonly Reset[] = [
  { name: 'withdrawn routes longer than the message (§3 i)', message: framed(2, '0009 0000'), subcode: 1 },
  {
    name: 'attributes longer than the message (§3 b)',
    message: framed(2, '0000 0009 400101 00'),
    subcode: 1,
  },
  { name: 'a prefix of 33 bits in NLRI (§5.3)', message: update('', BASE, '21 0a01020304'), subcode: 10 },
  { name: 'a prefix past the end of NLRI (§5.3)', message: update('', BASE, '18 0a01'), subcode: 10 },
  {
    name: 'a prefix of 33 bits in withdrawn routes (§5.3)',
    message: update('21 0a01020304', '', ''),
    subcode: 10,
  },
  {
    name: 'a path identifier cut off (RFC 7911 §3)',
    message: update('', BASE, '000000'),
    subcode: 10,
    wire: { ...WIRE, addPathReceive: [4] },
  },
  {
    name: 'MP_REACH_NLRI shorter than its fields (§5.3)',
    message: update('', `${ORIGIN} ${AS_PATH} 800e03 000201`, ''),
    subcode: 9,
    data: '800e03000201',
  },
  {
    name: 'MP_REACH_NLRI with a next hop of 0 octets (§7.11)',
    message: update('', mpReach(0), ''),
    subcode: 9,
  },
  {
    name: 'MP_REACH_NLRI with a next hop of 4 octets for IPv6 (§7.11)',
    message: update('', mpReach(4), ''),
    subcode: 9,
  },
  {
    name: 'MP_REACH_NLRI with a next hop of 48 octets (§7.11)',
    message: update('', mpReach(48), ''),
    subcode: 9,
  },
  {
    name: 'MP_REACH_NLRI with a next hop past its end (§7.11)',
    message: update('', mpReach(200, 4), ''),
    subcode: 9,
  },
  {
    name: 'MP_REACH_NLRI with a prefix of 129 bits (§5.3)',
    message: update('', MP_REACH.replace('00 20 2001', '00 81 2001'), ''),
    subcode: 9,
  },
  {
    name: 'MP_UNREACH_NLRI shorter than its fields (§5.3)',
    message: update('', '800f02 0002', ''),
    subcode: 9,
  },
  {
    name: 'MP_UNREACH_NLRI with a prefix past its end (§5.3)',
    message: update('', '800f05 0002 01 20 20', ''),
    subcode: 9,
  },
  {
    name: 'MP_REACH_NLRI past the list, beside prefixes that can be known (§3 j)',
    message: update('', `${BASE} 800e40 0002 01`, NLRI),
    subcode: 1,
  },
  {
    name: 'MP_UNREACH_NLRI past the list, beside prefixes that can be known (§3 j)',
    message: update('', `${BASE} 800f40 0002 01`, NLRI),
    subcode: 1,
  },
  {
    name: 'a fault that costs routes beside an MP_UNREACH_NLRI (§5.2)',
    message: update('', '800f08 0002 01 20 20010db8 400101 07', ''),
    subcode: 1,
  },
  {
    name: 'MP_REACH_NLRI twice (§3 g)',
    message: update('', `${MP_REACH} ${MP_REACH} ${ORIGIN} ${AS_PATH}`, ''),
    subcode: 1,
  },
  {
    name: 'an unknown attribute that claims to be well-known (RFC 4271 §6.3)',
    message: update('', `${BASE} 40c801 00`, NLRI),
    subcode: 2,
    data: '40c80100',
  },
  {
    name: 'a fault that costs routes, and no prefix to withdraw (§5.2)',
    message: update('', '400101 07', ''),
    subcode: 1,
  },
];

describe('an UPDATE whose prefixes cannot be known', () => {
  for (const { name, message, subcode, data = '', wire = WIRE } of RESETS) {
    it(`ends the session: ${name}`, () => {
      const result = decodeMessage(message, wire);
      if (result.type !== 'error') throw new Error('it was read');
      expect([result.code, result.subcode]).toEqual([3, subcode]);
      if (data !== '') expect(toHex(result.data)).toBe(data);
    });
  }
});
