/**
 * Valid messages to begin from: every message type, every attribute, every capability, on sessions of every kind.
 * Values come from the generators of the codec's property tests, so the corpus grows with them; what our own writer
 * never sends stands below as octets.
 */
import fc from 'fast-check';
import { encodeMessage } from '../../src/bgp/wire/codec.ts';
import { MESSAGE_UPDATE } from '../../src/bgp/wire/iana.ts';
import { EXTENDED_MAXIMUM_LENGTH, MAXIMUM_LENGTH } from '../../src/bgp/wire/header.ts';
import { BASIC_WIRE, type Message, type WireOptions } from '../../src/bgp/wire/message.ts';
import { cease, hardReset, notification } from '../../src/bgp/wire/notification.ts';
import { anyAttributes, anyOpen, anyUpdate } from '../unit/bgp/wire/arbitraries.ts';
import { takeApart } from './bgp-message.ts';
import { framed, hex, toHex, update } from '../unit/bgp/wire/bytes.ts';

export interface CorpusMessage {
  readonly bytes: Uint8Array;
  /** Its place in {@link SESSIONS}: on such a session it is valid. */
  readonly session: number;
}

const both: Pick<WireOptions, 'families'> = { families: [4, 6] };

/** What sessions agree on, in the combinations that change how bytes are read. */
export const SESSIONS: readonly WireOptions[] = [
  { ...BASIC_WIRE, ...both, fourOctetAs: true },
  { ...BASIC_WIRE, ...both, fourOctetAs: true, external: false },
  { ...BASIC_WIRE, ...both },
  { ...BASIC_WIRE, ...both, external: false, extendedNextHop: true },
  {
    ...BASIC_WIRE,
    ...both,
    fourOctetAs: true,
    external: false,
    extendedMessages: true,
    extendedNextHop: true,
    addPathReceive: [4, 6],
    addPathSend: [4, 6],
  },
  { ...BASIC_WIRE, fourOctetAs: true },
  { ...BASIC_WIRE, families: [6], fourOctetAs: true, external: false, addPathReceive: [6], addPathSend: [6] },
];

/** Values of each kind of message for each session. Of the UPDATEs the shortest are taken, which are tried fastest. */
const SAMPLES = { updates: 120, taken: 40, opens: 12 };
/** Octets of an UPDATE of which one in a session is enough. */
const LONG = 1000;

const ORIGIN = '400101 00';
const AS_PATH = '400206 02 01 0000fde9';
const NEXT_HOP = '400304 0a000001';
const BASE = ORIGIN + AS_PATH + NEXT_HOP;

/** What our writer does not send, but others do. All for the first session. */
const FOREIGN: readonly Uint8Array[] = [
  // Attributes with the extended length bit and a short value.
  update('', `500100 01 00 50020006 02 01 0000fde9 50030004 0a000001`, '18 c00002 10 0a01'),
  // BGP Entropy Label (28), ATTR_SET (128), an unassigned one with the partial bit.
  update('', `${BASE} c01c00 c08004 0000fde9 e0fa03 010203`, '18 c00002'),
  // Withdrawals and announcements of both families in one message, as RFC 7606 §5.1 wishes nobody did.
  update(
    '18 c00002',
    `${BASE} 800e1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8 800f08 0002 01 20 20010db9`,
    '10 0a01 20 0a010203',
  ),
  // VPNv4, which no session carries.
  update('', `800e21 0001 80 0c 0000000000000000 0a000001 00 70 00001100000000010000000 10a0102 ${BASE}`, ''),
  // All damage at once: a set, a confederation, an empty path would do as well.
  update('', `${ORIGIN} 400214 02 02 0000fde9 0000fdea 01 01 0000fdeb 03 01 0000fdec ${NEXT_HOP}`, '00'),
  // Two AIGP TLVs and a foreign one.
  update('', `${BASE} 801a1a 01 000b 0000000000000001 02 0004 00 01 000b 0000000000000002`, '18 c00002'),
  // ROUTE-REFRESH with a filter (RFC 5291) and with an unknown subtype.
  framed(5, '0001 00 01 01 80 0008 00 00000001 08 0a 00 00'),
  framed(5, '0002 07 01'),
  // NOTIFICATION without data, and with an odd code.
  framed(3, '0909'),
  // OPEN with one parameter a capability, as BIRD and older speakers write it, and one without any.
  framed(1, '04 fde9 00b4 0a000001 14 0206 0104 0001 0001 0202 0200 0206 4104 0000fde9'),
  framed(1, '04 fde9 0000 0a000001 00'),
];

