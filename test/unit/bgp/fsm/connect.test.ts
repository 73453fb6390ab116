import { describe, expect, it } from 'vitest';
import { address } from '../../../../src/net/address.ts';
import type { Session } from '../../../../src/bgp/fsm/session.ts';
import { CONFIG, at, peerOpen, run } from './sessions.ts';

const on = { connection: 'out-1' } as const;
/** The connection that is being opened. */
const dialled = (session: Session): string =>
  session.connections.find(({ state }) => state === 'Connect')!.id;

describe('a session that is being opened', () => {
  it('prefers the connection of the peer to an attempt of a passive session that is not answered (§6.8)', () => {
    for (const passive of [false, true]) {
      const { session, did } = run(
        { ...at('OpenSent'), config: { ...CONFIG, passive, routerId: address('10.0.0.9') } },
        { type: 'tcp-accepted', connection: 'in-1' },
        { type: 'open-received', connection: 'in-1', message: peerOpen() },
      );
      expect(session.connections.map(({ id }) => id)).toEqual([passive ? 'in-1' : 'out-1']);
      expect(did).toContain(`close ${passive ? 'out-1' : 'in-1'}`);
    }
  });

  it('waits longer after each attempt that fails, and begins anew once a session was up', () => {
    const waits = (session: Session, count: number): string[] =>
      Array.from({ length: count }, () => {
        const failed = run(session, {
          type: 'tcp-failed',
          connection: dialled(session),
          reason: 'ECONNREFUSED',
        });
        session = run(failed.session, { type: 'connect-retry-timer-expires' }).session;
        return failed.did.at(-1)!;
      });
    expect(waits(at('Connect'), 5)).toEqual(
      [1000, 2000, 3000, 3000, 3000].map((wait) => `start connect-retry ${wait}`),
    );
    const up = { ...at('OpenConfirm'), attempts: 5 };
    const { session } = run(
      up,
      { type: 'keepalive-received', ...on },
      { type: 'tcp-failed', ...on, reason: 'reset' },
      { type: 'connect-retry-timer-expires' },
    );
    expect(waits(session, 1)).toEqual(['start connect-retry 2000']);
  });
});
