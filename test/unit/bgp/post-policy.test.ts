import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Learner } from '../../../src/bgp/learner.ts';
import type { FilterChain } from '../../../src/bgp/policy/bgp-filter.ts';
import type { ImportContext } from '../../../src/bgp/policy/import.ts';
import { UNCHANGED } from '../../../src/bgp/policy/route-edit.ts';
import type { PostPolicyUpdate } from '../../../src/bgp/post-policy.ts';
import { Rib } from '../../../src/bgp/rib/rib.ts';
import { decodeMessage, encodeMessage, readMessage } from '../../../src/bgp/wire/codec.ts';
import { BASIC_WIRE, type UpdateMessage, type WireOptions } from '../../../src/bgp/wire/message.ts';
import { address } from '../../../src/net/address.ts';
import { formatPrefixBits } from '../../../src/net/prefix-bits.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { attributes, importContext as context, source } from './rib/make.ts';

const wire: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };
const peer = source('10.0.0.2');
const nextHop = { address: address('10.0.0.2') };
const [ONE, TWO, THREE] = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'].map((text) =>
  prefix(text),
) as [ReturnType<typeof prefix>, ReturnType<typeof prefix>, ReturnType<typeof prefix>];

let updates: PostPolicyUpdate[];
let wanted: boolean;
let learner: Learner;

beforeEach(() => {
  updates = [];
  wanted = true;
  learner = new Learner({
    rib: new Rib(),
    clock: new ManualClock(),
    log: silentLogger,
    changed: () => undefined,
    endOfRib: () => undefined,
    postPolicy: { wanted: () => wanted, told: (update) => updates.push(update) },
  });
});

function up(change: Partial<ImportContext> = {}): void {
  learner.established(
    peer,
    {
      wire,
      peerAs: 65001,
      peerIdentifier: peer.identifier,
      holdTime: 90,
      keepaliveTime: 30,
      families: [4, 6],
      routeRefresh: true,
      enhancedRouteRefresh: true,
      longLivedStale: [],
      knowsLongLived: false,
    },
    { ...context, ...change },
  );
}

/** What a station reads of an UPDATE from the peer, in short. */
function read(update: Omit<UpdateMessage, 'type'>, session = wire): string[] {
  updates = [];
  const parsed = readMessage(encodeMessage({ type: 'update', ...update }, session), session);
  if (parsed.type !== 'update') throw new Error(parsed.type);
  learner.update(parsed);
  return updates.flatMap((one) =>
    one.encode(session).flatMap((bytes) => {
      const message = decodeMessage(bytes, { ...session, extendedMessages: true, external: false });
      if (message.type !== 'update') throw new Error(message.type);
      const { localPref, communities = [] } = message.attributes ?? {};
      const extra = `${localPref === undefined ? '' : ` pref ${localPref}`}${communities.map((one) => ` c${one}`).join('')}`;
      return [
        ...message.withdrawn.flatMap(({ prefixes, pathIds }) =>
          prefixes.map((at, index) => `- ${at}${pathIds === undefined ? '' : ` ${pathIds[index]}`}`),
        ),
        ...message.announced.flatMap(({ prefixes, pathIds }) =>
          prefixes.map((at, index) => `+ ${at}${pathIds === undefined ? '' : ` ${pathIds[index]}`}${extra}`),
        ),
        ...(message.endOfRib === undefined ? [] : [`end ${message.endOfRib}`]),
      ];
    }),
  );
}

const announced = (...prefixes: (typeof ONE)[]) => [{ family: 4, prefixes, nextHop }] as const;

describe('what policy makes of an UPDATE (RFC 7854 §5)', () => {
  it('is what came in, with what import changes', () => {
    up();
    expect(read({ withdrawn: [], announced: announced(ONE, TWO), attributes: attributes() })).toEqual([
      `+ ${ONE}`,
      `+ ${TWO}`,
    ]);
    expect(read({ withdrawn: [{ family: 4, prefixes: [ONE] }], announced: [] })).toEqual([`- ${ONE}`]);
    expect(read({ withdrawn: [], announced: [], endOfRib: 6 })).toEqual(['end 6']);
    // The peer is about to leave: preference is ours to set, and a station is told of it.
    const leaving = attributes({ communities: [0xffff0000] });
    expect(read({ withdrawn: [], announced: announced(ONE), attributes: leaving })).toEqual([
      `+ ${ONE} pref 0 c${0xffff0000}`,
    ]);
  });

  it('withdraws what is refused as a whole', () => {
    up();
    const looped = attributes({ asPath: [{ type: 'sequence', asNumbers: [65001, 64512] }] });
    expect(read({ withdrawn: [], announced: announced(ONE), attributes: looped })).toEqual([`- ${ONE}`]);
  });

  it('parts prefixes by what filters say of each', () => {
    const marked = { ...UNCHANGED, communities: [7] };
    const filters: FilterChain = ({ prefix: bits }) => {
      const text = formatPrefixBits(bits);
      return { accept: text !== ONE, rule: 'r', edit: text === TWO ? marked : UNCHANGED };
    };
    up({ filters });
    expect(read({ withdrawn: [], announced: announced(ONE, TWO, THREE), attributes: attributes() })).toEqual([
      `- ${ONE}`,
      `+ ${TWO} c7`,
      `+ ${THREE}`,
    ]);
  });

  it('keeps path identifiers where the session has them (RFC 7911)', () => {
    up();
    const session = { ...wire, addPathReceive: [4], addPathSend: [4] } as const;
    const list = { family: 4, prefixes: [ONE, ONE], pathIds: [1, 2], nextHop } as const;
    expect(read({ withdrawn: [], announced: [list], attributes: attributes() }, session)).toEqual([
      `+ ${ONE} 1`,
      `+ ${ONE} 2`,
    ]);
  });

  it('costs nothing while nobody wants it', () => {
    up();
    wanted = false;
    read({ withdrawn: [], announced: announced(ONE), attributes: attributes() });
    expect(updates).toEqual([]);
  });

  it('holds what policy has made too long for a message of the session', () => {
    const communities = Array.from({ length: 1000 }, (_, index) => index + 1);
    const many = { ...UNCHANGED, communities: Array.from({ length: 100 }, (_, index) => 5000 + index) };
    up({ filters: () => ({ accept: true, rule: 'r', edit: many }) });
    const lines = read({ withdrawn: [], announced: announced(ONE), attributes: attributes({ communities }) });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`+ ${ONE} c1 c2`);
    expect(lines[0]).toContain('c5099');
  });
});
