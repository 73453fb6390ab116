/**
 * A speaker's core under mutated messages: sessions of every kind tell routes through framer, codec, state machine and
 * import into one RIB, from which peers of every kind are told. What must hold is looked at again and again, and a
 * round ends with nothing left of all that was told in it.
 */
import { ManualClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { messageEvent } from '../../src/bgp/fsm/message-event.ts';
import type { Negotiated } from '../../src/bgp/fsm/negotiate.ts';
import type { Session } from '../../src/bgp/fsm/session.ts';
import { step } from '../../src/bgp/fsm/step.ts';
import { Learner } from '../../src/bgp/learner.ts';
import { FAMILIES } from '../../src/bgp/rib/rib.ts';
import type { Source } from '../../src/bgp/rib/route.ts';
import type { SourceId } from '../../src/bgp/rib/sources.ts';
import { readMessage } from '../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../src/bgp/wire/framer.ts';
import type { NlriList, WireOptions } from '../../src/bgp/wire/message.ts';
import { type Address, type Family, address } from '../../src/net/address.ts';
import type { Prefix } from '../../src/net/prefix.ts';
import { at } from '../unit/bgp/fsm/sessions.ts';
import { source } from '../unit/bgp/rib/make.ts';
import { type TestPeer, Telling, contextOf, hiding } from '../unit/bgp/telling.ts';
import { SESSIONS } from './bgp-corpus.ts';
import { type Case } from './bgp-mutator.ts';
import { Random } from './random.ts';

export interface CoreOptions {
  /** Number of the first message. */
  readonly seed: number;
  readonly messages: number;
  /** Milliseconds after which the run ends with its round, whatever is left. */
  readonly duration?: number;
  readonly make: (seed: number) => Case;
  /** Spoils the core, to prove that it would be found. */
  readonly plant?: (core: Telling) => void;
}

export interface CoreReport {
  readonly messages: number;
  /** UPDATEs that reached the RIB. */
  readonly updates: number;
  readonly sessionsEnded: number;
  /** Announcements and withdrawals that peers have read. */
  readonly told: number;
  /** Most paths that the RIB held at once, when it was looked at. */
  readonly paths: number;
  readonly checks: number;
  readonly milliseconds: number;
  readonly finding?: { readonly kind: 'crash' | 'state'; readonly seed: number; readonly detail: string };
}

/** Messages after which everything is forgotten: a finding is made again from the beginning of its round. */
export const ROUND = 4096;
/** Messages between two looks at the whole. */
const CHECK = 256;
/** More prefixes than are told in one slice. */
const ALL = 1_000_000;
const ROUTER_ID = address('10.0.0.1');
const CLUSTER = address('1.1.1.1');
const KEEP_FOR = 120;
/** Of messages that do nothing but end a session so many are passed over, so that tables grow. */
const PASSED_OVER = 0.95;

/** A peer that tells: one of each kind of session. */
class Feeder {
  readonly learner: Learner;
  id: SourceId | undefined;
  private session: Session = at('Established');
  private framer = new MessageFramer();
  private readonly source: Source;

  constructor(
    index: number,
    telling: Telling,
    clock: ManualClock,
    private readonly wire: WireOptions,
  ) {
    this.source = source(`10.0.1.${index + 1}`, { external: wire.external });
    this.learner = new Learner({
      rib: telling.rib,
      clock,
      log: silentLogger,
      changed: () => undefined,
      endOfRib: () => undefined,
    });
  }

  /** Opens a session; `forwarding`: families whose routes have outlived the one before. */
  open(forwarding: readonly Family[]): void {
    const { wire } = this;
    this.session = at('Established');
    this.framer = new MessageFramer();
    this.framer.extendedMessages = wire.extendedMessages;
    const asNumber = wire.external ? 65001 : 64512;
    const negotiated: Negotiated = {
      wire,
      peerAs: asNumber,
      peerIdentifier: this.source.identifier,
      holdTime: 90,
      keepaliveTime: 30,
      families: wire.families,
      routeRefresh: true,
      enhancedRouteRefresh: true,
      gracefulRestart: {
        restarting: false,
        notification: true,
        restartTime: KEEP_FOR,
        families: wire.families.map((family) => ({ family, forwarding: forwarding.includes(family) })),
      },
      longLivedStale: [],
      knowsLongLived: false,
    };
    this.id = this.learner.established(this.source, negotiated, {
      external: wire.external,
      localAs: 64512,
      peerAs: asNumber,
      routerId: ROUTER_ID,
      clusterId: CLUSTER,
      allowedOwnAs: 0,
      ownAddresses: [ROUTER_ID],
      filters: undefined,
    });
  }

  /** Hears octets. Returns how many UPDATEs it learned from, and whether the session is still up. */
  hear(bytes: Uint8Array): {
    readonly updates: number;
    readonly up: boolean;
    readonly asked: readonly Family[];
  } {
    this.framer.push(bytes);
    let updates = 0;
    const asked: Family[] = [];
    for (let found = this.framer.next(); found !== undefined; found = this.framer.next()) {
      const message = found instanceof Uint8Array ? readMessage(found, this.wire) : found;
      this.session = step(this.session, messageEvent('out-1', message), () => 0).session;
      if (this.session.state !== 'Established') return { updates, up: false, asked };
      if (message.type === 'update') {
        updates++;
        this.learner.update(message);
      } else if (message.type === 'route-refresh') {
        const family = message.afi === 2 ? 6 : 4;
        if (message.subtype === 'request') asked.push(family);
        else if (message.subtype !== 'unknown') this.learner.refreshMarker(family, message.subtype);
      }
    }
    return { updates, up: true, asked };
  }

  forget(): void {
    this.learner.forget();
    this.id = undefined;
  }
}

/** A peer that is told, and what it holds by what it has read. */
class Reader {
  readonly held = new Map<Prefix, Set<number>>();

  constructor(readonly peer: TestPeer) {}

  /** Reads what has come; returns how many prefixes that spoke of. */
  read(): number {
    let count = 0;
    for (const message of this.peer.read()) {
      if (message.type !== 'update') continue;
      if (message.faults.length > 0) throw new Error(`told with a fault: ${JSON.stringify(message.faults)}`);
      for (const list of message.withdrawn) count += this.each(list, (at, path) => this.lose(at, path));
      for (const list of message.announced) {
        count += this.each(list, (at, path) => {
          const paths = this.held.get(at);
          if (paths === undefined) this.held.set(at, new Set([path]));
          else paths.add(path);
        });
      }
    }
    return count;
  }

  private each(list: NlriList, act: (prefix: Prefix, path: number) => void): number {
    for (const [index, prefix] of list.prefixes.entries()) act(prefix, list.pathIds?.[index] ?? 0);
    return list.prefixes.length;
  }

  private lose(prefix: Prefix, path: number): void {
    const paths = this.held.get(prefix);
    paths?.delete(path);
    if (paths?.size === 0) this.held.delete(prefix);
  }
}

/** Kinds of peers that are told, each with whether it takes several paths. */
function join(telling: Telling): Reader[] {
  const policy = hiding(new Set());
  const clusterId: Address = CLUSTER;
  return [
    telling.join(source('10.0.2.1'), contextOf(policy)),
    telling.join(
      source('10.0.2.2', { external: false }),
      contextOf(policy, { peer: { external: false, reflectorClient: false }, clusterId }),
    ),
    telling.join(
      source('10.0.2.3', { external: false, reflectorClient: true }),
      contextOf(policy, {
        peer: { external: false, reflectorClient: true },
        clusterId,
        extendedNextHop: true,
      }),
    ),
    telling.join(source('10.0.2.4'), contextOf(policy), { enhancedRouteRefresh: true, severalPaths: true }),
  ].map((peer) => new Reader(peer));
}

/** Runs until something is found or everything is tried. */
export function fuzzCore({ seed, messages, duration = Infinity, make, plant }: CoreOptions): CoreReport {
  const start = performance.now();
  const telling = new Telling();
  plant?.(telling);
  const clock = new ManualClock();
  const feeders = SESSIONS.map((wire, index) => new Feeder(index, telling, clock, wire));
  const counts = { messages: 0, updates: 0, sessionsEnded: 0, told: 0, paths: 0, checks: 0 };
  let round = seed;

  const look = (readers: readonly Reader[]): void => {
    telling.settle(ALL);
    for (const reader of readers) counts.told += reader.read();
    counts.checks++;
    counts.paths = Math.max(counts.paths, consistent(telling, feeders));
    for (const reader of readers) toldAsWanted(telling, reader);
  };

  const runRound = (count: number): void => {
    const readers = join(telling);
    for (const feeder of feeders) feeder.open([]);
    for (let done = 0; done < count; done++) {
      if (done % CHECK === 0) look(readers);
      const number = round + done;
      const { bytes, session } = make(number);
      const random = new Random(~number);
      counts.messages++;
      if (isEnd(bytes, SESSIONS[session]!) && random.chance(PASSED_OVER)) continue;
      const feeder = feeders[session]!;
      const { updates, up, asked } = feeder.hear(bytes);
      counts.updates += updates;
      for (const family of asked) random.one(readers).peer.advertiser.refresh(family);
      if (!up) {
        counts.sessionsEnded++;
        endSession(telling, feeder, clock, random);
      }
    }
    for (const feeder of feeders) feeder.forget();
    look(readers);
    for (const { peer, held } of readers) {
      if (held.size > 0) throw new StateError(`${held.size} prefixes were never withdrawn`);
      peer.leave();
    }
    telling.settle(ALL);
    nothingLeft(telling);
  };

  let finding: CoreReport['finding'];
  while (finding === undefined && counts.messages < messages && performance.now() - start < duration) {
    const size = Math.min(ROUND, messages - counts.messages);
    try {
      runRound(size);
      round += size;
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const kind = error instanceof StateError ? 'state' : 'crash';
      finding = { kind, seed: round, detail: error instanceof StateError ? error.message : text };
    }
  }
  return {
    ...counts,
    milliseconds: performance.now() - start,
    ...(finding === undefined ? {} : { finding }),
  };
}

/** Whether the message ends the session that it comes in. */
function isEnd(bytes: Uint8Array, wire: WireOptions): boolean {
  const framer = new MessageFramer();
  framer.extendedMessages = wire.extendedMessages;
  framer.push(bytes);
  const found = framer.next();
  const { type } = found instanceof Uint8Array ? readMessage(found, wire) : (found ?? { type: undefined });
  return type === 'error' || type === 'open' || type === 'notification';
}

/** Something does not hold. */
class StateError extends Error {}

/** Ends a session in one of the ways there are, and opens the next. */
function endSession(telling: Telling, feeder: Feeder, clock: ManualClock, random: Random): void {
  const kept = random.one([[], [4], [6], [4, 6]] as const);
  const { id } = feeder;
  feeder.learner.lost(kept, KEEP_FOR);
  for (const family of FAMILIES) {
    const { received } = telling.rib.count(id!, family);
    if (!(kept as readonly Family[]).includes(family) && received > 0) {
      throw new StateError(`${received} IPv${family} routes have outlived their session`);
    }
  }
  if (random.chance(0.2)) {
    clock.advance(KEEP_FOR * 1000);
    if (feeder.learner.received > 0) throw new StateError('stale routes have outlived the restart time');
  }
  if (random.chance(0.2)) feeder.forget();
  feeder.open(random.one([[], [4], [4, 6]] as const));
}

/** Holds the books against the paths that there are; returns how many. */
function consistent({ rib }: Telling, feeders: readonly Feeder[]): number {
  let total = 0;
  for (const family of FAMILIES) {
    const table = rib.families[family];
    const counted = new Map<SourceId, number>();
    for (const prefix of table.known()) {
      const text = table.prefixes.text(prefix);
      const paths = [...table.pathsOf(prefix)];
      for (const path of paths) {
        const from = table.paths.source(path);
        if (rib.sources.get(from) === undefined) throw new StateError(`${text} has a path from nobody`);
        counted.set(from, (counted.get(from) ?? 0) + 1);
      }
      total += paths.length;
      const best = table.best(prefix);
      if (best === 0 ? paths.length > 0 : !paths.includes(best)) {
        throw new StateError(`${text}: the best path is none of its ${paths.length} paths`);
      }
    }
    for (const { id } of feeders) {
      if (id === undefined) continue;
      const { received } = rib.count(id, family);
      const found = counted.get(id) ?? 0;
      if (received !== found) throw new StateError(`IPv${family}: ${received} in the books, ${found} there`);
      counted.delete(id);
    }
    if (counted.size > 0) throw new StateError(`IPv${family}: paths of peers that have gone`);
  }
  return total;
}

/** A peer holds a prefix exactly if export policy lets it. */
function toldAsWanted({ rib }: Telling, { held, peer }: Reader): void {
  let wanted = 0;
  for (const family of FAMILIES) {
    const table = rib.families[family];
    for (const prefix of table.known()) {
      const text = table.prefixes.text(prefix);
      const { told, rule } = peer.advertiser.explain(family, prefix);
      if (told) wanted++;
      if (told !== held.has(text)) {
        const what = told ? 'does not hold' : 'holds';
        throw new StateError(`${peer.source.name} ${what} ${text} (${rule})`);
      }
    }
  }
  if (held.size !== wanted) throw new StateError(`${peer.source.name} holds ${held.size}, not ${wanted}`);
}

/** Memory that nobody needs any more is free for others. */
function nothingLeft({ rib }: Telling): void {
  for (const family of FAMILIES) {
    const { size } = rib.families[family].prefixes;
    if (size > 0) throw new StateError(`${size} IPv${family} prefixes are kept for nothing`);
  }
  if (rib.attributes.size > 0) {
    throw new StateError(`${rib.attributes.size} attribute sets are kept for nothing`);
  }
}
