import { beforeEach, describe, expect, it } from 'vitest';
import { Advertiser } from '../../../src/bgp/advertiser.ts';
import type { ExportContext } from '../../../src/bgp/policy/export.ts';
import { ExportPolicy } from '../../../src/bgp/policy/export-policy.ts';
import { PrefixFilter } from '../../../src/bgp/policy/prefix-filter.ts';
import { UNCHANGED } from '../../../src/bgp/policy/route-edit.ts';
import { MapRib } from '../../../src/bgp/rib/map-rib.ts';
import { decodeMessage, encodeMessage } from '../../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../../src/bgp/wire/framer.ts';
import { BASIC_WIRE, type ReceivedMessage, type WireOptions } from '../../../src/bgp/wire/message.ts';
import { type Family, address } from '../../../src/net/address.ts';
import { prefix, type Prefix } from '../../../src/net/prefix.ts';
import { NO_FACTS } from './policy/make.ts';
import { attributes, path, source, table } from './rib/make.ts';

const peer = source('10.0.0.2');
const other = source('10.0.0.3');
const wire: WireOptions = { ...BASIC_WIRE, fourOctetAs: true, families: [4, 6] };
const context: ExportContext = {
  peer,
  localAs: 64512,
  clusterId: undefined,
  nextHopMode: 'auto',
  ownAddresses: { 4: address('10.0.0.1'), 6: address('fd00::1') },
  extendedNextHop: false,
  sharedNetworks: [],
  leaving: false,
  policy: new ExportPolicy({
    prefixes: new PrefixFilter(NO_FACTS),
    filters: ({ prefix: at }) => ({ accept: !hidden.has(at), rule: 'hidden', edit: UNCHANGED }),
    normalMetric: { 4: 1024, 6: 1024 },
  }),
  ownLocalPref: { 4: 100, 6: 100 },
};
const P4 = prefix('10.65.1.0/26');
const P6 = prefix('fd65::1:0/122');
const own = path(undefined, { asPath: [] }).route;
const settled = (): boolean => true;

let rib: MapRib;
let framer: MessageFramer;
let congested: boolean;
let oversized: Prefix[];
let hidden: Set<Prefix>;

beforeEach(() => {
  rib = new MapRib();
  framer = new MessageFramer();
  congested = false;
  oversized = [];
  hidden = new Set();
});

function select(): void {
  while (rib.select(100, () => undefined) > 0);
}

function advertiser(enhancedRouteRefresh = false): Advertiser {
  return new Advertiser({
    rib,
    routes: table,
    families: [4, 6],
    wire,
    enhancedRouteRefresh,
    context,
    congested: () => congested,
    write: (bytes) => framer.push(bytes),
    send: (message) => framer.push(encodeMessage(message, wire)),
    oversized: (at) => oversized.push(at),
  });
}

/** What the peer reads, in short. */
function read(): string[] {
  const said: string[] = [];
  for (let next = framer.next(); next instanceof Uint8Array; next = framer.next()) {
    const message = decodeMessage(next, wire);
    if (message.type === 'error') throw new Error(message.reason);
    said.push(...describeMessage(message));
  }
  return said;
}

function describeMessage(message: ReceivedMessage): string[] {
  if (message.type === 'route-refresh') return [`${message.subtype} ${message.afi}`];
  if (message.type !== 'update') return [message.type];
  if (message.endOfRib !== undefined) return [`end-of-RIB ${message.endOfRib}`];
  return [
    ...message.withdrawn.flatMap(({ prefixes }) => prefixes.map((at) => `- ${at}`)),
    ...message.announced.flatMap(({ prefixes, nextHop }) =>
      prefixes.map((at) => `+ ${at} ${nextHop.address}`),
    ),
  ];
}

describe('what a session tells its peer', () => {
  it('is the selection, and then an end-of-RIB for each family (RFC 4724 §2)', () => {
    for (const at of [P4, P6]) rib.announce(undefined, at, own);
    select();
    const session = advertiser();
    expect(session.flush(10, settled)).toBe(false);
    expect(read()).toEqual([`+ ${P4} 10.0.0.1`, 'end-of-RIB 4', `+ ${P6} fd00::1`, 'end-of-RIB 6']);
    expect(session.advertised).toBe(2);
    session.flush(10, settled);
    expect(read()).toEqual([]);
  });

  it('has no end-of-RIB before the family is settled, and none before its last route', () => {
    for (let index = 0; index < 5; index++) rib.announce(undefined, prefix(`10.65.${index}.0/26`), own);
    select();
    const session = advertiser();
    expect(session.flush(3, settled)).toBe(true);
    expect(read().filter((line) => line.startsWith('end'))).toEqual(['end-of-RIB 6']);
    const unsettled = (family: Family): boolean => family !== 4;
    expect(session.flush(3, unsettled)).toBe(false);
    expect(read()).toHaveLength(2);
    expect(session.markersDue).toBe(true);
    session.flush(3, settled);
    expect(read()).toEqual(['end-of-RIB 4']);
    expect(session.markersDue).toBe(false);
  });

  it('waits for a peer that does not read, and then tells only the newest', () => {
    rib.announce(undefined, P4, own);
    select();
    const session = advertiser();
    congested = true;
    expect(session.flush(10, settled)).toBe(false);
    expect(read()).toEqual([]);
    rib.withdraw(undefined, P4);
    rib.announce(undefined, P6, own);
    select();
    for (const [family, at] of [
      [4, P4],
      [6, P6],
    ] as const) {
      session.mark(family, at);
    }
    congested = false;
    session.flush(10, settled);
    expect(read()).toEqual(['end-of-RIB 4', `+ ${P6} fd00::1`, 'end-of-RIB 6']);
  });

  it('is judged again when the policy changes', () => {
    rib.announce(other, P4, path(other).route);
    rib.announce(other, P6, path(other).route);
    select();
    const session = advertiser();
    session.flush(10, settled);
    read();
    hidden.add(P6);
    session.changePolicy({ ...context, nextHopMode: 'keep' });
    session.flush(10, settled);
    expect(read()).toEqual([`+ ${P4} 10.0.0.3`, `- ${P6}`]);
    hidden.clear();
    session.changePolicy(context);
    session.flush(10, settled);
    expect(read()).toEqual([`+ ${P4} 10.0.0.1`, `+ ${P6} fd00::1`]);
  });

  it.each([
    [false, [`+ ${P4} 10.0.0.1`]],
    [true, ['begin 1', `+ ${P4} 10.0.0.1`, 'end 1']],
  ])(
    'is told again on request (RFC 2918), between markers where both know them: %s',
    (enhanced, expected) => {
      rib.announce(undefined, P4, own);
      select();
      const session = advertiser(enhanced);
      session.flush(10, settled);
      read();
      session.refresh(4);
      session.flush(10, settled);
      expect(read()).toEqual(expected);
    },
  );

  it('never holds a route whose attributes do not fit a message, which is withdrawn instead (RFC 4271 §9.2)', () => {
    rib.announce(undefined, P4, own);
    select();
    const session = advertiser();
    session.flush(10, settled);
    read();
    const long = table.intern(
      attributes({ communities: Array.from({ length: 2000 }, (_, index) => index) }),
      { address: other.address },
    );
    rib.withdraw(undefined, P4);
    rib.announce(other, P4, long);
    select();
    session.mark(4, P4);
    session.flush(10, settled);
    expect(read()).toEqual([`- ${P4}`]);
    expect(oversized).toEqual([P4]);
  });
});
