import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import type { SessionConfig, SessionState } from '../../../../src/bgp/fsm/session.ts';
import { step } from '../../../../src/bgp/fsm/step.ts';
import type { OpenMessage } from '../../../../src/bgp/wire/message.ts';
import { cease, notification, prefixLimitData } from '../../../../src/bgp/wire/notification.ts';
import { CONFIG, UPDATE, at, peerOpen, run } from './sessions.ts';

interface Row {
  readonly state: SessionState;
  readonly event: SessionEvent;
  readonly next: SessionState;
  readonly actions: readonly string[];
  readonly change?: Partial<SessionConfig>;
  readonly note?: string;
}

const on = { connection: 'out-1' } as const;
const refresh = { type: 'route-refresh', afi: 1, safi: 1, subtype: 'request' } as const;
const malformed = {
  type: 'error',
  code: 3,
  subcode: 1,
  data: new Uint8Array(0),
  reason: 'the lists do not fit',
} as const;
const TO_IDLE = ['stop connect-retry', 'start idle-hold 1000'];
const unexpected = (subcode: number, type: number): string =>
  `Finite State Machine Error, Receive Unexpected Message in ${['OpenSent', 'OpenConfirm', 'Established'][subcode - 1]} State: message type ${type}`;
const fsmError = (subcode: number, type: number): string[] => [
  `send out-1 ${unexpected(subcode, type)}`,
  'close out-1',
];
const lost = (reason: string): string => `lost out-1 retain []: ${reason}`;

