import { describe, expect, expectTypeOf, it } from 'vitest';
import type { PeerConfig } from '../../../src/bgp/config.ts';
import { type OptionTable, annotationOf } from '../../../src/model/annotation-options.ts';
import {
  type SessionOptions,
  bgpConfigurationOptions,
  bgpPeerOptions,
  reverseOptions,
} from '../../../src/model/bgp-options.ts';
import { fieldDocs, formatFieldDocs } from '../../../src/model/field-docs.ts';
import { decodeEntry } from '../../../src/model/decode.ts';
import { kindOfName } from '../../../src/model/registry.ts';

/** Per option: texts that are read, with what they mean, and texts that are refused. */
const VALUES: Readonly<
  Record<
    string,
    { readonly read: readonly (readonly [string, unknown])[]; readonly refused: readonly string[] }
  >
> = {
  holdTime: {
    read: [
      ['0', 0],
      ['3s', 3],
      ['1m30s', 90],
    ],
    refused: ['', '1s', '2s', '3', '3500ms', '65536s', '-9s', 'never'],
  },
  connectRetryTime: {
    read: [
      ['100ms', 0.1],
      ['5s', 5],
    ],
    refused: ['99ms', '2h', '5'],
  },
  delayOpen: {
    read: [
      ['1s', 1],
      ['4m', 240],
    ],
    refused: ['0', '0s', '241s', '5'],
  },
  advertisementInterval: {
    read: [
      ['1s', 1],
      ['10m', 600],
    ],
    refused: ['0', '999ms', '601s', '30'],
  },
  rejectAsSets: {
    read: [
      ['true', true],
      ['false', false],
    ],
    refused: ['yes', ''],
  },
  interface: {
    read: [
      ['eth0', 'eth0'],
      ['bond0.100', 'bond0.100'],
    ],
    refused: ['', 'a name', 'eth0:1', 'fe80::1%eth0', 'an-interface-name', '..', 'a/b'],
  },
  passive: {
    read: [
      ['true', true],
      ['false', false],
    ],
    refused: ['yes', 'True', ''],
  },
  dynamicNeighbors: {
    read: [
      ['10.1.0.0/24', { prefixes: ['10.1.0.0/24'], limit: 100 }],
      ['10.1.0.0/24,fd00:1::/64 limit 50', { prefixes: ['10.1.0.0/24', 'fd00:1::/64'], limit: 50 }],
      ['FD00:1:0::/64, 0.0.0.0/0', { prefixes: ['fd00:1::/64', '0.0.0.0/0'], limit: 100 }],
    ],
    refused: [
      '',
      'limit 5',
      '10.1.0.0',
      '10.1.0.1/24',
      '10.1.0.0/24 limit 0',
      '10.1.0.0/24 limit 10001',
      '10.1.0.0/24 limit',
      '10.1.0.0/24 50',
      '10.1.0.0/24,10.1.0.0/24',
      '10.1.0.0/24,',
      'fe80::/64',
    ],
  },
  role: {
    read: [
      ['provider', { name: 'provider', strict: false }],
      ['rs-client strict', { name: 'rs-client', strict: true }],
    ],
    refused: ['', 'Provider', 'upstream', 'peer strictly', 'peer strict strict', ' peer'],
  },
  idleHoldTime: {
    read: [['1s-1m', { initial: 1, maximum: 60 }]],
    refused: ['1s', '1m-1s', '0-1s', '1s-2s-3s', ''],
  },
  maxPrefix: {
    read: [
      ['1000', { limit: 1000, warning: 75, beyond: 'idle' }],
      ['5 90%', { limit: 5, warning: 90, beyond: 'idle' }],
      ['5 warn', { limit: 5, warning: 75, beyond: 'warn' }],
      ['5 100% restart 1m30s', { limit: 5, warning: 100, beyond: { restart: 90 } }],
    ],
    refused: ['0', '4294967296', '5 0%', '5 101%', '5 restart', '5 restart 0', '5 drop', '5  warn', '75%'],
  },
  shutdown: {
    read: [
      ['', ''],
      ['upgrade at noon', 'upgrade at noon'],
    ],
    refused: ['ü'.repeat(128)],
  },
  removePrivateAs: {
    read: [
      ['if-all', 'if-all'],
      ['replace', 'replace'],
    ],
    refused: ['', 'true', 'ALL'],
  },
  asOverride: { read: [['true', true]], refused: [''] },
  defaultOriginate: {
    read: [
      ['ipv4', [4]],
      ['both', [4, 6]],
    ],
    refused: ['', 'true', 'ipv4 ipv6'],
  },
  addPath: {
    read: [
      ['receive', { send: false, receive: true }],
      ['send 4', { send: true, receive: false, limit: 4 }],
      ['both', { send: true, receive: true }],
    ],
    refused: ['', 'true', 'receive 2', 'both 1', 'both 65', 'send 2 3'],
  },
  llgr: { read: [['24h', 86_400]], refused: ['0', '16777216s', '1d'] },
  linkBandwidth: {
    read: [
      ['10G', 1.25e9],
      ['2.5M', 312_500],
    ],
    refused: ['', '10', '10g', '0K', '-1G', 'G'],
  },
  aigp: {
    read: [
      ['0', 0],
      ['4294967295', 4_294_967_295],
    ],
    refused: ['', '-1', '4294967296', 'true'],
  },
  gracefulShutdown: { read: [['true', true]], refused: ['1'] },
  bfd: {
    read: [
      ['off', false],
      ['on', { interval: 300, multiplier: 3 }],
      ['50ms x3', { interval: 50, multiplier: 3 }],
      ['1s multihop', { interval: 1000, multiplier: 3, multihop: true }],
      ['10ms x255 single-hop', { interval: 10, multiplier: 255, multihop: false }],
    ],
    refused: [
      '',
      'yes',
      '50',
      '9ms',
      '11s',
      '50ms 3',
      '50ms x0',
      '50ms x256',
      '50ms x3 x4',
      '50ms multihop x3',
    ],
  },
  confederation: {
    read: [['65000 64512 64513', { identifier: 65000, members: [64512, 64513] }]],
    refused: ['', '65000', '65000 a', '0 64512', '65000  64512'],
  },
  aggregates: {
    read: [
      [
        '10.0.0.0/8 summary-only, fd00::/8',
        [
          { prefix: '10.0.0.0/8', summaryOnly: true },
          { prefix: 'fd00::/8', summaryOnly: false },
        ],
      ],
    ],
    refused: ['', '10.0.0.0', '10.0.0.1/8', '10.0.0.0/8 as-set', '10.0.0.0/8,', '10.0.0.0/8 fd00::/8'],
  },
  alwaysCompareMed: { read: [['true', true]], refused: ['yes'] },
  preferOlder: { read: [['false', false]], refused: [''] },
  multipathExternal: {
    read: [
      ['1', 1],
      ['256', 256],
    ],
    refused: ['0', '257'],
  },
  multipathInternal: { read: [['4', 4]], refused: ['0', 'all'] },
  multipathAsPath: {
    read: [
      ['length', 'length'],
      ['neighbor', 'neighbor'],
    ],
    refused: ['relax', ''],
  },
  bmp: {
    read: [
      ['192.0.2.9 11019', [{ address: '192.0.2.9', port: 11019 }]],
      [
        '192.0.2.9 1 both 192.0.2.10 2 post-policy',
        [
          { address: '192.0.2.9', port: 1, routes: 'both' },
          { address: '192.0.2.10', port: 2, routes: 'post-policy' },
        ],
      ],
      [
        '192.0.2.9 1 2001:DB8::9 65535',
        [
          { address: '192.0.2.9', port: 1 },
          { address: '2001:db8::9', port: 65535 },
        ],
      ],
    ],
    refused: [
      '',
      'both',
      '192.0.2.9',
      '192.0.2.9:11019',
      '192.0.2.9 0',
      '192.0.2.9 65536',
      '192.0.2.9 1 all',
      '192.0.2.9 1 both both',
      'station 11019',
    ],
  },
  mrtUpdates: {
    read: [['/var/log/margay/updates.mrt', '/var/log/margay/updates.mrt']],
    refused: ['', 'updates.mrt', '/var/log/'],
  },
  deferralTime: { read: [['10s', 10]], refused: ['0', '61m'] },
};

