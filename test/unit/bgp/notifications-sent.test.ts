/** Every NOTIFICATION that we send, provoked, with its data; held against the registry in both directions. */
import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/bgp/fsm/event.ts';
import { negotiate } from '../../../src/bgp/fsm/negotiate.ts';
import type { SessionConfig, SessionState } from '../../../src/bgp/fsm/session.ts';
import { step } from '../../../src/bgp/fsm/step.ts';
import { readMessage } from '../../../src/bgp/wire/codec.ts';
import { MessageFramer } from '../../../src/bgp/wire/framer.ts';
import * as iana from '../../../src/bgp/wire/iana.ts';
import { BASIC_WIRE, type NotificationMessage, type OpenMessage } from '../../../src/bgp/wire/message.ts';
import { NOTIFICATION_REGISTRY, type NotificationData } from '../../../src/bgp/wire/notification-registry.ts';
import { notificationOf, prefixLimitData } from '../../../src/bgp/wire/notification.ts';
import { address } from '../../../src/net/address.ts';
import { CONFIG, GRACEFUL, UPDATE, at, peerOpen } from './fsm/sessions.ts';
import { framed, hex, toHex, update } from './wire/bytes.ts';

/** What octets on a connection are answered with. */
function answer(bytes: Uint8Array): NotificationMessage {
  const framer = new MessageFramer();
  framer.push(bytes);
  const message = framer.next();
  const read =
    message instanceof Uint8Array ? readMessage(message, { ...BASIC_WIRE, families: [4, 6] }) : message;
  if (read?.type !== 'error') throw new Error('it was read');
  return notificationOf(read);
}

/** What an OPEN is answered with. */
function refused(open: OpenMessage, ours: Partial<SessionConfig> = {}): NotificationMessage {
  const result = negotiate({ ...CONFIG, ...ours }, open);
  if (!('type' in result)) throw new Error('it was accepted');
  return result;
}

/** What the peer is sent over an event. */
function sent(
  state: SessionState,
  event: SessionEvent,
  ours: Partial<SessionConfig> = {},
): NotificationMessage {
  for (const action of step(at(state, ours), event, () => 0).actions) {
    if (action.type === 'send' && action.message.type === 'notification') return action.message;
  }
  throw new Error('nothing was said');
}

const on = { connection: 'out-1' } as const;
const stop = (subcode: number, communication?: string): NotificationMessage =>
  sent('Established', { type: 'manual-stop', cease: subcode, communication });
const external = { peerAs: 65001, role: { name: 'peer', strict: true } } as const;
const ATTRIBUTES = '40010100 40020602010000fde9 4003040a000001';
const collided = (): NotificationMessage => {
  const both = step(at('OpenConfirm'), { type: 'tcp-accepted', connection: 'in-1' }, () => 0).session;
  const lower = peerOpen({ routerId: address('10.0.0.0') });
  const { actions } = step(both, { type: 'open-received', connection: 'in-1', message: lower }, () => 0);
  const said = actions.flatMap((action) =>
    action.type === 'send' && action.message.type === 'notification' ? [action.message] : [],
  );
  return said[0]!;
};

type Case = readonly [code: number, subcode: number, data: string, provoke: () => NotificationMessage];

