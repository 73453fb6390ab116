/** Whatever happens, in whatever order, a session stays in a state that makes sense. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import { type Session, createSession } from '../../../../src/bgp/fsm/session.ts';
import { step } from '../../../../src/bgp/fsm/step.ts';
import { cease, notification } from '../../../../src/bgp/wire/notification.ts';
import { CONFIG, GRACEFUL, UPDATE, peerOpen } from './sessions.ts';
import { address } from '../../../../src/net/address.ts';

const connection = fc.constantFrom('out-1', 'out-2', 'out-3', 'in-1', 'in-2', 'in-3');
const event: fc.Arbitrary<SessionEvent> = fc.oneof<fc.Arbitrary<SessionEvent>[]>(
  fc.constantFrom<SessionEvent>(
    { type: 'manual-start' },
    { type: 'manual-stop' },
    { type: 'manual-stop', cease: 2, communication: 'bye' },
    { type: 'automatic-stop', cease: 1 },
    { type: 'connect-retry-timer-expires' },
    { type: 'idle-hold-timer-expires' },
  ),
  fc.record({
    type: fc.constantFrom(
      'tcp-connected',
      'tcp-accepted',
      'keepalive-received',
      'hold-timer-expires',
      'send-hold-timer-expires',
      'keepalive-timer-expires',
    ),
    connection,
  }),
  connection.map((id) => ({ type: 'tcp-failed', connection: id, reason: 'closed' })),
  fc.record({
    type: fc.constant('open-received'),
    connection,
    message: fc.constantFrom(
      peerOpen(),
      peerOpen({ gracefulRestart: GRACEFUL }),
      peerOpen({ routerId: address('10.0.0.0'), holdTime: 0 }),
      peerOpen({ localAs: 1 }),
    ),
  }),
  connection.map((id) => ({ type: 'update-received', connection: id, message: UPDATE })),
  fc.record({
    type: fc.constant('notification-received'),
    connection,
    message: fc.constantFrom(cease(2, 'bye'), notification(3, 1), notification(200, 200)),
  }),
  connection.map((id) => ({
    type: 'message-malformed',
    connection: id,
    error: { type: 'error', code: 1, subcode: 1, data: new Uint8Array(0), reason: 'noise' },
  })),
);

function check(session: Session): void {
  const { state, connections } = session;
  const states = connections.map((entry) => entry.state);
  expect(connections.length).toBeLessThanOrEqual(2);
  expect(connections.filter(({ outgoing }) => outgoing).length).toBeLessThanOrEqual(1);
  expect(states.filter((entry) => entry === 'Established').length).toBeLessThanOrEqual(1);
  expect(new Set(connections.map(({ id }) => id)).size).toBe(connections.length);
  if (connections.length === 0) expect(['Idle', 'Active']).toContain(state);
  else expect(states).toContain(state);
  if (!session.enabled) expect(state).toBe('Idle');
  for (const entry of connections) {
    expect(entry.negotiated !== undefined).toBe(
      entry.state === 'OpenConfirm' || entry.state === 'Established',
    );
  }
}

describe('any sequence of events', () => {
  it('leaves a legal session, and every connection and every session that began is ended once', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 60 }),
        fc.boolean(),
        fc.boolean(),
        (events, passive, graceful) => {
          let session = createSession({
            ...CONFIG,
            passive,
            gracefulRestart: graceful ? GRACEFUL : undefined,
          });
          const open = new Set<string>();
          const up = new Set<string>();
          for (const next of events) {
            // The rim never uses the name of a connection that is open for another.
            if (next.type === 'tcp-accepted' && open.has(next.connection)) continue;
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
      { numRuns: 1500 },
    );
  });
});
