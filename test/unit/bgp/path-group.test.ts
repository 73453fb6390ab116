import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { exportRoute } from '../../../src/bgp/policy/export.ts';
import { UNCHANGED } from '../../../src/bgp/policy/route-edit.ts';
import { FAMILIES } from '../../../src/bgp/rib/rib.ts';
import { familyOf } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { type Prefix, prefix } from '../../../src/net/prefix.ts';
import { path, source } from './rib/make.ts';
import { Telling, type TestPeer, contextOf, hiding } from './telling.ts';

const PREFIXES = ['192.0.2.0/24', '198.51.100.0/24', '2001:db8::/48'].map(prefix);
const [P4] = PREFIXES as [Prefix, ...Prefix[]];
const context = contextOf(hiding(new Set()));
const HOSTS = ['10.0.0.2', '10.0.0.3', '10.0.0.4'];

let telling: Telling;
let tellers: TestPeer[];

beforeEach(() => {
  telling = new Telling();
  tellers = HOSTS.map((host) => telling.join(source(host), context));
});

function announce(from: TestPeer, at: Prefix, length = 1): void {
  const asNumbers = Array.from({ length }, (_, index) => 100 + index);
  const { route } = path(from.source, { asPath: [{ type: 'sequence', asNumbers }] });
  const attribute = telling.rib.attributes.internRoute(route);
  telling.rib.announce(from.id, at, attribute);
  telling.rib.attributes.release(attribute);
}

/** What a peer holds, by prefix and path identifier: next hop and attributes as text. */
class View {
  readonly held = new Map<string, string>();
  withdrawals = 0;
  announcements = 0;
  private readonly announced = new Map<Prefix, number>();

  constructor(private readonly peer: TestPeer) {}

  read(): void {
    for (const message of this.peer.read()) {
      if (message.type !== 'update') continue;
      for (const { prefixes, pathIds = [] } of message.withdrawn) {
        for (const [index, at] of prefixes.entries()) {
          this.withdrawals++;
          expect(this.held.delete(`${at} ${pathIds[index]}`)).toBe(true);
        }
      }
      for (const { prefixes, pathIds = [], nextHop } of message.announced) {
        for (const [index, at] of prefixes.entries()) {
          this.announcements++;
          this.announced.set(at, (this.announced.get(at) ?? 0) + 1);
          this.held.set(
            `${at} ${pathIds[index]}`,
            `${nextHop.address} ${JSON.stringify(message.attributes)}`,
          );
        }
      }
    }
  }

  /** How often a prefix was announced since this was last asked. */
  changes(at: Prefix): number {
    const count = this.announced.get(at) ?? 0;
    this.announced.delete(at);
    return count;
  }

  /** Lengths of the AS paths to a prefix, ours included. */
  lengths(at: Prefix): number[] {
    this.read();
    return [...this.held]
      .filter(([key]) => key.startsWith(`${at} `))
      .map(([, value]) => /"asNumbers":\[([^\]]*)\]/.exec(value)![1]!.split(',').length)
      .toSorted((a, b) => a - b);
  }
}

