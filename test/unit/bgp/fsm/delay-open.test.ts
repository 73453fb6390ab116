import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import type { Session, SessionState } from '../../../../src/bgp/fsm/session.ts';
import { cease, notification } from '../../../../src/bgp/wire/notification.ts';
import { UPDATE, at, peerOpen, run } from './sessions.ts';

const CHANGE = { delayOpenTime: 5000 } as const;
const OUT: SessionEvent = { type: 'tcp-connected', connection: 'out-1' };
const IN: SessionEvent = { type: 'tcp-accepted', connection: 'in-1' };
const DAMPED = ['stop connect-retry', 'start idle-hold 1000'];

/** A session whose DelayOpenTimer runs on one connection. */
function delayed(connection: 'out-1' | 'in-1'): Session {
  const session = connection === 'out-1' ? at('Connect', CHANGE) : at('Active', CHANGE);
  return run(session, connection === 'out-1' ? OUT : IN).session;
}

describe('DelayOpen (RFC 4271 §8.1.1)', () => {
  it('has a connection wait for the OPEN of the peer, in Connect or Active by who has opened it', () => {
    expect(run(at('Connect', CHANGE), OUT).did).toEqual([
      'start out-1 delay-open 5000',
      'stop connect-retry',
    ]);
    expect(delayed('out-1').state).toBe('Connect');
    expect(run(at('Active', CHANGE), IN).did).toEqual(['start in-1 delay-open 5000', 'stop connect-retry']);
    expect(delayed('in-1').state).toBe('Active');
  });

  for (const on of ['out-1', 'in-1'] as const) {
    const rows: readonly (readonly [string, SessionEvent, SessionState, readonly string[]])[] = [
      [
        'event 12 sends our OPEN',
        { type: 'delay-open-timer-expires', connection: on },
        'OpenSent',
        [`send ${on} open`, `start ${on} hold 240000`, 'stop connect-retry'],
      ],
      [
        "event 20 answers the peer's OPEN with ours and a KEEPALIVE",
        { type: 'open-received', connection: on, message: peerOpen() },
        'OpenConfirm',
        [
          `stop ${on} delay-open`,
          `send ${on} open`,
          `start ${on} hold 240000`,
          'stop connect-retry',
          `send ${on} keepalive`,
          `start ${on} hold 90000`,
          `start ${on} keepalive 30000`,
        ],
      ],
      [
        'event 20 with an OPEN that will not do refuses it after ours',
        { type: 'open-received', connection: on, message: peerOpen({ localAs: 64999 }) },
        'Idle',
        [
          `stop ${on} delay-open`,
          `send ${on} open`,
          `start ${on} hold 240000`,
          'stop connect-retry',
          `send ${on} OPEN Message Error, Bad Peer AS`,
          `close ${on}`,
          ...DAMPED,
        ],
      ],
      [
        'event 18 waits for another connection',
        { type: 'tcp-failed', connection: on, reason: 'reset' },
        'Active',
        [`close ${on}`, `start connect-retry ${on === 'out-1' ? 1000 : 2000}`],
      ],
      [
        'event 21 closes without a NOTIFICATION, because no OPEN went before',
        {
          type: 'message-malformed',
          connection: on,
          error: { type: 'error', code: 1, subcode: 1, data: new Uint8Array(0), reason: 'no marker' },
        },
        'Idle',
        [`close ${on}`, ...DAMPED],
      ],
      [
        'event 25 rests',
        { type: 'notification-received', connection: on, message: notification(2, 2) },
        'Idle',
        [`close ${on}`, ...DAMPED],
      ],
      [
        'event 25 with a Cease tries again',
        { type: 'notification-received', connection: on, message: cease(5) },
        'Active',
        [`close ${on}`, `start connect-retry ${on === 'out-1' ? 1000 : 2000}`],
      ],
      ['event 26 closes', { type: 'keepalive-received', connection: on }, 'Idle', [`close ${on}`, ...DAMPED]],
      [
        'event 27 closes',
        { type: 'update-received', connection: on, message: UPDATE },
        'Idle',
        [`close ${on}`, ...DAMPED],
      ],
      [
        'event 2 closes without a word',
        { type: 'manual-stop', cease: 2 },
        'Idle',
        [`close ${on}`, 'stop connect-retry', 'stop idle-hold'],
      ],
      [
        'event 8 closes without a word',
        { type: 'automatic-stop', cease: 1 },
        'Idle',
        [`close ${on}`, ...DAMPED],
      ],
      ['event 9 changes nothing', { type: 'connect-retry-timer-expires' }, delayed(on).state, []],
      ['event 10 changes nothing', { type: 'hold-timer-expires', connection: on }, delayed(on).state, []],
      [
        'event 11 changes nothing',
        { type: 'keepalive-timer-expires', connection: on },
        delayed(on).state,
        [],
      ],
    ];
    it.each(rows)(`on ${on}: %s`, (_, event, next, did) => {
      const after = run(delayed(on), event);
      expect(after.session.state).toBe(next);
      expect(after.did).toEqual(did);
    });
  }

  it('gives a waiting connection up for one that comes up meanwhile', () => {
    const { session, did } = run(
      delayed('out-1'),
      IN,
      { type: 'open-received', connection: 'in-1', message: peerOpen() },
      { type: 'keepalive-received', connection: 'in-1' },
    );
    expect(session.connections.map(({ id, state }) => `${id} ${state}`)).toEqual(['in-1 Established']);
    expect(did.filter((words) => words.includes('out-1'))).toEqual(['close out-1']);
  });
});
