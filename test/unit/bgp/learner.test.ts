import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Negotiated } from '../../../src/bgp/fsm/negotiate.ts';
import { Learner } from '../../../src/bgp/learner.ts';
import { Rib } from '../../../src/bgp/rib/rib.ts';
import type { SourceId } from '../../../src/bgp/rib/sources.ts';
import { encodeMessage, readMessage } from '../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type UpdateMessage, type WireOptions } from '../../../src/bgp/wire/message.ts';
import { type Family, address, familyOf } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { attributes, importContext as context, source } from './rib/make.ts';
import { toHex } from './wire/bytes.ts';

const BOTH: readonly Family[] = [4, 6];
const peer = source('10.0.0.2');
const PREFIXES = ['192.0.2.0/24', '198.51.100.0/24', '2001:db8::/48'].map(prefix);

const wire: WireOptions = { ...BASIC_WIRE, families: BOTH };

let rib: Rib;
let clock: ManualClock;
let ended: Family[];
let learner: Learner;
let id: SourceId;

beforeEach(() => {
  rib = new Rib();
  clock = new ManualClock();
  ended = [];
  learner = new Learner({
    rib,
    clock,
    log: silentLogger,
    changed: () => undefined,
    endOfRib: (family) => ended.push(family),
  });
});

/** `none`: no graceful restart at all. */
function negotiated(forwarding: readonly Family[] | 'none'): Negotiated {
  return {
    wire,
    peerAs: 65001,
    peerIdentifier: peer.identifier,
    holdTime: 90,
    keepaliveTime: 30,
    families: BOTH,
    routeRefresh: true,
    enhancedRouteRefresh: true,
    gracefulRestart:
      forwarding === 'none'
        ? undefined
        : {
            restarting: true,
            notification: false,
            restartTime: 60,
            families: BOTH.map((family) => ({ family, forwarding: forwarding.includes(family) })),
          },
    longLivedStale: [],
    knowsLongLived: false,
  };
}

/** The peer sends an UPDATE, damaged perhaps. */
function update(fields: Partial<UpdateMessage>, damage?: (bytes: Uint8Array) => void): void {
  const bytes = encodeMessage({ type: 'update', withdrawn: [], announced: [], ...fields }, wire);
  damage?.(bytes);
  const message = readMessage(bytes, wire);
  if (message.type !== 'update') throw new Error('no UPDATE');
  learner.update(message);
}

function tell(...prefixes: typeof PREFIXES): void {
  for (const at of prefixes) {
    const family = familyOf(at);
    const nextHop = { address: address(family === 4 ? '10.0.0.2' : 'fd00::2') };
    update({ announced: [{ family, prefixes: [at], nextHop }], attributes: attributes() });
  }
}

function up(forwarding: readonly Family[] | 'none' = BOTH): void {
  id = learner.established(peer, negotiated(forwarding), context);
}

describe('a malformed attribute that costs routes', () => {
  it('is told of once a session, with the prefixes and the whole message (RFC 7606 §6)', () => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
    const { changed, endOfRib } = { changed: () => undefined, endOfRib: () => undefined };
    learner = new Learner({ rib, clock, log: () => log, changed, endOfRib });
    const nextHop = { address: address('10.0.0.2') };
    const announced = [{ family: 4, prefixes: [PREFIXES[0]!], nextHop }] as const;
    let sent = '';
    const damage = (bytes: Uint8Array): void => {
      bytes[bytes.findIndex((_, at) => bytes[at] === 0x40 && bytes[at + 1] === 1) + 3] = 9;
      sent = toHex(bytes);
    };
    for (let session = 1; session <= 2; session++) {
      up('none');
      for (let time = 0; time < 3; time++) update({ announced, attributes: attributes() }, damage);
      learner.lost([], 0);
      expect(lines).toHaveLength(session);
    }
    expect(JSON.parse(lines[0]!)).toMatchObject({
      attribute: 'ORIGIN',
      action: 'withdraw',
      prefixes: [PREFIXES[0]],
      update: sent,
    });
  });
});

