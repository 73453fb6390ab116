/** What a session wants done; the rim does it in this order. */
import type { Family } from '../../net/address.ts';
import type { Message, RouteRefreshMessage } from '../wire/message.ts';
import type { ParsedUpdate } from '../wire/update.ts';
import type { ConnectionId } from './event.ts';
import type { Negotiated } from './negotiate.ts';

/** Timers of the session; the others belong to a connection. */
export type SessionTimer = 'connect-retry' | 'idle-hold';
export type ConnectionTimer = 'hold' | 'keepalive' | 'delay-open';

export type SessionAction =
  /** Open a TCP connection; answer with `tcp-connected` or `tcp-failed`. */
  | { readonly type: 'connect'; readonly connection: ConnectionId }
  /** Close after what was sent is flushed, or stop opening it. Its timers end, and no event of it may follow. */
  | { readonly type: 'close'; readonly connection: ConnectionId }
  | { readonly type: 'send'; readonly connection: ConnectionId; readonly message: Message }
  /** Starts or restarts. On expiry: event `TIMER-timer-expires`. */
  | { readonly type: 'start-timer'; readonly timer: SessionTimer; readonly milliseconds: number }
  | { readonly type: 'stop-timer'; readonly timer: SessionTimer }
  | {
      readonly type: 'start-connection-timer';
      readonly connection: ConnectionId;
      readonly timer: ConnectionTimer;
      readonly milliseconds: number;
    }
  | {
      readonly type: 'stop-connection-timer';
      readonly connection: ConnectionId;
      readonly timer: ConnectionTimer;
    }
  /** The session is up: from now on read and write with `negotiated.wire`. */
  | { readonly type: 'established'; readonly connection: ConnectionId; readonly negotiated: Negotiated }
  /**
   * The session, which was up, is down. Routes of the families in `retain` are kept as stale for
   * `restartTime` seconds (RFC 4724 §4.2); all others go now.
   */
  | {
      readonly type: 'lost';
      readonly connection: ConnectionId;
      readonly reason: string;
      readonly retain: readonly Family[];
      readonly restartTime: number;
    }
  | {
      readonly type: 'deliver-update';
      readonly connection: ConnectionId;
      readonly message: ParsedUpdate;
    }
  | {
      readonly type: 'deliver-route-refresh';
      readonly connection: ConnectionId;
      readonly message: RouteRefreshMessage;
    };