describe('a peer that takes several paths (RFC 7911)', () => {
  const several = { severalPaths: true };

  it('is told all but its own, each change alone, and then an end-of-RIB', () => {
    for (const [index, teller] of tellers.entries()) announce(teller, P4, index + 1);
    const peer = telling.join(source('10.0.0.5'), context, several);
    announce(peer, P4, 9);
    const view = new View(peer);
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 3, 4]);
    expect(peer.advertiser.advertised).toBe(1);
    announce(tellers[1]!, P4, 5);
    telling.settle();
    view.read();
    expect([view.announcements, view.withdrawals]).toEqual([4, 0]);
    telling.rib.withdraw(tellers[0]!.id, P4);
    telling.settle();
    view.read();
    expect([view.announcements, view.withdrawals, view.held.size]).toEqual([4, 1, 2]);
  });

  it('is told the best so many where there is a limit', () => {
    for (const [index, teller] of tellers.entries()) announce(teller, P4, 3 - index);
    const peer = telling.join(source('10.0.0.5'), { ...context, pathLimit: 2 }, several);
    const view = new View(peer);
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 3]);
    telling.rib.withdraw(tellers[2]!.id, P4);
    telling.settle();
    // The third takes the place of the first.
    expect(view.lengths(P4)).toEqual([3, 4]);
  });

  it('is told no path whose next hop leads nowhere (RFC 4271 §9.1.2.1)', () => {
    for (const [index, teller] of tellers.entries()) announce(teller, P4, index + 1);
    const view = new View(telling.join(source('10.0.0.5'), context, several));
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 3, 4]);
    telling.rib.changeReachability(new Map([[tellers[1]!.source.address, false]]));
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 4]);
    telling.rib.changeReachability(new Map([[tellers[1]!.source.address, true]]));
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 3, 4]);
  });

  it('is explained by the best that it is told', () => {
    const peer = telling.join(source('10.0.0.5'), context, several);
    const table = telling.rib.families[4];
    const explained = () => peer.advertiser.explain(4, table.find(prefixBits(P4)));
    announce(peer, P4);
    telling.settle();
    expect(explained()).toEqual({ told: false, rule: 'comes-from-this-peer' });
    announce(tellers[0]!, P4, 3);
    telling.settle();
    expect(explained()).toEqual({ told: true, rule: 'hidden' });
    const told = telling.rib.attributes.route(peer.advertiser.toldAttribute(4, table.find(prefixBits(P4))));
    expect(told.nextHop?.address).toBe('10.0.0.1');
  });

  it('is told all again when it asks', () => {
    for (const teller of tellers) announce(teller, P4);
    const peer = telling.join(source('10.0.0.5'), context, several);
    const view = new View(peer);
    telling.settle();
    view.read();
    peer.advertiser.refresh(4);
    telling.settle();
    view.read();
    expect([view.announcements, view.withdrawals]).toEqual([6, 0]);
  });

  it('is told all again, and goes over to another policy, a piece at a time, while others are told', () => {
    const prefixes = Array.from({ length: 60 }, (_, index) => prefix(`10.1.${index}.0/24`));
    const [teller, other] = tellers as [TestPeer, TestPeer];
    for (const at of prefixes) announce(teller, at);
    const peer = telling.join(source('10.0.0.5'), context, several);
    const view = new View(peer);
    telling.settle();
    view.read();
    const less = contextOf(hiding(new Set(prefixes.slice(30))));
    let length = 2;
    for (const [ask, told] of [
      [() => peer.advertiser.refresh(4), [60, 0]],
      [() => peer.advertiser.changePolicy(less), [0, 30]],
      [() => peer.advertiser.changePolicy(context), [30, 0]],
    ] as const) {
      [view.announcements, view.withdrawals] = [0, 0];
      other.read();
      ask();
      let slices = 0;
      for (; view.announcements + view.withdrawals < told[0] + told[1] && slices < 1000; slices++) {
        announce(teller, P4, (length = 5 - length));
        telling.select();
        telling.tell(10);
        expect(other.heard()).toEqual([`+ ${P4} 10.0.0.1`]);
        view.read();
        // Those of the prefix that changes do not count.
        view.announcements -= view.changes(P4);
      }
      expect([view.announcements, view.withdrawals]).toEqual(told);
      expect(slices).toBeGreaterThanOrEqual(6);
    }
  });

  it('may come back to a policy that it has just left', () => {
    for (const at of PREFIXES) announce(tellers[0]!, at);
    const peer = telling.join(source('10.0.0.5'), context, several);
    const view = new View(peer);
    telling.settle();
    const less = contextOf(hiding(new Set([P4])));
    peer.advertiser.changePolicy(less);
    telling.tell();
    for (const at of PREFIXES) announce(tellers[1]!, at, 2);
    telling.select();
    peer.advertiser.changePolicy(context);
    telling.settle();
    expect(view.lengths(P4)).toEqual([2, 3]);
    for (const one of [peer, ...tellers]) one.leave();
    telling.settle();
    expect(telling.rib.families[4].prefixes.size).toBe(0);
  });

  const operation = fc.record({
    kind: fc.constantFrom(
      'announce',
      'announce',
      'withdraw',
      'drop',
      'tell',
      'congest',
      'read',
      'policy',
      'refresh',
      'select',
    ),
    teller: fc.nat(HOSTS.length - 1),
    at: fc.constantFrom(...PREFIXES),
    number: fc.integer({ min: 1, max: 3 }),
  });

  it('holds every path of the others that policy lets it know, and is told to forget only what it holds', () => {
    const policies = [hiding(new Set()), hiding(new Set([P4]))];
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        telling = new Telling();
        tellers = HOSTS.map((host) => telling.join(source(host), context));
        const peer = telling.join(source('10.0.0.5'), contextOf(policies[0]!), several);
        const view = new View(peer);
        let policy = 0;
        for (const { kind, teller, at, number } of operations) {
          const from = tellers[teller]!;
          if (kind === 'announce') announce(from, at, number);
          else if (kind === 'withdraw') telling.rib.withdraw(from.id, at);
          else if (kind === 'drop') telling.rib.families[familyOf(at)].drop(from.id);
          else if (kind === 'select') telling.select();
          else if (kind === 'tell') telling.tell(number);
          else if (kind === 'congest') peer.congested = true;
          else if (kind === 'refresh') peer.advertiser.refresh(familyOf(at));
          else if (kind === 'policy') {
            policy = number % 2;
            peer.advertiser.changePolicy(contextOf(policies[policy]!));
          } else {
            peer.congested = false;
            view.read();
          }
        }
        peer.congested = false;
        telling.settle();
        view.read();
        const expected: string[] = [];
        for (const at of PREFIXES) {
          if (policy === 1 && at === P4) continue;
          const family = familyOf(at);
          const table = telling.rib.families[family];
          const id = table.find(prefixBits(at));
          if (id < 0) continue;
          for (const one of table.pathsOf(id)) {
            const route = exportRoute(telling.rib.path(family, one), UNCHANGED, family, context)!;
            expected.push(`${at} ${one} ${route.nextHop.address} ${JSON.stringify(route.attributes)}`);
          }
        }
        const held = [...view.held].map(([key, value]) => `${key} ${value}`);
        expect(held.toSorted()).toEqual(expected.toSorted());
        // Nothing of what is gone is kept.
        for (const one of [peer, ...tellers]) one.leave();
        telling.settle();
        expect(FAMILIES.map((family) => telling.rib.families[family].prefixes.size)).toEqual([0, 0]);
        expect(telling.rib.attributes.size).toBe(0);
      }),
      { numRuns: 200 },
    );
  }, 30_000);
});
