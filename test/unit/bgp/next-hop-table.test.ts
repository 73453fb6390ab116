import { describe, expect, it } from 'vitest';
import { NextHopTable, scopedAddress } from '../../../src/bgp/next-hop-table.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import type { NextHop, Route } from '../../../src/netlink/kernel.ts';

function route(destination: string, nextHops: readonly NextHop[], fields: Partial<Route> = {}): Route {
  return {
    destination: prefix(destination),
    type: 'unicast',
    nextHops,
    metric: 0,
    protocol: 2,
    table: 254,
    scope: 'global',
    ...fields,
  };
}

const connected = route('10.0.0.0/24', [{ interface: 2 }]);
const gateway = address('10.0.0.254');
const byDefault = route('0.0.0.0/0', [{ gateway, interface: 2 }]);

function table(...routes: Route[]): NextHopTable {
  const made = new NextHopTable();
  made.replaceAll(routes);
  return made;
}

describe('the link of a host', () => {
  it('is all its networks, without host routes and those of other links', () => {
    const made = table(
      connected,
      byDefault,
      route('10.0.1.0/24', [{ interface: 2 }]),
      route('fd00::/64', [{ interface: 2 }]),
      route('10.0.2.0/24', [{ interface: 3 }]),
      route('10.0.3.0/24', [{ gateway, interface: 2 }]),
      route('10.65.0.7/32', [{ interface: 2 }]),
    );
    expect(made.networksOf(address('10.0.0.9'))).toEqual(['10.0.0.0/24', '10.0.1.0/24', 'fd00::/64']);
    expect(made.networksOf(address('10.9.0.7'))).toEqual([]);
    expect(made.networksOf(address('fd01::7'))).toEqual([]);
  });
});

describe('resolution of next hops', () => {
  it('leaves out links that carry nothing, and goes another way if there is one', () => {
    const both = route('10.9.0.0/16', [
      { gateway, interface: 2 },
      { gateway: address('10.1.0.254'), interface: 3 },
    ]);
    const made = table(
      connected,
      both,
      route('0.0.0.0/0', [{ gateway: address('10.1.0.254'), interface: 3 }]),
    );
    expect(made.setLink(2, false)).toBe(true);
    expect(made.setLink(2, false)).toBe(false);
    const byThree = [{ gateway: '10.1.0.254', interface: 3 }];
    expect(made.resolve(address('10.0.0.7'))).toEqual(byThree);
    expect(made.resolve(address('10.9.0.7'))).toEqual(byThree);
    made.setLink(3, false);
    expect(made.resolve(address('10.0.0.7'))).toBeUndefined();
    expect(made.setLink(2, true)).toBe(true);
    expect(made.resolve(address('10.0.0.7'))).toEqual([{ gateway: '10.0.0.7', interface: 2 }]);
    made.replaceAll([byDefault]);
    expect(made.resolve(address('10.0.0.7'))).toEqual([{ gateway, interface: 2 }]);
  });

  it('goes by the link that a link-local next hop names, whatever the routes say, while that is alive', () => {
    const made = table(byDefault);
    const host = scopedAddress(address('fe80::1'), 7);
    expect(made.resolve(host)).toEqual([{ gateway: 'fe80::1', interface: 7 }]);
    expect(made.concerns(prefix('fe80::/64'), [host])).toBe(false);
    made.setLink(7, false);
    expect(made.resolve(host)).toBeUndefined();
  });

  it('loses of a multipath route only what the kernel names', () => {
    const [one, two] = [address('fd00::1'), address('fd00::2')].map((host) => ({
      gateway: host,
      interface: 2,
    }));
    const made = table(route('fd09::/64', [one!, two!]));
    made.delete(route('fd09::/64', [one!]));
    expect(made.resolve(address('fd09::7'))).toEqual([two]);
    made.delete(route('fd09::/64', [two!]));
    expect(made.resolve(address('fd09::7'))).toBeUndefined();
    made.set(route('fd09::/64', [one!, two!]));
    made.delete(route('fd09::/64', [one!, two!]));
    expect(made.resolve(address('fd09::7'))).toBeUndefined();
  });

  it('takes a next hop on the link as its own gateway', () => {
    expect(table(connected, byDefault).resolve(address('10.0.0.7'))).toEqual([
      { gateway: '10.0.0.7', interface: 2 },
    ]);
  });

  it('takes the gateway of the covering route for one that is not', () => {
    expect(table(connected, byDefault).resolve(address('10.9.0.7'))).toEqual([{ gateway, interface: 2 }]);
  });

  it('prefers the longest prefix, then the lowest metric', () => {
    const worse = route('10.9.0.0/16', [{ gateway: address('10.0.0.3'), interface: 2 }], { metric: 200 });
    const better = route('10.9.0.0/16', [{ gateway: address('10.0.0.4'), interface: 2 }], { metric: 100 });
    const longer = route('10.9.8.0/24', [{ gateway: address('10.0.0.5'), interface: 2 }], { metric: 900 });
    const all = table(byDefault, worse, better, longer);
    expect(all.resolve(address('10.9.0.7'))![0]!.gateway).toBe('10.0.0.4');
    expect(all.resolve(address('10.9.8.7'))![0]!.gateway).toBe('10.0.0.5');
    all.delete(longer);
    all.delete(better);
    expect(all.resolve(address('10.9.8.7'))![0]!.gateway).toBe('10.0.0.3');
    all.delete(worse);
    all.delete(byDefault);
    expect(all.resolve(address('10.9.8.7'))).toBeUndefined();
  });

  it('keeps all ways of a multipath route, of either family, with their onlink flag', () => {
    const ways = [
      { gateway: address('fe80::1'), interface: 2 },
      { gateway: address('10.1.1.1'), interface: 3, onlink: true },
    ];
    expect(table(route('10.9.0.0/16', ways)).resolve(address('10.9.0.7'))).toEqual(ways);
  });

  it('does not resolve by a blackhole, however long its prefix', () => {
    const hole = route('10.9.0.0/24', [], { type: 'blackhole' });
    expect(table(byDefault, hole).resolve(address('10.9.0.7'))).toBeUndefined();
  });

  it('keeps the families apart and resolves IPv6', () => {
    const six = route('fd00::/64', [{ interface: 2 }], { metric: 256 });
    expect(table(byDefault).resolve(address('fd00::7'))).toBeUndefined();
    expect(table(byDefault, six).resolve(address('fd00::7'))).toEqual([{ gateway: 'fd00::7', interface: 2 }]);
  });

  it('knows which next hops a route concerns', () => {
    const hosts = [address('10.0.0.7'), address('fd00::1')];
    expect(table().concerns(prefix('10.0.0.0/24'), hosts)).toBe(true);
    expect(table().concerns(prefix('::/0'), hosts)).toBe(true);
    expect(table().concerns(prefix('10.65.0.0/16'), hosts)).toBe(false);
  });
});