function values(session: number): Message[] {
  const wire = SESSIONS[session]!;
  const seed = { seed: session + 1 };
  return [
    ...fc.sample(anyUpdate(wire), { ...seed, numRuns: SAMPLES.updates }),
    ...fc.sample(anyOpen, { ...seed, numRuns: SAMPLES.opens }),
    { type: 'update', withdrawn: [], announced: [], endOfRib: 4 },
    { type: 'update', withdrawn: [], announced: [], endOfRib: 6 },
    { type: 'keepalive' },
    { type: 'route-refresh', afi: 1, safi: 1, subtype: 'request' },
    { type: 'route-refresh', afi: 2, safi: 1, subtype: 'begin' },
    { type: 'route-refresh', afi: 2, safi: 1, subtype: 'end' },
    notification(6, 4),
    cease(2, 'upgrade at noon'),
    hardReset(cease(2, 'for good')),
  ];
}

/** A message of exactly `length` octets: an unknown attribute takes what is left. */
function filled(length: number, nlri: string): Uint8Array {
  const frame = 19 + 4 + hex(BASE).length + 4 + hex(nlri).length;
  const size = length - frame;
  return update('', `${BASE} d0c8 ${size.toString(16).padStart(4, '0')} ${'5a'.repeat(size)}`, nlri);
}

/** Messages that a packed UPDATE became, one by one. */
function split(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at + 16]! * 256 + bytes[at + 17]!;
    messages.push(bytes.slice(at, at + length));
    at += length;
  }
  return messages;
}

/** The whole corpus, without doubles. The same in every run. */
export function corpus(): CorpusMessage[] {
  const found = new Map<string, CorpusMessage>();
  const add = (bytes: Uint8Array, session: number): void => {
    found.set(`${session} ${toHex(bytes)}`, { bytes, session });
  };
  for (const [session, wire] of SESSIONS.entries()) {
    const messages = values(session)
      .flatMap((value) => split(encodeMessage(value, wire)))
      .toSorted((a, b) => a.length - b.length);
    const codes = new Set<number>();
    let taken = 0;
    let long = 0;
    for (const bytes of messages) {
      const fresh = (takeApart(bytes)?.attributes ?? []).filter(({ code }) => !codes.has(code));
      for (const { code } of fresh) codes.add(code);
      const wanted = fresh.length > 0 || taken < SAMPLES.taken || (bytes.length > LONG && long++ === 0);
      if (bytes[18] === MESSAGE_UPDATE && wanted) taken++;
      if (bytes[18] !== MESSAGE_UPDATE || wanted) add(bytes, session);
    }
    // Every attribute at once.
    const [attributes] = fc.sample(
      anyAttributes(wire).filter((value) => Object.keys(value).length >= 8),
      { seed: session + 1, numRuns: 1 },
    );
    const prefixes = ['192.0.2.0/24'];
    const announced = [{ family: 4, prefixes, nextHop: { address: '10.0.0.1' }, pathIds: [7] }];
    const whole = { type: 'update', withdrawn: [], announced, attributes } as unknown as Message;
    for (const bytes of split(encodeMessage(whole, wire))) add(bytes, session);
  }
  for (const bytes of FOREIGN) add(bytes, 0);
  add(filled(MAXIMUM_LENGTH, '18 c00002'), 0);
  add(
    filled(EXTENDED_MAXIMUM_LENGTH, '00000001 18 c00002'),
    SESSIONS.findIndex(({ extendedMessages }) => extendedMessages),
  );
  return [...found.values()];
}
