import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Aggregates } from '../../../src/bgp/aggregates.ts';
import { FAMILIES, Rib } from '../../../src/bgp/rib/rib.ts';
import { OWN, type SourceId } from '../../../src/bgp/rib/sources.ts';
import type { Origin, PathAttributes } from '../../../src/bgp/wire/message.ts';
import { address } from '../../../src/net/address.ts';
import { type Prefix, prefix, prefixContains } from '../../../src/net/prefix.ts';
import { attributes, source } from './rib/make.ts';

const [A, WITHIN_A, A6] = ['10.0.0.0/8', '10.1.0.0/16', 'fd00::/32'].map(prefix) as [Prefix, Prefix, Prefix];
const AGGREGATOR = { asNumber: 64512, address: address('10.0.0.1') };

let rib: Rib;
let teller: SourceId;
let aggregates: Aggregates;
let announced: Map<Prefix, PathAttributes>;

beforeEach(() => {
  rib = new Rib();
  teller = rib.addSource(source('10.0.0.2'));
  announced = new Map();
  aggregates = new Aggregates({
    rib,
    changed: (at, attribute) => {
      if (attribute === 0) {
        expect(announced.delete(at)).toBe(true);
        rib.withdraw(OWN, at);
      } else {
        announced.set(at, rib.attributes.route(attribute).attributes);
        rib.announce(OWN, at, attribute);
      }
    },
  });
});

function select(): void {
  for (const family of FAMILIES) {
    const table = rib.families[family];
    while (table.pending > 0) table.select(10, (at) => aggregates.follow(family, at));
  }
}

function tell(at: Prefix, fields: Partial<PathAttributes> = {}): void {
  const attribute = rib.attributes.internRoute({
    attributes: attributes(fields),
    nextHop: { address: address('10.0.0.2') },
  });
  rib.announce(teller, at, attribute);
  rib.attributes.release(attribute);
  select();
}

function configure(...prefixes: readonly Prefix[]): void {
  aggregates.configure(
    prefixes.map((at) => ({ prefix: at, summaryOnly: false })),
    AGGREGATOR,
  );
  select();
}

describe('an aggregate (RFC 4271 §9.2.2.2)', () => {
  it('is there while a part of it is, and says who made it', () => {
    configure(A, A6);
    expect([...announced.keys()]).toEqual([]);
    tell(prefix('10.2.3.0/24'), { asPath: [] });
    expect([...announced]).toEqual([[A, { origin: 'igp', asPath: [], aggregator: AGGREGATOR }]]);
    expect(aggregates.isActive(A)).toBe(true);
    rib.withdraw(teller, prefix('10.2.3.0/24'));
    select();
    expect([...announced.keys()]).toEqual([]);
    expect(aggregates.isActive(A)).toBe(false);
  });

  it('is no part of itself, nor is another aggregate, nor a route to all of it or to something else', () => {
    configure(A, WITHIN_A);
    tell(A);
    tell(prefix('11.0.0.0/24'));
    tell(prefix('0.0.0.0/0'));
    expect([...announced.keys()]).toEqual([]);
    tell(prefix('10.1.1.0/24'));
    expect([...announced.keys()]).toEqual([A, WITHIN_A]);
    rib.withdraw(teller, prefix('10.1.1.0/24'));
    select();
    expect([...announced.keys()]).toEqual([]);
  });

  it('says the worst origin of its parts, and that paths are left out, as long as that is so', () => {
    configure(A);
    const [one, two] = [prefix('10.2.0.0/24'), prefix('10.3.0.0/24')];
    tell(one, { asPath: [] });
    tell(two, { origin: 'incomplete' });
    expect(announced.get(A)).toMatchObject({ origin: 'incomplete', atomicAggregate: true });
    tell(two, { origin: 'egp', asPath: [] });
    expect(announced.get(A)).toEqual({ origin: 'egp', asPath: [], aggregator: AGGREGATOR });
    rib.withdraw(teller, two);
    select();
    expect(announced.get(A)).toMatchObject({ origin: 'igp' });
  });

  it('is found among what there is already, and goes with its configuration', () => {
    tell(prefix('10.2.3.0/24'));
    configure(A);
    expect([...announced.keys()]).toEqual([A]);
    configure(A6);
    expect([...announced.keys()]).toEqual([]);
  });

  it('is what its parts make it, whatever happened before', () => {
    const parts = ['10.1.0.0/24', '10.1.1.0/24', '10.2.0.0/24', 'fd00::/64', '192.0.2.0/24'].map(prefix);
    const operation = fc.record({
      at: fc.constantFrom(...parts, A, WITHIN_A),
      origin: fc.constantFrom<Origin[]>('igp', 'egp', 'incomplete'),
      own: fc.boolean(),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        const held = new Map<Prefix, PathAttributes>();
        configure(A, WITHIN_A, A6);
        for (const { at, origin, own, gone } of operations) {
          if (gone) {
            rib.withdraw(teller, at);
            held.delete(at);
          } else {
            const fields = { origin, ...(own ? { asPath: [] } : {}) };
            tell(at, fields);
            held.set(at, attributes(fields));
          }
          select();
          for (const whole of [A, WITHIN_A, A6]) {
            const inside = [...held].filter(
              ([part]) => ![A, WITHIN_A, A6].includes(part) && prefixContains(whole, part),
            );
            const found = announced.get(whole);
            expect(found !== undefined).toBe(inside.length > 0);
            if (found === undefined) continue;
            const order: readonly Origin[] = ['igp', 'egp', 'incomplete'];
            const worst = Math.max(...inside.map(([, values]) => order.indexOf(values.origin)));
            expect(found.origin).toBe(order[worst]);
            expect(found.atomicAggregate === true).toBe(inside.some(([, { asPath }]) => asPath.length > 0));
          }
        }
        configure();
        for (const at of held.keys()) rib.withdraw(teller, at);
        select();
        expect(rib.attributes.size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
