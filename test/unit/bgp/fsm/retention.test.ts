import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import { cease, hardReset, notification } from '../../../../src/bgp/wire/notification.ts';
import { GRACEFUL, at, peerOpen, run } from './sessions.ts';

describe('routes that outlive their session', () => {
  const graceful = { gracefulRestart: GRACEFUL };
  const silent = peerOpen(graceful);
  const withoutN = {
    ...silent,
    capabilities: silent.capabilities.map((capability) =>
      capability.type === 'graceful-restart' ? { ...capability, notification: false } : capability,
    ),
  };
  const received = (message: ReturnType<typeof cease>): SessionEvent => ({
    type: 'notification-received',
    connection: 'out-1',
    message,
  });
  const tcp: SessionEvent = { type: 'tcp-failed', connection: 'out-1', reason: 'closed' };
  const hold: SessionEvent = { type: 'hold-timer-expires', connection: 'out-1' };

  it.each([
    ['a lost connection, graceful restart agreed (RFC 4724 §4.2)', silent, tcp, '4,6'],
    [
      'a lost connection, the peer restarts for IPv4 only',
      peerOpen({ ...graceful, families: [4] }),
      tcp,
      '4',
    ],
    ['a lost connection, the peer knows no graceful restart', peerOpen(), tcp, ''],
    ['a NOTIFICATION without the N bit (RFC 4724 §4)', withoutN, received(cease(4)), ''],
    ['an expired hold timer without the N bit', withoutN, hold, ''],
    ['a NOTIFICATION with the N bit (RFC 8538 §4)', silent, received(cease(4)), '4,6'],
    ['an error of the peer with the N bit', silent, received(notification(3, 1)), '4,6'],
    ['an expired hold timer with the N bit (RFC 8538 §4)', silent, hold, '4,6'],
    ['a hard reset (RFC 8538 §3.1)', silent, received(hardReset(cease(2))), ''],
    ['our own stop without a Cease', silent, { type: 'manual-stop' } as const, '4,6'],
    ['our own shutdown', silent, { type: 'manual-stop', cease: 2 } as const, ''],
    ['our own reset with the N bit', silent, { type: 'manual-stop', cease: 4 } as const, '4,6'],
  ])('%s', (_name, open, event, retained) => {
    const { did } = run(at('Established', graceful, open), event);
    expect(did.find((action) => action.startsWith('lost'))).toContain(`retain [${retained}]`);
  });

  it('are not kept by a peer that we shut down, which a hard reset tells it (RFC 8538 §3.1)', () => {
    const stop: SessionEvent = { type: 'manual-stop', cease: 2, communication: 'bye' };
    expect(run(at('Established', graceful), stop).did[0]).toBe(
      'send out-1 Cease, Hard Reset: Cease, Administrative Shutdown: "bye"',
    );
    expect(run(at('Established', graceful, withoutN), stop).did[0]).toBe(
      'send out-1 Cease, Administrative Shutdown: "bye"',
    );
  });
});
