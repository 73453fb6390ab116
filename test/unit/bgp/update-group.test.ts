import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { exportRoute } from '../../../src/bgp/policy/export.ts';
import { UNCHANGED } from '../../../src/bgp/policy/route-edit.ts';
import type { AttributeId } from '../../../src/bgp/rib/attribute-store.ts';
import { FAMILIES } from '../../../src/bgp/rib/rib.ts';
import { OWN } from '../../../src/bgp/rib/sources.ts';
import { familyOf } from '../../../src/net/address.ts';
import { prefixBits } from '../../../src/net/prefix-bits.ts';
import { prefix, type Prefix } from '../../../src/net/prefix.ts';
import { path, source } from './rib/make.ts';
import { Telling, type TestPeer, contextOf, hiding } from './telling.ts';

const P4 = prefix('10.65.1.0/26');
const P6 = prefix('fd65::1:0/122');
const context = contextOf(hiding(new Set()));

let telling: Telling;
let own: AttributeId;

beforeEach(() => {
  telling = new Telling();
  own = telling.rib.attributes.internRoute(path(undefined, { asPath: [] }).route);
});

function announce(from: TestPeer, at: Prefix, ...asNumbers: number[]): void {
  const { route } = path(from.source, { asPath: [{ type: 'sequence', asNumbers }] });
  const attribute = telling.rib.attributes.internRoute(route);
  telling.rib.announce(from.id, at, attribute);
  telling.rib.attributes.release(attribute);
}

