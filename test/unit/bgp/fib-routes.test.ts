import { expect, it } from 'vitest';
import type { FibGroup } from '../../../src/bgp/fib-groups.ts';
import { FibRoutes } from '../../../src/bgp/fib-routes.ts';
import { prefixTables } from '../../../src/bgp/rib/prefix-table.ts';
import { address } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { prefix } from '../../../src/net/prefix.ts';
import type { NextHop } from '../../../src/netlink/kernel.ts';

const P = prefixBits(prefix('10.65.2.0/26'));
const Q = prefixBits(prefix('10.65.3.0/26'));
const one = [{ gateway: address('10.0.0.2'), interface: 2 }];
const two = [{ gateway: address('10.0.0.3'), interface: 2 }, ...one];

function by(ways: readonly NextHop[] | undefined): FibGroup {
  return { nextHops: [], weights: undefined, ways, users: 1 };
}

it('takes wanted routes before those that go, each once', () => {
  const routes = new FibRoutes(prefixTables(1));
  const table = routes.table(4, 1);
  const gone = table.findOrAdd(P);
  const wanted = table.findOrAdd(Q);
  table.setActual(gone, one);
  table.setGroup(wanted, by(one));
  const rounds = [
    { table, ids: [wanted] },
    { table, ids: [gone] },
  ];
  for (const route of [gone, wanted, gone]) table.touch(route);
  expect(routes.takeTouched()).toEqual(rounds);
  expect(routes.takeTouched()).toEqual([]);
  routes.touchDifferences();
  expect(routes.takeTouched()).toEqual(rounds);
});

it('forgets a route only when nobody wants it, nobody writes it and the kernel does not have it', () => {
  const table = new FibRoutes(prefixTables(1)).table(4, 1);
  const route = table.findOrAdd(P);
  const stays = (): boolean => {
    table.prune(route);
    return table.find(P) === route;
  };
  table.touch(route);
  expect(stays()).toBe(true);
  table.takeTouched();
  table.setWriting(route, true);
  expect(stays()).toBe(true);
  table.setWriting(route, false);
  table.setGroup(route, by(undefined));
  expect(stays()).toBe(true);
  table.setGroup(route, undefined);
  table.setActual(route, one);
  expect(stays()).toBe(true);
  expect(table.installed).toBe(1);
  table.setActual(route, undefined);
  expect(table.installed).toBe(0);
  expect(stays()).toBe(false);
});

it('tells next hops apart whatever their order, none from no route, and metrics from one another', () => {
  const routes = new FibRoutes(prefixTables(1));
  const table = routes.table(4, 1);
  const route = table.findOrAdd(P);
  table.setGroup(route, by(two));
  expect(table.isWritten(route)).toBe(false);
  table.setActual(route, two.toReversed());
  expect(table.isWritten(route)).toBe(true);
  table.setActual(route, one);
  expect(table.isWritten(route)).toBe(false);
  table.setGroup(route, by([]));
  table.setActual(route, undefined);
  expect(table.isWritten(route)).toBe(false);
  expect(routes.table(4, 2).find(P)).toBe(-1);
});
