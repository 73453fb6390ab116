/** Turns what the codec read into the event it is (RFC 4271 §8.1.5). */
import type { IncomingMessage } from '../wire/codec.ts';
import type { DecodeError } from '../wire/message.ts';
import type { ConnectionId, SessionEvent } from './event.ts';

export function messageEvent(connection: ConnectionId, message: IncomingMessage | DecodeError): SessionEvent {
  switch (message.type) {
    case 'open':
      return { type: 'open-received', connection, message };
    case 'update':
      return { type: 'update-received', connection, message };
    case 'notification':
      return { type: 'notification-received', connection, message };
    case 'keepalive':
      return { type: 'keepalive-received', connection };
    case 'route-refresh':
      return { type: 'route-refresh-received', connection, message };
    case 'error':
      return { type: 'message-malformed', connection, error: message };
  }
}