describe('what a session tells its peer', () => {
  it('is the selection, and then an end-of-RIB for each family (RFC 4724 §2)', () => {
    for (const at of [P4, P6]) telling.rib.announce(OWN, at, own);
    telling.select();
    const peer = telling.join(source('10.0.0.2'), context);
    telling.settle();
    expect(peer.heard()).toEqual([`+ ${P4} 10.0.0.1`, `+ ${P6} fd00::1`, 'end-of-RIB 4', 'end-of-RIB 6']);
    expect(peer.advertiser.advertised).toBe(2);
    telling.settle();
    expect(peer.heard()).toEqual([]);
  });

  it('has no end-of-RIB before the family is settled, and none before its last route', () => {
    for (let index = 0; index < 5; index++) telling.rib.announce(OWN, prefix(`10.65.${index}.0/26`), own);
    telling.select();
    const peer = telling.join(source('10.0.0.2'), context);
    telling.unsettled = 4;
    telling.tell(3);
    expect(peer.heard().filter((line) => line.startsWith('end'))).toEqual(['end-of-RIB 6']);
    telling.tell(3);
    expect(peer.heard()).toHaveLength(2);
    telling.unsettled = undefined;
    telling.tell();
    expect(peer.heard()).toEqual(['end-of-RIB 4']);
  });

  it('is the same for all of a group, and for one that comes later', () => {
    const peers = ['10.0.0.2', '10.0.0.3'].map((host) => telling.join(source(host), context));
    for (const at of [P4, P6]) telling.rib.announce(OWN, at, own);
    telling.settle();
    peers.push(telling.join(source('10.0.0.4'), context));
    telling.settle();
    expect([...telling.groups]).toHaveLength(FAMILIES.length);
    for (const peer of peers) {
      expect(peer.heard().toSorted()).toEqual(
        [`+ ${P4} 10.0.0.1`, `+ ${P6} fd00::1`, 'end-of-RIB 4', 'end-of-RIB 6'].toSorted(),
      );
    }
  });

  it('is never what the peer has told itself, also when that comes to be the best or is it no more', () => {
    const [one, two, three] = ['10.0.0.2', '10.0.0.3', '10.0.0.4'].map((host) =>
      telling.join(source(host), context),
    ) as [TestPeer, TestPeer, TestPeer];
    telling.settle();
    for (const peer of [one, two, three]) peer.read();
    announce(one, P4, 1, 2);
    telling.settle();
    expect([one.heard(), two.heard(), three.heard()]).toEqual([
      [],
      [`+ ${P4} 10.0.0.1`],
      [`+ ${P4} 10.0.0.1`],
    ]);
    announce(two, P4, 1);
    telling.settle();
    expect([one.heard(), two.heard(), three.heard()]).toEqual([
      [`+ ${P4} 10.0.0.1`],
      [`- ${P4}`],
      [`+ ${P4} 10.0.0.1`],
    ]);
    // The same attributes from another: only the two that they come from must be told.
    announce(one, P4, 1);
    telling.settle();
    expect([one.heard(), two.heard(), three.heard()]).toEqual([[`- ${P4}`], [`+ ${P4} 10.0.0.1`], []]);
    telling.rib.withdraw(one.id, P4);
    telling.rib.withdraw(two.id, P4);
    telling.settle();
    expect([one.heard(), two.heard(), three.heard()]).toEqual([[], [`- ${P4}`], [`- ${P4}`]]);
  });

  it('waits for a peer that does not read, which is then told only the newest, and nobody else waits', () => {
    const slow = telling.join(source('10.0.0.2'), context);
    const quick = telling.join(source('10.0.0.3'), context);
    telling.rib.announce(OWN, P4, own);
    slow.congested = true;
    telling.settle();
    expect(slow.heard()).toEqual([]);
    expect(quick.heard()).toContain(`+ ${P4} 10.0.0.1`);
    telling.rib.withdraw(OWN, P4);
    telling.rib.announce(OWN, P6, own);
    telling.settle();
    expect(quick.heard()).toEqual([`- ${P4}`, `+ ${P6} fd00::1`]);
    slow.congested = false;
    telling.settle();
    expect(slow.heard().toSorted()).toEqual(['end-of-RIB 4', 'end-of-RIB 6', `+ ${P6} fd00::1`].toSorted());
  });

  it('waits for the MinRouteAdvertisementInterval where one is set, and is then the newest (RFC 4271 §9.2.1.1)', () => {
    for (const severalPaths of [false, true]) {
      telling = new Telling();
      own = telling.rib.attributes.internRoute(path(undefined, { asPath: [] }).route);
      const paced = telling.join(source('10.0.0.2'), context, { interval: 30_000, severalPaths });
      const quick = telling.join(source('10.0.0.3'), context, { severalPaths });
      telling.rib.announce(OWN, P4, own);
      telling.settle(1);
      expect(paced.heard()).toEqual([`+ ${P4} 10.0.0.1`, 'end-of-RIB 4', 'end-of-RIB 6']);
      quick.read();
      telling.clock.advance(10_000);
      telling.rib.withdraw(OWN, P4);
      telling.rib.announce(OWN, P6, own);
      telling.settle(1);
      // The interval is for each family.
      expect([paced.heard(), quick.heard()]).toEqual([[`+ ${P6} fd00::1`], [`- ${P4}`, `+ ${P6} fd00::1`]]);
      telling.rib.announce(OWN, P4, own);
      telling.settle(1);
      telling.rib.withdraw(OWN, P4);
      telling.settle(1);
      telling.clock.advance(19_999);
      telling.settle(1);
      expect(paced.heard()).toEqual([]);
      telling.clock.advance(1);
      telling.settle(1);
      expect(paced.heard()).toEqual([`- ${P4}`]);
      paced.leave();
    }
  });

  it('is told at once when its rest is ended before its time', () => {
    const paced = telling.join(source('10.0.0.2'), context, { interval: 600_000 });
    telling.rib.announce(OWN, P4, own);
    telling.settle(1);
    paced.read();
    telling.rib.withdraw(OWN, P4);
    telling.settle(1);
    expect(paced.heard()).toEqual([]);
    paced.advertiser.endRest();
    telling.settle(1);
    expect(paced.heard()).toEqual([`- ${P4}`]);
  });

  it('rests without holding up who goes over to its policy, or is new to it', () => {
    const less = contextOf(hiding(new Set([P4])));
    const changing = prefix('10.7.0.0/16');
    const resting = telling.join(source('10.0.0.2'), less, { interval: 600_000 });
    const other = telling.join(source('10.0.0.3'), context);
    for (const at of [P4, changing]) telling.rib.announce(OWN, at, own);
    telling.settle(1);
    for (const peer of [resting, other]) peer.read();
    telling.rib.withdraw(OWN, changing);
    telling.settle(1);
    expect([resting.heard(), other.heard()]).toEqual([[], [`- ${changing}`]]);
    other.advertiser.changePolicy(less);
    telling.settle(1);
    expect(other.heard()).toEqual([`- ${P4}`]);
    const fresh = telling.join(source('10.0.0.4'), less);
    telling.settle(1);
    expect(fresh.heard()).toEqual(['end-of-RIB 4', 'end-of-RIB 6']);
    telling.clock.advance(600_000);
    telling.settle(1);
    expect(resting.heard()).toEqual([`- ${changing}`]);
  });

  it('has a default route of ours where that is wanted, whatever there is, and only there (RFC 4271 §9.1.3)', () => {
    const route = prefix('0.0.0.0/0');
    const generous = { ...context, defaultFamilies: [4] } as const;
    const told = telling.join(source('10.0.0.2'), generous);
    const several = telling.join(source('10.0.0.3'), generous, { severalPaths: true });
    const others = telling.join(source('10.0.0.4'), context);
    telling.settle();
    for (const peer of [told, several]) expect(peer.heard()).toContain(`+ ${route} 10.0.0.1`);
    expect(others.heard()).toEqual(['end-of-RIB 4', 'end-of-RIB 6']);
    // One that is learned changes nothing for them, and goes to the rest.
    announce(others, route, 7);
    announce(told, route, 7, 8);
    telling.settle();
    for (const peer of [told, several]) expect(peer.heard()).toEqual([]);
    told.advertiser.changePolicy(context);
    telling.settle();
    expect(told.read()).toMatchObject([{ attributes: { asPath: [{ asNumbers: [64512, 7] }] } }]);
    several.advertiser.changePolicy(context);
    for (const peer of [told, several, others]) peer.leave();
    telling.settle();
    expect(telling.rib.families[4].prefixes.size).toBe(0);
  });

  it('is judged again when the policy changes, and only what differs is sent', () => {
    const peer = telling.join(source('10.0.0.2'), context);
    const other = telling.join(source('10.0.0.3'), context);
    announce(other, P4, 1);
    announce(other, P6, 1);
    telling.settle();
    peer.read();
    peer.advertiser.changePolicy(contextOf(hiding(new Set([P6])), { nextHopMode: 'keep' }));
    telling.settle();
    expect(peer.heard().toSorted()).toEqual([`+ ${P4} 10.0.0.3`, `- ${P6}`].toSorted());
    peer.advertiser.changePolicy(context);
    telling.settle();
    expect(peer.heard().toSorted()).toEqual([`+ ${P4} 10.0.0.1`, `+ ${P6} fd00::1`].toSorted());
    peer.advertiser.changePolicy(contextOf(hiding(new Set())));
    telling.settle();
    expect(peer.heard()).toEqual([]);
  });

  it.each([
    [false, [`+ ${P4} 10.0.0.1`]],
    [true, ['begin 1', `+ ${P4} 10.0.0.1`, 'end 1']],
  ])(
    'is told again on request (RFC 2918), between markers where both know them: %s',
    (enhanced, expected) => {
      telling.rib.announce(OWN, P4, own);
      const peer = telling.join(source('10.0.0.2'), context, { enhancedRouteRefresh: enhanced });
      const other = telling.join(source('10.0.0.3'), context, { enhancedRouteRefresh: enhanced });
      telling.settle();
      for (const one of [peer, other]) one.read();
      peer.advertiser.refresh(4);
      telling.settle();
      expect(peer.heard()).toEqual(expected);
      expect(other.heard()).toEqual([]);
    },
  );

  it.each([
    [true, ['end-of-RIB 4', 'begin 1', 'end 1']],
    [false, ['end-of-RIB 4']],
  ])(
    'is told again between markers only after its end-of-RIB (RFC 7313 §4), where both know them: %s',
    (enhancedRouteRefresh, expected) => {
      telling.rib.announce(OWN, P4, own);
      const peer = telling.join(source('10.0.0.2'), context, { enhancedRouteRefresh });
      peer.advertiser.refresh(4);
      telling.settle();
      const heard = peer.heard();
      expect(heard.filter((what) => / 1$|RIB 4/.test(what))).toEqual(expected);
      // In the first telling, and then in the second if that is one of its own.
      expect(heard.filter((what) => what.startsWith('+'))).toHaveLength(enhancedRouteRefresh ? 2 : 1);
      expect(heard.lastIndexOf(`+ ${P4} 10.0.0.1`) > heard.indexOf('end-of-RIB 4')).toBe(
        enhancedRouteRefresh,
      );
    },
  );

  it('has a refresh that is asked for during another end with it', () => {
    telling.rib.announce(OWN, P4, own);
    const peer = telling.join(source('10.0.0.2'), context, { enhancedRouteRefresh: true });
    telling.settle();
    peer.read();
    peer.advertiser.refresh(4);
    peer.advertiser.refresh(4);
    telling.settle();
    expect(peer.heard()).toEqual(['begin 1', `+ ${P4} 10.0.0.1`, 'end 1']);
  });

  it('marks a refresh of nothing, too', () => {
    const peer = telling.join(source('10.0.0.2'), context, { enhancedRouteRefresh: true });
    peer.advertiser.refresh(4);
    telling.settle();
    expect(peer.heard().filter((what) => / 1$|RIB 4/.test(what))).toEqual([
      'end-of-RIB 4',
      'begin 1',
      'end 1',
    ]);
  });

  it('never holds a route whose attributes do not fit a message, which is withdrawn instead (RFC 4271 §9.2)', () => {
    telling.rib.announce(OWN, P4, own);
    const peer = telling.join(source('10.0.0.2'), context);
    telling.settle();
    peer.read();
    const communities = Array.from({ length: 2000 }, (_, index) => index);
    const long = telling.rib.attributes.internRoute(path(source('10.0.0.3'), { communities }).route);
    telling.rib.withdraw(OWN, P4);
    telling.rib.announce(telling.rib.addSource(source('10.0.0.3')), P4, long);
    telling.settle();
    expect(peer.heard()).toEqual([`- ${P4}`]);
    expect(telling.oversized).toEqual([P4]);
  });
});