/** RFC 4271 §8.2.2, state by state. */
const ROWS: readonly Row[] = [
  // Idle
  {
    state: 'Idle',
    event: { type: 'manual-start' },
    next: 'Connect',
    actions: ['stop idle-hold', 'connect out-1', 'start connect-retry 4000'],
  },
  {
    state: 'Idle',
    event: { type: 'manual-start' },
    next: 'Connect',
    actions: ['stop idle-hold', 'connect out-1', 'start connect-retry 4000'],
    change: { passive: true },
    note: 'passive: one attempt',
  },
  {
    state: 'Idle',
    event: { type: 'manual-start' },
    next: 'Active',
    actions: ['stop idle-hold'],
    change: { passive: 'always' },
    note: 'always passive: none',
  },
  {
    state: 'Idle',
    event: { type: 'tcp-accepted', connection: 'in-1' },
    next: 'Idle',
    actions: ['send in-1 Cease, Connection Rejected', 'close in-1'],
  },
  { state: 'Idle', event: { type: 'connect-retry-timer-expires' }, next: 'Idle', actions: [] },
  {
    state: 'Idle',
    event: { type: 'idle-hold-timer-expires' },
    next: 'Idle',
    actions: [],
    note: 'not started',
  },
  { state: 'Idle', event: { type: 'automatic-stop', cease: 1 }, next: 'Idle', actions: [] },
  // Connect
  {
    state: 'Connect',
    event: { type: 'tcp-connected', ...on },
    next: 'OpenSent',
    actions: ['send out-1 open', 'start out-1 hold 240000', 'stop connect-retry'],
  },
  {
    state: 'Connect',
    event: { type: 'tcp-failed', ...on, reason: 'ECONNREFUSED' },
    next: 'Active',
    actions: ['close out-1', 'start connect-retry 1000'],
  },
  {
    state: 'Connect',
    event: { type: 'connect-retry-timer-expires' },
    next: 'Connect',
    actions: ['close out-1', 'connect out-2', 'start connect-retry 4000'],
  },
  {
    state: 'Connect',
    event: { type: 'tcp-failed', ...on, reason: 'ECONNREFUSED' },
    next: 'Active',
    actions: ['close out-1'],
    change: { passive: true },
    note: 'passive',
  },
  {
    state: 'Connect',
    event: { type: 'connect-retry-timer-expires' },
    next: 'Active',
    actions: ['close out-1'],
    change: { passive: true },
    note: 'passive',
  },
  {
    state: 'Connect',
    event: { type: 'tcp-accepted', connection: 'in-1' },
    next: 'OpenSent',
    actions: ['send in-1 open', 'start in-1 hold 240000'],
    note: 'our own attempt goes on',
  },
  {
    state: 'Connect',
    event: { type: 'manual-stop', cease: 2 },
    next: 'Idle',
    actions: ['close out-1', 'stop connect-retry', 'stop idle-hold'],
  },
  { state: 'Connect', event: { type: 'manual-start' }, next: 'Connect', actions: [] },
  // Active
  {
    state: 'Active',
    event: { type: 'connect-retry-timer-expires' },
    next: 'Connect',
    actions: ['connect out-2', 'start connect-retry 4000'],
  },
  {
    state: 'Active',
    event: { type: 'tcp-accepted', connection: 'in-1' },
    next: 'OpenSent',
    actions: ['send in-1 open', 'start in-1 hold 240000', 'stop connect-retry'],
  },
  {
    state: 'Active',
    event: { type: 'manual-stop' },
    next: 'Idle',
    actions: ['stop connect-retry', 'stop idle-hold'],
  },
  // OpenSent
  {
    state: 'OpenSent',
    event: { type: 'open-received', ...on, message: peerOpen() },
    next: 'OpenConfirm',
    actions: ['send out-1 keepalive', 'start out-1 hold 90000', 'start out-1 keepalive 30000'],
  },
  {
    state: 'OpenSent',
    event: { type: 'open-received', ...on, message: peerOpen({ holdTime: 0 }) },
    next: 'OpenConfirm',
    actions: ['send out-1 keepalive', 'stop out-1 hold'],
    note: 'a hold time of zero',
  },
  {
    state: 'OpenSent',
    event: { type: 'open-received', ...on, message: peerOpen({ localAs: 64999 }) },
    next: 'Idle',
    actions: ['send out-1 OPEN Message Error, Bad Peer AS', 'close out-1', ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'tcp-failed', ...on, reason: 'closed' },
    next: 'Active',
    actions: ['close out-1', 'start connect-retry 1000'],
  },
  {
    state: 'OpenSent',
    event: { type: 'hold-timer-expires', ...on },
    next: 'Idle',
    actions: ['send out-1 Hold Timer Expired', 'close out-1', ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'keepalive-received', ...on },
    next: 'Idle',
    actions: [...fsmError(1, 4), ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'update-received', ...on, message: UPDATE },
    next: 'Idle',
    actions: [...fsmError(1, 2), ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'message-malformed', ...on, error: { ...malformed, code: 2, subcode: 1 } },
    next: 'Idle',
    actions: ['send out-1 OPEN Message Error, Unsupported Version Number', 'close out-1', ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'notification-received', ...on, message: notification(2, 2) },
    next: 'Idle',
    actions: ['close out-1', ...TO_IDLE],
  },
  {
    state: 'OpenSent',
    event: { type: 'manual-stop', cease: 4, communication: 'new key' },
    next: 'Idle',
    actions: [
      'send out-1 Cease, Administrative Reset: "new key"',
      'close out-1',
      'stop connect-retry',
      'stop idle-hold',
    ],
  },
  { state: 'OpenSent', event: { type: 'connect-retry-timer-expires' }, next: 'OpenSent', actions: [] },
  // OpenConfirm
  {
    state: 'OpenConfirm',
    event: { type: 'keepalive-received', ...on },
    next: 'Established',
    actions: ['stop connect-retry', 'start out-1 hold 90000', 'established out-1'],
  },
  {
    state: 'OpenConfirm',
    event: { type: 'keepalive-timer-expires', ...on },
    next: 'OpenConfirm',
    actions: ['send out-1 keepalive', 'start out-1 keepalive 30000'],
  },
  {
    state: 'OpenConfirm',
    event: { type: 'open-received', ...on, message: peerOpen() },
    next: 'Idle',
    actions: [...fsmError(2, 1), ...TO_IDLE],
  },
  {
    state: 'OpenConfirm',
    event: { type: 'route-refresh-received', ...on, message: refresh },
    next: 'Idle',
    actions: [...fsmError(2, 5), ...TO_IDLE],
  },
  {
    state: 'OpenConfirm',
    event: { type: 'hold-timer-expires', ...on },
    next: 'Idle',
    actions: ['send out-1 Hold Timer Expired', 'close out-1', ...TO_IDLE],
  },
  {
    state: 'OpenConfirm',
    event: { type: 'notification-received', ...on, message: cease(5) },
    next: 'Active',
    actions: ['close out-1', 'start connect-retry 1000'],
    note: 'a Cease is no error',
  },
  // Established
  {
    state: 'Established',
    event: { type: 'update-received', ...on, message: UPDATE },
    next: 'Established',
    actions: ['start out-1 hold 90000', 'deliver-update out-1'],
  },
  {
    state: 'Established',
    event: { type: 'keepalive-received', ...on },
    next: 'Established',
    actions: ['start out-1 hold 90000'],
  },
  {
    state: 'Established',
    event: { type: 'route-refresh-received', ...on, message: refresh },
    next: 'Established',
    actions: ['deliver-route-refresh out-1'],
  },
  {
    state: 'Established',
    event: { type: 'keepalive-timer-expires', ...on },
    next: 'Established',
    actions: ['send out-1 keepalive', 'start out-1 keepalive 30000'],
  },
  {
    state: 'Established',
    event: { type: 'hold-timer-expires', ...on },
    next: 'Idle',
    actions: ['send out-1 Hold Timer Expired', 'close out-1', lost('Sent: Hold Timer Expired'), ...TO_IDLE],
  },
  {
    state: 'Established',
    event: { type: 'send-hold-timer-expires', ...on },
    next: 'Idle',
    actions: [
      'send out-1 Send Hold Timer Expired',
      'close out-1',
      lost('Sent: Send Hold Timer Expired'),
      ...TO_IDLE,
    ],
  },
  {
    state: 'Established',
    event: { type: 'message-malformed', ...on, error: malformed },
    next: 'Idle',
    actions: [
      'send out-1 UPDATE Message Error, Malformed Attribute List',
      'close out-1',
      lost('Sent: UPDATE Message Error, Malformed Attribute List (the lists do not fit)'),
      ...TO_IDLE,
    ],
  },
  {
    state: 'Established',
    event: { type: 'open-received', ...on, message: peerOpen() },
    next: 'Idle',
    actions: [...fsmError(3, 1), lost(`Sent: ${unexpected(3, 1)}`), ...TO_IDLE],
  },
  {
    state: 'Established',
    event: { type: 'notification-received', ...on, message: cease(2, 'maintenance') },
    next: 'Active',
    actions: [
      'close out-1',
      lost('Received: Cease, Administrative Shutdown: "maintenance"'),
      'start connect-retry 1000',
    ],
  },
  {
    state: 'Established',
    event: { type: 'tcp-failed', ...on, reason: 'ECONNRESET' },
    next: 'Active',
    actions: ['close out-1', lost('Connection lost: ECONNRESET'), 'start connect-retry 1000'],
  },
  {
    state: 'Established',
    event: { type: 'tcp-failed', ...on, reason: 'ECONNRESET' },
    next: 'Active',
    actions: ['close out-1', lost('Connection lost: ECONNRESET')],
    change: { passive: true },
    note: 'passive',
  },
  {
    state: 'Established',
    event: { type: 'automatic-stop', cease: 1 },
    next: 'Idle',
    actions: [
      'send out-1 Cease, Maximum Number of Prefixes Reached',
      'close out-1',
      lost('Sent: Cease, Maximum Number of Prefixes Reached'),
      ...TO_IDLE,
    ],
  },
  {
    state: 'Established',
    event: { type: 'automatic-stop', cease: 1, data: prefixLimitData(6, 9), idle: 300_000 },
    next: 'Idle',
    actions: [
      'send out-1 Cease, Maximum Number of Prefixes Reached: more than 9 of IPv6',
      'close out-1',
      lost('Sent: Cease, Maximum Number of Prefixes Reached: more than 9 of IPv6'),
      'stop connect-retry',
      'start idle-hold 300000',
    ],
    note: 'for a time',
  },
  {
    state: 'Established',
    event: { type: 'automatic-stop', cease: 1, idle: 'until-started' },
    next: 'Idle',
    actions: [
      'send out-1 Cease, Maximum Number of Prefixes Reached',
      'close out-1',
      lost('Sent: Cease, Maximum Number of Prefixes Reached'),
      'stop connect-retry',
    ],
    note: 'until it is started again',
  },
  {
    state: 'Established',
    event: { type: 'manual-stop' },
    next: 'Idle',
    actions: ['close out-1', lost('Stopped'), 'stop connect-retry', 'stop idle-hold'],
    note: 'without a Cease',
  },
];

