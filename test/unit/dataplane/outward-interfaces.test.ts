import { describe, expect, it } from 'vitest';
import { outwardInterfaces } from '../../../src/dataplane/outward-interfaces.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import type { NextHop, Route } from '../../../src/netlink/kernel.ts';

const route = (destination: string, nextHops: readonly NextHop[], more: Partial<Route> = {}): Route => ({
  destination: prefix(destination),
  type: 'unicast',
  nextHops,
  metric: 0,
  protocol: 4,
  table: 254,
  scope: 'global',
  ...more,
});

describe('the interfaces that packets to an address leave by', () => {
  const to = outwardInterfaces([
    route('0.0.0.0/0', [{ interface: 1, gateway: address('192.0.2.1') }], { metric: 100 }),
    route('0.0.0.0/0', [{ interface: 2, gateway: address('192.0.2.2') }], { metric: 50 }),
    route('10.65.0.0/16', [{ interface: 3 }, { interface: 4 }]),
    route('10.65.0.0/26', [], { type: 'blackhole' }),
    route('10.65.0.2/32', [{ interface: 5 }]),
    route('fd65::/64', [{ interface: 6 }]),
  ]);

  it.each([
    ['198.51.100.7', [2], 'lowest metric'],
    ['10.65.9.9', [3, 4], 'all next hops'],
    ['10.65.0.3', [], 'a blackhole, whatever stands above it'],
    ['10.65.0.2', [5], 'longest prefix'],
    ['fd65::1', [6], 'IPv6'],
    ['fd66::1', [], 'no route'],
  ])('for %s are %j: %s', (text, interfaces) => {
    expect(to(address(text))).toEqual(interfaces);
  });
});