describe('what a peer tells', () => {
  it('enters the RIB, leaves it, and is refused when it cannot be used', () => {
    up();
    tell(...PREFIXES);
    expect(learner.received).toBe(3);
    update({ withdrawn: [{ family: 4, prefixes: [PREFIXES[0]!] }] });
    // RFC 7606 §7.1: an ORIGIN that does not exist withdraws the routes.
    const nextHop = { address: address('fd00::2') };
    update(
      { announced: [{ family: 6, prefixes: [PREFIXES[2]!], nextHop }], attributes: attributes() },
      (bytes) => (bytes[bytes.findIndex((_, at) => bytes[at] === 0x40 && bytes[at + 1] === 1) + 3] = 9),
    );
    expect(learner.received).toBe(1);
    const looped = attributes({ asPath: [{ type: 'sequence', asNumbers: [65001, 64512] }] });
    update({
      announced: [{ family: 4, prefixes: [PREFIXES[1]!], nextHop: { address: address('10.0.0.2') } }],
      attributes: looped,
    });
    expect(learner.received).toBe(0);
  });

  it('is ignored where it is a prefix that no unicast route leads to, and counts beside it (RFC 4271 §6.3)', () => {
    up('none');
    tell(prefix('224.1.0.0/16'), PREFIXES[0]!, prefix('ff02::/16'), PREFIXES[2]!);
    expect(learner.received).toBe(2);
  });

  it('goes with the session without graceful restart', () => {
    up('none');
    tell(...PREFIXES);
    learner.lost([], 0);
    expect(learner.received).toBe(0);
  });
});

describe('the helper of a restarting peer (RFC 4724 §4.2)', () => {
  beforeEach(() => {
    up();
    tell(...PREFIXES);
    learner.lost(BOTH, 60);
  });

  it('keeps its routes as stale for the restart time, and no longer', () => {
    clock.advance(59_999);
    expect([learner.received, learner.stale]).toEqual([3, 3]);
    clock.advance(1);
    expect(learner.received).toBe(0);
  });

  it('keeps them past the restart time once it is back, until its end-of-RIB, family by family', () => {
    clock.advance(30_000);
    up();
    clock.advance(100_000);
    tell(PREFIXES[0]!);
    expect([learner.received, learner.stale]).toEqual([3, 2]);
    update({ endOfRib: 4 });
    expect([learner.received, learner.stale]).toEqual([2, 1]);
    update({ endOfRib: 6 });
    expect([learner.received, learner.stale]).toEqual([1, 0]);
    expect(ended).toEqual([4, 6]);
  });

  it('gives up a peer that is back but never ends its RIB', () => {
    up();
    tell(PREFIXES[0]!);
    clock.advance(360_000);
    expect([learner.received, learner.stale]).toEqual([1, 0]);
  });

  it('keeps what a peer without forwarding state has told, if only we have opened the session anew', () => {
    const again = (restarting: boolean): void => {
      const { gracefulRestart } = negotiated([]);
      const open = { ...negotiated([]), gracefulRestart: { ...gracefulRestart!, restarting } };
      learner.established(peer, open, context, { reopened: true });
    };
    again(false);
    expect([learner.received, learner.stale]).toEqual([3, 3]);
    tell(PREFIXES[0]!);
    for (const family of BOTH) update({ endOfRib: family });
    expect([learner.received, learner.stale]).toEqual([1, 0]);
    learner.lost(BOTH, 60);
    again(true);
    expect(learner.received).toBe(0);
  });

  it('drops at once the family whose forwarding state was lost', () => {
    up([6]);
    expect([learner.received, learner.stale]).toEqual([1, 1]);
  });

  it('drops all if the peer comes back without graceful restart', () => {
    up('none');
    expect(learner.received).toBe(0);
  });

  it('drops what was stale already when the peer is lost again, and keeps the rest', () => {
    up();
    tell(PREFIXES[0]!);
    learner.lost(BOTH, 60);
    expect([learner.received, learner.stale]).toEqual([1, 1]);
  });

  it('keeps only the families that are to be retained', () => {
    up();
    tell(...PREFIXES);
    learner.lost([4], 60);
    expect([rib.count(id, 4).received, rib.count(id, 6).received]).toEqual([2, 0]);
  });

  it('forgets all of a peer that is no longer configured', () => {
    learner.forget();
    clock.advance(1_000_000);
    expect(learner.received).toBe(0);
  });
});

