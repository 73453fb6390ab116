/** Sessions in a known state, and steps in short words, for the tests of the state machine. */
import { address } from '../../../../src/net/address.ts';
import type { SessionAction } from '../../../../src/bgp/fsm/action.ts';
import type { SessionEvent } from '../../../../src/bgp/fsm/event.ts';
import { localOpen } from '../../../../src/bgp/fsm/negotiate.ts';
import {
  type Session,
  type SessionConfig,
  type SessionState,
  createSession,
} from '../../../../src/bgp/fsm/session.ts';
import { step } from '../../../../src/bgp/fsm/step.ts';
import type { OpenMessage } from '../../../../src/bgp/wire/message.ts';
import type { ParsedUpdate } from '../../../../src/bgp/wire/update.ts';
import { describeNotification } from '../../../../src/bgp/wire/notification.ts';

export const CONFIG: SessionConfig = {
  localAs: 64512,
  routerId: address('10.0.0.1'),
  peerAs: 64512,
  families: [4, 6],
  passive: false,
  holdTime: 90,
  connectTimeout: 4000,
  delayOpenTime: 0,
  connectRetryTimes: [1000, 2000, 3000],
  idleHoldTime: { initial: 1000, maximum: 30_000 },
  extendedMessages: true,
  extendedNextHop: false,
};

export const GRACEFUL = { restartTime: 120, restarting: false, forwarding: [4, 6] } as const;

/** The OPEN of a peer that is configured as we are, but for what is given. */
export function peerOpen(change: Partial<SessionConfig> = {}): OpenMessage {
  return localOpen({ ...CONFIG, routerId: address('10.0.0.2'), ...change });
}

export const UPDATE: ParsedUpdate = {
  type: 'update',
  withdrawn: [],
  announced: [],
  treatAsWithdraw: [],
  faults: [],
  endOfRib: undefined,
};

/** Without jitter. */
const noJitter = (): number => 0;

/** The session after the events, and what the last of them caused, in short words. */
export function run(
  session: Session,
  ...events: readonly SessionEvent[]
): { session: Session; did: string[] } {
  let did: string[] = [];
  for (const event of events) {
    const next = step(session, event, noJitter);
    session = next.session;
    did = next.actions.map(words);
  }
  return { session, did };
}

function words(action: SessionAction): string {
  switch (action.type) {
    case 'connect':
    case 'close':
    case 'deliver-update':
    case 'deliver-route-refresh':
    case 'established':
      return `${action.type} ${action.connection}`;
    case 'send': {
      const { message } = action;
      const what = message.type === 'notification' ? describeNotification(message) : message.type;
      return `send ${action.connection} ${what}`;
    }
    case 'start-timer':
      return `start ${action.timer} ${action.milliseconds}`;
    case 'stop-timer':
      return `stop ${action.timer}`;
    case 'start-connection-timer':
      return `start ${action.connection} ${action.timer} ${action.milliseconds}`;
    case 'stop-connection-timer':
      return `stop ${action.connection} ${action.timer}`;
    case 'lost':
      return `lost ${action.connection} retain [${action.retain.join()}]: ${action.reason}`;
  }
}

/** The events that lead from a new session to each state, over the connection `out-1`. */
export function at(
  state: SessionState,
  change: Partial<SessionConfig> = {},
  open = peerOpen(change),
): Session {
  const path: readonly (readonly [SessionState, SessionEvent])[] = [
    ['Connect', { type: 'manual-start' }],
    ['OpenSent', { type: 'tcp-connected', connection: 'out-1' }],
    ['OpenConfirm', { type: 'open-received', connection: 'out-1', message: open }],
    ['Established', { type: 'keepalive-received', connection: 'out-1' }],
  ];
  let session = createSession({ ...CONFIG, ...change });
  if (state === 'Active') {
    return run(session, path[0]![1], { type: 'tcp-failed', connection: 'out-1', reason: 'ECONNREFUSED' })
      .session;
  }
  for (const [, event] of path) {
    if (session.state === state) break;
    session = run(session, event).session;
  }
  return session;
}
