/** Messages as bytes and as values, checked both ways. Those from daemons were captured on a link between two namespaces. */
import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import { prefix } from '../../../../src/net/prefix.ts';
import { decodeMessage, encodeMessage } from '../../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type ReceivedMessage, type WireOptions } from '../../../../src/bgp/wire/message.ts';
import { hex, toHex } from './bytes.ts';

interface Vector {
  readonly name: string;
  /** Where the bytes are from. */
  readonly origin: string;
  readonly bytes: string;
  readonly value: ReceivedMessage;
  readonly wire?: Partial<WireOptions>;
  /** Another way to say the same than ours: only read. */
  readonly readOnly?: true;
}

const M = 'ff'.repeat(16);
const OK = { withdrawn: [], announced: [], treatAsWithdraw: [], faults: [] } as const;
const IPV4 = { afi: 1, safi: 1 } as const;
const IPV6 = { afi: 2, safi: 1 } as const;
const BIRD_AS = 4200000000;

const VECTORS: readonly Vector[] = [
  {
    name: 'KEEPALIVE',
    origin: 'RFC 4271 §4.4',
    bytes: `${M} 0013 04`,
    value: { type: 'keepalive' },
  },
  {
    name: 'OPEN without parameters',
    origin: 'RFC 4271 §4.2, by hand',
    bytes: `${M} 001d 01 04 fc00 00b4 0a000001 00`,
    value: {
      type: 'open',
      version: 4,
      asNumber: 64512,
      holdTime: 180,
      identifier: address('10.0.0.1'),
      capabilities: [],
    },
  },
  {
    name: 'OPEN with an AS number of 32 bits, role, graceful restart of both kinds and ADD-PATH',
    origin: 'BIRD 2.0.12',
    bytes: `${M} 0068 01 04 5ba0 00f0 0a630001 4b 02 49
      0104 0001 0001  0104 0002 0001  0200  0506 0001 0001 0002  0600  0901 00
      400a 0078 0001 01 00 0002 01 00  4104 fa56ea00  4508 0001 01 03 0002 01 01  4600
      470e 0001 01 00 000e10 0002 01 00 000e10`,
    value: {
      type: 'open',
      version: 4,
      asNumber: BIRD_AS,
      holdTime: 240,
      identifier: address('10.99.0.1'),
      capabilities: [
        { type: 'multiprotocol', ...IPV4 },
        { type: 'multiprotocol', ...IPV6 },
        { type: 'route-refresh' },
        { type: 'extended-next-hop', families: [{ ...IPV4, nextHopAfi: 2 }] },
        { type: 'extended-message' },
        { type: 'role', role: 0 },
        {
          type: 'graceful-restart',
          restarting: false,
          notification: false,
          restartTime: 120,
          families: [
            { ...IPV4, forwarding: false },
            { ...IPV6, forwarding: false },
          ],
        },
        { type: 'four-octet-as', asNumber: BIRD_AS },
        {
          type: 'add-path',
          families: [
            { ...IPV4, mode: 'both' },
            { ...IPV6, mode: 'receive' },
          ],
        },
        { type: 'enhanced-route-refresh' },
        {
          type: 'long-lived-graceful-restart',
          families: [
            { ...IPV4, forwarding: false, staleTime: 3600 },
            { ...IPV6, forwarding: false, staleTime: 3600 },
          ],
        },
      ],
    },
  },
  {
    name: 'OPEN with a parameter per capability, R and N bits, a host name and a capability we do not know',
    origin: 'FRR 8.4.4',
    readOnly: true,
    bytes: `${M} 007d 01 04 fc00 00b4 0a630001 60 0206 0104 0001 0001 0206 0104 0002 0001 0202 8000 0202 0200
      0202 4600 0206 4104 0000fc00 0202 0600 020a 4508 0001 01 03 0002 01 03 020a 4908 06 667272626f78 00
      020c 400a c078 0001 01 00 0002 01 00 0210 470e 0001 01 80 000000 0002 01 80 000000`,
    value: {
      type: 'open',
      version: 4,
      asNumber: 64512,
      holdTime: 180,
      identifier: address('10.99.0.1'),
      capabilities: [
        { type: 'multiprotocol', ...IPV4 },
        { type: 'multiprotocol', ...IPV6 },
        { type: 'unknown', code: 128, value: new Uint8Array(0) },
        { type: 'route-refresh' },
        { type: 'enhanced-route-refresh' },
        { type: 'four-octet-as', asNumber: 64512 },
        { type: 'extended-message' },
        {
          type: 'add-path',
          families: [
            { ...IPV4, mode: 'both' },
            { ...IPV6, mode: 'both' },
          ],
        },
        { type: 'fqdn', hostname: 'frrbox', domain: '' },
        {
          type: 'graceful-restart',
          restarting: true,
          notification: true,
          restartTime: 120,
          families: [
            { ...IPV4, forwarding: false },
            { ...IPV6, forwarding: false },
          ],
        },
        {
          type: 'long-lived-graceful-restart',
          families: [
            { ...IPV4, forwarding: true, staleTime: 0 },
            { ...IPV6, forwarding: true, staleTime: 0 },
          ],
        },
      ],
    },
  },
  {
    name: 'OPEN with extended optional parameters',
    origin: 'RFC 9072 §2, by hand',
    readOnly: true,
    bytes: `${M} 0028 01 04 fc00 005a 0a000001 ff ff 0008 02 0005 4603 aabbcc`,
    value: {
      type: 'open',
      version: 4,
      asNumber: 64512,
      holdTime: 90,
      identifier: address('10.0.0.1'),
      capabilities: [{ type: 'unknown', code: 70, value: hex('aabbcc') }],
    },
  },
  {
    name: 'UPDATE with IPv4 prefixes in MP_REACH_NLRI, path identifiers, and communities of three kinds',
    origin: 'BIRD 2.0.12',
    readOnly: true,
    wire: { addPathReceive: [4], addPathSend: [4] },
    bytes: `${M} 0060 02 0000 0049 900e0010 0001 01 04 0a630001 00 00000002 10 0a01
      400101 00 400206 02 01 fa56ea00 c00804 fc000007 c01008 0002fc0000000009
      c0200c 0000fc00 00000001 00000002 c02304 fa56ea00`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        {
          family: 4,
          prefixes: [prefix('10.1.0.0/16')],
          pathIds: [2],
          nextHop: { address: address('10.99.0.1') },
        },
      ],
      attributes: {
        origin: 'igp',
        asPath: [{ type: 'sequence', asNumbers: [BIRD_AS] }],
        communities: [0xfc000007],
        extendedCommunities: [0x0002fc0000000009n],
        largeCommunities: [{ global: 64512, local1: 1, local2: 2 }],
        onlyToCustomer: BIRD_AS,
      },
    },
  },
  {
    name: 'UPDATE with IPv6 prefixes',
    origin: 'BIRD 2.0.12',
    bytes: `${M} 004c 02 0000 0035 900e001d 0002 01 10 20010db8009900000000000000000001 00 00 30 20010db80001
      400101 00 400206 02 01 fa56ea00 c02304 fa56ea00`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        {
          family: 6,
          prefixes: [prefix('::/0'), prefix('2001:db8:1::/48')],
          nextHop: { address: address('2001:db8:99::1') },
        },
      ],
      attributes: {
        origin: 'igp',
        asPath: [{ type: 'sequence', asNumbers: [BIRD_AS] }],
        onlyToCustomer: BIRD_AS,
      },
    },
  },
  {
    name: 'UPDATE from a two-octet speaker, whose AS4_PATH gives the exact path (RFC 6793 §4.2.3)',
    origin: 'BIRD 2.0.12 with `enable as4 off`',
    wire: { fourOctetAs: false },
    bytes: `${M} 003b 02 0000 0021 400101 00 400206 02 02 fde7 5ba0 400304 0a630001
      c0110a 02 02 0000fde7 fa56ea07 10 0a01`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        { family: 4, prefixes: [prefix('10.1.0.0/16')], nextHop: { address: address('10.99.0.1') } },
      ],
      attributes: { origin: 'igp', asPath: [{ type: 'sequence', asNumbers: [64999, 4200000007] }] },
    },
  },
  {
    name: 'UPDATE with an accumulated IGP metric',
    origin: 'GoBGP 3.10.0',
    wire: { addPathReceive: [4], addPathSend: [4] },
    bytes: `${M} 0047 02 0000 0029 400101 02 400206 02 01 0000fde9 400304 0a630001 c00804 00640001
      801a0b 01 000b 000000000000000a 00000001 10 0a01`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        {
          family: 4,
          prefixes: [prefix('10.1.0.0/16')],
          pathIds: [1],
          nextHop: { address: address('10.99.0.1') },
        },
      ],
      attributes: {
        origin: 'incomplete',
        asPath: [{ type: 'sequence', asNumbers: [65001] }],
        communities: [0x00640001],
        aigp: 10n,
      },
    },
  },
  {
    name: 'UPDATE reflected, with an empty AS_PATH of extended length',
    origin: 'FRR 8.4.4',
    readOnly: true,
    wire: { external: false, addPathReceive: [4] },
    bytes: `${M} 0057 02 0000 002f 400101 00 500200 00 400304 0a630002 400504 000000c8 c00804 fbf00001
      800904 0a000004 800a08 0a630001 0a000005 00000004 18 c00002 00000005 19 c6336400`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        {
          family: 4,
          prefixes: [prefix('192.0.2.0/24'), prefix('198.51.100.0/25')],
          pathIds: [4, 5],
          nextHop: { address: address('10.99.0.2') },
        },
      ],
      attributes: {
        origin: 'igp',
        asPath: [],
        localPref: 200,
        communities: [0xfbf00001],
        originatorId: address('10.0.0.4'),
        clusterList: [address('10.99.0.1'), address('10.0.0.5')],
      },
    },
  },
  {
    name: 'UPDATE with an IPv6 next hop, global and link-local, for an IPv4 prefix',
    origin: 'RFC 8950 §3, by hand',
    wire: { extendedNextHop: true },
    bytes: `${M} 004e 02 0000 0037 900e002c 0001 01 20 20010db8000000000000000000000001
      fe800000000000000000000000000001 00 10 0a01 18 c00002 400101 00 400200`,
    value: {
      ...OK,
      type: 'update',
      announced: [
        {
          family: 4,
          prefixes: [prefix('10.1.0.0/16'), prefix('192.0.2.0/24')],
          nextHop: { address: address('2001:db8::1'), linkLocal: address('fe80::1') },
        },
      ],
      attributes: { origin: 'igp', asPath: [] },
    },
  },
  {
    name: 'UPDATE that withdraws IPv4',
    origin: 'RFC 4271 §4.3, by hand',
    bytes: `${M} 001c 02 0005 19 c6336400 0000`,
    value: { ...OK, type: 'update', withdrawn: [{ family: 4, prefixes: [prefix('198.51.100.0/25')] }] },
  },
  {
    name: 'UPDATE that withdraws IPv6',
    origin: 'RFC 4760 §4, by hand',
    bytes: `${M} 0023 02 0000 000c 900f0008 0002 01 20 20010db8`,
    value: { ...OK, type: 'update', withdrawn: [{ family: 6, prefixes: [prefix('2001:db8::/32')] }] },
  },
  {
    name: 'end-of-RIB of IPv4',
    origin: 'BIRD 2.0.12; RFC 4724 §2',
    bytes: `${M} 0017 02 0000 0000`,
    value: { ...OK, type: 'update', endOfRib: 4 },
  },
  {
    name: 'end-of-RIB of IPv6',
    origin: 'FRR 8.4.4; RFC 4724 §2',
    bytes: `${M} 001d 02 0000 0006 800f03 0002 01`,
    value: { ...OK, type: 'update', endOfRib: 6 },
  },
  {
    name: 'end-of-RIB of IPv4 in the multiprotocol form',
    origin: 'RFC 4724 §2, by hand',
    readOnly: true,
    bytes: `${M} 001d 02 0000 0006 800f03 0001 01`,
    value: { ...OK, type: 'update', endOfRib: 4 },
  },
  {
    name: 'NOTIFICATION with a shutdown communication',
    origin: 'RFC 9003 §2; BIRD 2.0.12 understood it',
    bytes: `${M} 0019 03 06 02 03 627965`,
    value: { type: 'notification', code: 6, subcode: 2, data: hex('03627965') },
  },
  {
    name: 'ROUTE-REFRESH',
    origin: 'RFC 2918 §3, by hand',
    bytes: `${M} 0017 05 0002 00 01`,
    value: { type: 'route-refresh', ...IPV6, subtype: 'request' },
  },
  {
    name: 'ROUTE-REFRESH that marks the end',
    origin: 'RFC 7313 §3.2, by hand',
    bytes: `${M} 0017 05 0001 02 01`,
    value: { type: 'route-refresh', ...IPV4, subtype: 'end' },
  },
];

describe('the message codec', () => {
  for (const { name, origin, bytes, value, wire, readOnly } of VECTORS) {
    const options: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6], ...wire };
    it(`reads ${name} (${origin})`, () => {
      expect(decodeMessage(hex(bytes), options)).toEqual(value);
    });
    if (readOnly === true) continue;
    it(`writes ${name} (${origin})`, () => {
      expect(toHex(encodeMessage(value, options))).toBe(toHex(hex(bytes)));
    });
  }
});