describe('a peer whose policy changes', () => {
  it('is compared with its new group a piece at a time, while others are told and routes go on changing', () => {
    const prefixes = Array.from({ length: 100 }, (_, index) => prefix(`10.1.${index}.0/24`));
    const less = contextOf(hiding(new Set(prefixes.slice(50))));
    const from = telling.join(source('10.0.0.4'), context);
    const peer = telling.join(source('10.0.0.2'), context);
    const other = telling.join(source('10.0.0.3'), context);
    // The group that it goes over to is there, so nothing but the comparison takes time.
    telling.join(source('10.0.0.5'), less);
    for (const at of prefixes) announce(from, at, 1);
    telling.settle();
    for (const one of [peer, other]) one.read();
    peer.advertiser.changePolicy(less);
    const withdrawn: string[] = [];
    let slices = 0;
    for (; withdrawn.length < 50 && slices < 1000; slices++) {
      announce(from, P4, 1, 1 + slices);
      telling.select();
      telling.tell(10);
      expect(other.heard()).toEqual([`+ ${P4} 10.0.0.1`]);
      withdrawn.push(...peer.heard().filter((line) => line.startsWith('-')));
    }
    expect(withdrawn.toSorted()).toEqual(
      prefixes
        .slice(50)
        .map((at) => `- ${at}`)
        .toSorted(),
    );
    expect(slices).toBeGreaterThan(10);
  });
});

