import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AttributeId } from '../../../../src/bgp/rib/attribute-store.ts';
import { FAMILIES, Rib } from '../../../../src/bgp/rib/rib.ts';
import type { Path, Source } from '../../../../src/bgp/rib/route.ts';
import { OWN, type SourceId } from '../../../../src/bgp/rib/sources.ts';
import { familyOf } from '../../../../src/net/address.ts';
import { prefixBits } from '../../../../src/net/prefix-bits.ts';
import { prefix, type Prefix } from '../../../../src/net/prefix.ts';
import { path, source } from './make.ts';
import { decideNaively } from './naive-decision.ts';

const sourceA = source('10.0.0.1');
const sourceB = source('10.0.0.2');
const P4 = prefix('10.65.0.0/26');
const P6 = prefix('fd65::/122');

let rib: Rib;
let a: SourceId;
let b: SourceId;
let routeA: AttributeId;
let routeB: AttributeId;
beforeEach(() => {
  rib = new Rib();
  a = rib.addSource(sourceA);
  b = rib.addSource(sourceB);
  routeA = rib.attributes.internRoute(path(sourceA).route);
  routeB = rib.attributes.internRoute(path(sourceB).route);
});

/** Runs sweep and selection to their end and lists what was decided: prefix and source, null for none. */
function settle(): [Prefix, Source | undefined | null][] {
  const decided: [Prefix, Source | undefined | null][] = [];
  while (rib.sweep(2));
  for (const family of FAMILIES) {
    const table = rib.families[family];
    while (table.pending > 0) {
      table.select(3, (id) => {
        const best = table.best(id);
        decided.push([table.prefixes.text(id), best === 0 ? null : rib.path(family, best).source]);
      });
    }
  }
  return decided;
}

function best(at: Prefix): Path | undefined {
  const table = rib.families[familyOf(at)];
  const id = table.find(prefixBits(at));
  const chosen = id < 0 ? 0 : table.best(id);
  return chosen === 0 ? undefined : rib.path(familyOf(at), chosen);
}