describe('the state machine (RFC 4271 §8.2.2)', () => {
  for (const { state, event, next, actions, change, note } of ROWS) {
    const suffix = note === undefined ? '' : ` (${note})`;
    it(`${state}, ${event.type}${suffix}: ${next}`, () => {
      // A passive session is brought up as an active one: which side opened does not matter once it is up.
      const before = { ...at(state), config: { ...CONFIG, ...change } };
      expect(before.state).toBe(state);
      const after = run(before, event);
      expect(after.session.state).toBe(next);
      expect(after.did).toEqual(actions);
    });
  }

  it('ignores events of connections that it has closed or never had', () => {
    for (const state of ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'] as const) {
      const before = at(state);
      for (const type of ['tcp-connected', 'keepalive-received', 'hold-timer-expires'] as const) {
        expect(run(before, { type, connection: 'out-9' })).toEqual({ session: before, did: [] });
      }
    }
  });

  it('takes a subtype of ROUTE-REFRESH for what it says only from a peer that knows them (RFC 7313 §5, RFC 2918 §3)', () => {
    const delivered = (open: OpenMessage): unknown => {
      const message = { ...refresh, subtype: 'begin' } as const;
      const { actions } = step(
        at('Established', {}, open),
        { type: 'route-refresh-received', ...on, message },
        Math.random,
      );
      return actions.map((action) => action.type === 'deliver-route-refresh' && action.message.subtype);
    };
    const open = peerOpen();
    const plain = {
      ...open,
      capabilities: open.capabilities.filter(({ type }) => type !== 'enhanced-route-refresh'),
    };
    expect(delivered(open)).toEqual(['begin']);
    expect(delivered(plain)).toEqual(['request']);
  });

  it('draws timers between three quarters and all of their value (RFC 4271 §10)', () => {
    for (const [random, milliseconds] of [
      [0, 4000],
      [0.5, 3500],
      [0.999, 3001],
    ] as const) {
      const { actions } = step(at('Active'), { type: 'connect-retry-timer-expires' }, () => random);
      expect(actions.at(-1)).toMatchObject({ type: 'start-timer', milliseconds });
    }
  });
});