describe('a group that nobody is in any more', () => {
  it.each([false, true])(
    'lets go a piece at a time, while others are told (several paths: %s)',
    (severalPaths) => {
      const prefixes = Array.from({ length: 100 }, (_, index) => prefix(`10.1.${index}.0/24`));
      const from = telling.join(source('10.0.0.4'), context);
      const other = telling.join(source('10.0.0.3'), context);
      const alone = telling.join(source('10.0.0.2'), contextOf(hiding(new Set())), { severalPaths });
      for (const at of prefixes) announce(from, at, 1);
      telling.settle();
      // What is withdrawn is told to all but it, which then is the only one that keeps it.
      alone.congested = true;
      telling.rib.families[4].drop(from.id);
      telling.settle();
      other.read();
      const { prefixes: table } = telling.rib.families[4];
      expect(table.size).toBe(100);
      alone.leave();
      let slices = 0;
      for (; table.size > 1 && slices < 1000; slices++) {
        announce(from, P4, 1, 1 + slices);
        telling.select();
        telling.tell(10);
        expect(other.heard()).toEqual([`+ ${P4} 10.0.0.1`]);
      }
      expect(slices).toBeGreaterThanOrEqual(10);
    },
  );
});

describe('a peer that does not read', () => {
  it('costs bits, and neither octets nor a queue, however much changes, and is then told the newest once', () => {
    const stuck = telling.join(source('10.0.0.2'), context);
    const quick = telling.join(source('10.0.0.3'), context);
    const from = telling.join(source('10.0.0.4'), context);
    const prefixes = Array.from({ length: 2000 }, (_, index) =>
      prefix(`10.${index >> 8}.${index & 255}.0/24`),
    );
    telling.settle();
    stuck.read();
    stuck.congested = true;
    const before = stuck.written;
    for (let round = 1; round <= 5; round++) {
      for (const at of prefixes) announce(from, at, round);
      telling.settle(4096);
      expect(quick.heard()).toContain(`+ ${prefixes[1999]!} 10.0.0.1`);
    }
    expect(stuck.written).toBe(before);
    // Only what is in force is kept: in the RIB, and told.
    expect(telling.rib.attributes.size).toBeLessThan(20);
    stuck.congested = false;
    telling.settle(4096);
    const told = stuck.read().flatMap((message) => (message.type === 'update' ? [message] : []));
    expect(told.flatMap(({ announced }) => announced.flatMap((list) => list.prefixes))).toHaveLength(2000);
    expect(told[0]?.attributes?.asPath).toEqual([{ type: 'sequence', asNumbers: [64512, 5] }]);
  });
});