describe("the table of Margay's BGP options", () => {
  const rows: OptionTable['rows'] = { ...bgpPeerOptions.rows, ...bgpConfigurationOptions.rows };

  it('has values tested for every row', () => {
    expect(Object.keys(VALUES).toSorted()).toEqual(Object.keys(rows).toSorted());
  });

  it.each(Object.keys(VALUES))('reads %s as its syntax says, and nothing else', (name) => {
    const { parse } = rows[name]!;
    const { read, refused } = VALUES[name]!;
    expect(read.map(([text]) => [text, parse(text)])).toEqual(read);
    expect(refused.filter((text) => parse(text) !== undefined)).toEqual([]);
  });

  it('says of every row what it does, by which source, and what holds without it', () => {
    for (const row of Object.values(rows)) {
      expect(row.description).toMatch(/\((?=[^)]*(RFC|draft|Linux))[^)]*\)\.?/);
      expect(row.syntax).not.toBe('');
      expect(row.default).not.toBe('');
    }
  });

  it('becomes fields of a session and of nothing else', () => {
    expectTypeOf<SessionOptions>().toExtend<Partial<PeerConfig>>();
    expectTypeOf<Exclude<keyof SessionOptions, keyof PeerConfig>>().toEqualTypeOf<never>();
  });

  it('is turned round for the other end of a session', () => {
    expect(reverseOptions({ passive: true, holdTime: 9, role: { name: 'rs', strict: true } })).toEqual({
      passive: false,
      holdTime: 9,
      role: { name: 'rs-client', strict: true },
    });
  });

  it('is printed with the kind and with its annotations', () => {
    for (const path of [[], ['metadata', 'annotations']]) {
      const docs = fieldDocs(kindOfName('bgppeer')!, path);
      if ('unknown' in docs) throw new Error('no such field');
      const text = formatFieldDocs(docs);
      for (const name of Object.keys(bgpPeerOptions.rows)) {
        expect(text).toContain(`\n  ${annotationOf(bgpPeerOptions, name)}\n`);
      }
      expect(text).not.toContain('deferral-time');
    }
  });
});

describe('dynamic neighbours', () => {
  const faults = (spec: Record<string, unknown>): string[] | undefined =>
    decodeEntry({
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPPeer',
      metadata: { name: 'racks', annotations: { 'bgp.margay.io/dynamic-neighbors': '10.1.0.0/24' } },
      spec,
    }).faults?.map(({ message }) => message);

  it.each([
    ['peerIP', { peerIP: '10.0.0.1', asNumber: 65_001 }],
    ['peerSelector', { peerSelector: 'all()' }],
    ['localWorkloadSelector', { localWorkloadSelector: 'all()', asNumber: 65_001 }],
  ])('exclude %s', (field, spec) => {
    expect(faults(spec)).toEqual([`bgp.margay.io/dynamic-neighbors and ${field} exclude each other`]);
  });

  it('need nothing else', () => {
    expect(faults({})).toBeUndefined();
    expect(faults({ asNumber: 65_001, node: 'one' })).toBeUndefined();
  });
});
