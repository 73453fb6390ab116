/** A RIB, peers that tell it routes and are told, and what each of them has been told as it reads it. */
import { ManualClock } from '../../../src/base/clock.ts';
import { Advertiser } from '../../../src/bgp/advertiser.ts';
import { Pace } from '../../../src/bgp/pace.ts';
import type { ExportContext } from '../../../src/bgp/policy/export.ts';
import { ExportPolicy } from '../../../src/bgp/policy/export-policy.ts';
import { PrefixFilter } from '../../../src/bgp/policy/prefix-filter.ts';
import { UNCHANGED } from '../../../src/bgp/policy/route-edit.ts';
import { FAMILIES, Rib } from '../../../src/bgp/rib/rib.ts';
import type { Source } from '../../../src/bgp/rib/route.ts';
import type { SourceId } from '../../../src/bgp/rib/sources.ts';
import { UpdateGroups } from '../../../src/bgp/update-groups.ts';
import { decodeMessage, encodeMessage } from '../../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../../src/bgp/wire/framer.ts';
import { BASIC_WIRE, type ReceivedMessage, type WireOptions } from '../../../src/bgp/wire/message.ts';
import { type Family, address } from '../../../src/net/address.ts';
import { formatPrefixBits } from '../../../src/net/prefix-bits.ts';
import type { Prefix } from '../../../src/net/prefix.ts';
import { NO_FACTS } from './policy/make.ts';

export const wire: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };

/** A policy that tells all but what is hidden. */
export function hiding(hidden: ReadonlySet<Prefix>): ExportPolicy {
  return new ExportPolicy({
    prefixes: new PrefixFilter(NO_FACTS),
    filters: ({ prefix }) => ({
      accept: !hidden.has(formatPrefixBits(prefix)),
      rule: 'hidden',
      edit: UNCHANGED,
    }),
    normalMetric: { 4: 1024, 6: 1024 },
  });
}

export function contextOf(policy: ExportPolicy, fields: Partial<ExportContext> = {}): ExportContext {
  return {
    peer: { external: true, reflectorClient: false },
    localAs: 64512,
    clusterId: undefined,
    nextHopMode: 'auto',
    ownAddresses: { 4: address('10.0.0.1'), 6: address('fd00::1') },
    extendedNextHop: false,
    sharedNetworks: [],
    leaving: false,
    policy,
    ownLocalPref: { 4: 100, 6: 100 },
    ...fields,
  };
}

export class Telling {
  readonly rib = new Rib();
  readonly clock = new ManualClock();
  readonly oversized: Prefix[] = [];
  readonly groups = new UpdateGroups(this.rib, (at) => this.oversized.push(at));
  readonly peers = new Set<TestPeer>();
  unsettled: Family | undefined;

  join(source: Source, context: ExportContext, fields: Partial<TestPeerOptions> = {}): TestPeer {
    const peer = new TestPeer(this, source, context, {
      enhancedRouteRefresh: false,
      severalPaths: false,
      interval: 0,
      ...fields,
    });
    this.peers.add(peer);
    return peer;
  }

  /** Decides all that is marked. */
  select(): void {
    while (this.rib.sweep(100));
    for (const family of FAMILIES) {
      const rib = this.rib.families[family];
      while (rib.pending > 0) rib.select(100, (prefix) => this.groups.mark(family, prefix));
    }
  }

  /** One slice: each group and each straggler is told of up to `limit` prefixes. */
  tell(limit = 100): void {
    this.groups.dissolve(limit);
    for (const group of this.groups.round()) {
      if (group.canFlush) group.flush(limit);
      for (const member of group.lagging) group.catchUp(member, limit);
    }
    for (const { advertiser } of this.peers) advertiser.advance((family) => family !== this.unsettled);
    const used = new Set([...this.peers].flatMap(({ advertiser }) => [...advertiser.inUse()]));
    this.groups.keep(used);
  }

  /** Everything that can be told is. */
  settle(limit?: number): void {
    this.select();
    for (let slices = 0; slices < 40; slices++) this.tell(limit);
  }
}

export interface TestPeerOptions {
  readonly enhancedRouteRefresh: boolean;
  /** It takes several paths to a prefix (RFC 7911). */
  readonly severalPaths: boolean;
  /** Milliseconds between two rounds of changes. */
  readonly interval: number;
}

export class TestPeer {
  readonly id: SourceId;
  readonly advertiser: Advertiser;
  congested = false;
  /** Octets written. */
  written = 0;
  private readonly framer = new MessageFramer();
  private readonly received: WireOptions;

  constructor(
    private readonly telling: Telling,
    readonly source: Source,
    context: ExportContext,
    { enhancedRouteRefresh, severalPaths, interval }: TestPeerOptions,
  ) {
    const families: readonly Family[] = severalPaths ? [4, 6] : [];
    const { extendedNextHop } = context;
    const { external } = context.peer;
    this.received = { ...wire, external, extendedNextHop, addPathReceive: families };
    this.id = telling.rib.addSource(source);
    this.advertiser = new Advertiser(
      {
        source: this.id,
        families: [4, 6],
        wire: { ...wire, external, extendedNextHop, addPathSend: families },
        enhancedRouteRefresh,
        mayEnd: () => true,
        congested: () => this.congested,
        write: (bytes) => {
          this.written += bytes.length;
          this.framer.push(bytes);
        },
        send: (message) => this.framer.push(encodeMessage(message, wire)),
        pace: () =>
          new Pace({ clock: telling.clock, interval: () => interval, over: () => {}, random: () => 0 }),
      },
      (...key) => telling.groups.find(...key),
      context,
    );
  }

  /** The session ends, and what it told is forgotten. */
  leave(): void {
    this.advertiser.close();
    this.telling.peers.delete(this);
    this.telling.rib.removeSource(this.id);
  }

  read(): ReceivedMessage[] {
    const messages: ReceivedMessage[] = [];
    for (let next = this.framer.next(); next instanceof Uint8Array; next = this.framer.next()) {
      const message = decodeMessage(next, this.received);
      if (message.type === 'error') throw new Error(message.reason);
      messages.push(message);
    }
    return messages;
  }

  /** What the peer reads, in short. */
  heard(): string[] {
    return this.read().flatMap((message) => {
      if (message.type === 'route-refresh') return [`${message.subtype} ${message.afi}`];
      if (message.type !== 'update') return [message.type];
      if (message.endOfRib !== undefined) return [`end-of-RIB ${message.endOfRib}`];
      return [
        ...message.withdrawn.flatMap(({ prefixes }) => prefixes.map((at) => `- ${at}`)),
        ...message.announced.flatMap(({ prefixes, nextHop }) =>
          prefixes.map((at) => `+ ${at} ${nextHop.address}`),
        ),
      ];
    });
  }
}
