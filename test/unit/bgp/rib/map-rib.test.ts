import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { decide } from '../../../../src/bgp/rib/decision.ts';
import { MapRib } from '../../../../src/bgp/rib/map-rib.ts';
import type { Path, Source } from '../../../../src/bgp/rib/route.ts';
import { prefix, type Prefix } from '../../../../src/net/prefix.ts';
import { path, source } from './make.ts';

const a = source('10.0.0.1');
const b = source('10.0.0.2');
const P4 = prefix('10.65.0.0/26');
const P6 = prefix('fd65::/122');
const routeA = path(a).route;
const routeB = path(b).route;

let rib: MapRib;
beforeEach(() => {
  rib = new MapRib();
});

/** Runs selection to its end and lists what changed. */
function settle(): [Prefix, Source | undefined | null][] {
  const changes: [Prefix, Source | undefined | null][] = [];
  while (
    rib.select(3, (at, selection) =>
      changes.push([at, selection === undefined ? null : selection.best.source]),
    ) > 0
  );
  return changes;
}

describe('the RIB', () => {
  it('tells of a new best path once, and of its end', () => {
    rib.announce(b, P4, routeB);
    rib.announce(a, P4, routeA);
    expect(settle()).toEqual([[P4, a]]);
    expect(settle()).toEqual([]);
    rib.withdraw(a, P4);
    expect(settle()).toEqual([[P4, b]]);
    rib.withdraw(b, P4);
    rib.withdraw(b, P4);
    expect(settle()).toEqual([[P4, null]]);
    expect(rib.selection(P4)).toBeUndefined();
    expect([...rib.paths(4)]).toEqual([]);
  });

  it('says nothing when a route comes and goes before selection', () => {
    rib.announce(a, P4, routeA);
    rib.withdraw(a, P4);
    expect(settle()).toEqual([]);
  });

  it('replaces what the same peer told before (§3.1: implicit withdrawal)', () => {
    rib.announce(a, P4, routeA);
    rib.announce(a, P4, routeB);
    settle();
    expect([...rib.paths(4)]).toHaveLength(1);
    expect(rib.selection(P4)!.best.route).toBe(routeB);
  });

  it('prefers own routes and falls back to learned ones', () => {
    rib.announce(a, P4, routeA);
    rib.announce(undefined, P4, path(undefined).route);
    expect(settle()).toEqual([[P4, undefined]]);
    rib.withdraw(undefined, P4);
    expect(settle()).toEqual([[P4, a]]);
  });

  it('drops one family of one peer', () => {
    for (const at of [P4, P6]) {
      rib.announce(a, at, routeA);
      rib.announce(b, at, routeB);
    }
    settle();
    rib.drop(a, 6);
    expect(settle()).toEqual([[P6, b]]);
    expect(rib.count(a, 4)).toEqual({ received: 1, stale: 0 });
    expect(rib.count(a, 6)).toEqual({ received: 0, stale: 0 });
  });

  it('defers selection for a held family only (RFC 4724 §4.1)', () => {
    rib.setHeld(4, true);
    rib.announce(a, P4, routeA);
    rib.announce(a, P6, routeA);
    expect(settle()).toEqual([[P6, a]]);
    rib.setHeld(4, false);
    expect(settle()).toEqual([[P4, a]]);
  });

  it('keeps stale routes in use, and a refresh of one changes nothing for others (RFC 4724 §4.2)', () => {
    const other = prefix('10.65.0.64/26');
    rib.announce(a, P4, routeA);
    rib.announce(a, other, routeA);
    settle();
    rib.markStale(a, 4);
    expect(settle()).toEqual([]);
    expect(rib.count(a, 4)).toEqual({ received: 2, stale: 2 });
    rib.announce(a, P4, routeA);
    expect(settle()).toEqual([]);
    expect(rib.count(a, 4)).toEqual({ received: 2, stale: 1 });
    expect(rib.selection(P4)!.best.stale).toBe(false);
    expect(rib.sweepStale(a, 4)).toBe(1);
    expect(settle()).toEqual([[other, null]]);
    expect(rib.sweepStale(a, 4)).toBe(0);
  });

  it('forgets what stayed stale over a whole session when the peer is lost again (RFC 4724 §4.2)', () => {
    const other = prefix('10.65.0.64/26');
    rib.announce(a, P4, routeA);
    rib.announce(a, other, routeA);
    rib.markStale(a, 4);
    rib.announce(a, other, routeA);
    settle();
    rib.markStale(a, 4);
    expect(settle()).toEqual([[P4, null]]);
    expect(rib.count(a, 4)).toEqual({ received: 1, stale: 1 });
  });

  it('moves stale routes to the peer as it comes back', () => {
    rib.announce(a, P4, routeA);
    rib.announce(b, P4, routeB);
    settle();
    rib.markStale(a, 4);
    const later = { ...a, identifier: source('10.9.9.9').identifier };
    rib.renewSource(a, later);
    expect(settle()).toEqual([[P4, b]]);
    expect(rib.count(later, 4)).toEqual({ received: 1, stale: 1 });
    rib.announce(later, P4, routeA);
    expect(rib.count(later, 4)).toEqual({ received: 1, stale: 0 });
    rib.withdraw(b, P4);
    expect(settle()).toEqual([[P4, later]]);
  });

  it('always agrees with deciding from scratch', () => {
    const sources: (Source | undefined)[] = [undefined, a, b, source('10.0.0.3', { external: false })];
    const prefixes = [P4, P6, prefix('10.65.1.0/26')];
    const routes = sources.flatMap((from) => [
      path(from).route,
      path(from, { localPref: 50 }).route,
      path(from, { origin: 'egp' }).route,
    ]);
    const operation = fc.record({
      kind: fc.constantFrom(
        'announce',
        'announce',
        'withdraw',
        'drop',
        'stale',
        'sweep',
        'select',
        'hold',
        'release',
      ),
      source: fc.nat(sources.length - 1),
      prefix: fc.nat(prefixes.length - 1),
      route: fc.nat(routes.length - 1),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        rib = new MapRib();
        const model = new Map<string, Path>();
        const told = new Map<Prefix, unknown>();
        const changed: Parameters<MapRib['select']>[1] = (at, selection) => {
          if (selection === undefined) expect(told.get(at)).toBeDefined();
          told.set(at, selection?.best.route);
        };
        for (const { kind, ...at } of operations) {
          const from = sources[at.source];
          const where = prefixes[at.prefix]!;
          const route = routes[at.route]!;
          const key = `${at.source} ${where}`;
          const family = where === P6 ? 6 : 4;
          const ofPeer = [...model].filter(
            ([other]) => other.startsWith(`${at.source} `) && other.includes(':') === (family === 6),
          );
          if (kind === 'announce') {
            rib.announce(from, where, route);
            model.set(key, { source: from, route, stale: false });
          } else if (kind === 'withdraw') {
            rib.withdraw(from, where);
            model.delete(key);
          } else if (kind === 'select') {
            rib.select(1, changed);
          } else if (kind === 'hold' || kind === 'release') {
            rib.setHeld(family, kind === 'hold');
          } else if (from !== undefined) {
            if (kind === 'drop') rib.drop(from, family);
            else if (kind === 'stale') rib.markStale(from, family);
            else rib.sweepStale(from, family);
            for (const [other, entry] of ofPeer) {
              if (kind === 'drop' || entry.stale) model.delete(other);
              else if (kind === 'stale') model.set(other, { ...entry, stale: true });
            }
          }
        }
        for (const family of [4, 6] as const) rib.setHeld(family, false);
        while (rib.select(1, changed) > 0);
        for (const where of prefixes) {
          const paths = [...model].filter(([key]) => key.endsWith(` ${where}`)).map(([, entry]) => entry);
          const expected = decide(paths);
          expect(rib.selection(where)?.best).toEqual(expected?.best);
          expect(told.get(where)).toBe(expected?.best.route);
          expect([...rib.paths(where === P6 ? 6 : 4)].filter(([at]) => at === where)).toHaveLength(
            paths.length,
          );
        }
      }),
      { numRuns: 400 },
    );
  });
});
