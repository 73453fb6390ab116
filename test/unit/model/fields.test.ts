import { describe, expect, it } from 'vitest';
import {
  type InterfaceAddress,
  asNumber,
  interfaceAddressParts,
  net,
  netPrefix,
  parseDuration,
  parsePort,
  protocolNumber,
} from '../../../src/model/fields.ts';
import { parsePeerAddress } from '../../../src/model/kinds/bgp-peer.ts';

describe('scalar fields', () => {
  it.each([
    ['90s', 90_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['0s', 0],
    ['-1s', -1000],
    ['250us', 0.25],
    ['90', undefined],
    ['s', undefined],
    ['1m30', undefined],
    ['', undefined],
    ['1 s', undefined],
    ['.s', undefined],
  ])('read the duration %j as %s milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each([
    [80, { first: 80, last: 80 }],
    ['80', { first: 80, last: 80 }],
    ['80:90', { first: 80, last: 90 }],
    ['0:65535', { first: 0, last: 65535 }],
    ['http', { name: 'http' }],
    ['8080-tcp', { name: '8080-tcp' }],
    ['90:80', undefined],
    ['80:65536', undefined],
    [65536, undefined],
    [-1, undefined],
    [1.5, undefined],
    ['a b', undefined],
    ['', undefined],
    ['65536', undefined],
  ])('read the port %j as %j', (port, meaning) => {
    expect(parsePort(port)).toEqual(meaning);
  });

  it.each([
    [64512, 64512],
    ['64512', 64512],
    ['1.10', 65546],
    [4294967295, 4294967295],
  ])('read the AS number %j as %d (RFC 5396)', (written, number) => {
    expect(asNumber().parse(written)).toBe(number);
  });

  it('number protocols as IANA does', () => {
    expect((['TCP', 'UDP', 'ICMP', 'ICMPv6', 'SCTP', 'UDPLite', 47] as const).map(protocolNumber)).toEqual([
      6, 17, 1, 58, 132, 136, 47,
    ]);
  });

  it('give an address its host prefix, and a prefix itself', () => {
    expect(['10.0.0.1', '10.0.0.1/8', 'FD00::1'].map((text) => netPrefix(net().parse(text)))).toEqual([
      '10.0.0.1/32',
      '10.0.0.0/8',
      'fd00::1/128',
    ]);
  });

  it.each([
    ['172.16.0.1/24', '172.16.0.1', '172.16.0.0/24'],
    ['172.16.0.1', '172.16.0.1', '172.16.0.1/32'],
    ['fd16::1/64', 'fd16::1', 'fd16::/64'],
  ])('split the interface address %s', (text, address, subnet) => {
    expect(interfaceAddressParts(text as string as InterfaceAddress)).toEqual({ address, subnet });
  });

  it.each([
    ['10.0.0.1', { address: '10.0.0.1' }],
    ['10.0.0.1:1790', { address: '10.0.0.1', port: 1790 }],
    ['fd00::1', { address: 'fd00::1' }],
    ['[FD00::1]:1790', { address: 'fd00::1', port: 1790 }],
    ['[fd00::1]', undefined],
    ['10.0.0.1:65536', undefined],
    ['host:179', undefined],
  ])('read the peer address %s', (text, expected) => {
    expect(parsePeerAddress(text)).toEqual(expected);
  });
});