describe('the RIB', () => {
  it('decides a prefix once for many changes, and again when its best is gone', () => {
    rib.announce(b, P4, routeB);
    rib.announce(a, P4, routeA);
    expect(settle()).toEqual([[P4, sourceA]]);
    expect(settle()).toEqual([]);
    rib.withdraw(a, P4);
    expect(settle()).toEqual([[P4, sourceB]]);
    rib.withdraw(b, P4);
    rib.withdraw(b, P4);
    expect(settle()).toEqual([[P4, null]]);
    expect(best(P4)).toBeUndefined();
    expect(rib.families[4].prefixes.size).toBe(0);
  });

  it('replaces what the same peer told before (RFC 4271 §3.1: implicit withdrawal)', () => {
    rib.announce(a, P4, routeA);
    rib.announce(a, P4, routeB);
    settle();
    expect(rib.count(a, 4).received).toBe(1);
    expect(best(P4)?.route.nextHop).toEqual({ address: sourceB.address });
  });

  it('answers before it is decided as it will be decided', () => {
    rib.announce(b, P4, routeB);
    settle();
    rib.announce(a, P4, routeA);
    expect(best(P4)?.source).toBe(sourceA);
    expect(settle()).toEqual([[P4, sourceA]]);
  });

  it('prefers own routes and falls back to learned ones', () => {
    rib.announce(a, P4, routeA);
    rib.announce(OWN, P4, rib.attributes.internRoute(path(undefined).route));
    expect(settle()).toEqual([[P4, undefined]]);
    rib.withdraw(OWN, P4);
    expect(settle()).toEqual([[P4, sourceA]]);
  });

  it('keeps several paths of one source apart by their identifiers (RFC 7911 §3)', () => {
    const table = rib.families[4];
    table.announce(a, prefixBits(P4), routeB, 1);
    table.announce(a, prefixBits(P4), routeA, 2);
    settle();
    expect(rib.count(a, 4).received).toBe(2);
    table.withdraw(a, prefixBits(P4), 1);
    settle();
    expect(best(P4)?.route.nextHop).toEqual({ address: sourceA.address });
  });

  it('drops one family of one peer', () => {
    for (const at of [P4, P6]) {
      rib.announce(a, at, routeA);
      rib.announce(b, at, routeB);
    }
    settle();
    rib.families[6].drop(a);
    expect(rib.count(a, 6)).toEqual({ received: 0, stale: 0 });
    expect(settle()).toEqual([[P6, sourceB]]);
    expect(rib.count(a, 4)).toEqual({ received: 1, stale: 0 });
  });

  it('removes what a peer told before it was lost, and nothing that it has told since', () => {
    const other = prefix('10.65.0.64/26');
    rib.announce(a, P4, routeA);
    rib.announce(a, other, routeA);
    settle();
    rib.families[4].drop(a);
    rib.announce(a, other, routeB);
    expect(rib.count(a, 4).received).toBe(1);
    settle();
    expect(best(P4)).toBeUndefined();
    expect(best(other)?.route.nextHop).toEqual({ address: sourceB.address });
  });

  it('gives the number of a source that is gone to nobody before its routes are gone', () => {
    rib.announce(a, P4, routeA);
    settle();
    rib.removeSource(a);
    expect(rib.addSource(source('10.0.0.3'))).not.toBe(a);
    while (rib.sweep(1));
    expect(rib.addSource(source('10.0.0.4'))).toBe(a);
    expect(rib.count(a, 4).received).toBe(0);
  });

  it('defers selection for a held family only (RFC 4724 §4.1)', () => {
    rib.families[4].held = true;
    rib.announce(a, P4, routeA);
    rib.announce(a, P6, routeA);
    expect(settle()).toEqual([[P6, sourceA]]);
    expect(best(P4)).toBeUndefined();
    rib.families[4].held = false;
    expect(settle()).toEqual([[P4, sourceA]]);
  });

  it('keeps stale routes in use, and a refresh of one changes nothing for others (RFC 4724 §4.2)', () => {
    const other = prefix('10.65.0.64/26');
    rib.announce(a, P4, routeA);
    rib.announce(a, other, routeA);
    settle();
    rib.families[4].markStale(a);
    expect(settle()).toEqual([]);
    expect(rib.count(a, 4)).toEqual({ received: 2, stale: 2 });
    expect(best(P4)?.stale).toBe(true);
    rib.announce(a, P4, routeA);
    expect(settle()).toEqual([]);
    expect(rib.count(a, 4)).toEqual({ received: 2, stale: 1 });
    expect(best(P4)?.stale).toBe(false);
    expect(rib.families[4].sweepStale(a)).toBe(1);
    expect(settle()).toEqual([[other, null]]);
    expect(rib.families[4].sweepStale(a)).toBe(0);
  });

  it('forgets what stayed stale over a whole session when the peer is lost again (RFC 4724 §4.2)', () => {
    const other = prefix('10.65.0.64/26');
    rib.announce(a, P4, routeA);
    rib.announce(a, other, routeA);
    rib.families[4].markStale(a);
    rib.announce(a, other, routeA);
    settle();
    rib.families[4].markStale(a);
    expect(settle()).toEqual([[P4, null]]);
    expect(rib.count(a, 4)).toEqual({ received: 1, stale: 1 });
  });

  it('decides again when a peer comes back as another', () => {
    rib.announce(a, P4, routeA);
    rib.announce(b, P4, routeB);
    settle();
    rib.renewSource(a, { ...sourceA, identifier: source('10.9.9.9').identifier });
    expect(settle()).toEqual([[P4, sourceB]]);
  });

  it('sweeps in time however often a peer is lost: epochs have eight bits', () => {
    rib.announce(a, P4, routeA);
    rib.families[4].drop(a);
    for (let times = 0; times < 300; times++) {
      rib.announce(a, P6, routeA);
      rib.announce(a, prefix('10.65.0.64/26'), routeA);
      rib.families[4].drop(a);
    }
    settle();
    expect(rib.families[4].prefixes.size).toBe(0);
  });

  it('always agrees with deciding from scratch, and forgets all that is gone', () => {
    const sources: (Source | undefined)[] = [
      undefined,
      sourceA,
      sourceB,
      source('10.0.0.3', { external: false }),
    ];
    const prefixes = [P4, P6, prefix('10.65.1.0/26')];
    const routes = sources.flatMap((from) => [
      path(from).route,
      path(from, { localPref: 50 }).route,
      path(from, { origin: 'egp' }).route,
      path(from, { multiExitDisc: 7 }).route,
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
        rib = new Rib();
        const ids = sources.map((from) => (from === undefined ? OWN : rib.addSource(from)));
        const model = new Map<string, Path>();
        for (const { kind, ...at } of operations) {
          const from = sources[at.source];
          const id = ids[at.source]!;
          const where = prefixes[at.prefix]!;
          const route = routes[at.route]!;
          const key = `${at.source} ${where}`;
          const table = rib.families[familyOf(where)];
          const ofPeer = [...model].filter(
            ([other]) => other.startsWith(`${at.source} `) && familyOf(other) === familyOf(where),
          );
          if (kind === 'announce') {
            const attribute = rib.attributes.internRoute(route);
            rib.announce(id, where, attribute);
            rib.attributes.release(attribute);
            model.set(key, { source: from, route, stale: false });
          } else if (kind === 'withdraw') {
            rib.withdraw(id, where);
            model.delete(key);
          } else if (kind === 'select') {
            rib.sweep(1);
            table.select(1, () => undefined);
          } else if (kind === 'hold' || kind === 'release') {
            table.held = kind === 'hold';
          } else if (from !== undefined) {
            if (kind === 'drop') table.drop(id);
            else if (kind === 'stale') table.markStale(id);
            else table.sweepStale(id);
            for (const [other, entry] of ofPeer) {
              if (kind === 'drop' || entry.stale) model.delete(other);
              else if (kind === 'stale') model.set(other, { ...entry, stale: true });
            }
          }
        }
        for (const family of FAMILIES) rib.families[family].held = false;
        settle();
        for (const where of prefixes) {
          const paths = [...model].filter(([key]) => key.endsWith(` ${where}`)).map(([, entry]) => entry);
          const expected = decideNaively(paths);
          const found = best(where);
          expect(found?.source).toBe(expected?.source);
          expect(found?.route.rank).toEqual(expected?.route.rank);
          expect(found?.stale).toBe(expected?.stale);
        }
        for (const id of ids) for (const family of FAMILIES) rib.families[family].drop(id);
        settle();
        expect(FAMILIES.map((family) => rib.families[family].prefixes.size)).toEqual([0, 0]);
        expect(rib.attributes.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