describe('the helper of a peer that is away for long (RFC 9494 §4.2)', () => {
  const STALE = 0xffff0006;
  const NO_LLGR = 0xffff0007;

  function longLived(forwarding: readonly Family[], staleTimes: Partial<Record<Family, number>>): Negotiated {
    return {
      ...negotiated(BOTH),
      longLivedStale: BOTH.flatMap((family) => {
        const staleTime = staleTimes[family];
        return staleTime === undefined
          ? []
          : [{ family, staleTime, forwarding: forwarding.includes(family) }];
      }),
    };
  }

  function back(
    forwarding: readonly Family[],
    staleTimes: Partial<Record<Family, number>>,
    ours?: number,
  ): void {
    id = learner.established(peer, longLived(forwarding, staleTimes), { ...context, longLivedTime: ours });
  }

  /** Communities of what is held of IPv4, by prefix. */
  function communities(): Record<string, readonly number[] | undefined> {
    const family = rib.families[4];
    return Object.fromEntries(
      [...family.known()].flatMap((prefix) =>
        [...family.pathsOf(prefix)].map((path) => [
          family.prefixes.text(prefix),
          rib.path(4, path).route.attributes.communities,
        ]),
      ),
    );
  }

  beforeEach(() => {
    back(BOTH, { 4: 100 });
    const nextHop = { address: address('10.0.0.2') };
    const announce = (at: (typeof PREFIXES)[number], values?: readonly number[]): void =>
      update({
        announced: [{ family: 4, prefixes: [at], nextHop }],
        attributes: attributes(values === undefined ? {} : { communities: values }),
      });
    announce(PREFIXES[0]!, [7]);
    announce(PREFIXES[1]!, [NO_LLGR]);
    tell(PREFIXES[2]!);
    learner.lost(BOTH, 60);
  });

  it('marks what is stale when the restart time is over, and forgets what must not be kept', () => {
    clock.advance(59_999);
    expect(communities()).toEqual({ [PREFIXES[0]!]: [7], [PREFIXES[1]!]: [NO_LLGR] });
    clock.advance(1);
    expect(communities()).toEqual({ [PREFIXES[0]!]: [7, STALE] });
    // The other family has not the long-lived form.
    expect([learner.received, learner.stale]).toEqual([1, 1]);
  });

  it('forgets them when their time is over, also if the peer is back without an end-of-RIB', () => {
    clock.advance(60_000);
    clock.advance(50_000);
    back(BOTH, { 4: 1000 });
    clock.advance(49_999);
    expect(learner.stale).toBe(1);
    clock.advance(1);
    expect(learner.received).toBe(0);
  });

  it('has what is told again as if nothing had been', () => {
    clock.advance(60_000);
    back(BOTH, { 4: 100 });
    tell(PREFIXES[0]!);
    update({ endOfRib: 4 });
    expect(communities()).toEqual({ [PREFIXES[0]!]: undefined });
    clock.advance(1_000_000);
    expect([learner.received, learner.stale]).toEqual([1, 0]);
  });

  it('forgets at once what the peer comes back without', () => {
    clock.advance(60_000);
    back([], { 4: 100 });
    expect(learner.received).toBe(0);
  });

  it('keeps them for no longer than we want', () => {
    back(BOTH, { 4: 100 }, 10);
    learner.lost(BOTH, 60);
    back(BOTH, { 4: 100 }, 10);
    tell(PREFIXES[0]!);
    learner.lost(BOTH, 0);
    expect(communities()).toEqual({ [PREFIXES[0]!]: [STALE] });
    clock.advance(10_000);
    expect(learner.received).toBe(0);
  });
});

describe('a refresh between markers (RFC 7313 §4)', () => {
  it('removes what was not told again', () => {
    up('none');
    tell(...PREFIXES);
    learner.refreshMarker(4, 'begin');
    tell(PREFIXES[0]!);
    learner.refreshMarker(4, 'end');
    expect(learner.received).toBe(2);
  });

  it('loses nothing if the peer begins again before the end', () => {
    up('none');
    tell(...PREFIXES);
    learner.refreshMarker(4, 'begin');
    tell(PREFIXES[0]!);
    learner.refreshMarker(4, 'begin');
    expect(learner.received).toBe(3);
    tell(PREFIXES[0]!, PREFIXES[1]!);
    learner.refreshMarker(4, 'end');
    expect(learner.received).toBe(3);
  });

  it('means nothing while the end-of-RIB of a restart is awaited', () => {
    up();
    tell(...PREFIXES);
    learner.refreshMarker(4, 'begin');
    learner.refreshMarker(4, 'end');
    expect(learner.received).toBe(3);
  });
});