describe('Idle after errors (DampPeerOscillations, RFC 4271 §8.1.1)', () => {
  const fail = (session: ReturnType<typeof at>, id: string): ReturnType<typeof run> =>
    run(
      session,
      { type: 'tcp-connected', connection: id },
      { type: 'notification-received', connection: id, message: notification(2, 2) },
    );

  it('lasts twice as long with every error, up to the maximum, and refuses connections', () => {
    let session = at('Connect');
    const times: string[] = [];
    for (let attempt = 1; attempt <= 7; attempt++) {
      const failed = fail(session, `out-${attempt}`);
      times.push(failed.did.at(-1)!);
      expect(run(failed.session, { type: 'tcp-accepted', connection: 'in-1' }).did).toEqual([
        'send in-1 Cease, Connection Rejected',
        'close in-1',
      ]);
      session = run(failed.session, { type: 'idle-hold-timer-expires' }).session;
      expect(session.state).toBe('Connect');
    }
    expect(times).toEqual(
      [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map((time) => `start idle-hold ${time}`),
    );
  });

  it('starts small again once a session has lived from one KEEPALIVE to the next', () => {
    const failed = { ...at('Established'), failures: 5 };
    expect(run(failed, { type: 'keepalive-received', connection: 'out-1' }).session.failures).toBe(0);
  });

  it('does not end by itself when the operator has stopped the session', () => {
    const stopped = run(fail(at('Connect'), 'out-1').session, { type: 'manual-stop' }).session;
    expect(run(stopped, { type: 'idle-hold-timer-expires' }).session.state).toBe('Idle');
    expect(run(stopped, { type: 'manual-start' }).session).toMatchObject({ state: 'Connect', failures: 0 });
  });
});

describe('what is told of a session', () => {
  it('is the last NOTIFICATION, sent or received, in words', () => {
    const received = {
      type: 'notification-received',
      connection: 'out-1',
      message: cease(2, 'bye'),
    } as const;
    expect(run(at('Established'), received).session.info).toBe(
      'Received: Cease, Administrative Shutdown: "bye"',
    );
    expect(run(at('Established'), { type: 'manual-stop', cease: 3 }).session.info).toBe(
      'Sent: Cease, Peer De-configured',
    );
    expect(
      run(at('Connect'), { type: 'tcp-failed', connection: 'out-1', reason: 'ECONNREFUSED' }).session.info,
    ).toBe('Connection lost: ECONNREFUSED');
  });

  it('keeps the last NOTIFICATION in sight when connections fail after it', () => {
    const { session } = run(
      at('Established'),
      { type: 'notification-received', ...on, message: cease(2, 'bye') },
      { type: 'connect-retry-timer-expires' },
      { type: 'tcp-failed', connection: 'out-2', reason: 'ECONNREFUSED' },
    );
    expect(session.info).toBe(
      'Received: Cease, Administrative Shutdown: "bye"; then: Connection lost: ECONNREFUSED',
    );
  });

  it('is nothing once the session is up', () => {
    const session = { ...at('OpenConfirm'), info: 'Connection lost: ECONNREFUSED' };
    expect(run(session, { type: 'keepalive-received', connection: 'out-1' }).session.info).toBe('');
  });
});