/** By code and subcode; the data in hexadecimal. */
const CASES: readonly Case[] = [
  [iana.ERROR_MESSAGE_HEADER, 1, '', () => answer(hex(`${'ff'.repeat(15)}fe001304`))],
  [iana.ERROR_MESSAGE_HEADER, 2, '0012', () => answer(hex(`${'ff'.repeat(16)}001204`))],
  [iana.ERROR_MESSAGE_HEADER, 3, '09', () => answer(framed(9, ''))],
  [iana.ERROR_OPEN_MESSAGE, 0, '', () => answer(framed(1, '04 fc00 00b4 0a000001 02 0206'))],
  [iana.ERROR_OPEN_MESSAGE, 1, '0004', () => answer(framed(1, '03 fc00 00b4 0a000001 00'))],
  [iana.ERROR_OPEN_MESSAGE, 2, '', () => refused(peerOpen({ localAs: 64999 }))],
  [iana.ERROR_OPEN_MESSAGE, 3, '', () => refused(peerOpen({ routerId: address('0.0.0.0') }))],
  [iana.ERROR_OPEN_MESSAGE, 4, '', () => answer(framed(1, '04 fc00 00b4 0a000001 03 01 01 00'))],
  [iana.ERROR_OPEN_MESSAGE, 6, '', () => refused(peerOpen({ holdTime: 2 }))],
  [iana.ERROR_OPEN_MESSAGE, 7, '010400020001', () => refused(peerOpen({ families: [4] }), { families: [6] })],
  [iana.ERROR_OPEN_MESSAGE, 11, '', () => refused(peerOpen({ localAs: 65001 }), external)],
  [iana.ERROR_UPDATE_MESSAGE, 1, '', () => answer(framed(2, '0009 0000'))],
  [iana.ERROR_UPDATE_MESSAGE, 2, '40c80100', () => answer(update('', `${ATTRIBUTES} 40c80100`, '100a01'))],
  [iana.ERROR_UPDATE_MESSAGE, 9, '800f020002', () => answer(update('', '800f020002', ''))],
  [iana.ERROR_UPDATE_MESSAGE, 10, '', () => answer(update('21 0a01020304', '', ''))],
  [iana.ERROR_HOLD_TIMER_EXPIRED, 0, '', () => sent('Established', { type: 'hold-timer-expires', ...on })],
  [iana.ERROR_FINITE_STATE_MACHINE, 1, '04', () => sent('OpenSent', { type: 'keepalive-received', ...on })],
  [
    iana.ERROR_FINITE_STATE_MACHINE,
    2,
    '02',
    () => sent('OpenConfirm', { type: 'update-received', ...on, message: UPDATE }),
  ],
  [
    iana.ERROR_FINITE_STATE_MACHINE,
    3,
    '01',
    () => sent('Established', { type: 'open-received', ...on, message: peerOpen() }),
  ],
  [
    iana.ERROR_CEASE,
    iana.CEASE_MAXIMUM_PREFIXES,
    '00020100000009',
    () => sent('Established', { type: 'automatic-stop', cease: 1, data: prefixLimitData(6, 9) }),
  ],
  [iana.ERROR_CEASE, iana.CEASE_ADMINISTRATIVE_SHUTDOWN, '03627965', () => stop(2, 'bye')],
  [iana.ERROR_CEASE, iana.CEASE_PEER_DECONFIGURED, '', () => stop(3, 'no text goes with it')],
  [iana.ERROR_CEASE, iana.CEASE_ADMINISTRATIVE_RESET, '', () => stop(4)],
  [
    iana.ERROR_CEASE,
    iana.CEASE_CONNECTION_REJECTED,
    '',
    () => sent('Idle', { type: 'tcp-accepted', connection: 'in-1' }),
  ],
  [iana.ERROR_CEASE, iana.CEASE_OTHER_CONFIGURATION_CHANGE, '', () => stop(6)],
  [iana.ERROR_CEASE, iana.CEASE_CONNECTION_COLLISION, '', collided],
  [
    iana.ERROR_CEASE,
    iana.CEASE_HARD_RESET,
    '060203627965',
    () =>
      sent(
        'Established',
        { type: 'manual-stop', cease: 2, communication: 'bye' },
        { gracefulRestart: GRACEFUL },
      ),
  ],
  [iana.ERROR_CEASE, iana.CEASE_BFD_DOWN, '', () => stop(10)],
  [iana.ERROR_ROUTE_REFRESH_MESSAGE, 1, toHex(framed(5, '000101')), () => answer(framed(5, '000101'))],
  [
    iana.ERROR_SEND_HOLD_TIMER_EXPIRED,
    0,
    '',
    () => sent('Established', { type: 'send-hold-timer-expires', ...on }),
  ],
];

/** Whether octets are what the registry says of the data. */
const FITS: Readonly<Record<NotificationData, (data: Uint8Array) => boolean>> = {
  none: ({ length }) => length === 0,
  length: ({ length }) => length === 2,
  'message-type': ({ length }) => length === 1,
  version: ({ length }) => length === 2,
  capabilities: (data) => data[1] === data.length - 2,
  attribute: (data) => data[2] === data.length - 3,
  'prefix-limit': ({ length }) => length === 0 || length === 7,
  text: (data) => data.length === 0 || data[0] === data.length - 1,
  notification: ({ length }) => length >= 2,
  message: (data) => data[0] === 0xff && data[17] === data.length,
};

describe('a NOTIFICATION that we send', () => {
  it.each(CASES)('%i/%i has the data %j', (code, subcode, data, provoke) => {
    const message = provoke();
    expect([message.code, message.subcode, toHex(message.data)]).toEqual([code, subcode, data]);
    const { unspecific, subcodes } = NOTIFICATION_REGISTRY[code]!;
    const kind = subcode === 0 ? unspecific : subcodes[subcode]?.data;
    expect(kind !== undefined && FITS[kind](message.data)).toBe(true);
  });

  it('is each that the registry does not rule out, and no other', () => {
    const listed = Object.entries(NOTIFICATION_REGISTRY).flatMap(([code, { unspecific, subcodes }]) => [
      ...(unspecific === undefined ? [] : [`${code}/0`]),
      ...Object.entries(subcodes).flatMap(([subcode, { neverSent }]) =>
        neverSent === undefined ? [`${code}/${subcode}`] : [],
      ),
    ]);
    expect(CASES.map(([code, subcode]) => `${code}/${subcode}`)).toEqual(listed);
  });
});
