/** Whatever happens, in whatever order, a session stays in a state that makes sense. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import {
  type Session,
  type SessionConnection,
  type SessionState,
  createSession,
} from '../../../../src/bgp/fsm/session.ts';
import { step } from '../../../../src/bgp/fsm/step.ts';
import type { OpenMessage } from '../../../../src/bgp/wire/message.ts';
import { cease, notification } from '../../../../src/bgp/wire/notification.ts';
import { CONFIG, GRACEFUL, UPDATE, peerOpen } from './sessions.ts';
import { address } from '../../../../src/net/address.ts';

/** A connection by its place among those that are open, so that events hit; past the end it is one long closed. */
const connection = fc.nat(2).map(String);
const often = (
  weight: number,
  arbitrary: fc.Arbitrary<SessionEvent>,
): fc.WeightedArbitrary<SessionEvent> => ({
  weight,
  arbitrary,
});
const peers = [
  peerOpen(),
  peerOpen({ gracefulRestart: GRACEFUL }),
  peerOpen({ routerId: address('10.0.0.0'), holdTime: 0 }),
];
/** What a well-behaved peer and an empty network would cause next. */
interface Progress {
  readonly type: 'progress';
  readonly connection: string;
  readonly message: OpenMessage;
}
const progress: fc.Arbitrary<Progress> = connection.chain((id) =>
  fc.constantFrom(...peers).map((message) => ({ type: 'progress', connection: id, message })),
);
const event: fc.Arbitrary<SessionEvent> = fc.oneof(
  often(6, fc.constant({ type: 'manual-start' })),
  often(
    2,
    fc.constantFrom<SessionEvent>(
      { type: 'manual-stop' },
      { type: 'manual-stop', cease: 2, communication: 'bye' },
      { type: 'automatic-stop', cease: 1 },
    ),
  ),
  often(
    4,
    fc.constantFrom<SessionEvent>(
      { type: 'connect-retry-timer-expires' },
      { type: 'idle-hold-timer-expires' },
    ),
  ),
  often(
    20,
    fc.record({ type: fc.constantFrom('tcp-connected', 'tcp-accepted', 'keepalive-received'), connection }),
  ),
  often(
    12,
    connection.chain((id) =>
      fc.constantFrom(...peers).map((message) => ({ type: 'open-received', connection: id, message })),
    ),
  ),
  often(
    1,
    connection.map((id) => ({ type: 'open-received', connection: id, message: peerOpen({ localAs: 1 }) })),
  ),
  often(
    3,
    fc.record({
      type: fc.constantFrom(
        'delay-open-timer-expires',
        'hold-timer-expires',
        'send-hold-timer-expires',
        'keepalive-timer-expires',
      ),
      connection,
    }),
  ),
  often(
    2,
    connection.map((id) => ({ type: 'tcp-failed', connection: id, reason: 'closed' })),
  ),
  often(
    2,
    connection.map((id) => ({ type: 'update-received', connection: id, message: UPDATE })),
  ),
  often(
    2,
    fc.record({
      type: fc.constant('notification-received'),
      connection,
      message: fc.constantFrom(cease(2, 'bye'), notification(3, 1), notification(200, 200)),
    }),
  ),
  often(
    1,
    connection.map((id) => ({
      type: 'message-malformed',
      connection: id,
      error: { type: 'error', code: 1, subcode: 1, data: new Uint8Array(0), reason: 'noise' },
    })),
  ),
);

/** The event with the name of a connection in place of its number. */
function aim(next: SessionEvent | Progress, session: Session, sequence: number): SessionEvent {
  if (!('connection' in next)) return next;
  if (next.type === 'tcp-accepted') return { ...next, connection: `in-${sequence}` };
  const target = session.connections[Number(next.connection)];
  const id = target?.id ?? 'closed';
  if (next.type !== 'progress') return { ...next, connection: id };
  switch (target?.state) {
    case undefined:
      return { type: session.enabled ? 'idle-hold-timer-expires' : 'manual-start' };
    case 'Connect':
      return { type: 'tcp-connected', connection: id };
    case 'Delayed':
    case 'OpenSent':
      return { type: 'open-received', connection: id, message: next.message };
    case 'OpenConfirm':
    case 'Established':
      return { type: 'keepalive-received', connection: id };
  }
}

/** A connection whose OPEN is delayed is in Connect or Active (RFC 4271 §8.2.2). */
function rfcState({ state, outgoing }: SessionConnection): SessionState {
  return state === 'Delayed' ? (outgoing ? 'Connect' : 'Active') : state;
}

function check(session: Session): void {
  const { state, connections } = session;
  const states = connections.map((entry) => entry.state);
  expect(connections.length).toBeLessThanOrEqual(2);
  expect(connections.filter(({ outgoing }) => outgoing).length).toBeLessThanOrEqual(1);
  expect(states.filter((entry) => entry === 'Established').length).toBeLessThanOrEqual(1);
  expect(new Set(connections.map(({ id }) => id)).size).toBe(connections.length);
  if (connections.length === 0) expect(['Idle', 'Active']).toContain(state);
  else expect(connections.map(rfcState)).toContain(state);
  if (!session.enabled) expect(state).toBe('Idle');
  for (const entry of connections) {
    expect(entry.negotiated !== undefined).toBe(
      entry.state === 'OpenConfirm' || entry.state === 'Established',
    );
  }
}

describe('any sequence of events', () => {
  it('leaves a legal session, and every connection and every session that began is ended once', () => {
    let sessions = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(event, progress), { minLength: 10, maxLength: 60, size: 'max' }),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(0, 5000),
        (events, passive, graceful, delayOpenTime) => {
          let session = createSession({
            ...CONFIG,
            passive,
            delayOpenTime,
            gracefulRestart: graceful ? GRACEFUL : undefined,
          });
          const open = new Set<string>();
          const up = new Set<string>();
          for (const [sequence, unaimed] of events.entries()) {
            const next = aim(unaimed, session, sequence);
            if (next.type === 'tcp-accepted') open.add(next.connection);
            const { session: after, actions } = step(session, next, () => 0.5);
            for (const action of actions) {
              if (action.type === 'connect') {
                expect(open.has(action.connection)).toBe(false);
                open.add(action.connection);
              } else if (action.type === 'close') {
                expect(open.delete(action.connection)).toBe(true);
              } else if (action.type === 'established') {
                expect(up.size).toBe(0);
                sessions++;
                up.add(action.connection);
              } else if (action.type === 'lost') {
                expect(up.delete(action.connection)).toBe(true);
              } else if (action.type === 'send' || action.type === 'start-connection-timer') {
                expect(open.has(action.connection)).toBe(true);
              }
            }
            check(after);
            expect([...open].toSorted()).toEqual(after.connections.map(({ id }) => id).toSorted());
            expect(up.size === 1).toBe(after.connections.some(({ state }) => state === 'Established'));
            session = after;
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(sessions).toBeGreaterThan(100); // else the events are too wild to say anything
  }, 30_000);
});
