import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import type { Session } from '../../../../src/bgp/fsm/session.ts';
import { step } from '../../../../src/bgp/fsm/step.ts';
import type { OpenMessage } from '../../../../src/bgp/wire/message.ts';
import { notification } from '../../../../src/bgp/wire/notification.ts';
import { GRACEFUL, at, peerOpen, run } from './sessions.ts';

describe('a peer that refuses capabilities (RFC 5492 §3)', () => {
  const refusal = {
    type: 'notification-received',
    connection: 'out-1',
    message: notification(2, 4),
  } as const;
  const again: readonly SessionEvent[] = [
    { type: 'connect-retry-timer-expires' },
    { type: 'tcp-connected', connection: 'out-2' },
  ];
  const sentOpen = (session: Session): OpenMessage => {
    const dialling = run(session, again[0]!).session;
    const { actions } = step(dialling, again[1]!, Math.random);
    return actions.flatMap((action) =>
      action.type === 'send' && action.message.type === 'open' ? [action.message] : [],
    )[0]!;
  };

  for (const state of ['OpenSent', 'OpenConfirm'] as const) {
    it(`is tried again soon without them, whether its own OPEN has come or not (${state})`, () => {
      const refused = run(at(state), refusal);
      expect(refused.session.state).toBe('Active');
      expect(refused.did).toEqual(['close out-1', 'start connect-retry 1000']);
      expect(sentOpen(refused.session).capabilities).toEqual([]);
      expect(sentOpen(run(at(state), { ...refusal, message: notification(2, 7) }).session)).toBeUndefined();
    });
  }

  it('has a session for IPv4 unicast alone, whatever it offers itself, and the next is tried with them again', () => {
    const up = run(
      at('OpenSent', { gracefulRestart: GRACEFUL }),
      refusal,
      ...again,
      { type: 'open-received', connection: 'out-2', message: peerOpen({ gracefulRestart: GRACEFUL }) },
      { type: 'keepalive-received', connection: 'out-2' },
    ).session;
    expect(up.state).toBe('Established');
    expect(up.connections[0]!.negotiated).toMatchObject({
      families: [4],
      withoutCapabilities: true,
      routeRefresh: false,
      gracefulRestart: undefined,
      wire: { fourOctetAs: false, extendedMessages: false },
    });
    const lost = run(up, { type: 'tcp-failed', connection: 'out-2', reason: 'reset' }).session;
    expect(lost.refusesCapabilities).toBe(false);
  });

  it('is tried with them again however the connection without them ends', () => {
    const bare = run(at('OpenSent'), refusal, ...again).session;
    for (const end of [
      { type: 'tcp-failed', connection: 'out-2', reason: 'reset' },
      { type: 'notification-received', connection: 'out-2', message: notification(6, 5) },
    ] as const) {
      const { session } = run(bare, end);
      expect([session.state, session.refusesCapabilities]).toEqual(['Active', false]);
    }
  });

  it('is agreed with, on another connection, by what that one has offered', () => {
    const { session } = run(at('OpenSent'), { type: 'tcp-accepted', connection: 'in-1' }, refusal, {
      type: 'open-received',
      connection: 'in-1',
      message: peerOpen(),
    });
    const [other] = session.connections;
    expect([other!.state, other!.negotiated!.families]).toEqual(['OpenConfirm', [4, 6]]);
  });

  it('is refused for good where it has nothing to fall back on, or refuses that, too', () => {
    const only6 = run(at('OpenSent', { families: [6] }), refusal);
    expect([only6.session.state, only6.session.refusesCapabilities]).toEqual(['Idle', false]);
    const twice = run(at('OpenSent'), refusal, ...again, { ...refusal, connection: 'out-2' });
    expect([twice.session.state, twice.session.refusesCapabilities]).toEqual(['Idle', false]);
  });
});
