import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import { resolveCollision } from '../../../../src/bgp/fsm/collision.ts';
import { notification } from '../../../../src/bgp/wire/notification.ts';
import { GRACEFUL, at, peerOpen, run } from './sessions.ts';

const LOW = address('10.0.0.1');
const HIGH = address('10.0.0.2');

describe('which of two connections survives (RFC 4271 §6.8)', () => {
  it.each([
    ['the higher identifier opened it: ours', [1, HIGH], [1, LOW], 'outgoing'],
    ['the higher identifier opened it: the peer’s', [1, LOW], [1, HIGH], 'incoming'],
    [
      'identifiers compare as numbers, not as text',
      [1, address('9.0.0.0')],
      [1, address('10.0.0.0')],
      'incoming',
    ],
    ['equal identifiers: the higher AS number opened it (RFC 6286 §2.3)', [2, LOW], [1, LOW], 'outgoing'],
    ['equal identifiers: the peer has the higher AS number', [1, LOW], [2, LOW], 'incoming'],
  ] as const)('%s', (_name, [asNumber, identifier], [peerAs, peerIdentifier], survivor) => {
    expect(resolveCollision({ asNumber, identifier }, { asNumber: peerAs, identifier: peerIdentifier })).toBe(
      survivor,
    );
  });
});

describe('two connections of one session', () => {
  const accepted = { type: 'tcp-accepted', connection: 'in-1' } as const;
  const collision = 'Cease, Connection Collision Resolution';
  // Our identifier is 10.0.0.1: a peer above it keeps the connection that it opened, one below it ours.
  const above = peerOpen();
  const below = peerOpen({ routerId: address('10.0.0.0') });

  it('keeps the one the peer opened, if its identifier is higher', () => {
    const { session, did } = run(at('OpenConfirm'), accepted, {
      type: 'open-received',
      connection: 'in-1',
      message: above,
    });
    expect(session.connections.map(({ id, state }) => [id, state])).toEqual([['in-1', 'OpenConfirm']]);
    expect(did.slice(0, 2)).toEqual([`send out-1 ${collision}`, 'close out-1']);
  });

  it('keeps ours, if our identifier is higher', () => {
    const { session, did } = run(at('OpenConfirm', {}, below), accepted, {
      type: 'open-received',
      connection: 'in-1',
      message: below,
    });
    expect(session.connections.map(({ id, state }) => [id, state])).toEqual([['out-1', 'OpenConfirm']]);
    expect(did).toEqual([`send in-1 ${collision}`, 'close in-1']);
  });

  it('decides at the first OPEN, also against a connection that has none yet', () => {
    const both = run(at('OpenSent'), accepted).session;
    const event = { type: 'open-received', connection: 'out-1' } as const;
    expect(run(both, { ...event, message: above }).session.connections).toMatchObject([{ id: 'in-1' }]);
    expect(run(both, { ...event, message: below }).session.connections).toMatchObject([{ id: 'out-1' }]);
  });

  it('both sides keep the same one, whichever OPEN comes first', () => {
    for (const message of [above, below]) {
      const both = run(at('OpenSent'), accepted).session;
      const kept = ['out-1', 'in-1'].map(
        (connection) => run(both, { type: 'open-received', connection, message }).session.connections[0]!.id,
      );
      expect(new Set(kept).size).toBe(1);
    }
  });

  it('ends our attempt to connect as soon as the other one is established', () => {
    const dialling = run(at('Connect'), accepted, {
      type: 'open-received',
      connection: 'in-1',
      message: above,
    }).session;
    const { session, did } = run(dialling, { type: 'keepalive-received', connection: 'in-1' });
    expect(session.connections.map(({ id }) => id)).toEqual(['in-1']);
    expect(did).toContain('close out-1');
    expect(did).toContain('stop connect-retry');
  });

  it('an established connection wins without graceful restart', () => {
    const { session, did } = run(at('Established'), accepted, {
      type: 'open-received',
      connection: 'in-1',
      message: above,
    });
    expect(session.state).toBe('Established');
    expect(did).toEqual([`send in-1 ${collision}`, 'close in-1']);
  });

  it('a peer that restarts before we notice is taken back with its routes (RFC 4724 §5)', () => {
    const graceful = { gracefulRestart: GRACEFUL };
    const message = peerOpen({ gracefulRestart: { ...GRACEFUL, restarting: true } });
    const { session, did } = run(at('Established', graceful), accepted, {
      type: 'open-received',
      connection: 'in-1',
      message,
    });
    expect(session.state).toBe('OpenConfirm');
    expect(did.slice(0, 3)).toEqual([
      'close out-1',
      'lost out-1 retain [4,6]: The peer has restarted',
      'send in-1 keepalive',
    ]);
  });

  it('a second one from the peer replaces its first, unless that is established', () => {
    const first = run(at('Active'), accepted).session;
    const { session, did } = run(first, { type: 'tcp-accepted', connection: 'in-2' });
    expect(session.connections.map(({ id }) => id)).toEqual(['in-2']);
    expect(did.slice(0, 2)).toEqual(['close in-1', 'send in-2 open']);
  });

  it('the loss of one leaves the other alone', () => {
    const both = run(at('OpenSent'), accepted).session;
    const { session, did } = run(both, { type: 'tcp-failed', connection: 'out-1', reason: 'closed' });
    expect([session.state, did]).toEqual(['OpenSent', ['close out-1']]);
  });

  it('an error on one leaves the other alone, and does not count against the session', () => {
    const both = run(at('OpenSent'), accepted).session;
    const { session, did } = run(both, {
      type: 'notification-received',
      connection: 'in-1',
      message: notification(2, 2),
    });
    expect([session.state, session.failures, did]).toEqual(['OpenSent', 0, ['close in-1']]);
  });

  it('the loss of an extra one is not told of a session that is up', () => {
    const both = run(at('Established'), accepted).session;
    const { session } = run(both, { type: 'tcp-failed', connection: 'in-1', reason: 'closed' });
    expect([session.state, session.info]).toEqual(['Established', '']);
  });
});