describe('whatever happens', () => {
  const POLICIES = [hiding(new Set()), hiding(new Set([P4]))];
  const PREFIXES = [P4, P6, prefix('10.65.2.0/26'), prefix('10.65.3.0/26')];
  const operation = fc.record({
    kind: fc.constantFrom(
      'announce',
      'announce',
      'announce',
      'withdraw',
      'drop',
      'select',
      'tell',
      'tell',
      'congest',
      'read',
      'refresh',
      'policy',
      'leave',
      'join',
    ),
    peer: fc.nat(3),
    prefix: fc.nat(PREFIXES.length - 1),
    asNumber: fc.integer({ min: 1, max: 3 }),
  });

  it('every peer holds what is best, as exported, from others, and is told to forget only what it holds', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        telling = new Telling();
        const hosts = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'];
        const peers: TestPeer[] = [];
        const policies = new Map<TestPeer, number>();
        const views = new Map<TestPeer, Map<Prefix, string>>();
        const join = (index: number): void => {
          const peer = telling.join(source(hosts[index]!), contextOf(POLICIES[0]!));
          peers[index] = peer;
          policies.set(peer, 0);
          views.set(peer, new Map());
        };
        const read = (peer: TestPeer): void => {
          const view = views.get(peer)!;
          for (const message of peer.read()) {
            if (message.type !== 'update') continue;
            for (const at of message.withdrawn.flatMap(({ prefixes }) => prefixes)) {
              expect(view.delete(at)).toBe(true);
            }
            for (const { prefixes, nextHop } of message.announced) {
              for (const at of prefixes) {
                view.set(at, `${nextHop.address} ${JSON.stringify(message.attributes)}`);
              }
            }
          }
        };
        hosts.forEach((_, index) => join(index));
        for (const { kind, ...at } of operations) {
          const peer = peers[at.peer]!;
          const where = PREFIXES[at.prefix]!;
          if (kind === 'announce') announce(peer, where, at.asNumber);
          else if (kind === 'withdraw') telling.rib.withdraw(peer.id, where);
          else if (kind === 'drop') telling.rib.families[familyOf(where)].drop(peer.id);
          else if (kind === 'select') telling.select();
          else if (kind === 'tell') telling.tell(at.asNumber);
          else if (kind === 'congest') peer.congested = true;
          else if (kind === 'refresh') peer.advertiser.refresh(familyOf(where));
          else if (kind === 'read') {
            peer.congested = false;
            read(peer);
          } else if (kind === 'policy') {
            policies.set(peer, at.asNumber % 2);
            peer.advertiser.changePolicy(contextOf(POLICIES[at.asNumber % 2]!));
          } else if (kind === 'leave') {
            peer.leave();
            join(at.peer);
          }
        }
        for (const peer of peers) peer.congested = false;
        telling.settle();
        for (const peer of peers) {
          read(peer);
          const expected = new Map<Prefix, string>();
          for (const where of PREFIXES) {
            const family = familyOf(where);
            const table = telling.rib.families[family];
            const id = table.find(prefixBits(where));
            const best = id < 0 ? 0 : table.best(id);
            if (best === 0 || table.paths.source(best) === peer.id) continue;
            if (policies.get(peer) === 1 && where === P4) continue;
            const route = exportRoute(telling.rib.path(family, best), UNCHANGED, family, context)!;
            expected.set(where, `${route.nextHop.address} ${JSON.stringify(route.attributes)}`);
          }
          expect(views.get(peer)).toEqual(expected);
        }
        // Nothing of what is gone is kept.
        for (const peer of peers) peer.leave();
        telling.settle();
        expect(FAMILIES.map((family) => telling.rib.families[family].prefixes.size)).toEqual([0, 0]);
        expect(telling.rib.attributes.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
