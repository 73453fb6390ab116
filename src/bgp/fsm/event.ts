/**
 * What can happen to a session: the events of RFC 4271 §8.1 that apply, with their numbers. An event of a connection
 * names it: the session names those it opens (`out-1`), the rim names those it accepts (any text unique in the peer).
 *
 * Without an event of their own are
 * - 3, 5, 6, 7 AutomaticStart in its forms: what starts a session by itself is the IdleHoldTimer (13) alone;
 * - 14 TcpConnection_Valid, 15 Tcp_CR_Invalid (options): the listener lets in none but those of a peer;
 * - 23 OpenCollisionDump: the collision is resolved within the step that reads the OPEN (§6.8).
 */
import type { DecodeError, NotificationMessage, OpenMessage } from '../wire/message.ts';
import type { ParsedUpdate } from '../wire/update.ts';
import type { RouteRefreshMessage } from '../wire/message.ts';

export type ConnectionId = string;

export type SessionEvent =
  /** 1 ManualStart, 4 ManualStart_with_PassiveTcpEstablishment (by the configuration). */
  | { readonly type: 'manual-start' }
  /** 2 ManualStop. Without `cease` connections just close, which leaves graceful restart standing (RFC 4724). */
  | {
      readonly type: 'manual-stop';
      readonly cease?: number | undefined;
      /** Shutdown communication (RFC 9003). */
      readonly communication?: string | undefined;
    }
  /** 8 AutomaticStop: the rim gives this session up, e.g. for too many prefixes. */
  | {
      readonly type: 'automatic-stop';
      readonly cease: number;
      /** The data of the Cease. */
      readonly data?: Uint8Array | undefined;
      /** Milliseconds until it may come back, or only by event 1; the idle hold time if left out. */
      readonly idle?: number | 'until-started' | undefined;
    }
  /** 9 ConnectRetryTimer_Expires. */
  | { readonly type: 'connect-retry-timer-expires' }
  /** 10 HoldTimer_Expires. */
  | { readonly type: 'hold-timer-expires'; readonly connection: ConnectionId }
  /** 11 KeepaliveTimer_Expires. */
  | { readonly type: 'keepalive-timer-expires'; readonly connection: ConnectionId }
  /** 12 DelayOpenTimer_Expires. */
  | { readonly type: 'delay-open-timer-expires'; readonly connection: ConnectionId }
  /** 13 IdleHoldTimer_Expires. */
  | { readonly type: 'idle-hold-timer-expires' }
  /** 29 SendHoldTimer_Expires (RFC 9687 §4.2): the peer has not read for the send hold time, which the rim watches. */
  | { readonly type: 'send-hold-timer-expires'; readonly connection: ConnectionId }
  /** 16 Tcp_CR_Acked: a connection that we opened is up. */
  | { readonly type: 'tcp-connected'; readonly connection: ConnectionId }
  /** 17 TcpConnectionConfirmed: the peer has connected to us. */
  | { readonly type: 'tcp-accepted'; readonly connection: ConnectionId }
  /** 18 TcpConnectionFails: it could not be opened, was reset, or the other side closed it. */
  | { readonly type: 'tcp-failed'; readonly connection: ConnectionId; readonly reason: string }
  /** 19 BGPOpen, 20 BGPOpen with DelayOpenTimer running (by the state of the connection). */
  | { readonly type: 'open-received'; readonly connection: ConnectionId; readonly message: OpenMessage }
  /** 21 BGPHeaderErr, 22 BGPOpenMsgErr, 28 UpdateMsgErr. */
  | { readonly type: 'message-malformed'; readonly connection: ConnectionId; readonly error: DecodeError }
  /** 24 NotifMsgVerErr, 25 NotifMsg. */
  | {
      readonly type: 'notification-received';
      readonly connection: ConnectionId;
      readonly message: NotificationMessage;
    }
  /** 26 KeepAliveMsg. */
  | { readonly type: 'keepalive-received'; readonly connection: ConnectionId }
  /** 27 UpdateMsg. */
  | { readonly type: 'update-received'; readonly connection: ConnectionId; readonly message: ParsedUpdate }
  /** ROUTE-REFRESH (RFC 2918), after RFC 4271's numbering. */
  | {
      readonly type: 'route-refresh-received';
      readonly connection: ConnectionId;
      readonly message: RouteRefreshMessage;
    };
