import { describe, expect, it } from 'vitest';
import { AdjRibOut } from '../../../../src/bgp/rib/adj-rib-out.ts';
import type { Route } from '../../../../src/bgp/rib/route.ts';
import { prefix, type Prefix } from '../../../../src/net/prefix.ts';
import { path, source } from './make.ts';

const one = path(source('10.0.0.1')).route;
const two = path(source('10.0.0.2')).route;
const P = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'].map(prefix);

function exporter(routes: Record<string, Route>): (at: Prefix) => Route | undefined {
  return (at) => routes[at];
}

describe('the adj-RIB-out', () => {
  it('packs prefixes by route and says nothing twice', () => {
    const out = new AdjRibOut();
    P.forEach((at) => out.mark(at));
    const routes = { [P[0]!]: one, [P[1]!]: two, [P[2]!]: one };
    const updates = out.take(10, exporter(routes));
    expect([...updates.announced]).toEqual([
      [one, [P[0], P[2]]],
      [two, [P[1]]],
    ]);
    expect(updates.withdrawn).toEqual([]);
    expect([out.size, out.pending]).toEqual([3, 0]);
    P.forEach((at) => out.mark(at));
    expect(out.take(10, exporter(routes)).announced.size).toBe(0);
  });

  it('withdraws only what was sent', () => {
    const out = new AdjRibOut();
    out.mark(P[0]!);
    out.take(10, exporter({ [P[0]!]: one }));
    P.forEach((at) => out.mark(at));
    expect(out.take(10, exporter({}))).toEqual({ withdrawn: [P[0]], announced: new Map() });
    expect(out.size).toBe(0);
  });

  it('takes no more than asked and tells the newest state later', () => {
    const out = new AdjRibOut();
    P.forEach((at) => out.mark(at));
    const routes: Record<string, Route> = { [P[0]!]: one, [P[1]!]: one, [P[2]!]: one };
    out.take(2, exporter(routes));
    expect(out.pending).toBe(1);
    routes[P[2]!] = two;
    expect([...out.take(2, exporter(routes)).announced]).toEqual([[two, [P[2]]]]);
  });

  it('sends everything again on a refresh, and withdraws what is no longer exported (RFC 2918 §4)', () => {
    const out = new AdjRibOut();
    P.forEach((at) => out.mark(at));
    out.take(10, exporter({ [P[0]!]: one, [P[1]!]: one }));
    out.resend();
    const updates = out.take(10, exporter({ [P[0]!]: one }));
    expect([...updates.announced]).toEqual([[one, [P[0]]]]);
    expect(updates.withdrawn).toEqual([P[1]]);
  });
});
