import { expect, it } from 'vitest';
import { FibRoutes, isWritten } from '../../../src/bgp/fib-routes.ts';
import { address } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { prefix } from '../../../src/net/prefix.ts';

const P = prefixBits(prefix('10.65.2.0/26'));
const Q = prefixBits(prefix('10.65.3.0/26'));
const one = [{ gateway: address('10.0.0.2'), interface: 2 }];
const two = [{ gateway: address('10.0.0.3'), interface: 2 }, ...one];

it('takes wanted routes before those that go, each once', () => {
  const routes = new FibRoutes();
  const gone = routes.findOrAdd(P, 1);
  const wanted = routes.findOrAdd(Q, 1);
  routes.setActual(gone, one);
  wanted.desired = one;
  for (const route of [gone, wanted, gone]) routes.touch(route);
  expect(routes.takeTouched()).toEqual([wanted, gone]);
  expect(routes.takeTouched()).toEqual([]);
  routes.touchDifferences();
  expect(routes.takeTouched()).toEqual([wanted, gone]);
});

it('forgets a route only when nobody wants it and the kernel does not have it', () => {
  const routes = new FibRoutes();
  const route = routes.findOrAdd(P, 1);
  const stays = (): boolean => {
    routes.prune(route);
    return routes.find(P, 1) === route;
  };
  routes.touch(route);
  expect(stays()).toBe(true);
  routes.takeTouched();
  route.learned = [address('10.0.0.2')];
  expect(stays()).toBe(true);
  route.learned = undefined;
  routes.setActual(route, one);
  expect(stays()).toBe(true);
  expect(routes.installed).toBe(1);
  routes.setActual(route, undefined);
  expect(routes.installed).toBe(0);
  expect(stays()).toBe(false);
});

it('tells next hops apart whatever their order, and none from no route', () => {
  const routes = new FibRoutes();
  const route = routes.findOrAdd(P, 1);
  route.desired = two;
  expect(isWritten(route)).toBe(false);
  routes.setActual(route, two.toReversed());
  expect(isWritten(route)).toBe(true);
  routes.setActual(route, one);
  expect(isWritten(route)).toBe(false);
  route.desired = [];
  routes.setActual(route, undefined);
  expect(isWritten(route)).toBe(false);
  expect(routes.find(P, 2)).toBeUndefined();
});
